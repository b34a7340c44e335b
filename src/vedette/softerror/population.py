"""Every fault that a design can have, by class: counted without being listed, so that any can be drawn.

A population gives fault number i by arithmetic, i below its size; flip-flops times cycles are millions.
Names of the classes, as typed after `--faults`: `init` (F1), `state` (F2), `attributes` (F3), `pins`
(F4), `pairs` (F5).
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError, UnknownNameError
from vedette.softerror.design import ONE, ZERO, Design, Kind, Reset, Table
from vedette.softerror.faults import FOREVER, KINDS, Fault, FaultColumns, FaultKind
from vedette.softerror.pin_buffers import PIN, pins_of


@dataclass(frozen=True)
class Window:
    """When faults other than F2 act.

    Attributes:
        cycles: of the run, N.
        start: the cycle in which they strike; None draws one for each fault, uniform over the run.
        scrub_cycles: cycles after which the configuration is right again; None: never.
        seed: of what is drawn.
    """

    cycles: int
    start: int | None = 0
    scrub_cycles: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise InputError(f"a run of {self.cycles} cycles", hint="simulate at least one")
        if self.start is not None and not 0 <= self.start < self.cycles:
            raise InputError(
                f"faults strike at cycle {self.start} of {self.cycles}", hint="start within the run"
            )
        if self.scrub_cycles is not None and self.scrub_cycles < 1:
            raise InputError(f"scrubbed after {self.scrub_cycles} cycles", hint="scrub after one or more")

    def of(self, index: int) -> tuple[int, int | None]:
        """First cycle of fault `index`, and the one after its last."""
        start = self.start
        if start is None:
            start = int(np.random.default_rng((self.seed, index)).integers(self.cycles))
        return start, None if self.scrub_cycles is None else min(start + self.scrub_cycles, self.cycles)


@dataclass(frozen=True)
class Population:
    """All faults of one class.

    Attributes:
        name: of the class.
        size: how many there are.
        fault: (number in the list, index) -> the fault.
        place: (index) -> what it is about: cell, module, source line, and a word for the place in the cell.
    """

    name: str
    size: int
    fault: Callable[[int, int], Fault]
    place: Callable[[int], "Place"]

    def columns(self, indices: Int64[np.ndarray, " n"]) -> FaultColumns:
        """Some faults at once."""
        return FaultColumns.of([self.fault(number, i) for number, i in enumerate(indices.tolist())])


@dataclass(frozen=True)
class ConfigurationBits(Population):
    """The configuration bits, one a fault: so many that they are written in columns from the start.

    Attributes:
        numbers: of the bits.
        window: when they are upset.
    """

    numbers: Int64[np.ndarray, " size"]
    window: "Window"

    def columns(self, indices: Int64[np.ndarray, " n"]) -> FaultColumns:
        """Some faults at once."""
        count, window = len(indices), self.window
        if window.start is None:
            return super().columns(indices)
        start, stop = window.of(0)
        none = np.full(count, -1)
        return FaultColumns(
            np.full(count, KINDS[FaultKind.CONFIGURATION]),
            self.numbers[indices],
            np.arange(1, count + 1),
            none,
            none,
            none,
            none,
            np.full(count, start),
            np.full(count, FOREVER if stop is None else stop),
        )


@dataclass(frozen=True)
class Place:
    """Where a fault is: columns of its row."""

    cell: str
    source: str
    bit: str

    @property
    def module(self) -> str:
        """The part of the cell's name before the last dot; "" at the top."""
        return self.cell.rpartition(".")[0]


def population(name: str, design: Design, window: Window) -> Population:
    """The population called `name` of a design.

    Raises:
        UnknownNameError: there is no such class.
    """
    if name not in CLASSES:
        raise UnknownNameError("fault class", name, CLASSES)
    return CLASSES[name](design, window)


def configuration(design: Design, window: Window) -> Population:
    """F1: every configuration bit, once each, in the order of their numbers."""
    owners = owner_of_bits(design)
    bits = [bit for bit, owner in enumerate(owners) if owner >= 0]

    def fault(number: int, index: int) -> Fault:
        start, stop = window.of(index)
        return Fault(number, FaultKind.CONFIGURATION, bits=(bits[index],), start=start, stop=stop)

    def place(index: int) -> Place:
        table = design.tables[owners[bits[index]]]
        return Place(table.name, table.source, str(bits[index] - table.first_bit))

    return ConfigurationBits("init", len(bits), fault, place, np.array(bits, np.int64), window)


def pairs(design: Design, window: Window) -> Population:
    """F5: two neighboring configuration bits of one table (addresses i and i + 1)."""
    tables = _distinct(design)
    ends = np.cumsum([(1 << table.width) - 1 for table in tables]).tolist()

    def split(index: int) -> tuple[Table, int]:
        which = bisect_right(ends, index)
        return tables[which], index - (ends[which - 1] if which else 0)

    def fault(number: int, index: int) -> Fault:
        table, low = split(index)
        start, stop = window.of(index)
        bits = (table.first_bit + low, table.first_bit + low + 1)
        return Fault(number, FaultKind.CONFIGURATION, bits=bits, start=start, stop=stop)

    def place(index: int) -> Place:
        table, low = split(index)
        return Place(table.name, table.source, f"{low}+{low + 1}")

    return Population("pairs", ends[-1] if ends else 0, fault, place)


def state(design: Design, window: Window) -> Population:
    """F2: every flip-flop at every cycle; index = flip-flop * cycles + cycle."""

    def fault(number: int, index: int) -> Fault:
        which, cycle = divmod(index, window.cycles)
        return Fault(number, FaultKind.STATE, flip_flop=which, start=cycle, stop=cycle + 1)

    def place(index: int) -> Place:
        which, cycle = divmod(index, window.cycles)
        flip_flop = design.flip_flops[which]
        return Place(flip_flop.name, flip_flop.source, f"cycle {cycle}")

    return Population("state", len(design.flip_flops) * window.cycles, fault, place)


def attributes(design: Design, window: Window) -> Population:
    """F3: the initial value of every flip-flop, and the reset value of those that have a reset.

    Initial values act at the start, whatever the window says.
    """
    resettable = [i for i, flip_flop in enumerate(design.flip_flops) if flip_flop.kind is not Reset.NONE]
    count = len(design.flip_flops)

    def fault(number: int, index: int) -> Fault:
        if index < count:
            return Fault(number, FaultKind.INITIAL, flip_flop=index)
        start, stop = window.of(index)
        which = resettable[index - count]
        return Fault(number, FaultKind.RESET, flip_flop=which, start=start, stop=stop)

    def place(index: int) -> Place:
        which = index if index < count else resettable[index - count]
        flip_flop = design.flip_flops[which]
        return Place(flip_flop.name, flip_flop.source, "INIT" if index < count else "SRVAL")

    return Population("attributes", count + len(resettable), fault, place)


def pins(design: Design, window: Window) -> Population:
    """F4: every pin of every table stuck at 0, stuck at 1, or reading another net, in this order.

    Then those of flip-flops, where the design is `pin_buffers.buffered`.
    The other net is drawn from those settled before the table, so that no loop can close; a pin for which
    there is none but constants and itself reads 0 there.
    """
    reached = [i for i, operation in enumerate(design.operations) if operation.kind is Kind.TABLE]
    all_pins = [(which, pin) for which in reached for pin in range(len(design.operations[which].inputs))]
    buffers = pins_of(design)
    all_pins += [(which, PIN) for which in buffers]
    nets = len(design.operations) - len(buffers)  # what a buffer gives is no other net
    start_bits = list(design.input_bits)
    driven = {operation.out for operation in design.operations}
    start_bits += [flip_flop.q for flip_flop in design.flip_flops if flip_flop.q not in driven]
    order = [operation.out for operation in design.operations]

    def other(which: int, pin: int) -> int:
        here = design.operations[which].inputs[pin]
        choices = len(start_bits) + min(which, nets)
        generator = np.random.default_rng((window.seed, which, pin))
        for drawn in generator.integers(choices, size=8).tolist() if choices else ():
            bit = start_bits[drawn] if drawn < len(start_bits) else order[drawn - len(start_bits)]
            if bit not in (here, ZERO, ONE):
                return bit
        return ZERO

    def split(index: int) -> tuple[int, int, int]:
        place, what = divmod(index, 3)
        which, pin = all_pins[place]
        return which, pin, (ZERO, ONE, other(which, pin))[what]

    def fault(number: int, index: int) -> Fault:
        which, pin, source = split(index)
        start, stop = window.of(index)
        return Fault(number, FaultKind.PIN, operation=which, pin=pin, source=source, start=start, stop=stop)

    def place(index: int) -> Place:
        which, pin, source = split(index)
        read = ("0", "1", design.names.get(source, f"bit {source}"))[index % 3]
        if which in buffers:
            flip_flop, name = design.flip_flops[buffers[which][0]], buffers[which][1]
            return Place(flip_flop.name, flip_flop.source, f"{name}={read}")
        table = design.tables[design.operations[which].table]
        return Place(table.name, table.source, f"I{pin}={read}")

    return Population("pins", 3 * len(all_pins), fault, place)


CLASSES: dict[str, Callable[[Design, Window], Population]] = {
    "init": configuration,
    "state": state,
    "attributes": attributes,
    "pins": pins,
    "pairs": pairs,
}


def owner_of_bits(design: Design) -> list[int]:
    """For each configuration bit the index of the table it is named after: the widest one that has it.

    The outputs of a LUT6_2 share bits: O5's lie among O6's.
    """
    owners = [-1] * max((t.first_bit + (1 << t.width) for t in design.tables), default=0)
    for index in sorted(range(len(design.tables)), key=lambda i: (-design.tables[i].width, i)):
        first = design.tables[index].first_bit
        for bit in range(first, first + (1 << design.tables[index].width)):
            if owners[bit] < 0:
                owners[bit] = index
    return owners


def _distinct(design: Design) -> Sequence[Table]:
    """Tables that own their first bit, so that shared bits count once."""
    owners = owner_of_bits(design)
    return [table for i, table in enumerate(design.tables) if owners[table.first_bit] == i]
