"""The table of codec networks: its keys are the names that everything else uses."""

from typing import Any

from vedette.codec.models.lite import CharmLite
from vedette.errors import UnknownNameError

MODELS = {"charm-lite": CharmLite}


def build(name: str, **options: Any) -> CharmLite:
    """The untrained network called `name`.

    >>> sum(p.numel() for p in build("charm-lite").parameters()) < 4_000_000
    True
    """
    if name not in MODELS:
        raise UnknownNameError("codec model", name, MODELS)
    return MODELS[name](**options)
