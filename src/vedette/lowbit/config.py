"""What is trained in how many bits: a frozen set of values, checked once."""

from dataclasses import dataclass

from vedette.errors import InputError, UnknownNameError
from vedette.numerics.symmetric import magnitude

GROUPINGS = ("shift", "tensor", "channel")
CLIPS = ("mse", "max")
NORMS = ("l1", "l2", "range", "keep")


@dataclass(frozen=True, kw_only=True)
class LowBit:
    """Bits, grouping and policies of low-bit training. The defaults are ours where the paper's are unknown.

    Args:
        weight_bits, act_bits, grad_bits: 2 to 8 each.
        clip: of activations. "mse": the range of least squared error, from a sample of the tensor; "max": its
            largest magnitude. A tensor without negative values has a bit more, for it needs no sign.
        grouping: of gradients along the dimension that is summed: "shift" is ShiftQuant; "tensor" one step
            for all; "channel" each its own step, the finest, which only a float product can apply.
        groups: of "shift".
        outer: gradients also have a step of their own along the dimension that is not summed, which costs
            nothing: each sample in the gradient of the input, each output channel in that of the weight.
        stochastic: gradients are rounded stochastically, which keeps them right on average; else to nearest.
        norm: what normalization layers become: "l1", "range" (Banner et al., arXiv 1805.11046), "l2" or
            "keep".
        norm_bits: of a normalization's input, output and gradient; None: floating point.
        forward, grad_input, grad_weight: which of a layer's three products are in integers.
        attention: also the two products of attention, in `nn.classify.Attention`.
        first_last: also the first and the last layer of the network.
        where: "profitable" leaves layers alone whose products are too small to gain; "all" converts them too.
        on_nonfinite: what a NaN or infinity in a gradient does: "raise", or "skip", where the gradients of
            the step become NaN, so that a loop that checks their norm skips it, and a warning says so.
        seed: of stochastic rounding.

    >>> LowBit(weight_bits=4, act_bits=4, grad_bits=4).groups
    4
    """

    weight_bits: int = 4
    act_bits: int = 4
    grad_bits: int = 4
    clip: str = "mse"
    grouping: str = "shift"
    groups: int = 4
    outer: bool = True
    stochastic: bool = True
    norm: str = "l1"
    norm_bits: int | None = 8
    forward: bool = True
    grad_input: bool = True
    grad_weight: bool = True
    attention: bool = False
    first_last: bool = False
    where: str = "profitable"
    on_nonfinite: str = "skip"
    seed: int = 1

    def __post_init__(self) -> None:
        for bits in (self.weight_bits, self.act_bits, self.grad_bits, self.norm_bits or 8):
            magnitude(bits)
        for what, got, known in (
            ("clip", self.clip, CLIPS),
            ("way of grouping", self.grouping, GROUPINGS),
            ("normalization", self.norm, NORMS),
            ("choice of layers", self.where, ("profitable", "all")),
            ("answer to a NaN", self.on_nonfinite, ("raise", "skip")),
        ):
            if got not in known:
                raise UnknownNameError(what, got, known)
        if not 1 <= self.groups <= 8:
            raise InputError(f"{self.groups} groups", hint="take 1 to 8")
        if self.norm == "keep" and self.norm_bits not in (8, None):
            raise InputError("bits of a normalization that is kept", hint="choose norm='l1' or leave them")

    def __str__(self) -> str:
        bits = f"{self.weight_bits}/{self.act_bits}/{self.grad_bits}"
        grouping = f"{self.grouping} {self.groups}" if self.grouping == "shift" else self.grouping
        grouping += " and outer steps" if self.outer and self.grouping != "channel" else ""
        norm = f"{self.norm} {self.norm_bits or 'float'}" if self.norm != "keep" else "kept"
        return f"{bits} bits, gradients by {grouping}, normalization {norm}"
