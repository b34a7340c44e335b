"""Trained classifiers as files: the network's name, its classes and the image side beside the tensors."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from vedette.nn import described_file
from vedette.nn.classify import build_classifier

KIND = "classifier"
SIDE_MOST = 1024  # pixels


@dataclass(frozen=True)
class Classifier:
    """A network and what belongs to it.

    Args:
        name: of the network, as `build_classifier` knows it.
        classes: in the order of its scores.
        side: of the images it was trained on, pixels.
    """

    model: nn.Module
    name: str
    classes: tuple[str, ...]
    side: int


def save_classifier(path: Path, classifier: Classifier) -> None:
    """Write the file, whole or not at all; a network in low bits is written as the float one it came from."""
    description = {"name": classifier.name, "classes": list(classifier.classes), "side": classifier.side}
    described_file.save_described(path, classifier.model, KIND, description)


def shipped() -> tuple[str, ...]:
    """Names of the classifiers that ship with the package."""
    return described_file.shipped(KIND)


def load_classifier(name: str | Path) -> Classifier:
    """The shipped classifier called `name`, or that of the file which `name` is the path of.

    Raises:
        UnknownNameError: neither.
        InputError: a file of something else.
    """
    path, text = described_file.find(name, KIND)
    try:
        found = json.loads(text)
        classes, side = tuple(map(str, found["classes"])), int(found["side"])
        if not 1 <= side <= SIDE_MOST or len(classes) < 2:
            raise ValueError
        model = build_classifier(str(found["name"]), classes=len(classes))
        model.load_state_dict(described_file.tensors_of(path))
    except (KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise described_file.damaged(path, error) from error
    return Classifier(model.eval(), str(found["name"]), classes, side)
