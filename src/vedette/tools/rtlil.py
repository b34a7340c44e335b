"""What registers are called, found in Yosys' own text form (RTLIL).

Mapping to tables forgets the names of nets inside a design. Before it, each flip-flop still drives a net
that the user named; flip-flops keep their cell names through mapping, so the names can be given back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Wire:
    """A named net: its width in bits, and which index its first bit has."""

    width: int = 1
    offset: int = 0
    upto: bool = False
    place: str = ""

    def called(self, name: str, index: int) -> str:
        """The name of bit `index`, counted from the least significant."""
        shown = self.offset + (self.width - 1 - index if self.upto else index)
        return name if self.width == 1 else f"{name}[{shown}]"


@dataclass(frozen=True)
class Register:
    """A flip-flop, the bit of a named net that it drives, and its place in the source."""

    cell: str
    net: str
    index: int
    place: str


def register_names(text: str, module: Mapping[str, Any]) -> dict[str, Any]:
    """Net names to add to a module in JSON: what the user called the outputs of its flip-flops.

    A register that leaves its module has a name in each module it passes; the one in the module whose
    lines the register stands in is meant. Added entries have the attribute `driver`.

    Args:
        text: wires, flip-flops and connections before mapping.
        module: the same module after it, as write_json has it.
    """
    wires, registers, aliases, scopes = parse(text)
    lines = scopes | {"": str(module["attributes"].get("src", ""))}
    added = {}
    for register in registers:
        final = module["cells"].get(register.cell)
        if final is None:
            continue

        def rank(net: str, place: str = register.place) -> tuple[bool, int, str]:
            scope = net.rpartition(".")[0]
            while scope and scope not in lines:
                scope = scope.rpartition(".")[0]
            return not _holds(lines[scope], place), len(net), net

        net = min({register.net, *aliases.get(register.net, ())}, key=rank)
        wire = wires.get(net, Wire())
        added[wire.called(net, register.index)] = {
            "hide_name": 0,
            "bits": final["connections"]["Q"],
            "attributes": {"driver": register.cell, "src": f"{register.place}|{wire.place}"},
        }
    return added


def parse(
    text: str,
) -> tuple[dict[str, Wire], list[Register], dict[str, set[str]], dict[str, str]]:
    r"""Named wires, the flip-flops that drive them, for each wire those that are the same, and the lines of
    the module of each instance.

    >>> wires, registers, *_ = parse('''
    ... attribute \\src "f.v:3.13-3.18"
    ... wire width 4 \\state
    ... attribute \\src "f.v:5.1-9.4"
    ... cell \\FDCE $auto$12
    ...   connect \\Q \\state [2]
    ... end''')
    >>> registers[0].cell, wires["state"].called("state", registers[0].index)
    ('$auto$12', 'state[2]')
    """
    wires: dict[str, Wire] = {}
    registers: list[Register] = []
    aliases: dict[str, set[str]] = {}
    scopes: dict[str, str] = {}
    place = cell = module = ""
    for line in map(str.strip, text.splitlines()):
        if found := re.fullmatch(r'attribute \\src "(.*)"', line):
            place = found[1]
        elif found := re.fullmatch(r'attribute \\module_src "(.*)"', line):
            module = found[1]
        elif found := re.fullmatch(r"wire (.*?)([\\$]\S+)", line):
            words = found[1].split()
            numbers = dict(pairwise(words))
            if found[2][0] == "\\":
                size, offset = int(numbers.get("width", 1)), int(numbers.get("offset", 0))
                wires[found[2][1:]] = Wire(size, offset, "upto" in words, place)
            place = ""
        elif found := re.fullmatch(r"cell \S+ (\S+)", line):
            cell = found[1].removeprefix("\\")
            if line.startswith("cell $scopeinfo "):
                scopes[cell] = module
        elif line == "end":
            place = cell = ""
        elif cell:
            if found := re.fullmatch(r"connect \\Q \\(\S+)(?: \[(\d+)\])?", line):
                registers.append(Register(cell, found[1], int(found[2] or 0), place))
        elif found := re.fullmatch(r"connect \\(\S+) \\(\S+)", line):
            aliases.setdefault(found[1], set()).add(found[2])
            aliases.setdefault(found[2], set()).add(found[1])
    return wires, registers, aliases, scopes


def _holds(module: str, place: str) -> bool:
    """Whether the lines "f.v:2.1-14.10" of a module hold the place "f.v:5.3-6.9|..."."""
    outer = re.match(r"(.*):(\d+)\.\d+-(\d+)\.", module)
    inner = re.match(r"(.*?):(\d+)\.", place)
    if not outer or not inner or outer[1] != inner[1]:
        return False
    return int(outer[2]) <= int(inner[2]) <= int(outer[3])
