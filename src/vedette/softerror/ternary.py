"""A lookup table as a few three-input operations, the fewest that two ways of splitting find.

An operation has a truth table of eight bits, bit 4 a + 2 b + c, as the AVX-512 instruction VPTERNLOG
takes it. A function of more than three inputs is split by one input (Shannon: a multiplexer of two
functions) or, where all four of its cofactors by two inputs are 0, 1, h or not h, by these two. The
cheapest tree is found by dynamic programming. Proposed by us, where the specification splits into
operations of two inputs and multiplexers.
"""

from functools import cache

Step = tuple[int, int, int, int]  # truth table, and operands: inputs 0..k-1, then results of earlier steps
_A, _B, _C = 0xF0, 0xCC, 0xAA  # the truth tables of the operands themselves
WIDEST = 6  # inputs of a table


@cache
def decompose(content: int, width: int) -> tuple[Step, ...]:
    """Steps whose last one is the table's output.

    Args:
        content: 2^width bits, bit i for address i.
        width: inputs, 0 to 6; input 0 is the least significant address.

    A multiplexer of four takes three steps, and so does the parity of six:

    >>> len(decompose(0xFF00F0F0CCCCAAAA, 6)), len(decompose(0x6996966996696996, 6))
    (3, 3)
    >>> decompose(0x8, 2)
    ((192, 1, 0, 0),)
    """
    steps: list[Step] = []
    inputs = tuple(range(width))
    _Emitter(width, steps).top(content, inputs)
    return tuple(steps)


@cache
def _halves(table: int, count: int, place: int) -> tuple[int, int]:
    """Cofactors by variable `place` of `count`: where it is 0, where it is 1."""
    half = 1 << place
    low = high = 0
    mask = (1 << half) - 1
    for block in range(1 << (count - place - 1)):
        low |= (table >> (2 * half * block) & mask) << (half * block)
        high |= (table >> (2 * half * block + half) & mask) << (half * block)
    return low, high


@cache
def _reduced(table: int, count: int) -> tuple[int, tuple[int, ...]]:
    """The function on the variables it depends on, and their places."""
    places = list(range(count))
    for place in reversed(range(count)):
        low, high = _halves(table, len(places), place)
        if low == high:
            table = low
            del places[place]
    return table, tuple(places)


@cache
def _plan(table: int, count: int) -> tuple[int, int, int]:
    """Cost in steps and the variables to split by (-1: none) of a function that depends on all of `count`."""
    if count <= 3:
        return int(count > 1), -1, -1
    best = (99, -1, -1)
    for i in range(count):
        low, high = _halves(table, count, i)
        cost = 1 + _cost(low, count - 1)
        if low ^ high != (1 << (1 << (count - 1))) - 1:
            cost += _cost(high, count - 1)
        if cost < best[0]:
            best = (cost, i, -1)
    for i in range(count):
        for j in range(i):
            rest = _common(table, count, i, j)
            if rest is not None:
                cost = 1 + _cost(rest, count - 2)
                if cost < best[0]:
                    best = (cost, i, j)
    return best


def _cost(table: int, count: int) -> int:
    reduced, places = _reduced(table, count)
    return _plan(reduced, len(places))[0]


def _quarters(table: int, count: int, i: int, j: int) -> list[int]:
    """Cofactors by variables i > j: at i, j = 00, 01, 10, 11."""
    return [quarter for half in _halves(table, count, i) for quarter in _halves(half, count - 1, j)]


def _common(table: int, count: int, i: int, j: int) -> int | None:
    """The h of which all cofactors are 0, 1, h or not h; None where there is none."""
    every = (1 << (1 << (count - 2))) - 1
    found: int | None = None
    for quarter in _quarters(table, count, i, j):
        if quarter in (0, every):
            continue
        if found is None:
            found = quarter
        elif quarter not in (found, found ^ every):
            return None
    return found


class _Emitter:
    """Writes steps; functions already written, or their complements, are used again."""

    def __init__(self, width: int, steps: list[Step]) -> None:
        self.width, self.steps = width, steps
        self.known: dict[tuple[int, tuple[int, ...]], int] = {}

    def top(self, table: int, operands: tuple[int, ...]) -> None:
        reduced, places = _reduced(table, len(operands))
        if len(places) > 3:
            self.operand(table, operands)
            return
        chosen = tuple(operands[place] for place in places)
        self._leaf(reduced, chosen)

    def operand(self, table: int, operands: tuple[int, ...]) -> tuple[int, int]:
        """Where the function is to be read and its truth table in one variable: 0, 1 (inverted), 2, 3."""
        reduced, places = _reduced(table, len(operands))
        chosen = tuple(operands[place] for place in places)
        count = len(chosen)
        if count == 0:
            return -1, 3 * (reduced & 1)
        if count == 1:
            return chosen[0], reduced
        every = (1 << (1 << count)) - 1
        if (reduced, chosen) in self.known:
            return self.known[reduced, chosen], 2
        if (reduced ^ every, chosen) in self.known:
            return self.known[reduced ^ every, chosen], 1
        if count <= 3:
            self._leaf(reduced, chosen)
        else:
            self._split(reduced, chosen)
        self.known[reduced, chosen] = self.width + len(self.steps) - 1
        return self.width + len(self.steps) - 1, 2

    def _leaf(self, table: int, chosen: tuple[int, ...]) -> None:
        """One step for up to three inputs; the most significant is operand a."""
        count = len(chosen)
        a, b, c = [*reversed(chosen)] + [chosen[0] if chosen else 0] * (3 - count)
        shift = 3 - count
        truth = sum((table >> (index >> shift) & 1) << index for index in range(8))
        self.steps.append((truth, a, b, c))

    def _split(self, table: int, chosen: tuple[int, ...]) -> None:
        count = len(chosen)
        _, i, j = _plan(table, count)
        if j < 0:
            rest = chosen[:i] + chosen[i + 1 :]
            (at0, form0), (at1, form1) = (self.operand(half, rest) for half in _halves(table, count, i))
            low, high = _formed(form0, _B), _formed(form1, _C)
            first = chosen[i]
            second, third = (first if at0 < 0 else at0), (first if at1 < 0 else at1)
            self.steps.append((low & ~_A & 255 | high & _A, first, second, third))
            return
        rest = tuple(v for place, v in enumerate(chosen) if place not in (i, j))
        common = _common(table, count, i, j)
        assert common is not None
        every = (1 << (1 << (count - 2))) - 1
        at, form = self.operand(common, rest)
        truth = 0
        for where, quarter in zip(
            (~_A & ~_B, ~_A & _B, _A & ~_B, _A & _B), _quarters(table, count, i, j), strict=True
        ):
            if quarter == every:
                value = 255
            elif quarter == 0:
                value = 0
            else:
                value = _formed(form, _C) ^ (0 if quarter == common else 255)
            truth |= where & value & 255
        self.steps.append((truth, chosen[i], chosen[j], at))


def _formed(form: int, operand: int) -> int:
    """Truth table, in three variables, of one of the four functions of `operand`."""
    return (0, ~operand & 255, operand, 255)[form]
