"""From a netlist of primitives to a design: constants and buffers resolved, operations in order.

Cells are taken by name, so that configuration bits have the same numbers every time. Buffers become
aliases, carry chains are split bit by bit (as blocks they would look like loops), shift registers and
distributed RAM become memories.

Asynchronous resets that are inputs stay what they are. Any other, inverted inputs and registered ones
among them, is lowered to what a cycle shows of it: a synchronous reset, and a multiplexer behind the
flip-flop that shows the reset value as long as the reset lasts. So engines need no order among resets,
and a reset that depends on what it resets is found as a loop. (An upset reset value of such a flip-flop
shows from the edge on, not before it.) Inputs change at the edge: a reset made of state and inputs is seen
with the inputs of its cycle.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vedette.errors import InputError
from vedette.hardware.netlist import Bit, Cell, Netlist
from vedette.softerror import block_ram, dsp, primitives
from vedette.softerror.cell_names import Label, label_cells
from vedette.softerror.cell_pins import CellPins
from vedette.softerror.design import (
    ONE,
    ZERO,
    Design,
    FlipFlop,
    Kind,
    Memory,
    Operation,
    Port,
    Reset,
    Table,
    Write,
)
from vedette.softerror.gates import Gates


def lower(netlist: Netlist) -> Design:
    """The design that a netlist describes.

    Raises:
        InputError: what cannot be modeled, by name: an unknown primitive, a latch, a second clock, a
            falling edge, a clock used as data, a combinational loop, an undriven or doubly driven net.
    """
    _refuse_unknown(netlist.cells)
    netlist.verify()
    labels = label_cells(netlist)
    return _Lowering(netlist, labels).design()


def _refuse_unknown(cells: Iterable[Cell]) -> None:
    unknown: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.type not in primitives.KNOWN:
            unknown.setdefault(cell.type, []).append(cell)
    if not unknown:
        return
    listed = "; ".join(f"{len(of)} {kind} ({_at(of[0])})" for kind, of in sorted(unknown.items())[:5])
    listed += f"; {len(unknown) - 5} kinds more" if len(unknown) > 5 else ""
    latch = "latches" if all(kind.startswith("LD") for kind in unknown) else "primitives that are not modeled"
    hints = sorted({primitives.advice(kind) for kind in unknown})
    raise InputError(f"{latch}: {listed}", hint="; ".join(hints))


def _at(cell: Cell) -> str:
    return f"{cell.name}, {cell.source}" if cell.source else cell.name


@dataclass
class _Lowering:
    """What is known while cells are read: operations name netlist bits; numbers come last."""

    netlist: Netlist
    labels: Mapping[str, Label]
    alias: dict[int, Bit] = field(default_factory=dict)
    unknown_constants: int = 0
    configuration_bits: int = 0
    fresh: int = 0
    inputs: frozenset[Bit] = frozenset()
    wanted: frozenset[Bit] = frozenset()  # bits that a cell or an output reads
    operations: list[tuple[Kind, Bit, tuple[Bit, ...], int, Cell]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    flip_flops: list[tuple[FlipFlop, Bit, Bit, Bit, Bit]] = field(default_factory=list)  # q d enable reset
    memories: list[tuple[Memory, list[tuple[Bit, Bit, tuple[Bit, ...]]]]] = field(default_factory=list)

    def design(self) -> Design:
        cells = sorted(self.netlist.cells, key=lambda cell: cell.name)
        ports = self.netlist.ports
        self.inputs = frozenset(bit for port in ports if port.direction == "input" for bit in port.bits)
        self.wanted = frozenset(bit for port in ports if port.direction == "output" for bit in port.bits) | {
            bit
            for cell in cells
            for pin, bits in cell.connections.items()
            if cell.directions.get(pin) == "input"
            for bit in bits
        }
        for cell in cells:
            if cell.type in primitives.BUFFERS:
                self._connect(self._out(cell, "O"), self._pin(cell, "I"))
            elif cell.type in primitives.CONSTANTS:
                pin, value = primitives.CONSTANTS[cell.type]
                self._connect(self._out(cell, pin), str(value))
        clock = self._clock(cells)
        for cell in cells:
            self._cell(cell)
        return self._number(clock)

    # pins

    def _pin(self, cell: Cell, name: str, index: int = 0) -> Bit:
        """What pin `name` reads; nothing connected reads as an unknown constant."""
        bits = cell.connections.get(name, ())
        return bits[index] if index < len(bits) else "x"

    def _out(self, cell: Cell, name: str, index: int = 0) -> Bit | None:
        bits = cell.connections.get(name, ())
        return bits[index] if index < len(bits) else None

    def _connect(self, out: Bit | None, source: Bit) -> None:
        if isinstance(out, int):
            self.alias[out] = source

    def _resolve(self, bit: Bit) -> Bit:
        """The bit behind buffers; "x" and "z" are 0, and counted by `_read`."""
        seen = set()
        while isinstance(bit, int) and bit in self.alias:
            if bit in seen:
                raise InputError(
                    f"buffers drive each other in a ring: {self.netlist.called(bit)}", hint="drive the net"
                )
            seen.add(bit)
            bit = self.alias[bit]
        return bit

    def _read(self, bit: Bit) -> Bit:
        bit = self._resolve(bit)
        if bit in ("x", "z"):
            self.unknown_constants += 1
            return "0"
        return bit

    def _new(self) -> Bit:
        self.fresh -= 1  # below every net of the netlist
        return self.fresh

    def _emit(
        self, kind: Kind, cell: Cell, inputs: Sequence[Bit], out: Bit | None = None, table: int = -1
    ) -> Bit:
        out = self._new() if out is None else out
        self.operations.append((kind, out, tuple(inputs), table, cell))
        return out

    def _maybe_inverted(self, cell: Cell, pin: str, bit: Bit) -> Bit:
        if cell.parameters.get(f"IS_{pin}_INVERTED", 0) != 1:
            return bit
        return {"0": "1", "1": "0"}[bit] if isinstance(bit, str) else self._emit(Kind.NOT, cell, [bit])

    # the clock

    def _clock(self, cells: Sequence[Cell]) -> Bit | None:
        """The one clock net; None where there is no state."""
        users: dict[Bit, Cell] = {}
        for cell in cells:
            for pin in _clock_pins(cell):
                if cell.parameters.get(f"IS_{pin}_INVERTED", 0) == 1:
                    raise InputError(
                        f"{cell.type} {_at(cell)} works on the falling edge", hint="use one edge of one clock"
                    )
                users.setdefault(self._resolve(self._pin(cell, pin)), cell)
        if not users:
            return None
        if len(users) > 1:
            listed = "; ".join(
                f"{self.netlist.called(bit)} ({_at(cell)})"
                for bit, cell in sorted(users.items(), key=lambda item: str(item[0]))[:5]
            )
            raise InputError(f"{len(users)} clocks: {listed}", hint="analyze one clock domain at a time")
        (clock, cell) = next(iter(users.items()))
        port = next((p for p in self.netlist.ports if p.direction == "input" and clock in p.bits), None)
        if port is None:
            raise InputError(
                f"the clock {self.netlist.called(clock)} of {_at(cell)} is no input of the design",
                hint="clock flip-flops from an input; gate them by their clock enable",
            )
        if len(port.bits) != 1:
            raise InputError(f"the clock is one bit of port {port.name}", hint="give the clock its own port")
        self._refuse_clock_as_data(cells, clock)
        return clock

    def _refuse_clock_as_data(self, cells: Sequence[Cell], clock: Bit) -> None:
        for cell in cells:
            for pin, bits in cell.connections.items():
                reads = cell.directions.get(pin) == "input" and pin not in _clock_pins(cell)
                if reads and cell.type not in primitives.BUFFERS and clock in map(self._resolve, bits):
                    raise InputError(
                        f"the clock {self.netlist.called(clock)} is data at pin {pin} of {_at(cell)}",
                        hint="a clock may drive clock pins only",
                    )
        for port in self.netlist.ports:
            if port.direction == "output" and clock in map(self._resolve, port.bits):
                raise InputError(
                    f"the clock {self.netlist.called(clock)} is data at output {port.name}",
                    hint="a clock may drive clock pins only",
                )

    # cells

    def _cell(self, cell: Cell) -> None:
        kind = cell.type
        if kind in primitives.LUTS:
            self._lut(cell, primitives.LUTS[kind])
        elif kind == "LUT6_2":
            self._lut6_2(cell)
        elif kind == "INV":
            self._emit(Kind.NOT, cell, [self._read(self._pin(cell, "I"))], self._out(cell, "O"))
        elif kind in primitives.MUXES:
            pins = [self._read(self._pin(cell, pin)) for pin in ("S", "I0", "I1")]
            self._emit(Kind.MUX, cell, pins, self._out(cell, "O"))
        elif kind in primitives.CARRIES:
            self._carry(cell, primitives.CARRIES[kind])
        elif kind in primitives.FLIP_FLOPS:
            self._flip_flop(cell, primitives.FLIP_FLOPS[kind])
        elif kind in primitives.MEMORIES:
            self._memory(cell, primitives.MEMORIES[kind])
        elif kind in dsp.KINDS:
            seen = self._behavioral(cell)
            dsp.lower(cell, seen, Gates(lambda what, inputs: seen.emit(what, inputs, None, -1)))
        elif kind in block_ram.KINDS:
            around = self._behavioral(cell)
            block_ram.lower(cell, around, Gates(lambda what, inputs: around.emit(what, inputs, None, -1)))

    def _behavioral(self, cell: Cell) -> CellPins:
        """A cell as those see it that are described by what they do."""

        def emit(kind: Kind, inputs: Sequence[Bit], out: Bit | None, memory: int) -> Bit:
            return self._emit(kind, cell, inputs, out, memory)

        return CellPins(
            cell,
            self.labels[cell.name],
            self._read,
            self._new,
            emit,
            self.flip_flops,
            self.memories,
            self.wanted,
        )

    def _content(self, cell: Cell, name: str, width: int) -> int:
        """A parameter as a number; digits that are x or z are 0, and counted."""
        value = cell.parameters.get(name, 0)
        if isinstance(value, str):
            digits = value.replace("z", "x")
            if not digits or digits.strip("01x"):
                raise InputError(f"{name} of {cell.type} {_at(cell)} is {value!r}", hint="give it a number")
            self.unknown_constants += digits.count("x")
            value = int(digits.replace("x", "0"), 2)
        if value >> width:
            raise InputError(
                f"{name} of {cell.type} {_at(cell)} has more than {width} bits", hint="check the netlist"
            )
        return value

    def _table(self, cell: Cell, content: int, inputs: Sequence[Bit], first: int, pin: str) -> None:
        label = self.labels[cell.name]
        table = Table(label.name, cell.type, content, len(inputs), first, label.source)
        self.tables.append(table)
        self._emit(Kind.TABLE, cell, inputs, self._out(cell, pin), len(self.tables) - 1)

    def _lut(self, cell: Cell, width: int) -> None:
        inputs = [self._read(self._pin(cell, f"I{i}")) for i in range(width)]
        content = self._content(cell, "INIT", 1 << width)
        self._table(cell, content, inputs, self.configuration_bits, "O")
        self.configuration_bits += 1 << width

    def _lut6_2(self, cell: Cell) -> None:
        """O6 sees all 64 bits, O5 the lower 32 of them."""
        inputs = [self._read(self._pin(cell, f"I{i}")) for i in range(6)]
        content, first = self._content(cell, "INIT", 64), self.configuration_bits
        wide = self._out(cell, "O6") is not None
        if wide:
            self._table(cell, content, inputs, first, "O6")
        if self._out(cell, "O5") is not None:
            self._table(cell, content & 0xFFFFFFFF, inputs[:5], first, "O5")
        self.configuration_bits += 64 if wide else 32

    def _carry(self, cell: Cell, width: int) -> None:
        """O = S ^ carry; the next carry is the carry where S, else DI."""
        carry = self._read(self._pin(cell, "CI"))
        if width == 4:
            first = self._read(self._pin(cell, "CYINIT")) if "CYINIT" in cell.connections else "0"
            if carry == "0":
                carry = first
            elif first != "0":  # the two are joined by OR; hardware uses one of them
                carry = self._emit(Kind.MUX, cell, [carry, first, "1"])
        dual = width == 8 and cell.parameters.get("CARRY_TYPE") == "DUAL_CY4"
        for i in range(width):
            if dual and i == 4:
                carry = self._read(self._pin(cell, "CI_TOP"))
            select, data = self._read(self._pin(cell, "S", i)), self._read(self._pin(cell, "DI", i))
            self._emit(Kind.XOR, cell, [select, carry], self._out(cell, "O", i))
            carry = self._emit(Kind.MUX, cell, [select, data, carry], self._out(cell, "CO", i))

    def _flip_flop(self, cell: Cell, kind: primitives.FlipFlopType) -> None:
        def pin(name: str) -> Bit:
            return self._maybe_inverted(cell, name, self._read(self._pin(cell, name)))

        q = self._out(cell, "Q")
        if q is None:
            q = self._new()
        d, reset = pin("D"), pin(kind.reset)
        enable = pin("CE") if "CE" in cell.connections else "1"
        initial = cell.parameters.get("INIT", "x")
        label = self.labels[cell.name]
        when = Reset.ASYNC if kind.asynchronous else Reset.SYNC
        if reset == "0":
            when = Reset.NONE
        elif when is Reset.ASYNC and not (reset == "1" or reset in self.inputs):
            when, shown = Reset.SYNC, q
            q = self._new()
            self._emit(Kind.MUX, cell, [reset, q, str(kind.value)], shown)
        flip_flop = FlipFlop(
            label.name,
            cell.type,
            q=-1,
            d=-1,
            kind=when,
            reset_value=kind.value,
            initial=initial if isinstance(initial, int) else kind.value,
            source=label.source,
        )
        self.flip_flops.append((flip_flop, q, d, enable, reset))

    def _memory(self, cell: Cell, kind: primitives.MemoryType) -> None:
        label = self.labels[cell.name]
        enable = self._read(self._pin(cell, kind.enable))
        write = tuple(self._read(self._pin(cell, *pin)) for pin in kind.write)
        for bit in kind.bits:
            outs = [(self._out(cell, pin, i), address) for pin, i, address in bit.reads]
            outs = [(out, address) for out, address in outs if out in self.wanted]
            if not outs:
                continue
            name, first, step = bit.content
            content = self._content(cell, name, kind.depth * step)
            initial = sum((content >> (first + step * word) & 1) << word for word in range(kind.depth))
            shown = label.name if len(kind.bits) == 1 else f"{label.name}[{bit.data[0][2:]}{bit.data[1]}]"
            memory = Memory(shown, cell.type, kind.depth, (), initial, label.source)
            index = len(self.memories)
            self.memories.append((memory, [(self._read(self._pin(cell, *bit.data)), enable, write)]))
            for out, address in outs:
                pins = [pin if pin == "1" else self._read(self._pin(cell, pin, i)) for pin, i in address]
                self._emit(Kind.READ, cell, pins, out, index)

    # numbers

    def _number(self, clock: Bit | None) -> Design:
        outputs = [
            (port.name, [self._read(bit) for bit in port.bits])
            for port in self.netlist.ports
            if port.direction == "output"
        ]
        ordered = self._ordered(self._live(outputs))
        number: dict[Bit, int] = {"0": ZERO, "1": ONE}

        def name(bit: Bit) -> int:
            return number.setdefault(bit, len(number))

        ports = [port for port in self.netlist.ports if port.direction == "input" and clock not in port.bits]
        inputs = tuple(Port(port.name, tuple(map(name, port.bits))) for port in ports)
        for _, q, *_ in self.flip_flops:
            name(q)
        for _, out, *_ in ordered:
            name(out)
        operations = tuple(
            Operation(kind, number[out], tuple(number[bit] for bit in pins), table)
            for kind, out, pins, table, _ in ordered
        )
        flip_flops = tuple(
            replace(flip_flop, q=number[q], d=number[d], enable=number[enable], reset=number[reset])
            for flip_flop, q, d, enable, reset in self.flip_flops
        )
        memories = tuple(
            replace(
                memory,
                writes=tuple(
                    Write(number[d], number[enable], tuple(number[bit] for bit in address))
                    for d, enable, address in writes
                ),
            )
            for memory, writes in self.memories
        )
        return Design(
            name=self.netlist.name,
            bits=len(number),
            inputs=inputs,
            outputs=tuple(Port(port, tuple(number[bit] for bit in bits)) for port, bits in outputs),
            operations=operations,
            tables=tuple(self.tables),
            flip_flops=flip_flops,
            memories=memories,
            configuration_bits=self.configuration_bits,
            clock=self.netlist.called(clock) if clock is not None else "",
            unknown_constants=self.unknown_constants,
            names={
                place: self.netlist.names[bit]
                for bit, place in number.items()
                if isinstance(bit, int) and bit in self.netlist.names
            },
        )

    def _live(
        self, outputs: Sequence[tuple[str, list[Bit]]]
    ) -> list[tuple[Kind, Bit, tuple[Bit, ...], int, Cell]]:
        """Operations that something reads; tables always, since their bits are in the device."""
        wanted = {bit for _, bits in outputs for bit in bits}
        for _, _, d, enable, reset in self.flip_flops:
            wanted |= {d, enable, reset}
        for _, writes in self.memories:
            wanted |= {bit for d, enable, address in writes for bit in (d, enable, *address)}
        driver = {out: (kind, pins) for kind, out, pins, _, _ in self.operations}
        todo = [*wanted, *(out for out, (kind, _) in driver.items() if kind is Kind.TABLE)]
        live: set[Bit] = set()
        while todo:
            bit = todo.pop()
            if bit in driver and bit not in live:
                live.add(bit)
                todo.extend(driver[bit][1])
        return [operation for operation in self.operations if operation[1] in live]

    def _ordered(
        self, operations: Sequence[tuple[Kind, Bit, tuple[Bit, ...], int, Cell]]
    ) -> list[tuple[Kind, Bit, tuple[Bit, ...], int, Cell]]:
        """Topological order, first come first served."""
        driver = {out: index for index, (_, out, *_) in enumerate(operations)}
        readers: dict[int, list[int]] = {}
        missing = [0] * len(operations)
        for index, (_, _, pins, _, _) in enumerate(operations):
            for bit in pins:
                if bit in driver:
                    readers.setdefault(driver[bit], []).append(index)
                    missing[index] += 1
        ready = deque(index for index, count in enumerate(missing) if count == 0)
        order: list[int] = []
        while ready:
            index = ready.popleft()
            order.append(index)
            for reader in readers.get(index, ()):
                missing[reader] -= 1
                if missing[reader] == 0:
                    ready.append(reader)
        if len(order) < len(operations):
            self._refuse_loop(operations, driver, [i for i, count in enumerate(missing) if count])
        return [operations[index] for index in order]

    def _refuse_loop(
        self,
        operations: Sequence[tuple[Kind, Bit, tuple[Bit, ...], int, Cell]],
        driver: Mapping[Bit, int],
        stuck: Sequence[int],
    ) -> None:
        """Walk against the signals among the operations that wait, until one comes again."""
        waiting, path, here = set(stuck), [], stuck[0]
        while here not in path:
            path.append(here)
            here = next(driver[bit] for bit in operations[here][2] if driver.get(bit) in waiting)
        ring = path[path.index(here) :][::-1]
        cells = list(dict.fromkeys(_described(operations[i][4], self.labels) for i in ring))
        shown = " -> ".join(cells[:8]) + (f" -> ... {len(cells) - 8} more" if len(cells) > 8 else "")
        raise InputError(
            f"a combinational loop through {len(cells)} cells: {shown}", hint="break it with a flip-flop"
        )


def _described(cell: Cell, labels: Mapping[str, Label]) -> str:
    label = labels[cell.name]
    return f"{cell.type} {label.name}" + (f" ({label.source})" if label.source else "")


def _clock_pins(cell: Cell) -> tuple[str, ...]:
    if cell.type in primitives.FLIP_FLOPS:
        return ("C",)
    if cell.type in dsp.KINDS:
        return ("CLK",) if dsp.clocked(cell) else ()
    if cell.type in block_ram.KINDS:
        return block_ram.clocks(cell)
    memory = primitives.MEMORIES.get(cell.type)
    return (memory.clock,) if memory else ()
