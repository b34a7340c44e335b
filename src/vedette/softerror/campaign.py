"""A campaign: which faults, what became of each, and the files that say so.

A folder holds `faults.csv`, one row a fault, `histogram.csv`, `.svg` and `.png`, and `summary.json`. While it
runs, finished parts stand under `parts/`; a campaign that was stopped goes on with what is missing, to the
same bytes.
"""

import csv
import hashlib
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from vedette import __version__
from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.jobs import HERE, Jobs
from vedette.softerror import prepared, score
from vedette.softerror.confidence import wilson
from vedette.softerror.convergence import curve, output_shares, spread
from vedette.softerror.design import Design
from vedette.softerror.faults import FaultKind
from vedette.softerror.figures import histogram_bars
from vedette.softerror.fit import BitRate, safety
from vedette.softerror.parts import Bench, Part, Progress, run_parts
from vedette.softerror.plan import Bits, Compared, Drawn, Engine, Plan, compared, drawn_faults
from vedette.softerror.population import Window, population
from vedette.softerror.rows import Rows, outcomes_of, parse, read_csv, rows_of, to_csv
from vedette.softerror.unreachable import unreachable_bits

PART_WORK = 400_000_000  # fault-cycles of a part, some seconds of one core
PART_LEAST = 2048  # faults


@dataclass(frozen=True)
class Campaign:
    """A finished campaign: its rows and what `summary.json` holds."""

    rows: Rows
    summary: dict[str, Any]


def run_campaign(
    design: Design,
    stimulus: Bits,
    plan: Plan,
    folder: Path,
    engine: Engine,
    *,
    about: dict[str, Any] | None = None,
    repeats: Sequence[Bits] = (),
    progress: Progress | None = None,
    jobs: Jobs = HERE,
) -> Campaign:
    """Run every fault of `plan`, or what of them a former run left out, and write the folder.

    Args:
        about: what the summary should also say: versions of tools, seeds, hash of the netlist file. A
            campaign goes on only where it is the same.
        repeats: other stimuli, from other seeds; the summary says how far the scores spread over them.
        progress: called with faults done and faults in all.
        jobs: where parts are run; the rows are the same.

    Raises:
        InputError: the folder holds another campaign, the plan names a port that is not there, or an enable
            that is never 1.
    """
    asked = compared(design, plan)
    for each in (*repeats, stimulus):
        _check_enable(design, each, plan, asked)
    identity = _identity(design, stimulus, plan, about or {}, repeats)
    _begin(folder, identity)
    finished = folder / "faults.csv"
    if not finished.exists():
        bench = Bench(design, stimulus, plan, engine, asked)
        rows = _all_rows(bench, folder, progress, jobs)
        write_atomically(finished, to_csv(rows).encode())
    rows = read_csv(finished, cycles=len(stimulus))
    others = [
        run_campaign(design, other, plan, folder / f"repeat-{i}", engine, progress=progress, jobs=jobs)
        for i, other in enumerate(repeats, start=1)
    ]
    shares = output_shares(design, stimulus, plan, rows, engine, asked)
    points = curve(design, stimulus, plan, rows, engine, asked)
    summary = identity | summarize(design, plan, rows) | {"outputs": shares, "convergence": points}
    if repeats:
        summary["spread"] = spread(rows, [campaign.rows for campaign in others])
    write_atomically(folder / "histogram.csv", score.histogram_csv(rows).encode())
    chart = histogram_bars(rows)["fault"]
    write_atomically(folder / "histogram.svg", chart.svg().encode())
    write_atomically(folder / "histogram.png", chart.png())
    write_atomically(folder / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
    for part in sorted((folder / "parts").glob("*")):
        part.unlink()
    (folder / "parts").rmdir()
    return Campaign(rows, summary)


def load_campaign(folder: Path) -> Campaign:
    """A finished campaign from its folder.

    Raises:
        InputError: there is none, or it was stopped.
    """
    try:
        summary = json.loads((folder / "summary.json").read_bytes())
        cycles = int(summary["cycles"])
    except FileNotFoundError:
        stopped = (folder / "campaign.json").exists()
        raise InputError(
            f"{folder} holds no {'finished ' if stopped else ''}campaign",
            hint="run it again with the same options: it goes on"
            if stopped
            else "name the folder that `vedette softerror run -o` made",
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder}/summary.json is damaged", hint="run the campaign again; its rows are kept"
        ) from None
    return Campaign(read_csv(folder / "faults.csv", cycles=cycles), summary)


def plan_of(summary: dict[str, Any]) -> Plan:
    """The plan that a summary names."""
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in summary["plan"].items()
    }
    return Plan(**values)


def summarize(design: Design, plan: Plan, rows: Rows) -> dict[str, Any]:
    """Counts, intervals, histograms and scores of rows, as `summary.json` has them."""
    kinds = np.array(rows.kind, dtype=object).astype(str)
    window = Window(rows.cycles, plan.start, plan.scrub_cycles, plan.seed)
    value = score.scores(rows)
    classes = {}
    for name in plan.faults:
        size, mask = population(name, design, window).size, kinds == name
        hits, ran = int((rows.count[mask] > 0).sum()), int(mask.sum())
        low, high = wilson(hits, ran, size)
        classes[name] = {
            "population": size,
            "run": ran,
            "propagated": hits,
            "share": hits / ran if ran else 0.0,
            "interval_95": [low, high],
            "mean_score": float(value[mask].mean()) if ran else 0.0,
        }
    delay = score.latencies(rows)
    summary: dict[str, Any] = {
        "faults": classes,
        "classes": score.verdicts(rows),
        "mean_score": float(value.mean()) if len(rows) else 0.0,
        "histogram": {
            name: {"zero": h.zero, "bins": list(h.bins)} for name, h in score.histograms(rows).items()
        },
        "latency_cycles": {
            name: float(np.percentile(delay, q)) if len(delay) else None
            for name, q in (("median", 50), ("p90", 90), ("p99", 99), ("max", 100))
        },
    }
    if rows.alarmed is not None:
        alike = BitRate(fit_per_bit=1.0, source="each fault alike")
        table = safety(outcomes_of(rows), alike, tolerated_cycles=plan.tolerated_cycles)
        summary["coverage"] = {
            "diagnostic_coverage": table.diagnostic_coverage,
            "spfm": table.spfm,
            "lfm": table.lfm,
            "tolerated_cycles": plan.tolerated_cycles,
            "late": table.late,
        }
    return summary


def _all_rows(bench: Bench, folder: Path, progress: Progress | None, jobs: Jobs) -> Rows:
    """Every row, by id; parts that are there are read, others are run and kept."""
    cycles, alarms = len(bench.stimulus), bool(bench.asked.alarms)
    size = max(PART_LEAST, PART_WORK // cycles)
    if bench.plan.until is not None:
        size = min(size, PART_LEAST)
    classes = drawn_faults(bench.design, bench.plan, cycles)
    parts = run_parts(bench, classes, folder / "parts", _run_part, jobs, size=size, progress=progress)
    lines = [line for part in parts for line in islice(csv.reader(io.StringIO(to_csv(part))), 1, None)]
    lines.sort(key=lambda line: int(line[0]))
    return parse(lines, cycles=cycles, alarms=alarms, where="the campaign")


def _run_part(bench: Bench, part: Part) -> Rows:
    """The rows of a part, here or on a worker."""
    drawn = Drawn(bench.populations[part.kind], part.base, part.indices)
    return _run(bench.design, bench.stimulus, drawn, part.indices, bench.engine, bench.asked)


def _run(
    design: Design,
    stimulus: Bits,
    drawn: Drawn,
    indices: Int64[np.ndarray, " n"],
    engine: Engine,
    asked: Compared,
) -> Rows:
    """The rows of some faults of one class."""
    wanted = indices.tolist()
    faults = drawn.source.columns(indices)
    outcomes = engine(
        design, stimulus, faults, compare=asked.outputs, enable=asked.enable, alarms=asked.alarms
    )
    upset = faults.where(FaultKind.CONFIGURATION)
    owner, bits = faults.bits_of(upset)
    fault = upset[owner]
    proved = unreachable_bits(design, bits[outcomes.activated[fault] < 0].tolist())
    unreachable = np.zeros(len(faults), bool)
    unreachable[upset] = True
    unreachable[fault[[bit not in proved for bit in bits.tolist()]]] = False
    return rows_of(
        outcomes,
        numbers=[drawn.base + index for index in wanted],
        places=[drawn.source.place(index) for index in wanted],
        kinds=[drawn.source.name] * len(wanted),
        unreachable=unreachable.tolist(),
        alarms=bool(asked.alarms),
    )


def _check_enable(design: Design, stimulus: Bits, plan: Plan, asked: Compared) -> None:
    """Refuse a run of which no cycle counts: every fault would look harmless."""
    if asked.enable >= 0 and not prepared.begin(design, stimulus, (), "auto").golden.bit(asked.enable).any():
        raise InputError(
            f"{plan.enable} is 0 in all {len(stimulus)} cycles, so that none counts",
            hint="drive the inputs so that it is 1, or leave --enable out",
        )


def _identity(
    design: Design,
    stimulus: Bits,
    plan: Plan,
    about: dict[str, Any],
    repeats: Sequence[Bits],
) -> dict[str, Any]:
    """What makes two campaigns the same."""
    same: dict[str, Any] = {
        "format": 1,
        "versions": {"vedette": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "design": {
            "name": design.name,
            "tables": len(design.tables),
            "configuration_bits": design.configuration_bits,
            "flip_flops": len(design.flip_flops),
            "memories": len(design.memories),
            "inputs": len(design.input_bits),
            "outputs": len(design.output_bits),
            "unknown_constants": design.unknown_constants,
        },
        "design_sha256": hashlib.sha256(repr(design).encode()).hexdigest(),
        "stimulus_sha256": hashlib.sha256(np.ascontiguousarray(stimulus).tobytes()).hexdigest(),
        "cycles": len(stimulus),
        "plan": json.loads(json.dumps(asdict(plan))),
    }
    if repeats:
        same["repeats_sha256"] = [
            hashlib.sha256(np.ascontiguousarray(other).tobytes()).hexdigest() for other in repeats
        ]
    versions = same["versions"] | about.get("versions", {})
    return same | about | {"versions": versions}


def _begin(folder: Path, identity: dict[str, Any]) -> None:
    """Make the folder, or see that it holds this very campaign."""
    path = folder / "campaign.json"
    text = json.dumps(identity, indent=1) + "\n"
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except json.JSONDecodeError:
            found = {}
        if found != json.loads(text):
            keys = [key for key in identity if found.get(key) != json.loads(text)[key]]
            raise InputError(
                f"{folder} holds another campaign (its {', '.join(keys) or 'content'} differs)",
                hint="give another folder, or delete this one",
            )
    elif (folder / "faults.csv").exists():
        raise InputError(
            f"{folder} holds a faults.csv of unknown origin", hint="give another folder, or delete this one"
        )
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, text.encode())
