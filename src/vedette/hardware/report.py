"""The report of a network: where each operator goes and why, as tables in Markdown or on one page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import InputError
from vedette.hardware.devices import Device
from vedette.hardware.engine import SIZES, Engine
from vedette.hardware.estimate import estimate
from vedette.hardware.mapping import MADE, NOT_REACHED, REFUSED, UNITS, Place, ask
from vedette.hardware.network import Network
from vedette.images import check_output, write_atomically
from vedette.report.findings_page import Section, Table, findings_report

PRODUCTS, SUM = ("linear", "matmul", "matmul_transposed"), 1 << 31  # the engine's sums are below
SHORT = ("#", "operator", "makes", "engine", "in memory", "cycles", "carried in", "weights")  # for a terminal
COLUMNS = (
    "#",
    "operator",
    "makes",
    "engine",
    "in memory",
    "cycles",
    "range",
    "ONNX",
    "carried in",
    "weights",
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Of a network: every operator's place, and figures of the whole, name and words."""

    network: str
    places: list[Place]
    figures: dict[str, object]
    weightless: bool

    @property
    def caveats(self) -> list[str]:
        """What must not be overlooked."""
        found = []
        if self.weightless:
            found.append("All weights are zeros: ranges and bits say nothing, places and cycles hold.")
        wrong = [place for place in self.places if place.state == REFUSED]
        if wrong:
            later = sum(place.state == NOT_REACHED for place in self.places)
            found.append(
                f"Operators that the engine has no way for: {len(wrong)}; not reached after: {later}."
            )
            found += [f"Engine, {place.op} to {place.value}: {place.engine}." for place in wrong]
        found += [
            f"Engine, {place.op} to {place.value}: a sum could exceed 32 bits."
            for place in self.places
            if place.state == MADE and place.op in PRODUCTS and place.most >= SUM
        ]
        without = [place for place in self.places if place.onnx.startswith(REFUSED)]
        return found + [f"ONNX, {place.op} to {place.value}: {place.onnx}." for place in without]

    def units(self) -> Table:
        """Operators and cycles by unit."""
        count: Counter[str] = Counter()
        cycles: Counter[str] = Counter()
        for place in self.places:
            unit = UNITS.get(place.op, place.op) if place.state == MADE else place.state
            count[unit] += 1
            cycles[unit] += place.cycles
        rows = [(unit, count[unit], cycles[unit]) for unit in sorted(count, key=lambda u: -cycles[u])]
        return Table(("unit", "operators", "cycles"), rows)

    def operators(self, columns: Sequence[str] = COLUMNS) -> Table:
        """A row an operator, of some of the columns."""
        chosen = [COLUMNS.index(name) for name in columns]
        rows = [_row(place) for place in self.places]
        return Table(columns, [[row[at] for at in chosen] for row in rows])

    def markdown(self) -> str:
        """The report as a text with tables."""
        figures = Table(("of the network", ""), [(k.replace("_", " "), v) for k, v in self.figures.items()])
        parts = [f"# {self.network}: where each operator goes"]
        parts += [f"> {caveat}" for caveat in self.caveats]
        for title, table in (("Figures", figures), ("Units", self.units()), ("Operators", self.operators())):
            parts += [f"## {title}", _markdown(table)]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """The report as one page that needs nothing else."""
        figures = Table(("of the network", ""), [(k.replace("_", " "), v) for k, v in self.figures.items()])
        sections = [
            Section("Figures", parts=[figures]),
            Section("Units of the engine", parts=[self.units()]),
            Section("Operators", WORDS, [self.operators()], wide=True),
        ]
        title = f"{self.network}: where each operator goes"
        return findings_report(sections, title=title, caveats=self.caveats)


WORDS = (
    "Ranges are proved for inputs of 8 bits. An operator that goes with another takes no cycles of its own. "
    "Floats carry integers that are within what they hold exactly."
)


def report(network: Network, *, device: Device | None = None, multipliers: int | None = None) -> Report:
    """Ask about every operator of `network`.

    Args:
        device: adds its figures where the whole network is mapped.
        multipliers: of `vedette.hardware.engine.SIZES`; by default what the device holds, or the most.

    Raises:
        InputError: a network that hangs together badly.
    """
    size = multipliers or (max(SIZES) if device is None else Engine.largest(device))
    asked = ask(network, multipliers=size)
    count = Counter(place.state for place in asked.places)
    figures: dict[str, object] = {
        "operators": len(asked.places),
        "on_the_engine": count[MADE],
        "refused": count[REFUSED],
        "not_reached": count[NOT_REACHED],
        "cycles_of_the_input": asked.input_cycles,
        "cycles_of_operators": sum(place.cycles for place in asked.places),
        "onnx_nodes": asked.onnx_nodes,
        "onnx_tokens": asked.onnx_tokens,
    }
    if device is not None and asked.whole:
        figures |= estimate(network, device, size).row()
    names = [step.tensors["weight"] for step in network.operators if "weight" in step.tensors]
    weightless = not any(network.weights[name].any() for name in names)
    return Report(network=network.name, places=asked.places, figures=figures, weightless=weightless)


def write_report(report: Report, path: Path) -> None:
    """Write it to `path`, .md or .html, whole or not at all.

    Raises:
        InputError: another kind of file, or a place that cannot be written.
    """
    check_path(path)
    text = report.html() if path.suffix.lower() == ".html" else report.markdown()
    write_atomically(path, text.encode())


def check_path(path: Path) -> None:
    """Refuse what `write_report` would, before the work.

    Raises:
        InputError: another kind of file, or a place that cannot be written.
    """
    if path.suffix.lower() not in (".md", ".html"):
        raise InputError(f"a report in {path.name}", hint="name a .md or .html file")
    check_output(path)


def _row(place: Place) -> tuple[object, ...]:
    span = "" if place.low is None else f"{place.low:,} .. {place.high:,}"
    cycles = place.cycles or ""
    return (
        *(place.number, place.op, place.value, place.engine, place.memory, cycles),
        *(span, place.onnx, place.carrier, place.weights),
    )


def _markdown(table: Table) -> str:
    """A table; numbers with a comma at thousands.

    >>> print(_markdown(Table(["a", "b"], [[1, "x|y"]])))
    | a | b |
    |---|---|
    | 1 | x\\|y |
    """
    rows: list[Sequence[object]] = [table.columns, ["---"] * len(table.columns), *table.rows]
    lines = []
    for number, row in enumerate(rows):
        words = [f"{v:,}" if isinstance(v, int) else str(v).replace("|", "\\|") for v in row]
        lines.append("|" + "|".join(words) + "|" if number == 1 else "| " + " | ".join(words) + " |")
    return "\n".join(lines)
