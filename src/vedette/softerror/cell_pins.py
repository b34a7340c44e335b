"""What a behavioral cell sees of the lowering it is part of: its pins, and new flip-flops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vedette.hardware.netlist import Bit, Cell
from vedette.softerror.cell_names import Label
from vedette.softerror.design import FlipFlop, Kind, Memory, Reset

Register = tuple[FlipFlop, Bit, Bit, Bit, Bit]  # with its q, d, enable, reset
PortWrite = tuple[Bit, Bit, tuple[Bit, ...]]  # data, enable, address
Storage = tuple[Memory, list[PortWrite]]


@dataclass(frozen=True)
class CellPins:
    """Pins of one cell.

    Attributes:
        cell, label: what it is, and how it is called in rows.
        net: what a net reads as.
        new: a bit that is no net.
        emit: (kind, inputs, net or None, memory or -1) -> the bit that a new operation drives.
        flip_flops, memories: where these go.
        wanted: nets that something reads.
    """

    cell: Cell
    label: Label
    net: Callable[[Bit], Bit]
    new: Callable[[], Bit]
    emit: Callable[[Kind, Sequence[Bit], Bit | None, int], Bit]
    flip_flops: list[Register]
    memories: list[Storage]
    wanted: frozenset[Bit]

    def read(self, pin: str, index: int) -> Bit:
        """The net at an input pin; "0" where nothing is connected."""
        bits = self.cell.connections.get(pin, ())
        return self.net(bits[index]) if index < len(bits) and bits[index] not in ("x", "z") else "0"

    def register(
        self, name: str, d: Bit, enable: Bit, reset: Bit, *, value: int = 0, initial: int = 0
    ) -> Bit:
        """The output of a new flip-flop with a synchronous reset to `value`."""
        q, tell = self.later(name, value=value, initial=initial)
        tell(d, enable, reset)
        return q

    def memory(self, name: str, depth: int, initial: int, writes: Sequence[PortWrite]) -> int:
        """The index of a new memory one bit wide."""
        shown = f"{self.label.name}.{name}"
        made = Memory(shown, self.cell.type, depth, (), initial, self.label.source)
        self.memories.append((made, list(writes)))
        return len(self.memories) - 1

    def look_up(self, memory: int, address: Sequence[Bit]) -> Bit:
        """What a memory holds at an address."""
        return self.emit(Kind.READ, address, None, memory)

    def later(
        self, name: str, *, value: int = 0, initial: int = 0
    ) -> tuple[Bit, Callable[[Bit, Bit, Bit], None]]:
        """The output of such a flip-flop, and how its D, enable and reset are told."""
        q = self.new()

        def tell(d: Bit, enable: Bit, reset: Bit) -> None:
            kind = Reset.NONE if reset == "0" else Reset.SYNC
            made = FlipFlop(
                f"{self.label.name}.{name}",
                self.cell.type,
                q=-1,
                d=-1,
                kind=kind,
                reset_value=value,
                initial=initial,
                source=self.label.source,
            )
            self.flip_flops.append((made, q, d, enable, reset))

        return q, tell

    def drive(self, pin: str, index: int, source: Bit) -> None:
        """Let an output pin show a bit."""
        bits = self.cell.connections.get(pin, ())
        if index < len(bits) and bits[index] in self.wanted:
            self.emit(Kind.MUX, ["0", source, source], bits[index], -1)

    def is_read(self, pin: str) -> bool:
        """Whether anything reads an output pin."""
        return not self.wanted.isdisjoint(self.cell.connections.get(pin, ()))
