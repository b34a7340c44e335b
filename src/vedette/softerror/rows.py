"""The rows of a campaign, one a fault, and the file they stand in, `faults.csv`."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.population import Place

COLUMNS = ("id", "cell", "module", "src", "kind", "bit", "class", "count", "first", "last", "first_act")
SCORE = "score"
AGAIN = "delete that file and run the campaign again"  # the hint where it is damaged
ALARM = "alarm"  # a last column, where the campaign had alarm outputs


class Verdict(Enum):
    """What became of a fault; the last four only where the campaign had alarm outputs."""

    UNREACHABLE = "unreachable"  # proved: no state and no input makes the address
    NOT_ACTIVATED = "not_activated"  # this stimulus never made it
    MASKED = "masked"  # activated, and no compared output ever differed
    PROPAGATED = "propagated"  # a compared output differed
    DETECTED = "detected"  # a compared output differed, and an alarm
    UNDETECTED = "undetected"  # a compared output differed, no alarm
    LATENT = "latent"  # activated; neither
    ALARM_ONLY = "alarm_only"  # an alarm differed, no compared output did


VERDICTS = tuple(Verdict)
WRONG = (Verdict.PROPAGATED, Verdict.DETECTED, Verdict.UNDETECTED)  # those with a score above 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of equal length, in the order of the fault list.

    Attributes:
        cycles: simulated for each fault, N.
        number: of the fault in its list.
        cell, source, kind, bit: where it is; see `Place`.
        verdict: index in `VERDICTS`.
        count: cycles in which a compared output differed.
        first, last: the first and last of them; -1: none.
        activated: first cycle in which it could have changed anything; -1: none.
        alarmed: first cycle in which an alarm differed; None where there were no alarm outputs.
    """

    cycles: int
    number: Int64[np.ndarray, " n"]
    cell: Sequence[str]
    source: Sequence[str]
    kind: Sequence[str]
    bit: Sequence[str]
    verdict: Int64[np.ndarray, " n"]
    count: Int64[np.ndarray, " n"]
    first: Int64[np.ndarray, " n"]
    last: Int64[np.ndarray, " n"]
    activated: Int64[np.ndarray, " n"]
    alarmed: Int64[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.number)

    @property
    def module(self) -> list[str]:
        """The part of each cell's name before the last dot; "" at the top."""
        return [cell.rpartition(".")[0] for cell in self.cell]

    def is_(self, *verdicts: Verdict) -> np.ndarray:
        """Which rows have one of these verdicts, a mask."""
        return np.isin(self.verdict, [VERDICTS.index(verdict) for verdict in verdicts])


def rows_of(
    outcomes: Outcomes,
    *,
    numbers: Sequence[int],
    places: Sequence[Place],
    kinds: Sequence[str],
    unreachable: Sequence[bool],
    alarms: bool = False,
) -> Rows:
    """The rows of what an engine found; the verdicts follow from the counts.

    >>> one = np.array([3], np.int32)
    >>> rows = rows_of(Outcomes(10, one, one, one, one, one - 4), numbers=[0], kinds=["init"],
    ...                places=[Place("u.lut", "", "2")], unreachable=[False])
    >>> VERDICTS[rows.verdict[0]].value, rows.module
    ('propagated', ['u'])
    """
    wrong, active = outcomes.mismatches > 0, outcomes.activated >= 0
    alarm = outcomes.alarmed >= 0
    index = {verdict: i for i, verdict in enumerate(VERDICTS)}
    if alarms:
        shown = np.where(alarm, index[Verdict.DETECTED], index[Verdict.UNDETECTED])
        hidden = np.where(alarm, index[Verdict.ALARM_ONLY], index[Verdict.LATENT])
    else:
        shown, hidden = (
            np.full(wrong.shape, index[Verdict.PROPAGATED]),
            np.full(wrong.shape, index[Verdict.MASKED]),
        )
    verdict = np.where(
        wrong, shown, np.where(active | (alarms & alarm), hidden, index[Verdict.NOT_ACTIVATED])
    )
    proved = np.array(unreachable, dtype=bool)
    if (proved & (wrong | active)).any():
        which = int(np.flatnonzero(proved & (wrong | active))[0])
        raise AssertionError(f"fault {numbers[which]} was proved unreachable and yet activated")
    verdict = np.where(proved, index[Verdict.UNREACHABLE], verdict)
    return Rows(
        cycles=outcomes.cycles,
        number=np.array(numbers, np.int64),
        cell=[place.cell for place in places],
        source=[place.source for place in places],
        kind=list(kinds),
        bit=[place.bit for place in places],
        verdict=verdict.astype(np.int64),
        count=outcomes.mismatches.astype(np.int64),
        first=outcomes.first.astype(np.int64),
        last=outcomes.last.astype(np.int64),
        activated=outcomes.activated.astype(np.int64),
        alarmed=outcomes.alarmed.astype(np.int64) if alarms else None,
    )


def outcomes_of(rows: Rows, which: np.ndarray | None = None) -> Outcomes:
    """What an engine said of the rows, or of those that the mask or the indices `which` choose."""
    chosen = np.arange(len(rows)) if which is None else which
    alarmed = np.full(len(rows), -1) if rows.alarmed is None else rows.alarmed
    columns = (rows.count, rows.first, rows.last, rows.activated, alarmed)
    return Outcomes(rows.cycles, *(column[chosen].astype(np.int32) for column in columns))


def to_csv(rows: Rows, *, header: bool = True) -> str:
    """The rows as text; equal rows give equal bytes on every machine. Scores have eight decimals."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow([*COLUMNS, SCORE, *([ALARM] if rows.alarmed is not None else [])])
    numbers = [column.tolist() for column in (rows.count, rows.first, rows.last, rows.activated)]
    alarmed = [] if rows.alarmed is None else [rows.alarmed.tolist()]
    values = [VERDICTS[i].value for i in rows.verdict.tolist()]
    scores = [_score(count, rows.cycles) for count in numbers[0]]
    words = (rows.cell, rows.module, rows.source, rows.kind, rows.bit, values)
    writer.writerows(zip(rows.number.tolist(), *words, *numbers, scores, *alarmed, strict=True))
    return file.getvalue()


def read_csv(path: Path, *, cycles: int) -> Rows:
    """The rows of a file that `to_csv` wrote.

    Raises:
        InputError: the file is missing, or not such a file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} holds no {path.name}", hint="name the folder that `vedette softerror run -o` made"
        ) from None
    if not lines or tuple(lines[0][: len(COLUMNS)]) != COLUMNS:
        raise InputError(f"{path} does not hold the rows of a campaign", hint=AGAIN)
    return parse(lines[1:], cycles=cycles, alarms=ALARM in lines[0], where=str(path))


def parse(lines: Iterable[Sequence[str]], *, cycles: int, alarms: bool, where: str) -> Rows:
    """Rows from the fields of lines without their header.

    Raises:
        InputError: a line is cut off or no row.
    """
    width = len(COLUMNS) + 1 + alarms
    known = {verdict.value: i for i, verdict in enumerate(VERDICTS)}
    table = list(lines)
    try:
        if any(len(line) != width for line in table):
            raise ValueError
        columns = list(zip(*table, strict=True)) or [()] * width
        whole = [np.array([int(value) for value in columns[i]], np.int64) for i in (0, 7, 8, 9, 10)]
        verdict = np.array([known[value] for value in columns[6]], np.int64)
        alarmed = np.array([int(value) for value in columns[12]], np.int64) if alarms else None
        if any(_score(n, cycles) != text for n, text in zip(whole[1].tolist(), columns[11], strict=True)):
            raise ValueError
    except (ValueError, KeyError):
        raise InputError(f"{where} holds a line that is no row", hint=AGAIN) from None
    return Rows(
        cycles=cycles,
        number=whole[0],
        cell=columns[1],
        source=columns[3],
        kind=columns[4],
        bit=columns[5],
        verdict=verdict,
        count=whole[1],
        first=whole[2],
        last=whole[3],
        activated=whole[4],
        alarmed=alarmed,
    )


def _score(count: int, cycles: int) -> str:
    return f"{count / cycles:.8f}"
