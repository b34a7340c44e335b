"""Number formats of integer activations, and how networks are walked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

HIDDEN_MAX = 1023  # activations inside a network have ten bits and a sign
GDN_FRAC = 6  # fractional bits of a GDN's roots beyond its input's; gamma has twice as many
TANH_FRAC = 8  # of what enters a tanh
GATE_FRAC, SIGMOID_FRAC = 7, 8  # of what enters a sigmoid, and of what leaves it
GUARD_BITS = 4  # more of them inside a wavelet


@dataclass(frozen=True, eq=False)
class Format:
    """Fractional bits and largest magnitude of each channel of an integer activation."""

    frac: Int[Tensor, " c"]
    most: Int[Tensor, " c"]

    @classmethod
    def of(cls, channels: int, frac: int, most: int) -> "Format":
        """The same format for every channel."""
        return cls(torch.full((channels,), frac), torch.full((channels,), most))

    @property
    def channels(self) -> int:
        return len(self.frac)

    @property
    def single_frac(self) -> int:
        """The fractional bits that all channels share."""
        (frac,) = set(self.frac.tolist())
        return int(frac)

    def chunk(self, chunks: int, dim: int) -> "tuple[Format, ...]":
        """As a tensor's `chunk` along the channels."""
        pairs = zip(self.frac.chunk(chunks), self.most.chunk(chunks), strict=True)
        return tuple(Format(frac, most) for frac, most in pairs)

    def narrow(self, dim: int, start: int, length: int) -> "Format":
        """As a tensor's `narrow` along the channels."""
        return Format(self.frac[start : start + length], self.most[start : start + length])


def join(formats: Sequence[Format]) -> Format:
    """Channels behind one another, as `torch.cat` puts them."""
    return Format(torch.cat([f.frac for f in formats]), torch.cat([f.most for f in formats]))


def frac_for(largest: float) -> int:
    """Fractional bits at which `largest` still fits a hidden activation.

    >>> frac_for(1.0)
    9
    """
    return max(0, min(12, math.floor(math.log2(HIDDEN_MAX / max(largest, 1e-6)))))


def flatten(net: nn.Module) -> list[nn.Module]:
    """The modules of nested sequences, in order."""
    return [m for child in net for m in flatten(child)] if isinstance(net, nn.Sequential) else [net]
