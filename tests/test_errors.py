"""Errors cross process borders: every class survives pickle with its message and hint."""

import pickle

import pytest

from vedette import errors
from vedette.errors import UnknownNameError, VedetteError

CLASSES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VedetteError)
]


def sample(kind: type[VedetteError]) -> VedetteError:
    if kind is UnknownNameError:
        return UnknownNameError("codec model", "charm-lit", ["charm-lite", "charm"])
    return kind("the shutter is stuck", hint="turn it off and on")


def test_every_class_of_the_drawn_tree_is_tried():
    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}
    assert {kind.__name__ for kind in CLASSES} == drawn


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_class_message_and_hint(kind, protocol):
    before = sample(kind)
    after = pickle.loads(pickle.dumps(before, protocol))
    assert type(after) is kind
    assert str(after) == str(before) and after.args == before.args
    assert after.hint == before.hint != ""
