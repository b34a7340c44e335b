"""The engine as it is built: sizes, and the codes of its descriptors (rtl/engine.sv)."""

from dataclasses import dataclass

from vedette.errors import InputError

LANES, CHUNK, BEAT = 16, 8, 16  # outputs of a tile, terms of a chunk, bytes of a beat
END, LOAD, NORM, SOFTMAX, GEMM = range(5)
TABLE_FIRST, TABLE_SECOND, WIDE, RESIDUAL, ROW_BIAS, OUT = range(6)
GAMMA_BITS, BETA_BITS = 20, 44


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The sizes an engine is built with; words of its memories, see engine.sv.

    Args:
        tokens: rows at once, 8 or 16.
        first, second, wide: words of the memories.
        packed: two products in one multiplier: eight weights in a row must not all be -128, nor may a value
            that is the second factor of a product of two values be -128.
    """

    tokens: int = 8
    first: int = 2048
    second: int = 1024
    wide: int = 16384
    chunks_most: int = 128
    words_most: int = 64
    packed: bool = True

    def __post_init__(self) -> None:
        if self.tokens not in (8, 16):
            raise InputError(f"{self.tokens} rows at once", hint="8 or 16")

    @property
    def multipliers(self) -> int:
        """Products in a cycle."""
        return self.tokens * LANES * CHUNK
