"""Training recipes: a named set of values, with the time it takes and the score to expect."""

from dataclasses import dataclass, field
from typing import Any, Literal

from vedette.errors import InputError, UnknownNameError
from vedette.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model, its loss and its schedule.

    Args:
        rdoq: symbols are chosen as the encoder chooses them.
        rate_weights: of the bits of coarse and fine steps in the loss; positive.
        options: of the model.
    """

    model: str
    train: TrainConfig
    distortion: Literal["mse", "ms-ssim"] = "mse"
    rdoq: bool = False
    rate_weights: tuple[float, float] = (1.0, 1.0)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(0 < weight < 100 for weight in self.rate_weights):
            raise InputError(
                f"weights {self.rate_weights} of the rates", hint="give two positive numbers near 1"
            )


RECIPES = {
    # 1 h 46 min on one core with AVX-512 bf16 (0.25 s a step). On the validation images, coded as the
    # encoder codes: 0.205 bpp, 28.57 dB at quality 8; 0.495 bpp, 32.67 dB at 24; 1.159 bpp, 37.42 dB at 40.
    "charm-lite": Recipe(model="charm-lite", train=TrainConfig(steps=25_000)),
    # Starts from a run of the one above; larger crops, the encoder's own choice of symbols. 20 min on one
    # core: 0.209 bpp, 28.80 dB; 0.522 bpp, 33.02 dB; 1.215 bpp, 37.82 dB: 1 to 3 % fewer bits.
    "charm-lite-tune": Recipe(
        model="charm-lite",
        train=TrainConfig(steps=2200, crop=256, batch=4, learning_rate=2e-4, seed=2),
        rdoq=True,
    ),
    # Not run at this length by us.
    "charm-lite-msssim": Recipe(
        model="charm-lite", train=TrainConfig(steps=5000, crop=192, batch=4), distortion="ms-ssim"
    ),
    # The wavelet codecs, as they ship. 1 h 50 min each on one busy core (0.3 to 0.4 s a step). On validation
    # images: 0.211 bpp, 28.17 dB at quality 8; 0.535 bpp, 32.19 dB at 24; 1.247 bpp, 36.89 dB at 40. The 3D
    # form needs 1 to 2 % more bits.
    "weconvene-lite": Recipe(model="weconvene-lite", train=TrainConfig(steps=16_000)),
    "weconvene3d-lite": Recipe(model="weconvene3d-lite", train=TrainConfig(steps=16_000)),
    # The second step of 3DM-WeConvene's training, from a run of the one above: a tenth of the steps at a
    # tenth of the learning rate, other weights for low and high rates. The weights are ours: the best of four
    # tried, by 0.9 % over weights of 1 (docs/concepts/wavelet-codecs.md).
    "weconvene3d-lite-step2": Recipe(
        model="weconvene3d-lite",
        train=TrainConfig(steps=2500, learning_rate=1e-4, seed=2),
        rate_weights=(0.8, 1.0),
    ),
    # Paper size; needs a GPU, and days of it. Never trained by us: no weights of it ship.
    "charm": Recipe(
        model="charm", train=TrainConfig(steps=2_000_000, crop=256, learning_rate=1e-4, eval_every=5000)
    ),
    # As the released code trains WeConvene, but for one model for all rates. Need a GPU; never run by us.
    "weconvene": Recipe(
        model="weconvene", train=TrainConfig(steps=2_000_000, crop=256, learning_rate=1e-4, eval_every=5000)
    ),
    "weconvene3d": Recipe(
        model="weconvene3d", train=TrainConfig(steps=2_000_000, crop=256, learning_rate=1e-4, eval_every=5000)
    ),
    "weconvene3d-step2": Recipe(
        model="weconvene3d",
        train=TrainConfig(steps=200_000, crop=256, learning_rate=1e-5, eval_every=5000, seed=2),
        rate_weights=(0.8, 1.0),
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
