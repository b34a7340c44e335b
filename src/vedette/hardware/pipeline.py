"""The interval of a pipelined design, in closed form: every operator a loop nest that does one trip a cycle.

    trips = passes * ceil(T / TP) * ceil(CI / CIP) * ceil(CO / COP)
    interval of a stage = 1 + the most trips of its operators

with T tokens taken TP at a time, CI input channels CIP at a time, CO output channels COP at a time. Layer
norm and softmax pass three times over a row: a model that counts multiply-adds alone misses what bounds
most stages of a transformer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vedette.errors import InputError

Pair = tuple[int, int]  # how many there are, how many a cycle takes
ROW_PASSES = 3  # of layer norm and softmax: find, sum, write


@dataclass(frozen=True, kw_only=True)
class LoopNest:
    """An operator of a stage.

    Args:
        name: what it does.
        tokens, inputs, outputs: pairs of how many there are and how many a cycle takes.
        passes: over all of it.
    """

    name: str
    tokens: Pair
    inputs: Pair = (1, 1)
    outputs: Pair = (1, 1)
    passes: int = 1

    def __post_init__(self) -> None:
        for many, at_once in (self.tokens, self.inputs, self.outputs):
            if many < 1 or at_once < 1:
                raise InputError(f"{self.name}: {many} taken {at_once} at a time", hint="give numbers from 1")

    @property
    def trips(self) -> int:
        """Cycles of the loop nest.

        >>> LoopNest(name="softmax", tokens=(196, 2), inputs=(196, 1), passes=3).trips
        57624
        """
        trips = self.passes
        for many, at_once in (self.tokens, self.inputs, self.outputs):
            trips *= -(-many // at_once)
        return trips

    @property
    def multipliers(self) -> int:
        """Products in a cycle."""
        return self.tokens[1] * self.inputs[1] * self.outputs[1]


@dataclass(frozen=True)
class Stage:
    """Operators that run side by side, each on its own hardware."""

    name: str
    operators: tuple[LoopNest, ...]

    @property
    def bound(self) -> LoopNest:
        """The slowest operator."""
        return max(self.operators, key=lambda operator: operator.trips)

    @property
    def interval_cycles(self) -> int:
        """Cycles from one image's output to the next one's."""
        return 1 + self.bound.trips


def frames_per_second(stages: Sequence[Stage], clock_mhz: float) -> float:
    """What the slowest stage lets through.

    Raises:
        InputError: no stage.
    """
    if not stages:
        raise InputError("a pipeline without stages", hint="give at least one")
    return clock_mhz * 1e6 / max(stage.interval_cycles for stage in stages)


def deit_stages(
    *, tokens: int = 196, embed_dim: int = 192, depth: int = 12, hidden: int = 768, classes: int = 1000
) -> tuple[Stage, ...]:
    """The 26 stages of HG-PIPE's DeiT-Tiny (arXiv 2407.17879) for VCK190, with its published parallelism.

    >>> stages = deit_stages()
    >>> len(stages), stages[1].bound.name, round(frames_per_second(stages, 425))
    (26, 'softmax', 7375)
    """
    two, head = (tokens, 2), embed_dim // 3
    row, wide = (embed_dim, 1), ROW_PASSES

    def nest(
        name: str, inputs: tuple[int, int], outputs: tuple[int, int] = (1, 1), passes: int = 1
    ) -> LoopNest:
        return LoopNest(name=name, tokens=two, inputs=inputs, outputs=outputs, passes=passes)

    patch = Stage("patch embedding", (nest("GEMM", (768, 16), (embed_dim, 16)), nest("input", (768, 2))))
    attention = Stage(
        "attention",
        (
            nest("layer norm", row, passes=wide),
            nest("q, k, v GEMM", (embed_dim, 6), (embed_dim, 12)),
            LoopNest(name="reorder", tokens=(tokens, 1), inputs=(head, 1), passes=2),
            nest("q k GEMM", (head, 4), (tokens, 7)),
            nest("softmax", (tokens, 1), passes=wide),
            nest("p v GEMM", (tokens, 7), (head, 4)),
            nest("output GEMM", (embed_dim, 12), (embed_dim, 6)),
            nest("residual", row),
        ),
    )
    mlp = Stage(
        "mlp",
        (
            nest("layer norm", row, passes=wide),
            nest("fc1 GEMM", (embed_dim, 12), (hidden, 24)),
            nest("gelu", (hidden, 2)),
            nest("fc2 GEMM", (hidden, 24), (embed_dim, 12)),
            nest("residual", row),
        ),
    )
    head_stage = Stage(
        "classifier",
        (
            nest("token selection", row),
            LoopNest(name="layer norm", tokens=(1, 1), inputs=row, passes=wide),
            LoopNest(name="GEMM", tokens=(1, 1), inputs=row, outputs=(classes, 4)),
        ),
    )
    return (patch, *([attention, mlp] * depth), head_stage)
