"""Operands of integer products as tensors: matrices either way round, and patches of images."""

from dataclasses import dataclass

from jaxtyping import Shaped
from torch import Tensor

from vedette.numerics.product8 import Windows


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
class Patches(Windows):
    """Patches of images (batch, height, width, channels) that are tensors."""

    image: Shaped[Tensor, "b h w c"]


Operand = Matrix | Patches
