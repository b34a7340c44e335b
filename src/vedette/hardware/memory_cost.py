"""What Yosys makes of a memory with a read and a write port: block RAMs, or RAMs of tables.

Its mapper prices every form of every RAM and takes the cheapest. The forms and prices are those of its
description of these devices (share/xilinx/brams_xc4v.txt, lutrams_xc*.txt); tests hold the result to Yosys.
"""

import math

from vedette.errors import UnknownNameError
from vedette.tools.cells import Cells

# words and bits of the forms of a block RAM: half of one (a RAMB18, price 129), and whole (a RAMB36, 257)
_HALF = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_FULL = ((32768, 1), (16384, 2), (8192, 4), (4096, 9), (2048, 18), (1024, 36), (512, 72))
# of tables: words, bits, tables, price; the first part of the price is for each, the rest for the bits used
_TABLES = {
    "xcup": ((32, 14, 8, 0.0, 16.0), (64, 7, 8, 0.0, 16.0)),
    "xc7": ((32, 6, 4, 1.0, 7.0), (64, 3, 4, 1.0, 7.0)),
}
_MUX = 0.5  # price of a bit of a multiplexer's input beyond the first


def memory_cells(width: int, depth: int, family: str) -> Cells:
    """Resources of a memory of `depth` words of `width` bits whose read has a register.

    Raises:
        UnknownNameError: a family that is not described here.

    >>> memory_cells(128, 2048, "xcup")
    Cells(luts=0, ffs=0, dsps=0, bram18=15)
    >>> memory_cells(128, 64, "xcup")
    Cells(luts=152, ffs=128, dsps=0, bram18=0)
    """
    if family not in _TABLES:
        raise UnknownNameError("device family with coefficients", family, _TABLES)
    forms: list[tuple[float, Cells]] = []
    for words, bits, tables, each, used in _TABLES[family]:
        deep = -(-depth // words)
        many = -(-width // bits)
        price = deep * (each * many + used * width / bits) + _MUX * width * (deep - 1)
        forms.append((price, Cells(luts=deep * many * tables, ffs=width) + _beside(width, deep)))
    for price_each, ram18, shapes in ((129, 1, _HALF), (257, 2, _FULL)):
        for words, bits in shapes:
            deep, many = -(-depth // words), -(-width // bits)
            cells = Cells(ffs=math.ceil(math.log2(deep)), bram18=deep * many * ram18)
            price = float(price_each * deep * many) + _MUX * width * (deep - 1)
            forms.append((price, cells + _beside(width, deep)))
    return min(forms, key=lambda form: form[0])[1]


def _beside(width: int, deep: int) -> Cells:
    """Tables that choose among RAMs one above the other, and enable the one that is written."""
    return Cells(luts=_choose(deep) * width + deep) if deep > 1 else Cells()


def _choose(inputs: int) -> int:
    """Tables of a bit's multiplexer: one for four inputs, and trees of them.

    As Yosys has it for powers of two, which an engine's memories are; elsewhere it finds fewer.

    >>> [_choose(inputs) for inputs in (2, 4, 5, 6, 8, 16)]
    [1, 1, 2, 2, 3, 7]
    """
    if inputs <= 4:
        return 1
    low = 1 << (inputs - 1).bit_length() - 1
    rest = inputs - low
    return _choose(low) + 1 + (_choose(rest) if rest > 2 else 0)
