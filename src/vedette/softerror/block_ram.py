"""RAMB18 and RAMB36 (E1 and E2) as memories and flip-flops: what a port reads is latched at the edge.

After AMD's user guides UG473 and UG573. The bits are kept in memories one bit wide, as many as the widest
port has; a port that is narrower reads through multiplexers and writes to those that the low bits of its
address name. A read sees what was stored before the edge, also where the other port writes at that moment;
of two writes to one address that of port B stays. Refused by name: ECC, cascades, FIFO, and what depends
on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vedette.errors import InputError
from vedette.hardware.netlist import Bit, Cell
from vedette.softerror.gates import Bits, Gates

KINDS = {"RAMB18E1": 18, "RAMB36E1": 36, "RAMB18E2": 18, "RAMB36E2": 36}  # widest port, parity included
WIDTHS = (0, 1, 2, 4, 9, 18, 36, 72)
PORTS = ("A", "B")
CLOCKS = {"A": "CLKARDCLK", "B": "CLKBWRCLK"}
_PINS = {
    "A": ("ENARDEN", "REGCEAREGCE", "RSTRAMARSTRAM", "RSTREGARSTREG", "ADDRARDADDR", "WEA"),
    "B": ("ENBWREN", "REGCEB", "RSTRAMB", "RSTREGB", "ADDRBWRADDR", "WEBWE"),
}
_NAMES = {  # data in, parity in, data out, parity out
    "1": {"A": ("DIADI", "DIPADIP", "DOADO", "DOPADOP"), "B": ("DIBDI", "DIPBDIP", "DOBDO", "DOPBDOP")},
    "2": {
        "A": ("DINADIN", "DINPADINP", "DOUTADOUT", "DOUTPADOUTP"),
        "B": ("DINBDIN", "DINPBDINP", "DOUTBDOUT", "DOUTPBDOUTP"),
    },
}

PortWrite = tuple[Bit, Bit, tuple[Bit, ...]]  # data, enable, address


@runtime_checkable
class Pins(Protocol):
    """What a cell needs of the lowering that it is part of."""

    def read(self, pin: str, index: int) -> Bit:
        """The net at an input pin; "0" where nothing is connected."""

    def register(
        self, name: str, d: Bit, enable: Bit, reset: Bit, *, value: int = 0, initial: int = 0
    ) -> Bit:
        """The output of a new flip-flop with a synchronous reset."""

    def memory(self, name: str, depth: int, initial: int, writes: Sequence[PortWrite]) -> int:
        """The index of a new memory one bit wide."""

    def look_up(self, memory: int, address: Sequence[Bit]) -> Bit:
        """What a memory holds at an address."""

    def drive(self, pin: str, index: int, source: Bit) -> None:
        """Let an output pin show a bit."""

    def is_read(self, pin: str) -> bool:
        """Whether anything reads an output pin."""


def lower(cell: Cell, pins: Pins, gates: Gates) -> None:
    """Write a block RAM.

    Raises:
        InputError: it uses what is not modeled.
    """
    _Block(cell, pins, gates).write()


def clocks(cell: Cell) -> tuple[str, ...]:
    """Clock pins of the ports in use."""
    return tuple(CLOCKS[port] for port in PORTS if any(_width(cell, way, port) for way in ("READ", "WRITE")))


def _width(cell: Cell, way: str, port: str) -> int:
    value = cell.parameters.get(f"{way}_WIDTH_{port}", 0)
    return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class _Half:
    """The data bits of a block, or its parity bits: an array of `bits` that ports see in words.

    Attributes:
        below: bits of an address that name a bit within a step of it: 0 of data, 3 of parity.
        contents: every bit at the start.
        wide: bits of the widest port, and so how many memories there are.
    """

    name: str
    bits: int
    below: int
    contents: int
    wide: int


class _Block:
    def __init__(self, cell: Cell, pins: Pins, gates: Gates) -> None:
        self.cell, self.pins, self.gates = cell, pins, gates
        self.most = KINDS[cell.type]
        self.names = _NAMES[cell.type[-1]]
        self.size = (16 if self.most == 18 else 32) * 1024  # data bits
        self.read = {port: _width(cell, "READ", port) for port in PORTS}
        self.written = {port: _width(cell, "WRITE", port) for port in PORTS}

    def refuse(self, what: str) -> InputError:
        place = f", {self.cell.source}" if self.cell.source else ""
        return InputError(
            f"{self.cell.type} {self.cell.name}{place}: {what} is not modeled",
            hint="synthesize without block RAM (--no-blocks), or leave this out of the memory",
        )

    def word(self, name: str, default: str) -> str:
        value = self.cell.parameters.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def number(self, name: str) -> int:
        value = self.cell.parameters.get(name, 0)
        if isinstance(value, str):  # with x digits, which read as 0
            value = int("0" + "".join("1" if digit == "1" else "0" for digit in value), 2)
        return value

    def pin(self, name: str, index: int = 0) -> Bit:
        bit = self.pins.read(name, index)
        return self.gates.not_(bit) if self.cell.parameters.get(f"IS_{name}_INVERTED", 0) == 1 else bit

    def check(self) -> None:
        for way, widths in (("READ", self.read), ("WRITE", self.written)):
            for port, width in widths.items():
                if width not in WIDTHS or width > 2 * self.most:
                    raise self.refuse(f"{way}_WIDTH_{port} {width}")
        if any(self.read[port] > self.most for port in "B") or self.written["A"] > self.most:
            raise self.refuse("a double width on the wrong port")
        for name in ("EN_ECC_READ", "EN_ECC_WRITE", "EN_ECC_PIPE"):
            if self.word(name, "FALSE") != "FALSE":
                raise self.refuse(name)
        for port in PORTS:
            if self.word(f"RAM_EXTENSION_{port}", "NONE") != "NONE":
                raise self.refuse(f"RAM_EXTENSION_{port}")
            if self.word(f"CASCADE_ORDER_{port}", "NONE") != "NONE":
                raise self.refuse(f"CASCADE_ORDER_{port}")
            first = self.word(f"WRITE_MODE_{port}", "WRITE_FIRST") == "WRITE_FIRST"
            if first and self.read[port] and self.written[port] not in (0, self.read[port]):
                raise self.refuse(f"WRITE_FIRST of port {port} with different widths")
            doubled = self.read[port] > self.most
            if doubled and any(self.number(f"{what}_{one}") for what in ("INIT", "SRVAL") for one in PORTS):
                raise self.refuse("a start or reset value of the double width")

    def write(self) -> None:
        self.check()
        used = [*self.read.values(), *self.written.values()]
        plain = [width if width < 9 else width // 9 * 8 for width in used if width]
        paired = [width // 9 for width in used if width >= 9]
        rows = self.size // 256
        if plain:
            data = _Half("data", self.size, 0, self.contents("INIT", rows), max(plain))
            self.half(data, parity=False)
        if paired:
            contents = self.contents("INITP", rows // 8)
            self.half(_Half("parity", self.size // 8, 3, contents, max(paired)), parity=True)

    def contents(self, name: str, rows: int) -> int:
        total = 0
        for row in range(rows):
            total |= self.number(f"{name}_{row:02X}") << (256 * row)
        return total

    def address(self, port: str, half: _Half, width: int) -> Bits:
        """Address of a word of so many bits, lowest bit first."""
        low = half.below + width.bit_length() - 1
        high = half.below + half.bits.bit_length() - 1
        return [self.pins.read(_PINS[port][4], i) for i in range(low, high)]

    def data_in(self, port: str, index: int, *, parity: bool, doubled: bool) -> Bit:
        """Bit `index` of what a port writes; a double width is port A's pins, then port B's."""
        per = (self.most // 9) * (1 if parity else 8)
        which = ("A" if index < per else "B") if doubled else port
        return self.pins.read(self.names[which][1 if parity else 0], index % per)

    def enable(self, port: str, index: int, *, parity: bool, width: int) -> Bit:
        """Whether bit `index` is written: the port's enable and its byte's."""
        byte = 0 if width < 9 else index if parity else index // 8
        return self.gates.and_(self.pin(_PINS[port][0]), self.pins.read(_PINS[port][5], byte))

    def half(self, half: _Half, *, parity: bool) -> None:
        """Its memories, and what each port reads of them."""
        gates, wide = self.gates, half.wide
        depth = half.bits // wide
        memories = []
        for place in range(wide):
            writes = []
            for port in PORTS:
                full = self.written[port]
                if not full or (parity and full < 9):
                    continue
                width = full if full < 9 else full // 9 * (1 if parity else 8)
                address = self.address(port, half, width)
                group = (wide // width).bit_length() - 1
                here = self.enable(port, place % width, parity=parity, width=full)
                for i, bit in enumerate(address[:group]):
                    wanted = place // width >> i & 1
                    here = gates.and_(here, bit if wanted else gates.not_(bit))
                data = self.data_in(port, place % width, parity=parity, doubled=full > self.most)
                writes.append((data, here, tuple(address[group:])))
            initial = sum((half.contents >> (wide * row + place) & 1) << row for row in range(depth))
            memories.append(self.pins.memory(f"{half.name}[{place}]", depth, initial, writes))
        for port in PORTS:
            if self.read[port] and not (parity and self.read[port] < 9):
                self.show(port, half, memories, parity=parity)

    def show(self, port: str, half: _Half, memories: Sequence[int], *, parity: bool) -> None:
        """The latch and the register of a port, and its pins."""
        gates, full = self.gates, self.read[port]
        width = full if full < 9 else full // 9 * (1 if parity else 8)
        address = self.address(port, half, width)
        group = (half.wide // width).bit_length() - 1
        mode = self.word(f"WRITE_MODE_{port}", "WRITE_FIRST")
        on, clear = self.pin(_PINS[port][0]), self.pin(_PINS[port][2])
        writes = self.written[port] != 0
        any_write: Bit = "0"
        for byte in range(max(1, self.written[port] // 9)) if writes else ():
            any_write = gates.mux(any_write, self.pins.read(_PINS[port][5], byte), "1")
        enable = gates.and_(on, gates.not_(any_write)) if mode == "NO_CHANGE" else on
        for index in range(width):
            words = [
                [self.pins.look_up(memories[width * bank + index], address[group:])]
                for bank in range(half.wide // width)
            ]
            value = gates.choose(address[:group], words)[0]
            if mode == "WRITE_FIRST" and writes:
                now = self.enable(port, index, parity=parity, width=full)
                data = self.data_in(port, index, parity=parity, doubled=full > self.most)
                value = gates.mux(now, value, data)
            place = index if not parity else (full // 9 * 8 + index)  # parity stands above the data
            start, reset = (self.number(f"{what}_{port}") >> place & 1 for what in ("INIT", "SRVAL"))
            name = f"{port}.{half.name}[{index}]"
            shown = self.pins.register(name, value, enable, gates.and_(on, clear), value=reset, initial=start)
            if self.number(f"DO{port}_REG"):
                shown = self.pins.register(
                    f"{name}.register", shown, *self.behind(port), value=reset, initial=start
                )
            per = (self.most // 9) * (1 if parity else 8)
            at = ("A" if index < per else "B") if full > self.most else port
            self.pins.drive(self.names[at][3 if parity else 2], index % per, shown)

    def behind(self, port: str) -> tuple[Bit, Bit]:
        """Enable and reset of the output register."""
        enable, reset = self.pin(_PINS[port][1]), self.pin(_PINS[port][3])
        if self.word(f"RSTREG_PRIORITY_{port}", "RSTREG") == "REGCE":
            reset = self.gates.and_(enable, reset)
        return enable, reset
