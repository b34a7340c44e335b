"""Training recipes: a named set of values, with the time it takes and the score to expect."""

from dataclasses import dataclass
from typing import Literal

from vedette.errors import UnknownNameError
from vedette.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model, its loss and its schedule."""

    model: str
    train: TrainConfig
    distortion: Literal["mse", "ms-ssim"] = "mse"


RECIPES = {
    # Two CPU cores, 0.4 to 0.6 s a step; scores stand on the card of the weights it made.
    "charm-lite": Recipe(model="charm-lite", train=TrainConfig(steps=5000)),
    "charm-lite-msssim": Recipe(
        model="charm-lite", train=TrainConfig(steps=5000, crop=192, batch=4), distortion="ms-ssim"
    ),
    # Seconds; shows that the loop runs.
    "smoke": Recipe(model="charm-lite", train=TrainConfig(steps=20, batch=2, crop=64, eval_every=10)),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`.

    >>> recipe("smoke").train.steps
    20
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
