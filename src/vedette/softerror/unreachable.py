"""Table addresses that no input and no state can make: configuration bits that are safe under any stimulus.

For each table its inputs are followed back through the netlist until sixteen bits, the leaves, decide them;
all values of the leaves are tried at once, in the bits of one integer. Leaves are taken as free, though
the rest of the netlist may tie them: what is called unreachable is so (no state of the flip-flops makes
it, reachable or not), what is not may still be. Constant pins and pins tied together are the simplest
cases. The proof holds for a fault of that table alone: until its address is read it changes nothing.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from vedette.softerror.design import ONE, ZERO, Design, Kind, Operation

LEAVES_MOST = 16


def unreachable_addresses(
    design: Design, tables: Iterable[int] | None = None, *, leaves: int = LEAVES_MOST
) -> dict[int, frozenset[int]]:
    """For each table (by index; all by default) the addresses proved impossible.

    Args:
        leaves: bits at most that are tried in all combinations; 2^leaves bits of memory for each signal.

    A LUT3 whose pins are a, a and 0 can see addresses 0 and 3 alone:

    >>> from vedette.softerror.design import Port, Table
    >>> lut = Operation(Kind.TABLE, 3, (2, 2, 0), 0)
    >>> design = Design("d", 4, (Port("a", (2,)),), (Port("y", (3,)),), (lut,),
    ...                 (Table("l", "LUT3", 0x96, 3, 0),), ())
    >>> sorted(unreachable_addresses(design)[0])
    [1, 2, 4, 5, 6, 7]
    """
    driver = {operation.out: i for i, operation in enumerate(design.operations)}
    uses: dict[int, list[int]] = {}
    for index, operation in enumerate(design.operations):
        if operation.kind is Kind.TABLE:
            uses.setdefault(operation.table, []).append(index)
    wanted = range(len(design.tables)) if tables is None else tables
    result = {}
    for table in wanted:
        everything = frozenset(range(1 << design.tables[table].width))
        for use in uses.get(table, []):
            everything -= _seen(design, driver, use, leaves)
        result[table] = everything
    return result


def unreachable_bits(design: Design, bits: Iterable[int], *, leaves: int = LEAVES_MOST) -> frozenset[int]:
    """Those of `bits`, configuration bits, that no table which holds them can read."""
    asked = sorted(set(bits))
    holders = [
        (index, table.first_bit, table.first_bit + (1 << table.width))
        for index, table in enumerate(design.tables)
    ]
    holders = [
        (index, first, end)
        for index, first, end in holders
        if bisect_left(asked, first) < bisect_left(asked, end)
    ]
    proved = unreachable_addresses(design, [index for index, _, _ in holders], leaves=leaves)
    read = {
        bit
        for index, first, end in holders
        for bit in asked[bisect_left(asked, first) : bisect_left(asked, end)]
        if bit - first not in proved[index]
    }
    return frozenset(asked) - read


def _seen(design: Design, driver: dict[int, int], use: int, leaves: int) -> frozenset[int]:
    """Addresses that operation `use` can see, at most; more may be named than there are."""
    operation = design.operations[use]
    cone, cut = _cone(design.operations, driver, operation.inputs, max(leaves, len(operation.inputs)))
    every = (1 << (1 << len(cut))) - 1
    values = {ZERO: 0, ONE: every}
    for place, bit in enumerate(cut):
        values[bit] = _variable(place, len(cut))
    for index in cone:
        values[design.operations[index].out] = _value(design, design.operations[index], values, every)
    found = [(every, 0)]
    for weight, bit in enumerate(operation.inputs):
        value = values[bit]
        split = [(where & value, address | 1 << weight) for where, address in found]
        found = [pair for pair in [(w & ~value, a) for w, a in found] + split if pair[0]]
    return frozenset(address for _, address in found)


def _cone(
    operations: Sequence[Operation], driver: dict[int, int], roots: Sequence[int], most: int
) -> tuple[list[int], list[int]]:
    """Operations that decide `roots` from at most `most` bits, in order, and these bits.

    The latest operation is opened first, so that what is opened never comes back as a leaf.
    """
    cut = {bit for bit in roots if bit not in (ZERO, ONE)}
    closed: set[int] = set()
    opened: list[int] = []
    while True:
        open_ = [
            driver[bit]
            for bit in cut
            if bit in driver and bit not in closed and operations[driver[bit]].kind is not Kind.READ
        ]
        if not open_:
            return sorted(opened), sorted(cut)
        latest = max(open_)
        out = operations[latest].out
        wider = (cut - {out}) | {bit for bit in operations[latest].inputs if bit not in (ZERO, ONE)}
        if len(wider) > most:
            closed.add(out)
            continue
        cut = wider
        opened.append(latest)


def _variable(place: int, count: int) -> int:
    """The value of leaf `place` in each of the 2^count combinations: bits of one integer."""
    size, half = 1 << count, 1 << place
    pattern, length = ((1 << half) - 1) << half, 2 * half
    while length < size:
        pattern |= pattern << length
        length *= 2
    return pattern


def _value(design: Design, operation: Operation, values: dict[int, int], every: int) -> int:
    """What an operation gives in each combination."""
    inputs = [values[bit] for bit in operation.inputs]
    match operation.kind:
        case Kind.NOT:
            return every & ~inputs[0]
        case Kind.XOR:
            return inputs[0] ^ inputs[1]
        case Kind.MUX:
            return (inputs[1] & ~inputs[0]) | (inputs[2] & inputs[0])
        case _:
            content = design.tables[operation.table].content
            levels = [every if content >> i & 1 else 0 for i in range(1 << len(inputs))]
            for value in inputs:
                levels = [
                    low if low == high else (low & ~value) | (high & value)
                    for low, high in zip(levels[::2], levels[1::2], strict=True)
                ]
            return levels[0]
