"""Names that a person knows for cells that the synthesizer made.

Technology mapping calls a table `$abc$22349$lut$aiger$o111` and forgets where it came from. Such a cell is
called after the net it drives, `core.state[2]_LUT4`; where the user named no such net, after the nearest
flip-flop or output that it feeds, whose source line it takes too. That is an inference of ours, not the
synthesizer's word; names that a user or a vendor's tool gave stay as they are.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from vedette.hardware.netlist import Cell, Netlist


@dataclass(frozen=True)
class Label:
    """What a report says of a cell: "a.b.c", and "b03.v:17.3-20.6" or ""."""

    name: str
    source: str


def label_cells(netlist: Netlist) -> Mapping[str, Label]:
    """A label for each cell, by its name in the netlist; no two names are equal."""
    cells = sorted(netlist.cells, key=lambda cell: cell.name)
    found = _found(netlist, cells)
    taken = {cell.name.replace("/", ".") for cell in cells if not _generated(cell.name)}
    labels, uses = {}, dict[str, int]()
    for index, cell in enumerate(cells):
        net, source = found.get(index, ("", ""))
        if not _generated(cell.name):
            labels[cell.name] = Label(cell.name.replace("/", "."), cell.source or source)
            continue
        base = f"{net}_{cell.type}" if net else cell.type
        name = base
        while name in taken:
            uses[base] = uses.get(base, 0) + 1
            name = f"{base}_{uses[base]}"
        taken.add(name)
        labels[cell.name] = Label(name, cell.source or source)
    return labels


def _found(netlist: Netlist, cells: list[Cell]) -> dict[int, tuple[str, str]]:
    """For each cell the net it is called after, and the source line that goes with it."""
    driver = {
        bit: index
        for index, cell in enumerate(cells)
        for port, bits in cell.connections.items()
        if cell.directions.get(port) == "output"
        for bit in bits
    }
    outputs = {
        bit: port.name if len(port.bits) == 1 else f"{port.name}[{i}]"
        for port in netlist.ports
        if port.direction == "output"
        for i, bit in enumerate(port.bits)
    }
    found: dict[int, tuple[str, str]] = {}
    for bit, index in driver.items():
        if isinstance(bit, str):
            continue
        name = netlist.names.get(bit, "")
        if _generated(name):
            name = outputs.get(bit, "")
        if name and index not in found:
            found[index] = name, cells[index].source or netlist.sources.get(bit, "")
    todo = deque(sorted(found))
    while todo:
        index = todo.popleft()
        for port, bits in sorted(cells[index].connections.items()):
            for bit in bits if cells[index].directions.get(port) == "input" else ():
                feeder = driver.get(bit)
                if feeder is not None and feeder not in found:
                    found[feeder] = found[index]
                    todo.append(feeder)
    return found


def _generated(name: str) -> bool:
    return not name or name.startswith("$")
