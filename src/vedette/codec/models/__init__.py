"""The table of codec networks: its keys are the names that everything else uses."""

from typing import Any

from vedette.codec.models.charm import Charm
from vedette.codec.models.lite import CharmLite
from vedette.codec.models.sliced import SlicedCodec
from vedette.errors import UnknownNameError

MODELS: dict[str, type[SlicedCodec]] = {"charm": Charm, "charm-lite": CharmLite}


def build(name: str, **options: Any) -> SlicedCodec:
    """The untrained network called `name`.

    >>> sum(p.numel() for p in build("charm-lite").parameters()) < 4_000_000
    True
    """
    if name not in MODELS:
        raise UnknownNameError("codec model", name, MODELS)
    return MODELS[name](**options)


def parameter_count(name: str) -> int:
    """Parameters of the network called `name`.

    >>> parameter_count("charm") // 10**6
    60
    """
    return sum(p.numel() for p in build(name).parameters())
