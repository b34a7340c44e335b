"""A netlist of FPGA primitives, as Yosys writes it in JSON.

Names are Yosys' own: a module has ports and cells, a cell has ports too, and every port is a list of bits,
the least significant first. A bit is the number of a net, or one of the constants "0", "1", "x", "z".
Only the top module is read: flatten before writing.
"""

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.errors import InputError, UnknownNameError

Bit = int | str
CONSTANTS = ("0", "1", "x", "z")
HINT = "give a netlist that Yosys wrote with write_json"
_LIBRARY = re.compile(r"(^|/)share/(yosys/)?\w+/\w+\.(v|vh|sv)(:|$)")


@dataclass(frozen=True)
class Port:
    """A port of the top module.

    Attributes:
        direction: "input", "output" or "inout".
        bits: least significant first.
    """

    name: str
    direction: str
    bits: tuple[Bit, ...]


@dataclass(frozen=True)
class Cell:
    """One instance of a primitive.

    Attributes:
        name: as Yosys has it; generated ones begin with "$".
        type: of the primitive, "LUT4".
        connections: bits at each port.
        directions: of each port; empty where Yosys does not know the primitive.
        parameters: integers; text stays text, and so do numbers with an x or z in them.
        attributes: text.
    """

    name: str
    type: str
    connections: Mapping[str, tuple[Bit, ...]]
    directions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """File and line of the HDL it came from, "" where only Yosys' own library is named."""
        return source_of(self.attributes)


@dataclass(frozen=True)
class Netlist:
    """The top module, flat.

    Attributes:
        names: of nets, "core.state[2]"; where a net has several, that of the register that drives it, else
            the shortest that the user chose.
        sources: file and line of these names' declarations.
        creator: the tool and version that wrote it.
    """

    name: str
    ports: tuple[Port, ...]
    cells: tuple[Cell, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    sources: Mapping[int, str] = field(default_factory=dict)
    creator: str = ""

    def called(self, bit: Bit) -> str:
        """How a message names a bit."""
        return self.names.get(bit, f"net {bit}") if isinstance(bit, int) else f"constant {bit}"

    def verify(self) -> tuple[str, ...]:
        """Names of the nets that are driven and that nothing reads, sorted.

        Raises:
            InputError: a net has two drivers, a net is read and has none, or a port's direction is unknown.
        """
        drivers: dict[int, list[str]] = {}
        readers: dict[int, str] = {}
        for name, direction, bits in self._connections():
            for bit in bits:
                if isinstance(bit, str):
                    if bit not in CONSTANTS or (direction == "output" and not name.startswith("port ")):
                        raise InputError(f"{name} drives the constant {bit!r}", hint=HINT)
                elif (direction == "output") != name.startswith("port "):
                    drivers.setdefault(bit, []).append(name)
                else:
                    readers.setdefault(bit, name)
        twice = [(bit, who) for bit, who in sorted(drivers.items()) if len(who) > 1]
        if twice:
            bit, who = twice[0]
            raise InputError(
                f"{self.called(bit)} is driven by {' and by '.join(sorted(who)[:3])}",
                hint=f"{len(twice)} nets have more than one driver: give each net one",
            )
        open_ = [bit for bit in sorted(readers) if bit not in drivers]
        if open_:
            raise InputError(
                f"{self.called(open_[0])} is read by {readers[open_[0]]} and nothing drives it",
                hint=f"undriven: {_few([self.called(bit) for bit in open_])}; drive or tie them",
            )
        return tuple(sorted(self.called(bit) for bit in drivers if bit not in readers))

    def _connections(self) -> list[tuple[str, str, tuple[Bit, ...]]]:
        """(who, direction, bits) of every port, of the module and of the cells."""
        rows = []
        for port in self.ports:
            if port.direction not in ("input", "output"):
                raise InputError(
                    f"port {port.name} is {port.direction}", hint="split it into an input and an output"
                )
            rows.append((f"port {port.name}", port.direction, port.bits))
        for cell in self.cells:
            for name, bits in cell.connections.items():
                direction = cell.directions.get(name, "")
                if direction not in ("input", "output"):
                    raise InputError(
                        f"port {name} of {cell.type} {cell.name} has direction {direction or 'unknown'}",
                        hint="read the library of primitives before the netlist",
                    )
                rows.append((f"{cell.type} {cell.name}", direction, bits))
        return rows


def read(path: Path | str, *, top: str | None = None) -> Netlist:
    """The netlist in a JSON file, which may be compressed (.gz).

    Args:
        top: the module to read; by default the one that Yosys marked as top.

    Raises:
        InputError: the file cannot be read, is no such netlist, or has no such module.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        parsed = json.loads(text)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", hint=HINT) from error
    except (EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path} is not JSON: {error}", hint=HINT) from error
    return parse(parsed, top=top, where=str(path))


def parse(data: Any, *, top: str | None = None, where: str = "the netlist") -> Netlist:
    """The netlist in what `json.load` gives.

    Raises:
        InputError: as of `read`.

    >>> gate = {"modules": {"top": {"ports": {"a": {"direction": "input", "bits": [2]},
    ...                                       "y": {"direction": "output", "bits": [3]}},
    ...         "cells": {"n": {"type": "INV", "port_directions": {"I": "input", "O": "output"},
    ...                         "connections": {"I": [2], "O": [3]}}}}}}
    >>> parse(gate).cells[0].connections["O"]
    (3,)
    """
    modules = data.get("modules") if isinstance(data, dict) else None
    if not isinstance(modules, dict) or not modules:
        raise InputError(f"{where} holds no modules", hint=HINT)
    name = _top(modules, where) if top is None else top
    if name not in modules:
        raise UnknownNameError("module", name, modules)
    try:
        return _module(name, modules[name], str(data.get("creator", "")))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"module {name} of {where} lacks {error}", hint=HINT) from error


def source_of(attributes: Mapping[str, str]) -> str:
    """The first place in `src` that is not in Yosys' own library.

    >>> source_of({"src": "b03.v:17.3-20.6|/usr/share/yosys/xilinx/ff_map.v:31.41-31.97"})
    'b03.v:17.3-20.6'
    """
    places = str(attributes.get("src", "")).split("|")
    return next((place for place in places if place and not _LIBRARY.search(place)), "")


def _top(modules: Mapping[str, Any], where: str) -> str:
    marked = [name for name, module in modules.items() if _is_set(module, "top")]
    own = marked or [name for name, module in modules.items() if not _is_set(module, "blackbox")]
    if len(own) != 1:
        raise InputError(f"{where} holds {len(own)} modules: {_few(sorted(own))}", hint="name the top module")
    return own[0]


def _is_set(module: Any, attribute: str) -> bool:
    value = module.get("attributes", {}).get(attribute, 0) if isinstance(module, dict) else 0
    return value == 1 or (isinstance(value, str) and value.strip("0") == "1")


def _module(name: str, module: Mapping[str, Any], creator: str) -> Netlist:
    ports = tuple(
        Port(port, str(entry["direction"]), tuple(entry["bits"])) for port, entry in module["ports"].items()
    )
    cells = tuple(
        Cell(
            cell,
            str(entry["type"]),
            {port: tuple(bits) for port, bits in entry["connections"].items()},
            dict(entry.get("port_directions", {})),
            {key: _parameter(value) for key, value in entry.get("parameters", {}).items()},
            {key: str(value) for key, value in entry.get("attributes", {}).items()},
        )
        for cell, entry in module.get("cells", {}).items()
        if entry["type"] != "$scopeinfo"  # a note on what was flattened, without ports
    )
    best: dict[int, tuple[tuple[int, bool, int, int, str], str, str]] = {}
    for net, entry in module.get("netnames", {}).items():
        source = source_of(entry.get("attributes", {}))
        offset = int(entry.get("offset", 0))
        for index, bit in enumerate(entry["bits"]):
            if isinstance(bit, int):
                place = len(entry["bits"]) - 1 - index if entry.get("upto") else index
                alone = len(entry["bits"]) == 1 and not offset
                shown = net if alone else f"{net}[{place + offset}]"
                driver = "driver" in entry.get("attributes", {})
                rank = (int(entry.get("hide_name", 0)), not driver, net.count("."), len(shown), shown)
                if bit not in best or rank < best[bit][0]:
                    best[bit] = (rank, shown, source)
    for port in ports:  # a port's name goes before that of a wire behind it
        for index, bit in enumerate(port.bits):
            if isinstance(bit, int) and port.direction == "input":
                shown = port.name if len(port.bits) == 1 else f"{port.name}[{index}]"
                best[bit] = ((0, False, 0, 0, ""), shown, best[bit][2] if bit in best else "")
    names = {bit: shown for bit, (_, shown, _) in sorted(best.items())}
    sources = {bit: source for bit, (_, _, source) in sorted(best.items()) if source}
    return Netlist(name, ports, cells, names, sources, creator)


def _parameter(value: Any) -> int | str:
    """Yosys writes a number as binary digits, and text that looks like one with a blank behind it."""
    if isinstance(value, str) and re.fullmatch("[01]+", value):
        return int(value, 2)
    if isinstance(value, str):
        return value[:-1] if re.fullmatch("[01xz]* +", value) else value
    return int(value)


def _few(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
