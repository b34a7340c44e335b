"""Descriptors, tables and weights as the engine's stream has them: beats of 16 bytes, lowest first."""

from collections.abc import Mapping

import numpy as np

from vedette.errors import InputError
from vedette.hardware.engine import LANES, Engine

PACKED_TERMS = 8  # whose sum a packed multiplier's lane holds


def descriptor(op: int, words: Mapping[int, int]) -> bytes:
    values = np.zeros(32, dtype=np.int64)
    for at, word in words.items():
        values[at] = word
    values[0] |= op
    return (values & 0xFFFFFFFF).astype("<u4").tobytes()


def padded(values: np.ndarray, size: int) -> np.ndarray:
    return np.pad(values, (0, size - len(values)), mode="edge" if len(values) else "constant")


def joined(values: np.ndarray, bits: int) -> int:
    total = 0
    for number, value in enumerate(values.tolist()):
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise InputError(f"{value} in {bits} bits", hint="build the engine with wider parameters")
        total |= (value & ((1 << bits) - 1)) << number * bits
    return total


def check_weights(weight: np.ndarray, bias: np.ndarray, engine: Engine) -> None:
    """Refuse what the multipliers cannot take.

    Raises:
        InputError: weights beyond 8 bits, biases beyond 32, or eight of -128 in a row where two products
            share a multiplier.
    """
    low, high = int(weight.min()), int(weight.max())
    if low < -128 or high > 127:
        raise InputError(f"weights from {low} to {high}", hint="8 bits are taken")
    if bias.min() < -(1 << 31) or bias.max() >= 1 << 31:
        raise InputError(f"biases from {bias.min()} to {bias.max()}", hint="32 bits are taken")
    if not engine.packed or low > -128:
        return
    whole = np.pad(weight, ((0, 0), (0, -weight.shape[1] % PACKED_TERMS)))
    if (whole.reshape(-1, PACKED_TERMS) == -128).all(axis=1).any():
        # eight products of -128 and -128 are 2^17, one more than a lane of 18 bits holds; any other sum fits
        raise InputError("eight weights of -128 in a row", hint="build the engine with packed=False")


def tiles_of(
    weight: np.ndarray,
    bias: np.ndarray,
    chunks: int,
    tiles: int,
    row_bias: np.ndarray | None,
    rows: int,
    engine: Engine,
) -> bytes:
    """Tile by tile: 16 biases, the weights chunk by chunk, and where there are some, biases of each row."""
    outputs, inner = weight.shape
    whole = np.zeros((tiles * LANES, chunks * engine.terms), dtype=np.int8)
    whole[:outputs, :inner] = weight
    words = whole.reshape(tiles, LANES, chunks, engine.terms).transpose(0, 2, 1, 3)
    biases = _columns(bias[None], tiles).astype("<i4").reshape(tiles, LANES)
    per_row = (
        None if row_bias is None else _columns(row_bias, tiles).astype("<i4").reshape(rows, tiles, LANES)
    )
    parts = []
    for tile in range(tiles):
        parts += [biases[tile].tobytes(), words[tile].tobytes()]
        if per_row is not None:
            parts.append(per_row[:, tile].tobytes())
    return b"".join(parts)


def _columns(values: np.ndarray, tiles: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, tiles * LANES - values.shape[1])))
