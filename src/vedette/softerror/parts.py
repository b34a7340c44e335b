"""The faults of a campaign in parts: run in any order, here or on workers, kept in files, judged in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.jobs import Jobs
from vedette.softerror.confidence import wilson
from vedette.softerror.design import Design
from vedette.softerror.plan import Bits, Compared, Drawn, Engine, Plan
from vedette.softerror.population import Population, Window, population
from vedette.softerror.rows import Rows, read_csv, to_csv

Progress = Callable[[int, int], None]  # faults done, faults in all


@dataclass(frozen=True, eq=False)
class Bench:
    """What every part of a campaign needs; it travels once to each worker."""

    design: Design
    stimulus: Bits
    plan: Plan
    engine: Engine
    asked: Compared

    @cached_property
    def populations(self) -> dict[str, Population]:
        """The classes of the plan; made where they are needed, for they cannot travel."""
        window = Window(len(self.stimulus), self.plan.start, self.plan.scrub_cycles, self.plan.seed)
        return {name: population(name, self.design, window) for name in self.plan.faults}

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class Part:
    """Some faults of one class.

    Attributes:
        kind: name of the class.
        number: of the part in its class, 0 for the first.
        base: id of the class's fault 0.
        indices: of the faults in their class.
    """

    kind: str
    number: int
    base: int
    indices: Int64[np.ndarray, " n"]

    @property
    def file(self) -> str:
        """Name of the file that keeps its rows."""
        return f"{self.kind}-{self.number:06}.csv"


def run_parts(
    bench: Bench,
    classes: Sequence[Drawn],
    folder: Path,
    run: Callable[[Bench, Part], Rows],
    jobs: Jobs,
    *,
    size: int,
    progress: Progress | None = None,
) -> list[Rows]:
    """Rows of all faults that count, in their order; parts whose file is in `folder` are not run again.

    Where the plan says until when to draw, it is asked after each part, in the order of the parts: those
    that workers finished ahead of it do not count.

    Args:
        run: the rows of a part; called in this process or on workers.
        size: faults of a part.
    """
    total, done = sum(len(drawn.indices) for drawn in classes), 0
    tallies = [_Tally(drawn, size, bench.plan.until) for drawn in classes]
    begun: list[tuple[_Tally, Part]] = []

    def take(tally: _Tally, part: Part, rows: Rows) -> None:
        nonlocal done
        tally.add(part.number, rows)
        done += len(rows)
        if progress is not None:
            progress(done, total)

    def missing() -> Iterator[Part]:
        for tally in tallies:
            for part in tally.parts:
                if tally.closed:
                    break
                rows = _kept(folder / part.file, part, len(bench.stimulus), bool(bench.asked.alarms))
                if rows is not None:
                    take(tally, part, rows)
                else:
                    begun.append((tally, part))
                    yield part

    with closing(jobs.map_unordered(run, bench, missing())) as results:
        for number, rows in results:
            tally, part = begun[number]
            write_atomically(folder / part.file, to_csv(rows).encode())
            take(tally, part, rows)
            if all(tally.closed for tally in tallies):
                break
    return [rows for tally in tallies for rows in tally.rows]


class _Tally:
    """The parts of one class, counted in their order whenever they come.

    Attributes:
        parts: all that may be needed.
        rows: of those that count, in their order.
        closed: no more are needed.
    """

    def __init__(self, drawn: Drawn, size: int, until: float | None) -> None:
        indices, kind = drawn.indices, drawn.source.name
        begins = range(0, len(indices), size)
        self.parts = [Part(kind, i, drawn.base, indices[at : at + size]) for i, at in enumerate(begins)]
        self.rows: list[Rows] = []
        self.closed = not self.parts
        self._population, self._until = drawn.source.size, until
        self._early: dict[int, Rows] = {}
        self._hits = self._ran = 0

    def add(self, number: int, rows: Rows) -> None:
        self._early[number] = rows
        while not self.closed and len(self.rows) in self._early:
            following = self._early.pop(len(self.rows))
            self.rows.append(following)
            self._hits += int((following.count > 0).sum())
            self._ran += len(following)
            low, high = wilson(self._hits, self._ran, self._population)
            known = self._until is not None and high - low <= 2 * self._until
            self.closed = known or len(self.rows) == len(self.parts)


def _kept(path: Path, part: Part, cycles: int, alarms: bool) -> Rows | None:
    """The rows of a finished part; None where its file is missing, damaged or not about these faults."""
    if not path.exists():
        return None
    try:
        rows = read_csv(path, cycles=cycles)
    except InputError:
        return None
    same = np.array_equal(rows.number, part.indices + part.base) and (rows.alarmed is not None) == alarms
    return rows if same else None
