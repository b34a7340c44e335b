"""Arithmetic as operations of a design: what behavioral cells are lowered to, with constants folded.

A bit is a net's number, or "0" or "1". AND and OR are multiplexers with a constant; a full adder is two XORs
and a multiplexer.
"""

from collections.abc import Callable, Sequence

from vedette.hardware.netlist import Bit
from vedette.softerror.design import Kind

Bits = list[Bit]  # least significant first


class Gates:
    """Writes operations; a result that is constant, or one of the operands, costs none.

    Args:
        emit: (kind, inputs) -> the bit that a new operation drives.
    """

    def __init__(self, emit: Callable[[Kind, Sequence[Bit]], Bit]) -> None:
        self.emit = emit
        self.inverted: dict[Bit, Bit] = {"0": "1", "1": "0"}

    def not_(self, a: Bit) -> Bit:
        """1 - a; of one bit once."""
        if a not in self.inverted:
            made = self.emit(Kind.NOT, [a])
            self.inverted[a], self.inverted[made] = made, a
        return self.inverted[a]

    def xor(self, a: Bit, b: Bit) -> Bit:
        """a ^ b."""
        if a in ("0", "1"):
            a, b = b, a
        if b == "0":
            return a
        if b == "1":
            return self.not_(a)
        return "0" if a == b else self.emit(Kind.XOR, [a, b])

    def mux(self, select: Bit, zero: Bit, one: Bit) -> Bit:
        """`one` where `select` is 1, else `zero`."""
        if select in ("0", "1"):
            return one if select == "1" else zero
        if zero == one:
            return zero
        if (zero, one) == ("0", "1"):
            return select
        if (zero, one) == ("1", "0"):
            return self.not_(select)
        return self.emit(Kind.MUX, [select, zero, one])

    def and_(self, a: Bit, b: Bit) -> Bit:
        """a & b."""
        if a in ("0", "1"):
            a, b = b, a
        return self.mux(a, "0", b)

    def choose(self, select: Sequence[Bit], words: Sequence[Bits]) -> Bits:
        """The word whose number `select` is; its lowest bit comes first. As many words as numbers."""
        level = list(words)
        for bit in select:
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [[self.mux(bit, x, y) for x, y in zip(low, high, strict=True)] for low, high in pairs]
        return level[0]

    def add(self, a: Sequence[Bit], b: Sequence[Bit], carry: Bit = "0") -> Bits:
        """a + b + carry, of the width of a; what is carried out of it is lost."""
        total = []
        for x, y in zip(a, b, strict=True):
            half = self.xor(x, y)
            total.append(self.xor(half, carry))
            carry = self.mux(half, x, carry)
        return total

    def multiply(self, a: Sequence[Bit], b: Sequence[Bit]) -> Bits:
        """The product of two signed numbers, of both widths together: row by row, the last one subtracted."""
        width, product = len(a), Bits()
        rest: Bits = ["0"] * (width + 1)
        for place, bit in enumerate(b):
            row = [self.and_(x, bit) for x in a]
            last = place == len(b) - 1
            if last:
                row = [self.not_(x) for x in row]
            rest = self.add(rest, [*row, row[-1]], "1" if last else "0")
            product.append(rest[0])
            rest = [*rest[1:], rest[-1]]
        return product + rest[:width]


def extended(bits: Sequence[Bit], width: int) -> Bits:
    """A signed number in more bits."""
    return [*bits, *[bits[-1]] * (width - len(bits))]
