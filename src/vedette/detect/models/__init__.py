"""The table of detectors: its keys are the names that everything else uses."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vedette.detect.models.yolo import Yolo
from vedette.errors import UnknownNameError

_YOLOV5 = partial(Yolo, fusion="concat", focus=True, scales=3)
MODELS: dict[str, Callable[..., Yolo]] = {
    "superyolo": Yolo,
    "superyolo-lite": partial(Yolo, width=0.25),
    "superyolo-three": partial(Yolo, scales=3),
    "yolov5s": partial(_YOLOV5, width=0.5, depth=0.33),
    "yolov5m": partial(_YOLOV5, width=0.75, depth=0.67),
    "yolov5l": partial(_YOLOV5, width=1.0, depth=1.0),
    "yolov5x": partial(_YOLOV5, width=1.25, depth=1.33),
}
# Options at which a model has every part of its own and a forward takes milliseconds.
TINY: dict[str, dict[str, Any]] = {name: {"width": 0.125, "depth": 0.33} for name in MODELS}


def build(name: str, **options: Any) -> Yolo:
    """The untrained network called `name`; options are those of `Yolo`.

    >>> build("superyolo-lite", classes=8).groups
    (3, 1)
    """
    if name not in MODELS:
        raise UnknownNameError("detector", name, MODELS)
    return MODELS[name](**options)


def parameter_count(name: str, *, fused: bool = True, **options: Any) -> int:
    """Parameters of the network called `name`.

    Args:
        fused: after batch normalization is taken in, as papers count.

    >>> parameter_count("superyolo", classes=8)
    4845133
    """
    model = build(name, **options)
    if fused:
        model.fuse()
    return sum(p.numel() for p in model.parameters())


def giga_macs(name: str, *, side: int = 512, **options: Any) -> float:
    """Billions of multiply-adds for an image of `side` pixels a side (the papers call them GFLOPs).

    Convolutions and matrix products count; pooling, normalization and activations do not.
    """
    with torch.device("meta"):
        model = build(name, **options)
        image = torch.zeros(1, sum(model.groups), side, side)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval()(image)
    return float(counter.get_total_flops()) / 2e9
