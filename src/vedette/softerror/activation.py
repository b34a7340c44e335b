"""When each fault can begin to matter, by the fault-free run.

What is visited by nothing changes nothing: a fault that is never activated has the fault-free outputs
exactly, and any other can start from the fault-free state at its activation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt64

from vedette.softerror.design import ZERO, Design, Kind, Reset
from vedette.softerror.faults import FaultColumns, FaultKind, expand
from vedette.softerror.golden import Golden

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
CHUNK_WORDS = 1 << 21  # of packed cycles looked at together: 16 MB
NEVER = np.int64(1 << 62)


@dataclass(frozen=True, eq=False)
class Users:
    """Which operations hold each configuration bit, and at which address.

    Attributes:
        first: for each bit its first entry in `node` and `address`; one more at the end.
        node: operations.
        address: of the bit in the table of that operation.
    """

    first: Int64[np.ndarray, " bits_and_one"]
    node: Int64[np.ndarray, " entries"]
    address: Int64[np.ndarray, " entries"]

    @staticmethod
    def of(design: Design) -> "Users":
        """The users of a design's bits."""
        nodes = [i for i, operation in enumerate(design.operations) if operation.kind is Kind.TABLE]
        tables = [design.tables[design.operations[i].table] for i in nodes]
        first = np.array([table.first_bit for table in tables], np.int64)
        owner, bit = expand(first, np.array([1 << table.width for table in tables], np.int64))
        order = np.argsort(bit, kind="stable")
        places = np.arange(int(bit.max(initial=-1)) + 2)
        return Users(
            np.searchsorted(bit[order], places),
            np.array(nodes, np.int64)[owner[order]],
            (bit - first[owner])[order],
        )

    def of_bits(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each user of some bits: the index in `bits`, the operation, the address there."""
        known = bits < len(self.first) - 1
        at = np.where(known, bits, 0)
        begin = self.first[at]
        owner, entry = expand(
            begin, np.where(known, self.first[np.minimum(at + 1, len(self.first) - 1)] - begin, 0)
        )
        return owner, self.node[entry], self.address[entry]


def first_activations(
    design: Design, golden: Golden, users: Users, faults: FaultColumns
) -> Int32[np.ndarray, " n"]:
    """The first cycle in which each fault could change anything, or -1.

    A table's address is read in a cycle; a flip-flop inverted by the edge of cycle t differs from
    t + 1 on; a reset value acts while the reset is 1, at an edge in the cycle before it; a pin differs
    where the other bit's value does.
    """
    found = np.full(len(faults), NEVER)
    start = np.maximum(faults.start, 0)
    stop = np.minimum(faults.stop, golden.cycles)
    _configuration(design, golden, users, faults, start, stop, found)
    struck = faults.where(FaultKind.STATE)
    found[struck] = np.where(start[struck] + 1 < golden.cycles, start[struck] + 1, NEVER)
    found[faults.where(FaultKind.INITIAL)] = 0
    if len(struck := faults.where(FaultKind.RESET)):
        flip_flops = [design.flip_flops[i] for i in faults.flip_flop[struck].tolist()]
        bits = np.array([ZERO if f.kind is Reset.NONE else f.reset for f in flip_flops], np.int64)
        _scan(struck, lambda part: golden.trace[bits[part]], start, stop, found)
    if len(struck := faults.where(FaultKind.PIN)):
        pairs = zip(faults.operation[struck].tolist(), faults.pin[struck].tolist(), strict=True)
        pins = np.array([design.operations[node].inputs[pin] for node, pin in pairs], np.int64)
        others = faults.source[struck]
        _scan(struck, lambda part: golden.trace[pins[part]] ^ golden.trace[others[part]], start, stop, found)
    return np.where(found == NEVER, -1, found).astype(np.int32)


def _configuration(
    design: Design,
    golden: Golden,
    users: Users,
    faults: FaultColumns,
    start: np.ndarray,
    stop: np.ndarray,
    found: np.ndarray,
) -> None:
    places = faults.where(FaultKind.CONFIGURATION)
    owner, bits = faults.bits_of(places)
    bit, node, address = users.of_bits(bits)
    fault = places[owner[bit]]
    early = start[fault] == 0  # the first visit is stored
    cycle = golden.visits[node[early], address[early]].astype(np.int64)
    good = (cycle >= 0) & (cycle < stop[fault[early]])
    np.minimum.at(found, fault[early], np.where(good, cycle, NEVER))
    late, node, address = fault[~early], node[~early], address[~early]
    if not len(late):
        return
    inputs = np.zeros((len(design.operations), 6), np.int64)  # an unused one is 0, as its address bit
    for index in np.unique(node).tolist():
        pins = design.operations[index].inputs
        inputs[index, : len(pins)] = pins

    def read(part: np.ndarray) -> UInt64[np.ndarray, "part words"]:
        rows = np.full((len(part), golden.trace.shape[1]), ALL)
        for place in range(6):
            wanted = np.where(address[part] >> place & 1, ALL, np.uint64(0))[:, None]
            rows &= ~(golden.trace[inputs[node[part], place]] ^ wanted)
        return rows

    _scan(late, read, start, stop, found)


def _scan(
    places: Int64[np.ndarray, " n"],
    rows_of: Callable[[Int64[np.ndarray, " m"]], UInt64[np.ndarray, "m words"]],
    start: Int64[np.ndarray, " faults"],
    stop: Int64[np.ndarray, " faults"],
    found: Int64[np.ndarray, " faults"],
) -> None:
    """Set `found` to the first cycle from `start` and before `stop` in which a packed row is 1.

    Args:
        places: of the faults, one a row.
        rows_of: (indices into `places`) -> their packed rows.
    """
    words = -(-int(stop.max(initial=1)) // 64)
    chunk = max(1, CHUNK_WORDS // max(1, words))
    for begin in range(0, len(places), chunk):
        part = np.arange(begin, min(begin + chunk, len(places)))
        at = places[part]
        cycles = first_set(rows_of(part), start[at], stop[at])
        np.minimum.at(found, at, cycles)


def first_set(
    rows: UInt64[np.ndarray, "n words"], start: np.ndarray, stop: np.ndarray
) -> Int64[np.ndarray, " n"]:
    """The first 1 of each packed row at or after `start` and before `stop`; `NEVER` where there is none.

    >>> rows = np.array([[0b1011, 1]], np.uint64).repeat(3, 0)
    >>> first_set(rows, np.array([1, 2, 4]), np.array([65, 65, 65]))
    array([ 1,  3, 64])
    """
    word = np.arange(rows.shape[1])[None, :]
    low = (start // 64)[:, None]
    kept = np.where(word < low, np.uint64(0), rows)
    kept = np.where(word == low, kept & (ALL << (start % 64).astype(np.uint64))[:, None], kept)
    which = (kept != 0).argmax(axis=1)
    value = np.take_along_axis(kept, which[:, None], axis=1)[:, 0]
    lowest = value & (~value + np.uint64(1))
    cycle = 64 * which + np.bitwise_count(lowest - np.uint64(1)).astype(np.int64)
    return np.where((value != 0) & (cycle < stop), cycle, NEVER)
