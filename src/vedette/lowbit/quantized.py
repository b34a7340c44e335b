"""From float tensors to integers with scales: weights by row, activations by tensor, gradients in groups.

Gradients are grouped along the dimension that the product sums (specification of ShiftQuant, sections 3 and
4): integers of channel c stand for steps of R 2^-e_c / q. Where the shifted integers fit 8 bits they are
stored shifted ("absorbed"), else the product doubles its sums between groups (Horner's rule).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int8
from torch import Tensor

from vedette.errors import InputError
from vedette.lowbit.backends import Route, quantize, ranges
from vedette.lowbit.config import LowBit
from vedette.numerics import grouping, quantize8
from vedette.numerics.symmetric import magnitude

TINY = 2.0**-100  # the least range: 127 / TINY is still finite


class NotFinite(Exception):
    """A NaN or an infinity in a tensor that should be quantized."""


CLIP_SAMPLE = 16384  # values from which a clip is chosen
CLIP_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.28, 0.22, 0.17, 0.13)  # of the largest magnitude


@dataclass(frozen=True)
class Quantized:
    """Integers up to q in magnitude, and what one of them is worth: of the tensor, or of each row."""

    values: Int8[Tensor, "m n"]
    scale: Float[Tensor, " _"]
    q: int
    signed: bool = True

    @property
    def bits(self) -> int:
        """That the integers need."""
        return self.q.bit_length() + self.signed


@dataclass(frozen=True)
class Grouped:
    """A gradient's integers. Its value at inner place c is values * scale * 2^(e_max - e_c), with a scale for
    all or one for each place of the outer dimension.

    Where `exponents` is None the weights are in the integers already. `steps` are given instead where every
    channel has a step of its own, which no integer product can apply.
    """

    values: Int8[Tensor, "m n"]
    scale: Float[Tensor, " _"]
    largest: int
    exponents: np.ndarray | None = None
    steps: Float[Tensor, " inner"] | None = None


def inverse_of(limit: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """q / limit and limit / q; a limit below `TINY` counts as `TINY`.

    Raises:
        NotFinite: a limit is NaN or infinite.
    """
    if limit.numel() and not math.isfinite(float(limit.amax())):
        raise NotFinite
    safe = limit.clamp(min=TINY)
    whole = torch.full_like(limit, magnitude(bits))
    # whole / safe, for a number over a tensor is the product with a reciprocal, other in its last bit
    return whole / safe, safe / whole


def activation(x: Float[Tensor, "m n"], bits: int, route: Route, *, clip: str = "max") -> Quantized:
    """To nearest, by one step for the whole tensor; one bit more where nothing is negative (up to 7 in
    all).
    """
    rows, _ = ranges(x, route, columns=False)
    top = rows.amax(0, keepdim=True) if len(rows) else x.new_zeros(1)
    signed = bits == 8 or not x.numel() or not bool(x.amin() >= 0)
    grid = bits if signed else bits + 1
    if clip == "mse" and bool(torch.isfinite(top)):
        top = top * _best_share(x, top, grid)
    inverse, scale = inverse_of(top, grid)
    return Quantized(quantize(x, inverse, route, bits=grid), scale, magnitude(grid), signed)


def _best_share(x: Float[Tensor, "m n"], top: Float[Tensor, " 1"], bits: int) -> float:
    """The share of the largest magnitude at which clipping a sample costs least squared error."""
    flat = x.flatten()
    sample = flat[:: len(flat) // CLIP_SAMPLE | 1]  # an odd stride meets every channel of a power of two
    q = magnitude(bits)
    steps = np.array(CLIP_SHARES, np.float32) * np.float32(max(float(top), TINY) / q)
    return CLIP_SHARES[int(quantize8.clip_errors(sample.cpu().numpy(), steps, q=q).argmin())]


def weight(w: Float[Tensor, "n k"], bits: int, route: Route) -> Quantized:
    """To nearest, each row by its own largest magnitude."""
    rows, _ = ranges(w, route, columns=False)
    inverse, scale = inverse_of(rows, bits)
    return Quantized(quantize(w, inverse, route, bits=bits), scale, magnitude(bits))


def gradient(
    g: Float[Tensor, "m n"],
    limits: Float[Tensor, " inner"],
    other: int,
    config: LowBit,
    seed: int,
    route: Route,
    *,
    by_row: bool,
    fold: Float[Tensor, " n"] | None = None,
    samples: int = 1,
) -> Grouped:
    """Stochastically (or to nearest), in groups of rows or of columns.

    Args:
        limits: the largest magnitude of each row or column, `fold` applied.
        other: q of the other operand, for the bound on sums.
        by_row: groups of rows; else of columns.
        fold: a factor of each column, applied first: the scales of a weight's rows. Only by column.
        samples: so many equal blocks of rows have a step each, by column and with `config.outer`.
    """
    bits = config.grad_bits
    q = magnitude(bits)
    top = limits.amax(0, keepdim=True) if limits.numel() else limits.new_zeros(1)
    inverse, scale = inverse_of(top, bits)
    drawn = seed if config.stochastic else None
    if config.grouping == "channel":
        factors, steps = inverse_of(limits, bits)
        values = _rounded(g, factors, fold, None, bits, drawn, route, by_row)
        return Grouped(values, scale, q * other, steps=steps)
    groups = config.groups if config.grouping == "shift" else 1
    exponents = grouping.shift_exponents(limits.detach().cpu().numpy(), groups)
    most = int(exponents.max(initial=0))
    spread = most - int(exponents.min(initial=0))
    powers = torch.from_numpy(np.exp2(exponents).astype(np.float32)).to(g.device)
    absorbed = grouping.shift_bits(bits, spread + 1) <= 8
    shifts = (
        torch.from_numpy((most - exponents).astype(np.int8)).to(g.device) if absorbed and spread else None
    )
    largest = q * other << spread
    kept = None if absorbed else exponents
    if not config.outer:
        values = _rounded(g, inverse * powers, fold, shifts, bits, drawn, route, by_row)
        return Grouped(values, scale * 2.0**-most, largest, kept)
    if by_row:
        _, own = ranges(g, route, rows=False, row_factors=powers)
        inverse, scale = inverse_of(own, bits)
        values = quantize(g, powers, route, bits=bits, columns=inverse, row_shifts=shifts, seed=drawn)
        return Grouped(values, scale * 2.0**-most, largest, kept)
    columns = powers if fold is None else fold * powers
    own, _ = ranges(g, route, columns=False, column_factors=columns)
    own = own.reshape(samples, -1).amax(1) if len(own) else own
    inverse, scale = inverse_of(own, bits)
    inverse = inverse.repeat_interleave(len(g) // max(1, samples))
    values = quantize(g, inverse, route, bits=bits, columns=columns, column_shifts=shifts, seed=drawn)
    return Grouped(values, scale * 2.0**-most, largest, kept)


def _rounded(
    g: Tensor,
    factors: Tensor,
    fold: Tensor | None,
    shifts: Tensor | None,
    bits: int,
    seed: int | None,
    route: Route,
    by_row: bool,
) -> Tensor:
    if by_row:
        return quantize(g, factors, route, bits=bits, row_shifts=shifts, seed=seed)
    columns = factors if fold is None else fold * factors
    return quantize(g, g.new_ones(1), route, bits=bits, columns=columns, column_shifts=shifts, seed=seed)


def packed(found: Quantized, route: Route) -> Tensor:
    """The integers as they are kept for the backward pass: those of 4 bits or fewer two to a byte."""
    if found.bits > 4 or route != "native":
        return found.values
    return torch.from_numpy(quantize8.pack4(found.values.numpy()))


def unpacked(kept: Tensor, signed: bool, shape: torch.Size) -> Int8[Tensor, "*shape"]:
    """What `packed` was given, from what it made."""
    if kept.dtype == torch.int8:
        return kept.reshape(shape)
    values = torch.from_numpy(quantize8.unpack4(kept.numpy(), shape.numel())).reshape(shape)
    return values if signed else values.bitwise_and_(15)


def refuse_or_warn(config: LowBit, where: str) -> None:
    """What a NaN or infinity in `where` leads to: an error, or a warning that the step should be skipped."""
    import warnings

    message = f"{where} holds a NaN or an infinity"
    if config.on_nonfinite == "raise":
        raise InputError(message, hint="lower the learning rate, or skip such steps: on_nonfinite='skip'")
    warnings.warn(f"{message}; its gradients are NaN: skip this step", RuntimeWarning, stacklevel=2)
