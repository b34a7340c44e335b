"""Stimuli from files: CSV with a column a port, and VCD as simulators write it."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vedette.errors import InputError
from vedette.softerror.design import Design
from vedette.softerror.stimulus import Stimulus, from_values


def from_file(path: Path | str, design: Design) -> Stimulus:
    """A stimulus from a .csv or .vcd file.

    Raises:
        InputError: another kind of file, or as of `from_csv` and `from_vcd`.
    """
    readers = {".csv": from_csv, ".vcd": from_vcd}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path} holds no vectors", hint="give a .csv or a .vcd file")
    return readers[suffix](path, design)


def from_csv(path: Path | str, design: Design) -> Stimulus:
    """A stimulus from a table: names of the input ports in the first line, then a line a cycle.

    Numbers are decimal, or begin with 0x or 0b. A column of the clock is left out.

    Raises:
        InputError: the file cannot be read, lacks a port, has one too many or twice, or a number is none or
            does not fit; with the line.
    """
    lines = csv.reader(_text(path).splitlines())
    header = [name.strip() for name in next(lines, [])]
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{path} has {header.count(name)} columns {name!r}", hint="name each port once")
    rows = []
    for line in lines:
        where = f"{path}:{lines.line_num}"
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise InputError(f"{where} has {len(line)} values", hint=f"the header names {len(header)} ports")
        rows.append({name: _number(cell, name, where) for name, cell in zip(header, line, strict=True)})
    return from_values(design, rows, where=f"{path}: cycle")


def from_vcd(path: Path | str, design: Design, *, scope: str | None = None) -> Stimulus:
    """A stimulus from the waveforms of the input ports; `x` and `z` are read as 0.

    A row is what the inputs were right before a rising edge of the clock; an edge into the first value of the
    file is none, for nothing is known from before. Where the design or the file has
    no clock, every time at which something changed gives a row, with the values from then on.

    Args:
        scope: "tb.dut", the instance whose ports to take; by default the outermost that has them all.

    Raises:
        InputError: the file cannot be read, has not all ports, or no edge.
    """
    wave = _Wave()
    tokens = iter(_text(path).split())
    try:
        wave.declarations(tokens)
    except (StopIteration, ValueError, IndexError) as error:
        raise InputError(f"{path} is no VCD file", hint="give what $dumpvars wrote") from error
    ports = {port.name: len(port.bits) for port in design.inputs}
    signals = wave.ports(scope, ports, str(path))
    clock = wave.scopes[wave.chosen].get(design.clock, {}).get(0, ("", 0))[0] if design.clock else ""
    rows = []
    for values, changed, before in wave.steps(tokens):
        if clock and before.get(clock, "1") != "1" and values.get(clock) == "1":
            rows.append({name: _value(signals[name], before, ports[name]) for name in ports})
        elif not clock and changed:
            rows.append({name: _value(signals[name], values, ports[name]) for name in ports})
    if not rows:
        raise InputError(f"{path} has no rising edge of {design.clock}", hint="dump a longer run")
    return from_values(design, rows, where=f"{path}: cycle")


Places = dict[int, tuple[str, int]]  # of each bit of a signal: its identifier code, its place in there


@dataclass
class _Wave:
    """Signals of a VCD file by scope, and its values as time goes on."""

    scopes: dict[str, dict[str, Places]] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    chosen: str = ""

    def declarations(self, tokens: Iterator[str]) -> None:
        path: list[str] = []
        while (token := next(tokens)) != "$enddefinitions":
            if not token.startswith("$"):
                continue
            body = []
            while (word := next(tokens)) != "$end":
                body.append(word)
            if token == "$scope":
                path.append(body[-1])
            elif token == "$upscope":
                path.pop()
            elif token == "$var" and len(body) >= 4:
                self._signal(".".join(path), int(body[1]), body[2], "".join(body[3:]))
        while next(tokens) != "$end":
            pass

    def _signal(self, scope: str, width: int, code: str, name: str) -> None:
        found = re.fullmatch(r"\\?(.*?)(?:\[(\d+)(?::(\d+))?\])?", name)
        assert found is not None  # any name does
        high, low = found[2], found[3]
        first = int(low) if low is not None else int(high) if high is not None else 0
        places = self.scopes.setdefault(scope, {}).setdefault(found[1], {})
        places.update({first + i: (code, i) for i in range(width)})
        self.widths[code] = width

    def ports(self, scope: str | None, ports: dict[str, int], path: str) -> dict[str, Places]:
        """The signals of these ports, in `scope` or the outermost scope that has them all."""
        candidates = [scope] if scope is not None else sorted(self.scopes, key=lambda s: (s.count("."), s))
        for candidate in candidates:
            signals = self.scopes.get(candidate, {})
            if all(name in signals for name in ports):
                self.chosen = candidate
                for name, width in ports.items():
                    if len(signals[name]) != width:
                        raise InputError(
                            f"{path}: {name} in {candidate} has {len(signals[name])} bits, the port {width}",
                            hint="dump the signals of the same design",
                        )
                return {name: dict(enumerate(p for _, p in sorted(signals[name].items()))) for name in ports}
        held = {scope: ports.keys() & self.scopes.get(scope, {}).keys() for scope in candidates}
        best = max(held, key=lambda scope: len(held[scope]), default="")
        lacks = [name for name in ports if name not in self.scopes.get(best, {})]
        raise InputError(
            f"{path} has no scope with all input ports: {best or 'it'} lacks {', '.join(lacks)}",
            hint="dump the ports of the design under test with $dumpvars",
        )

    def steps(self, tokens: Iterator[str]) -> Iterator[tuple[dict[str, str], bool, dict[str, str]]]:
        """At each time: the values, whether any changed, and the values before."""
        values: dict[str, str] = {}
        before: dict[str, str] = {}
        changed = False
        for token in tokens:
            if token[0] == "#":
                if changed:
                    yield values, changed, before
                before, changed = dict(values), False
            elif token[0] in "bB":
                code = next(tokens, "")
                digits = token[1:].lower()
                width = self.widths.get(code, 1)
                fill = digits[0] if digits[:1] in ("x", "z") else "0"
                values[code], changed = digits.rjust(width, fill), True
            elif token[0] in "rR":
                next(tokens, "")
            elif token[0] in "01xXzZ":
                values[token[1:]], changed = token[0].lower(), True
        if changed:
            yield values, changed, before


def _value(places: Places, values: dict[str, str], width: int) -> int:
    digits = (values.get(code, "0")[::-1] for code, _ in (places[i] for i in range(width)))
    bits = [text[places[i][1]] if places[i][1] < len(text) else "0" for i, text in enumerate(digits)]
    return sum((bit == "1") << i for i, bit in enumerate(bits))


def _number(cell: str, name: str, where: str) -> int:
    try:
        return int(cell.strip(), 0)
    except ValueError as error:
        raise InputError(f"{where}: {name} is {cell!r}", hint="give 12, 0x0c or 0b1100") from error


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # spreadsheets begin a file with its mark
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="check the path") from error
