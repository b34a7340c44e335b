"""Descriptors, tables and weights as the engine's stream has them: beats of 16 bytes, lowest first."""

from collections.abc import Mapping

import numpy as np

from vedette.errors import InputError
from vedette.hardware.engine import CHUNK, LANES


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


def tiles_of(
    weight: np.ndarray,
    bias: np.ndarray,
    chunks: int,
    tiles: int,
    row_bias: np.ndarray | None,
    rows: int,
    packed: bool,
) -> bytes:
    """Tile by tile: 16 biases, the weights chunk by chunk, and where there are some, biases of each row."""
    if weight.min() < -128 or weight.max() > 127:
        raise InputError(f"weights from {weight.min()} to {weight.max()}", hint="8 bits are taken")
    outputs, inner = weight.shape
    whole = np.zeros((tiles * LANES, chunks * CHUNK), dtype=np.int8)
    whole[:outputs, :inner] = weight
    words = whole.reshape(tiles, LANES, chunks, CHUNK).transpose(0, 2, 1, 3)  # tile, chunk, output, term
    if packed and (words == -128).all(axis=3).any():
        # eight products of -128 and -128 are 2^17, one more than a lane of 18 bits holds; any other sum fits
        raise InputError("eight weights of -128 in a row", hint="build the engine with packed=False")
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
