"""Training recipes on EuroSAT: one network and schedule, many number formats."""

from dataclasses import dataclass, replace
from typing import Literal

from vedette.errors import UnknownNameError
from vedette.lowbit.config import LowBit
from vedette.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A classifier, its schedule, and the numbers it is trained in.

    `precision` is "fp32", "bf16" (autocast) or a `LowBit`; `side` the pixels of an image's side.
    """

    model: str
    side: int
    train: TrainConfig
    optimizer: Literal["sgd", "adamw"]
    precision: Literal["fp32", "bf16"] | LowBit
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0


_ALL4 = LowBit(where="all")
# The formats that are compared, of any of the networks below.
PRECISIONS: dict[str, Literal["fp32", "bf16"] | LowBit] = {
    "fp32": "fp32",
    "bf16": "bf16",
    "888": replace(_ALL4, weight_bits=8, act_bits=8, grad_bits=8),
    "666": replace(_ALL4, weight_bits=6, act_bits=6, grad_bits=6),
    "444": _ALL4,
    # the comparison of groupings, without the outer steps that blur it
    "444-shift": replace(_ALL4, outer=False),
    "444-tensor": replace(_ALL4, outer=False, grouping="tensor"),
    "444-channel": replace(_ALL4, outer=False, grouping="channel"),
    "444-l2": replace(_ALL4, norm="l2"),
    "444-range": replace(_ALL4, norm="range"),
    "444-l1-float": replace(_ALL4, norm_bits=None),
}
_NETWORKS = {
    # 10 epochs of 6,000 images, halved to 32 pixels: 2 to 4 min on one core with AVX-512.
    "resnet20": Recipe(
        model="resnet20",
        side=32,
        train=TrainConfig(
            steps=460, batch=128, learning_rate=0.1, warmup=50, clip_norm=5.0, eval_every=115, save_every=115
        ),
        optimizer="sgd",
        precision="fp32",
    ),
    # 10 epochs at 64 pixels.
    "vit": Recipe(
        model="vit-64",
        side=64,
        train=TrainConfig(
            steps=460, batch=128, learning_rate=1e-3, warmup=60, clip_norm=1.0, eval_every=115, save_every=115
        ),
        optimizer="adamw",
        precision="fp32",
        weight_decay=0.05,
        label_smoothing=0.1,
    ),
    # What ships: 30 epochs at the full 64 pixels.
    "resnet20-64": Recipe(
        model="resnet20",
        side=64,
        train=TrainConfig(
            steps=1380,
            batch=128,
            learning_rate=0.1,
            warmup=100,
            clip_norm=5.0,
            eval_every=460,
            save_every=100,
        ),
        optimizer="sgd",
        precision="bf16",
    ),
}
# ResNet-20 on small images for 30 epochs.
_NETWORKS["resnet20-long"] = replace(
    _NETWORKS["resnet20"],
    train=replace(_NETWORKS["resnet20"].train, steps=1380, warmup=100, eval_every=345),
)
RECIPES = {
    f"{network}-{format}": replace(recipe, precision=precision)
    for network, recipe in _NETWORKS.items()
    for format, precision in PRECISIONS.items()
} | {
    # Seconds; shows that the loop runs.
    "smoke": replace(
        _NETWORKS["resnet20"],
        train=TrainConfig(steps=4, batch=16, learning_rate=0.05, warmup=2, eval_every=4, save_every=4),
        precision=_ALL4,
    )
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`.

    >>> recipe("resnet20-444").precision.weight_bits
    4
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
