"""What a training run is: a frozen set of values, checked once."""

from dataclasses import dataclass

from vedette.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Steps, batch and optimizer of a run.

    Args:
        steps: optimizer steps in all; the learning rate falls to 1 % of its start over them (cosine).
        batch: crops per step, over all processes.
        crop: side of a square training crop, pixels.
        learning_rate: at the start, after `warmup` steps.
        clip_norm: largest gradient norm.
        eval_every, save_every: steps between validations and between checkpoints.
        seed: of initialization and sampling.
        bf16: run the networks under bfloat16 autocast; None: where the device multiplies bfloat16 itself.

    >>> TrainConfig(steps=10, batch=4).crop
    128
    """

    steps: int
    batch: int = 8
    crop: int = 128
    learning_rate: float = 1e-3
    warmup: int = 100
    clip_norm: float = 1.0
    eval_every: int = 500
    save_every: int = 250
    seed: int = 1
    bf16: bool | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "crop", "eval_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", hint=f"{name} must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate is {self.learning_rate}", hint="choose one between 0 and 1")
