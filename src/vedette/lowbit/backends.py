"""Where integers are made and multiplied: the compiled kernels of `numerics`, or torch on any device.

Both give the same integers and the same sums. "native" needs a tensor on the CPU and the compiled module;
"int_mm" multiplies by torch's 8-bit product; "float" in floating point that holds every sum exactly: float32
below 2^24, float64 above.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int8
from torch import Tensor

from vedette.errors import InputError, UnknownNameError
from vedette.lowbit.operands import Matrix, Operand
from vedette.numerics import counter, product8, quantize8, symmetric

Route = Literal["auto", "native", "int_mm", "float"]
ROUTES: tuple[Route, ...] = ("auto", "native", "int_mm", "float")


def route_for(device: torch.device, wanted: Route = "auto") -> Route:
    """The route taken on `device`: the fastest there is, or the one that is wanted.

    Raises:
        InputError: the wanted one does not work there.

    >>> route_for(torch.device("cpu"), "float")
    'float'
    """
    if wanted not in ROUTES:
        raise UnknownNameError("route", wanted, ROUTES)
    native = device.type == "cpu" and product8.kernel() is not None
    fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_vnni_supported())
    if wanted == "auto":
        return "native" if native else "int_mm" if fast else "float"
    if wanted == "native" and not native:
        raise InputError(f"no compiled kernel for {device.type}", hint="take the route auto, int_mm or float")
    return wanted


def ranges(
    x: Float[Tensor, "m n"],
    route: Route,
    *,
    rows: bool = True,
    columns: bool = True,
    column_factors: Float[Tensor, " n"] | None = None,
    row_factors: Float[Tensor, " m"] | None = None,
) -> tuple[Float[Tensor, " _"], Float[Tensor, " _"]]:
    """As `numerics.quantize8.ranges`."""
    if route == "native":
        found = quantize8.ranges(
            x.numpy(),
            rows=rows,
            columns=columns,
            column_factors=None if column_factors is None else column_factors.numpy(),
            row_factors=None if row_factors is None else row_factors.numpy(),
            threads=torch.get_num_threads(),
        )
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])
    none = x.new_zeros(0)
    if not x.numel():
        return (x.new_zeros(x.shape[0]) if rows else none, x.new_zeros(x.shape[1]) if columns else none)
    of_rows = (x if column_factors is None else x * column_factors).abs().amax(1) if rows else none
    of_columns = (x if row_factors is None else x * row_factors[:, None]).abs().amax(0) if columns else none
    return of_rows, of_columns


def quantize(
    x: Float[Tensor, "m n"],
    inverse: Float[Tensor, " _"],
    route: Route,
    *,
    bits: int,
    columns: Float[Tensor, " n"] | None = None,
    column_shifts: Int8[Tensor, " n"] | None = None,
    row_shifts: Int8[Tensor, " m"] | None = None,
    seed: int | None = None,
) -> Int8[Tensor, "m n"]:
    """As `numerics.quantize8.quantize`."""
    if route == "native":
        arrays = [None if t is None else t.numpy() for t in (columns, column_shifts, row_shifts)]
        return torch.from_numpy(
            quantize8.quantize(
                x.numpy(),
                inverse.numpy(),
                bits=bits,
                columns=arrays[0],
                column_shifts=arrays[1],
                row_shifts=arrays[2],
                seed=seed,
                threads=torch.get_num_threads(),
            )
        )
    q = symmetric.magnitude(bits)
    scaled = (x if columns is None else x * columns) * (inverse[:, None] if len(inverse) > 1 else inverse)
    if seed is None:
        rounded = scaled.round()
    else:
        floor = scaled.floor()
        rounded = floor + (_uniform(seed, x.shape, x.device) < scaled - floor)
    found = rounded.clamp(-q, q).to(torch.int8)
    if column_shifts is not None:
        return found << column_shifts
    return found if row_shifts is None else found << row_shifts[:, None]


def product(
    a: Operand,
    b: Operand,
    rows: Float[Tensor, " m"],
    columns: Float[Tensor, " n"],
    bias: Float[Tensor, " n"] | None,
    route: Route,
    *,
    exponents: np.ndarray | None = None,
    largest: int,
) -> Float[Tensor, "m n"]:
    """Sums over the inner dimension times rows[m] columns[n], plus a bias, in float32.

    Args:
        exponents: e of each place of the inner dimension, weighted by 2^(e_max - e); None: no weights.
        largest: no weighted product of two values is larger in magnitude.
    """
    shifts = None if exponents is None else product8.horner(exponents)
    if route == "native":
        return torch.from_numpy(
            product8.scaled_product(
                _array(a),
                _array(b),
                rows.numpy(),
                columns.numpy(),
                None if bias is None else bias.numpy(),
                shifts=shifts,
                largest=largest,
                threads=torch.get_num_threads(),
            )
        )
    left, right = laid_out(a), laid_out(b)
    if route == "int_mm":
        sums = _grouped(left, right, shifts).float()
    else:
        exact = torch.float32 if left.shape[1] * largest < 1 << 24 else torch.float64
        left = left.to(exact)
        if shifts is not None:
            left = left * torch.from_numpy(shifts.weights(left.shape[1])).to(left.device, exact)
        sums = (left @ right.to(exact).T).float()
    scaled = sums * rows[:, None] * columns
    return scaled if bias is None else scaled + bias


def laid_out(operand: Operand) -> Tensor:
    """The operand as a plain matrix."""
    if isinstance(operand, Matrix):
        return operand.values.T if operand.inner_first else operand.values
    p = operand
    batch, height, width, channels = p.image.shape
    spread = p.image
    if p.up > 1:
        spread = spread.new_zeros(batch, (height - 1) * p.up + 1, (width - 1) * p.up + 1, channels)
        spread[:, :: p.up, :: p.up] = p.image
    need = [(o - 1) * p.stride + (k - 1) * p.dilation + 1 for o, k in zip(p.out, p.kernel, strict=True)]
    padded = spread.new_zeros(
        batch,
        max(need[0], spread.shape[1] + p.padding[0]),
        max(need[1], spread.shape[2] + p.padding[1]),
        channels,
    )
    padded[
        :,
        p.padding[0] : p.padding[0] + spread.shape[1],
        p.padding[1] : p.padding[1] + spread.shape[2],
    ] = spread
    windows = padded.unfold(1, (p.kernel[0] - 1) * p.dilation + 1, p.stride)[:, : p.out[0]]
    windows = windows.unfold(2, (p.kernel[1] - 1) * p.dilation + 1, p.stride)[:, :, : p.out[1]]
    windows = windows[..., :: p.dilation, :: p.dilation].permute(0, 1, 2, 4, 5, 3)
    rows = windows.reshape(batch * p.out[0] * p.out[1], -1)
    return rows.T if p.inner else rows


def _array(operand: Operand) -> np.ndarray | product8.Inner | product8.Patches:
    if isinstance(operand, Matrix):
        values = operand.values.numpy()
        return product8.Inner(values) if operand.inner_first else values
    return product8.Patches(**(vars(operand) | {"image": operand.image.numpy()}))


def _grouped(left: Tensor, right: Tensor, shifts: product8.Horner | None) -> Tensor:
    """Sums by torch's 8-bit product, group after group."""
    if shifts is None:
        return _int_mm(left, right)
    parts = np.split(shifts.order, shifts.doublings)
    sums = left.new_zeros(left.shape[0], right.shape[0], dtype=torch.int32)
    for index, part in enumerate(parts):
        own = torch.from_numpy(part[part >= 0].astype(np.int64)).to(left.device)
        sums = 2 * sums if index else sums
        if len(own):  # of no columns torch's product is not zero but whatever was there
            sums = sums + _int_mm(left[:, own], right[:, own])
    return sums


def _int_mm(left: Tensor, right: Tensor) -> Tensor:
    """torch._int_mm with zeros added: its CUDA form wants more than 16 rows and multiples of 8, and that of
    the CPU is wrong for an inner dimension of 1 (torch 2.13)."""
    m, k = left.shape
    n = right.shape[0]
    more_rows, more_columns = (max(0, 24 - m), -n % 8) if left.device.type == "cuda" else (0, 0)
    left = torch.nn.functional.pad(left, (0, -k % 8, 0, more_rows))
    right = torch.nn.functional.pad(right, (0, -k % 8, 0, more_columns))
    return torch._int_mm(left.contiguous(), right.contiguous().T)[:m, :n]


def _uniform(seed: int, shape: torch.Size, device: torch.device) -> Tensor:
    """`numerics.counter.uniform` in torch."""
    mask, half = 0xFFFFFFFF, counter.HALF

    def mixed(x: Tensor) -> Tensor:
        x = x ^ (x >> 16)
        x = (x * 0x7FEB352D) & mask
        x = x ^ (x >> 15)
        x = (x * 0x846CA68B) & mask
        return x ^ (x >> 16)

    size = shape.numel()
    count = torch.arange(-(-size // (2 * half)) * half, device=device)
    drawn = mixed(mixed((count + (seed * counter.SEED_STEP & mask)) & mask) ^ (seed & mask)).reshape(-1, half)
    both = torch.stack([drawn & 0xFFFF, drawn >> 16], 1).reshape(-1)[:size]
    return both.reshape(shape).float() * 2.0**-16
