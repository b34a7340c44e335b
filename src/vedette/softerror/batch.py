"""Faults as lanes: what a batch of them changes, as masks that act behind a node, a reset or an edge.

Lane j is bit j % 64 of word j // 64. A fault of a configuration bit inverts its table's output exactly
where the address is that bit's: with M its lane and P_i bit i of its address in this lane,
O ^= M & AND_i ~(I_i ^ P_i). All lanes of a word share one such mark, and no code depends on the faults.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Int32, Int64

from vedette.softerror.activation import Users
from vedette.softerror.faults import KINDS, FaultColumns, FaultKind

WORD = 64  # lanes


class MarkKind(IntEnum):
    """What a mark changes."""

    CONTENT = 0  # output of node `place` where the address is the pattern
    PIN = 1  # node `place` reads `source` at `pin`
    RESET = 2  # flip-flop `place` takes the other reset value


MARK = np.dtype(
    [
        ("kind", "i4"),
        ("place", "i4"),
        ("word", "i4"),
        ("pin", "i4"),
        ("source", "i4"),
        ("spare", "i4"),
        ("mask", "u8"),
        ("pattern", "u8", (6,)),
    ]
)
TOGGLE = np.dtype([("cycle", "i4"), ("mark", "i4"), ("mask", "u8")])  # of a mark's mask, as the cycle begins
_SAME = ("batch", "late", "place", "kind", "word", "first", "second")  # one mark, and the order of marks
_NUMBERED = np.dtype([("batch", "i8")])
FLIP = np.dtype([("cycle", "i4"), ("row", "i4"), ("word", "i4"), ("spare", "i4"), ("mask", "u8")])


@dataclass(frozen=True, eq=False)
class Batch:
    """Faults that run together.

    Attributes:
        words: lane words, W.
        lanes: index of each lane's fault in the campaign's list.
        start: the first cycle simulated.
        marks: those of nodes first, by node; then those of flip-flops.
        toggles, flips: sorted by cycle; a flip inverts a net's row where the cycle begins.
    """

    words: int
    lanes: np.ndarray
    start: int
    marks: np.ndarray
    toggles: np.ndarray
    flips: np.ndarray


def make_batches(
    faults: FaultColumns,
    order: Int64[np.ndarray, " lanes"],
    users: Users,
    flip_flops: Int32[np.ndarray, " flip_flops"],
    *,
    words: int,
    starts: Sequence[int],
    cycles: int,
) -> list[Batch]:
    """Batches of 64 `words` faults, one after the other.

    Args:
        order: the fault of each lane, batch after batch.
        flip_flops: q of each.
        starts: for each batch the first cycle that is simulated; faults that act earlier are acting then.
    """
    size = WORD * words
    entries = _entries(faults, order, users)
    entries["batch"], entries["word"] = entries["lane"] // size, entries["lane"] // WORD % words
    sort = np.lexsort([entries[name] for name in reversed(_SAME)])
    entries = {name: values[sort] for name, values in entries.items()}
    fresh = np.ones(len(sort), bool)
    fresh[1:] = np.any([entries[name][1:] != entries[name][:-1] for name in _SAME], axis=0)
    heads = np.flatnonzero(fresh)
    begin, start, stop, bit = _times(faults, order, entries["lane"], entries["batch"], starts, cycles)
    marks = np.zeros(len(heads), MARK)
    for name in ("kind", "place", "word"):
        marks[name] = entries[name][heads]
    pins = entries["kind"][heads] == MarkKind.PIN
    marks["pin"], marks["source"] = entries["first"][heads] * pins, entries["second"][heads] * pins
    if len(heads):
        now = np.where((start <= begin) & (begin < stop), bit, np.uint64(0))
        marks["mask"] = np.bitwise_or.reduceat(now, heads)
        for place in range(6):
            here = np.where(entries["address"] >> place & 1, bit, np.uint64(0))
            marks["pattern"][:, place] = np.bitwise_or.reduceat(here, heads)
    ends = np.searchsorted(entries["batch"][heads], np.arange(len(starts) + 1))
    on, off = (begin < start) & (start < stop), (begin < stop) & (stop < cycles) & (start < stop)
    number = np.cumsum(fresh) - 1 - ends[entries["batch"]]
    toggles = np.concatenate(
        [_toggles(entries, start, number, bit, on), _toggles(entries, stop, number, bit, off)]
    )
    toggles = toggles[np.lexsort([toggles["cycle"], toggles["batch"]])]
    flips = _flips(faults, order, flip_flops, words, starts, cycles)
    return [
        Batch(
            words,
            order[i * size : (i + 1) * size],
            int(first),
            marks[ends[i] : ends[i + 1]],
            _of_batch(toggles, i, TOGGLE),
            _of_batch(flips, i, FLIP),
        )
        for i, first in enumerate(starts)
    ]


Columns = dict[str, Int64[np.ndarray, " entries"]]


def _entries(faults: FaultColumns, order: np.ndarray, users: Users) -> Columns:
    """What every lane adds to which mark; batch and word are not known yet."""
    kind = faults.kind[order]
    parts: list[Columns] = []

    def add(which: MarkKind, lane: np.ndarray, place: np.ndarray, **more: np.ndarray) -> None:
        none = np.zeros(len(lane), np.int64)
        part = {"kind": none + which, "late": none + (which == MarkKind.RESET), "lane": lane, "place": place}
        parts.append({name: none for name in ("first", "second", "address")} | part | more)

    lanes = np.flatnonzero(kind == KINDS[FaultKind.CONFIGURATION])
    owner, bits = faults.bits_of(order[lanes])
    bit, node, address = users.of_bits(bits)
    lane = lanes[owner[bit]]
    several = len(bits) > len(lanes)
    layers = _layers(lane, node) if several else np.zeros(len(lane), np.int64)
    add(MarkKind.CONTENT, lane, node, address=address, first=layers)
    lanes = np.flatnonzero(kind == KINDS[FaultKind.PIN])
    chosen = order[lanes]
    add(MarkKind.PIN, lanes, faults.operation[chosen], first=faults.pin[chosen], second=faults.source[chosen])
    lanes = np.flatnonzero(kind == KINDS[FaultKind.RESET])
    add(MarkKind.RESET, lanes, faults.flip_flop[order[lanes]])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _layers(lane: np.ndarray, node: np.ndarray) -> np.ndarray:
    """Two addresses of one table and lane are two marks: how many of them came before."""
    order = np.lexsort([node, lane])
    fresh = np.ones(len(order), bool)
    fresh[1:] = (np.diff(lane[order]) != 0) | (np.diff(node[order]) != 0)
    heads = np.flatnonzero(fresh)
    layer = np.zeros(len(order), np.int64)
    layer[order] = np.arange(len(order)) - heads[np.cumsum(fresh) - 1]
    return layer


def _times(
    faults: FaultColumns,
    order: np.ndarray,
    lane: np.ndarray,
    batch: np.ndarray,
    starts: Sequence[int],
    cycles: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each entry: the batch's first cycle, the fault's, the one after its last, and its lane's bit."""
    fault = order[lane]
    stop = np.minimum(faults.stop[fault], cycles)
    return np.asarray(starts, np.int64)[batch], faults.start[fault], stop, _bit(lane)


def _bit(lane: np.ndarray) -> np.ndarray:
    return np.uint64(1) << (lane % WORD).astype(np.uint64)


def _toggles(
    entries: Columns, cycle: np.ndarray, number: np.ndarray, bit: np.ndarray, where: np.ndarray
) -> np.ndarray:
    found = np.zeros(int(where.sum()), _NUMBERED.descr + TOGGLE.descr)
    found["batch"], found["cycle"] = entries["batch"][where], cycle[where]
    found["mark"], found["mask"] = number[where], bit[where]
    return found


def _flips(
    faults: FaultColumns,
    order: np.ndarray,
    flip_flops: np.ndarray,
    words: int,
    starts: Sequence[int],
    cycles: int,
) -> np.ndarray:
    kind = faults.kind[order]
    lane = np.flatnonzero((kind == KINDS[FaultKind.STATE]) | (kind == KINDS[FaultKind.INITIAL]))
    fault = order[lane]
    cycle = np.where(kind[lane] == KINDS[FaultKind.STATE], faults.start[fault] + 1, 0)
    batch = lane // (WORD * words)
    seen = (np.asarray(starts, np.int64)[batch] <= cycle) & (cycle < cycles)
    lane, fault, cycle, batch = lane[seen], fault[seen], cycle[seen], batch[seen]
    found = np.zeros(len(lane), _NUMBERED.descr + FLIP.descr)
    found["batch"], found["cycle"], found["word"] = batch, cycle, lane // WORD % words
    found["row"], found["mask"] = flip_flops[faults.flip_flop[fault]], _bit(lane)
    return found[np.lexsort([found["cycle"], found["batch"]])]


def _of_batch(rows: np.ndarray, batch: int, kind: np.dtype) -> np.ndarray:
    """The rows of one batch, without its number."""
    begin, end = np.searchsorted(rows["batch"], [batch, batch + 1])
    result = np.zeros(end - begin, kind)
    for name in kind.names or ():
        result[name] = rows[name][begin:end]
    return result
