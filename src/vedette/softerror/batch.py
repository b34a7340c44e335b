"""Faults as lanes: what a batch of them changes, as masks that act behind a node, a reset or an edge.

Lane j is bit j % 64 of word j // 64. A fault of a configuration bit inverts its table's output exactly
where the address is that bit's: with M its lane and P_i bit i of its address in this lane,
O ^= M & AND_i ~(I_i ^ P_i). All lanes of a word share one such mark, and no code depends on the faults.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from vedette.softerror.faults import Fault, FaultKind

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


def make_batch(
    faults: Sequence[Fault],
    indices: Sequence[int],
    users: dict[int, list[tuple[int, int]]],
    flip_flops: np.ndarray,
    *,
    words: int,
    start: int,
    cycles: int,
) -> Batch:
    """The batch of some faults of a list.

    Args:
        indices: at most 64 `words` of them.
        users: as of `golden.users_of_bits`.
        flip_flops: q of each.
        start: the first cycle that is simulated; faults that act earlier are acting then.
    """
    marks: dict[tuple[int, ...], list[int]] = {}
    toggles: list[tuple[int, tuple[int, ...], int]] = []
    flips: list[tuple[int, int, int, int, int]] = []

    def mark(kind: MarkKind, place: int, word: int, lane: int, fault: Fault, *rest: int) -> list[int]:
        """The mark for this lane, and when it acts."""
        key = (int(kind), place, word, *rest)
        entry = marks.setdefault(key, [0, 0, 0, 0, 0, 0, 0])
        stop = cycles if fault.stop is None else min(fault.stop, cycles)
        if fault.start <= start < stop:
            entry[0] |= lane
        elif start < fault.start < stop:
            toggles.append((fault.start, key, lane))
        if start < stop < cycles and fault.start < stop:
            toggles.append((stop, key, lane))
        return entry

    for number, index in enumerate(indices):
        fault, word, lane = faults[index], number // WORD, 1 << number % WORD
        if fault.kind is FaultKind.CONFIGURATION:
            layers: dict[int, int] = {}  # two addresses of one table and lane are two marks
            for bit in fault.bits:
                for node, address in users.get(bit, ()):
                    layer = layers[node] = layers.get(node, -1) + 1
                    entry = mark(MarkKind.CONTENT, node, word, lane, fault, layer)
                    for place in range(6):
                        if address >> place & 1:
                            entry[1 + place] |= lane
        elif fault.kind is FaultKind.PIN:
            mark(MarkKind.PIN, fault.operation, word, lane, fault, fault.pin, fault.source)
        elif fault.kind is FaultKind.RESET:
            mark(MarkKind.RESET, fault.flip_flop, word, lane, fault)
        else:
            cycle = fault.start + 1 if fault.kind is FaultKind.STATE else 0
            if start <= cycle < cycles:
                flips.append((cycle, int(flip_flops[fault.flip_flop]), word, 0, lane))
    keys = sorted(marks, key=lambda key: (key[0] == MarkKind.RESET, key[1], key[0], *key[2:]))
    places = {key: i for i, key in enumerate(keys)}
    table = np.zeros(len(keys), MARK)
    for i, key in enumerate(keys):
        kind, place, word, *rest = key
        pin, source = rest if kind == MarkKind.PIN else (0, 0)
        entry = marks[key]
        table[i] = (kind, place, word, pin, source, 0, entry[0], tuple(entry[1:]))
    changes = np.array([(cycle, places[key], lane) for cycle, key, lane in toggles], TOGGLE)
    inversions = np.array(flips, FLIP)
    return Batch(
        words,
        np.asarray(indices, np.int64),
        start,
        table,
        changes[np.argsort(changes["cycle"], kind="stable")],
        inversions[np.argsort(inversions["cycle"], kind="stable")],
    )
