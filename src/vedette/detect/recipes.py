"""Training recipes: a named set of values, with the time it takes and the score to expect."""

from dataclasses import dataclass, field
from typing import Any, Literal

from vedette.detect.augment import Augment
from vedette.errors import InputError, UnknownNameError
from vedette.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A detector, what it sees, and its schedule; `train.crop` is the side of the network's input.

    Args:
        options: of the model; groups and classes come with the data.
        groups: names and bands of the groups.
        optional: groups that may be absent; needs `augment.drop`.
        reduce: pixels of an image, each way, that make one of the network's.
        superres: how many times finer the image is that the super-resolution branch learns to make; 0 for
            no branch. It must be there: `reduce` is a multiple of it.
        superres_blocks, superres_share: residual blocks of the branch, and the share of a crop's sides that
            it sees.
        decay: of the average of the weights.
        parity: what the released code does where it has defects (`vedette.detect.task.Detection`).
        autoanchor: anchors from the data where the model's fit fewer than 98 % of the objects.
    """

    model: str = "superyolo-lite"
    options: dict[str, Any] = field(default_factory=dict)
    groups: tuple[tuple[str, int], ...] = (("rgb", 3),)
    optional: tuple[str, ...] = ()
    train: TrainConfig
    augment: Augment = field(default_factory=Augment)
    reduce: int = 1
    superres: int = 0
    superres_blocks: int = 16
    superres_share: float = 1.0
    optimizer: Literal["sgd", "adamw"] = "adamw"
    weight_decay: float = 5e-4
    decay: float = 0.998
    parity: bool = False
    autoanchor: bool = True

    def __post_init__(self) -> None:
        if self.superres and self.reduce % self.superres:
            raise InputError(
                f"super-resolution by {self.superres} of images that are reduced by {self.reduce}",
                hint="the sharper image must be there: reduce by a multiple of it",
            )
        if self.optional and not self.augment.drop:
            raise InputError(
                f"{', '.join(self.optional)} may be absent, but is never dropped in training",
                hint="give augment.drop a share, e.g. 0.3",
            )
        if not 0 < self.superres_share <= 1 or not 0 < self.decay < 1 or self.reduce < 1:
            raise InputError(
                f"superres_share {self.superres_share}, decay {self.decay}, reduce {self.reduce}",
                hint="shares above 0, up to 1, and a whole number from 1",
            )


_CONFIG = TrainConfig(
    steps=2500, batch=8, crop=192, learning_rate=2e-3, warmup=200, clip_norm=10.0, eval_every=500
)
RECIPES = {
    # The defaults that ship, with --steps 1800, 900 and 1500: 10 min each on a core with AVX-512 bf16
    # (0.35 to 0.45 s a step). AP50 on the test parts: cars 90.6 (others near 0), people 53.0, trees 31.0.
    "cars-rgb": Recipe(train=_CONFIG, options={"fusion": "concat"}, reduce=2, augment=Augment(zoom=2.0)),
    # Its images hold 9 objects in 640 x 512 pixels: drawn anywhere, 7 of 8 windows are of background.
    "uav-ir": Recipe(
        train=_CONFIG, options={"fusion": "concat"}, groups=(("ir", 1),), augment=Augment(objects=0.8)
    ),
    "trees-rgbn": Recipe(
        train=_CONFIG,
        groups=(("rgb", 3), ("nir", 1)),
        optional=("rgb", "nir"),
        augment=Augment(drop=0.3),
        options={"fusion": "learned"},
    ),
    # As published for VEDAI, images of 1024 pixels. Needs a GPU; never run by us.
    "superyolo": Recipe(
        model="superyolo",
        groups=(("rgb", 3), ("ir", 1)),
        train=TrainConfig(
            steps=163_500, batch=2, crop=512, learning_rate=0.01, warmup=1635, clip_norm=10.0, eval_every=5450
        ),
        augment=Augment(turn=False, zoom=2.0),
        reduce=2,
        superres=2,
        optimizer="sgd",
        decay=0.9999,
    ),
    # Seconds; shows that the loop runs.
    "smoke": Recipe(
        train=TrainConfig(steps=20, batch=2, crop=64, eval_every=10, save_every=10),
        options={"fusion": "concat", "width": 0.125},
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`.

    >>> recipe("smoke").train.steps
    20
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
