"""What can be upset: the five fault classes of the specification (3.4) as lists of faults.

F1 one configuration bit of a lookup table; F2 one flip-flop at one cycle; F3 a flip-flop's initial or
reset value; F4 a pin that is stuck or reads another net, which stands for routing; F5 two configuration
bits. A fault acts in cycles `start` to `stop`: from 0 to the end it is persistent, up to a later
`stop` it was scrubbed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import overload

import numpy as np
from jaxtyping import Int64

FOREVER = 1 << 62  # a column's `stop` where a fault has None


class FaultKind(Enum):
    """What a fault changes."""

    CONFIGURATION = "configuration"  # F1, F5: `bits` are inverted
    STATE = "state"  # F2: `flip_flop` is inverted after the edge that ends cycle `start`
    INITIAL = "initial"  # F3: initial value of `flip_flop` inverted
    RESET = "reset"  # F3: reset value of `flip_flop` inverted
    PIN = "pin"  # F4: pin `pin` of operation `operation` reads bit `source`


@dataclass(frozen=True)
class Fault:
    """One fault of a design.

    Attributes:
        number: its place in the campaign's list; rows are written in this order.
        kind: what it changes.
        bits: configuration bits, by their number in the design.
        flip_flop: index in `Design.flip_flops`.
        operation, pin, source: index in `Design.operations`, index in its inputs, and the bit read instead.
        start, stop: cycles; `stop` None is the end of the run.
    """

    number: int
    kind: FaultKind
    bits: tuple[int, ...] = ()
    flip_flop: int = -1
    operation: int = -1
    pin: int = -1
    source: int = -1
    start: int = 0
    stop: int | None = None


KINDS = {kind: number for number, kind in enumerate(FaultKind)}


@dataclass(frozen=True, eq=False)
class FaultColumns(Sequence[Fault]):
    """Many faults as columns, an entry a fault: what engines compute with; a sequence of them all the same.

    Attributes:
        kind: number of the kind, in the order of `FaultKind`.
        bits: configuration bits of all faults, one fault after the other.
        bits_end: for each fault one past its last entry in `bits`.
        flip_flop, operation, pin, source, start: as of `Fault`.
        stop: likewise, `FOREVER` for None.
    """

    kind: Int64[np.ndarray, " n"]
    bits: Int64[np.ndarray, " bits"]
    bits_end: Int64[np.ndarray, " n"]
    flip_flop: Int64[np.ndarray, " n"]
    operation: Int64[np.ndarray, " n"]
    pin: Int64[np.ndarray, " n"]
    source: Int64[np.ndarray, " n"]
    start: Int64[np.ndarray, " n"]
    stop: Int64[np.ndarray, " n"]

    @staticmethod
    def of(faults: Sequence[Fault]) -> "FaultColumns":
        """The columns of a list; numbers of faults are their places from then on.

        >>> two = [Fault(0, FaultKind.CONFIGURATION, bits=(5, 6)), Fault(1, FaultKind.STATE, flip_flop=3)]
        >>> FaultColumns.of(two).where(FaultKind.STATE), FaultColumns.of(two)[0].bits
        (array([1]), (5, 6))
        """
        rows = [
            (
                KINDS[f.kind],
                len(f.bits),
                f.flip_flop,
                f.operation,
                f.pin,
                f.source,
                f.start,
                FOREVER if f.stop is None else f.stop,
            )
            for f in faults
        ]
        kind, count, *others = np.array(rows, np.int64).reshape(-1, 8).T.copy()
        bits = np.array([bit for fault in faults for bit in fault.bits], np.int64)
        return FaultColumns(kind, bits, np.cumsum(count), *others)

    def __len__(self) -> int:
        return len(self.kind)

    @overload
    def __getitem__(self, place: int) -> Fault: ...

    @overload
    def __getitem__(self, place: slice) -> list[Fault]: ...

    def __getitem__(self, place: int | slice) -> Fault | list[Fault]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        i = place % len(self)
        _, bits = self.bits_of(np.array([i]))
        stop = int(self.stop[i])
        return Fault(
            i,
            list(FaultKind)[self.kind[i]],
            tuple(bits.tolist()),
            int(self.flip_flop[i]),
            int(self.operation[i]),
            int(self.pin[i]),
            int(self.source[i]),
            int(self.start[i]),
            None if stop == FOREVER else stop,
        )

    def where(self, kind: FaultKind) -> Int64[np.ndarray, " m"]:
        """Places of the faults of one kind, ascending."""
        return np.flatnonzero(self.kind == KINDS[kind])

    def bits_of(self, places: np.ndarray) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """Configuration bits of some faults: for each bit the index in `places` of its fault, and the bit."""
        end = self.bits_end[places]
        begin = np.where(places > 0, self.bits_end[places - 1], 0)
        owner, at = expand(begin, end - begin)
        return owner, self.bits[at]


def expand(begin: np.ndarray, count: np.ndarray) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Ranges written out: for each of their numbers the index of its range, and the number.

    >>> expand(np.array([4, 0, 9]), np.array([2, 0, 1]))
    (array([0, 0, 2]), array([4, 5, 9]))
    """
    owner = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return owner, np.arange(len(owner)) - before[owner] + begin[owner]
