"""Operands of integer products as tensors: matrices either way round, and patches of images."""

from dataclasses import dataclass

from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Matrix:
    """A matrix (outer, inner) of integers, or of the floats they stand for, the inner dimension being summed.

    `inner_first` says that it lies transposed.
    """

    values: Shaped[Tensor, "rows columns"]
    inner_first: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Outer and inner length."""
        rows, columns = self.values.shape
        return (columns, rows) if self.inner_first else (rows, columns)


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Patches of images (batch, height, width, channels), as `numerics.product8.Patches`."""

    image: Shaped[Tensor, "b h w c"]
    kernel: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]
    stride: int = 1
    dilation: int = 1
    up: int = 1
    inner: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Outer and inner length."""
        pixels = self.image.shape[0] * self.out[0] * self.out[1]
        patch = self.kernel[0] * self.kernel[1] * self.image.shape[3]
        return (patch, pixels) if self.inner else (pixels, patch)


Operand = Matrix | Patches
