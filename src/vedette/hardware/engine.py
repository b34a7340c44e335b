"""The engine as it is built: sizes, and the codes of its descriptors (rtl/engine.sv)."""

from dataclasses import dataclass

from vedette.errors import InputError
from vedette.hardware.devices import Device

LANES, BEAT = 16, 16  # outputs of a tile, bytes of a beat
END, LOAD, NORM, SOFTMAX, GEMM, SELECT = range(6)
TABLE_FIRST, TABLE_SECOND, WIDE, RESIDUAL, ROW_BIAS, OUT, SCORE = range(7)
# of a descriptor's first word: the second factor lies in a memory, and turned; SOFTMAX may still run; the
# first factor is its result; rows are those that the last selection left
FROM_MEMORY, TRANSPOSED, BESIDE, OF_CHANCES, LIVE = (1 << bit for bit in (12, 13, 14, 15, 16))
GAMMA_BITS, BETA_BITS = 20, 44
# multipliers: rows and terms at once
SIZES = {1024: (8, 8), 2048: (16, 8), 4096: (16, 16)}


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The sizes an engine is built with; words of its memories, see engine.sv.

    Args:
        tokens: rows at once, 8 or 16.
        terms: of each sum at once, 8; or 16 with 16 rows.
        first, second, chances, wide: words of the memories.
        packed: two products in one multiplier: eight weights in a row must not all be -128, nor may a value
            that is the second factor of a product of two values be -128.
    """

    tokens: int = 8
    terms: int = 8
    first: int = 2048
    second: int = 1024
    chances: int = 512
    wide: int = 16384
    chunks_most: int = 128
    words_most: int = 64
    rows_most: int = 256
    packed: bool = True

    def __post_init__(self) -> None:
        if self.tokens not in (8, 16):
            raise InputError(f"{self.tokens} rows at once", hint="8 or 16")
        if self.terms not in (8, self.tokens):
            raise InputError(f"{self.terms} terms at once", hint="8, or 16 with 16 rows")

    @staticmethod
    def largest(device: Device, *, packed: bool = True) -> int:
        """Multipliers of the largest size whose products fit the DSPs of a device; the smallest if none does.

        >>> from vedette.hardware.devices import device
        >>> Engine.largest(device("zcu102")), Engine.largest(device("kv260"))
        (4096, 2048)
        """
        limit = device.dsps * device.usable[2] * (2 if packed else 1)
        return max((size for size in SIZES if size <= limit), default=min(SIZES))

    @property
    def multipliers(self) -> int:
        """Products in a cycle."""
        return self.tokens * LANES * self.terms
