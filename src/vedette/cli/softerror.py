"""`vedette softerror`: what an upset bit does to an FPGA design, for every bit of it."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli.sizes import show

if TYPE_CHECKING:  # nothing of it loads for --help
    from vedette.softerror.campaign import Campaign
    from vedette.softerror.design import Design
    from vedette.softerror.plan import Bits, Engine
    from vedette.softerror.stimulus import Drive

CYCLES = 10_000  # of a run, where nothing says otherwise
COMMAND = "command.txt"  # in the folder: what was typed, for the page
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)


class Percent(click.ParamType):
    """A share written as 30% or 0.3.

    >>> Percent().convert("30%", None, None)
    0.3
    """

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1000:
            self.fail(f"{value!r} is no share; write 30% or 0.3", param, context)
        return share


class Names(click.ParamType):
    """Names with commas between them.

    >>> Names().convert("a, b", None, None)
    ('a', 'b')
    """

    name = "names"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())


class Start(click.ParamType):
    """A cycle, or the word random, which is -1 here."""

    name = "cycle|random"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        if str(value) == "random":
            return -1
        try:
            return int(str(value))
        except ValueError:
            self.fail(f"{value!r} is no cycle; write a number, or random", param, context)


ENGINE = (
    click.option(
        "--backend",
        default="auto",
        show_default=True,
        help="auto, numpy, native or generated; the rows are the same.",
    ),
    click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256), help="Cores used."),
)


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that simulates."""
    for option in reversed(ENGINE):
        command = option(command)
    return command


@click.group()
def softerror() -> None:
    """Soft errors: the effect of every upset configuration bit of an FPGA design.

    \b
    vedette softerror run design.v --top top --cycles 10000 -o out/
    vedette softerror check out/ --oracle verilator --sample 200
    vedette softerror harden out/ --budget 30% -o hardened/
    """


@softerror.command()
@click.argument("sources", type=FILE, nargs=-1, required=True)
@click.option("--top", required=True, help="The top module.")
@click.option("-o", "--output", type=FILE, required=True, help="The netlist to write (.json).")
@click.option(
    "--family",
    type=click.Choice(["xc7", "xcu", "xcup"]),
    default="xc7",
    show_default=True,
    help="7 series, UltraScale, UltraScale+.",
)
@click.option("--structural", is_flag=True, help="SOURCES are a vendor's netlist: optimize nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def synth(
    sources: tuple[Path, ...], top: str, output: Path, family: str, structural: bool, as_json: bool
) -> None:
    """Synthesize Verilog SOURCES with Yosys (extra `silicon`).

    \b
    vedette softerror synth fifo.v core.v --top core -o core.json
    vedette softerror synth core_funcsim.v --top core --structural -o core.json
    """
    show(_synthesized(sources, top, output, family=family, structural=structural), as_json=as_json)


@softerror.command()
@click.argument("sources", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the campaign; goes on in it.")
@click.option("--top", help="The top module; needed for Verilog.")
@click.option("--family", type=click.Choice(["xc7", "xcu", "xcup"]), default="xc7", show_default=True)
@click.option("--cycles", type=click.IntRange(1), help="Of each run; 10000, or as many as vectors.")
@click.option("--seed", default=1, show_default=True, help="Of the stimulus and of all that is drawn.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Stimuli: the spread.")
@click.option("--reset", "resets", type=Names(), default=(), help="More reset inputs; !NAME is active low.")
@click.option("--reset-cycles", default=2, show_default=True, type=click.IntRange(0), help="Of resets.")
@click.option(
    "--drive",
    "drives",
    multiple=True,
    help="NAME=1 holds, NAME=p0.1 draws, NAME=pulse:16 pulses an input; may be repeated.",
)
@click.option("--vectors", type=FILE, help="Stimulus: a CSV file with a column a port, or a VCD file.")
@click.option(
    "--faults",
    type=Names(),
    default="init",
    show_default=True,
    help="Classes: init, state, attributes, pins, pairs.",
)
@click.option("--sample", "draw", type=click.IntRange(1), help="Most faults of each class, drawn.")
@click.option("--until-interval", "until", type=float, help="Draw until shares are known to this half width.")
@click.option("--by-module", is_flag=True, help="Draw from each module in proportion.")
@click.option("--strike", type=Start(), default="0", show_default=True, help="Cycle of the upset, or random.")
@click.option("--scrub-after", "scrub_cycles", type=click.IntRange(1), help="Cycles until it is repaired.")
@click.option("--compare", type=Names(), default=(), help="Output ports that count; by default all.")
@click.option("--alarm", "alarms", type=Names(), default=(), help="Output ports that report errors.")
@click.option("--enable", default="", help="Port whose value 1 marks the cycles that count.")
@click.option("--no-prune", is_flag=True, help="Simulate also what cannot matter; the rows are the same.")
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(
    sources: tuple[Path, ...],
    output: Path,
    top: str | None,
    family: str,
    cycles: int | None,
    seed: int,
    seeds: int,
    resets: tuple[str, ...],
    reset_cycles: int,
    drives: tuple[str, ...],
    vectors: Path | None,
    faults: tuple[str, ...],
    strike: int,
    no_prune: bool,
    backend: str,
    threads: int,
    as_json: bool,
    **plan: Any,
) -> None:
    """Upset every bit of a design, one at a time, and write what came of it to a folder.

    SOURCES are Verilog files, or one netlist (.json) that `synth` or Yosys wrote. The folder gets faults.csv,
    summary.json and report.html. A campaign that was stopped goes on when the command is typed again.

    \b
    vedette softerror run design.v --top top --cycles 10000 --reset rst -o out/
    vedette softerror run top.json --faults init,state,pins --until-interval 0.01 -o out/
    vedette softerror run top.json --vectors bench.csv --alarm error --enable valid -o out/
    """
    if vectors and (resets or drives or seeds > 1):
        raise click.UsageError("--vectors says it all: leave --reset, --drive and --seeds away")
    from vedette.softerror.plan import Plan
    from vedette.softerror.stimulus import random_stimulus

    wanted = Plan(faults=faults, seed=seed, start=None if strike < 0 else strike, **plan)
    start = time.perf_counter()
    design, about = _design(sources, top, family, output)
    if vectors is not None:
        from vedette.softerror.vectors import from_file

        stimuli = [from_file(vectors, design)[:cycles]]
    else:
        driven = _driven(resets, reset_cycles, drives)
        stimuli = [
            random_stimulus(design, cycles or CYCLES, seed=seed + i, reset_cycles=reset_cycles, drives=driven)
            for i in range(seeds)
        ]
    about["seed"] = seed
    _campaign(design, stimuli, wanted, output, about, _engine(backend, threads, not no_prune), start, as_json)


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", type=FILE, help="The page to write; by default FOLDER's report.html.")
@click.option("--most", default=8, show_default=True, help="Cells in the table.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def report(folder: Path, output: Path | None, most: int, as_json: bool) -> None:
    """Print what a campaign found, and write its page again.

    \b
    vedette softerror report out/
    vedette softerror report out/ -o page.html --json
    """
    from vedette.softerror.campaign import load_campaign
    from vedette.softerror.page import text

    campaign = load_campaign(folder)
    page = _write_page(campaign, folder, output)
    click.echo(json.dumps(campaign.summary) if as_json else f"{text(campaign, most=most)}\n\nreport  {page}")


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--oracle",
    type=click.Choice(["verilator", "icarus"]),
    default="verilator",
    show_default=True,
    help="The simulator to agree with.",
)
@click.option("--sample", default=200, show_default=True, type=click.IntRange(1), help="Faults, drawn.")
@click.option("--seed", default=1, show_default=True, help="Of the draw.")
@click.option(
    "--form",
    type=click.Choice(["select", "cfg", "copy"]),
    default="select",
    show_default=True,
    help="How the fault gets into the netlist; copy compiles one for each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check(folder: Path, oracle: str, sample: int, seed: int, form: str, as_json: bool) -> None:
    """Simulate faults of a campaign in an outside simulator: counts and all outputs must be equal.

    The CRC-32 of every output bit of every cycle is compared, and the row of faults.csv. Exit code 1 where
    anything differs.

    \b
    vedette softerror check out/ --oracle verilator --sample 200
    vedette softerror check out/ --oracle icarus --sample 20 --form copy
    """
    from vedette.softerror.checking import check_campaign

    found = check_campaign(folder, tool=oracle, sample=sample, seed=seed, form=form)
    rows: dict[str, object] = {
        "oracle": found.tool,
        "form": found.form,
        "faults": found.faults,
        "cycles": found.cycles,
        "distinct_output_streams": found.crcs,
        "build_s": round(found.compile_s, 2),
        "run_s": round(found.run_s, 3),
        "agree": found.exact,
    }
    rows |= {f"difference_{i}": str(d) for i, d in enumerate(found.disagreements[:10], start=1)}
    show(rows, as_json=as_json)
    if not found.exact:
        sys.exit(1)


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option("--fault", "number", type=int, required=True, help="An id of faults.csv.")
@click.option("-o", "--output", type=FILE, required=True, help="The Verilog file to write.")
@click.option(
    "--form",
    type=click.Choice(["copy", "select", "cfg"]),
    default="copy",
    show_default=True,
    help="The faulty netlist itself, or one with ports that choose the fault.",
)
def export(folder: Path, number: int, output: Path, form: str) -> None:
    """Write the netlist with a fault as Verilog without primitives, for any simulator.

    \b
    vedette softerror export out/ --fault 17 -o copy.v
    vedette softerror export out/ --fault 17 --form select -o select.v
    """
    from vedette.images import write_atomically
    from vedette.softerror import export as library
    from vedette.softerror.campaign import load_campaign, plan_of
    from vedette.softerror.plan import faults_of_ids
    from vedette.softerror.stored import load

    design, stimulus = load(folder)
    plan = plan_of(load_campaign(folder).summary)
    (fault,) = faults_of_ids(design, plan, len(stimulus), [number])
    rows: dict[str, object] = {"netlist": str(output), "fault": number, "kind": fault.kind.value}
    if form == "copy":
        text = library.copy(design, fault)
    else:
        text = library.select(design) if form == "select" else library.cfg(design)
        if form == "select" and len(fault.bits) == 1:
            rows["fsel"], rows["fbit"] = library.place(design, fault.bits[0])
        elif fault.bits:
            rows["cfg bits to invert"] = ", ".join(map(str, fault.bits))
        else:
            raise click.UsageError(f"--form {form} takes faults of the configuration alone; use --form copy")
    write_atomically(output, text.encode())
    show(rows, as_json=False)


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the hardened campaign.")
@click.option("--budget", type=Percent(), default="30%", show_default=True, help="Tables that may be added.")
@click.option("--full", is_flag=True, help="Triplicate everything, whatever it costs.")
@click.option(
    "--exclude", multiple=True, help="Pattern of cell names that stay single, '*sync*'; may be repeated."
)
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def harden(
    folder: Path,
    output: Path,
    budget: float,
    full: bool,
    exclude: tuple[str, ...],
    backend: str,
    threads: int,
    as_json: bool,
) -> None:
    """Triplicate what matters most within a budget, and measure what remains by the same campaign.

    OUTPUT gets the hardened netlist as Verilog (hardened.v), the cells to triplicate (cells.txt), the curve
    of cost against remaining score (curve.csv) and the files of a campaign.

    \b
    vedette softerror harden out/ --budget 30% -o hardened/
    vedette softerror harden out/ --full --exclude '*sync*' -o tmr/
    """
    from vedette.softerror.protecting import harden_campaign

    engine = _engine(backend, threads, True)
    with _bar("upsetting") as progress:
        found = harden_campaign(
            folder, output, engine, budget=budget, full=full, exclude=exclude, progress=progress
        )
    page = _write_page(found.campaign, output, None)
    rows: dict[str, object] = {
        "netlist": str(output / "hardened.v"),
        "triplicated_cells": len(found.cells),
        "tables_before": found.hardened.luts_before,
        "tables_after": found.hardened.luts_after,
        "overhead_percent": round(100 * found.hardened.overhead, 2),
        "score_sum_before": found.before,
        "score_sum_after": found.after,
        "remaining_percent": round(100 * found.remaining, 3),
        "estimated_percent": None if found.estimated is None else round(100 * found.estimated, 3),
        "protected_bits": found.protected,
        "protected_bits_that_propagate": found.escaped,
        "report": str(page),
    }
    if found.estimated is None:
        del rows["estimated_percent"]
    elif not found.cells:
        rows["note"] = "within this budget no triplication removes more than its voters add"
    show(rows, as_json=as_json)


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option("--cross-section", "cross_section_cm2", type=float, help="Of one configuration bit, cm2.")
@click.option("--flux", "flux_per_cm2_h", type=float, help="Particles per cm2 and hour.")
@click.option("--fit-per-mbit", type=float, help="Instead of both: a device report's FIT per 2^20 bits.")
@click.option("--preset", help="Instead of all: a rate by name; see its source in what is printed.")
@click.option("--source", default="given on the command line", help="Where your figures come from.")
@click.option(
    "--tolerated-cycles", type=click.IntRange(0), help="Alarms count up to so long after the error."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def fit(
    folder: Path,
    cross_section_cm2: float | None,
    flux_per_cm2_h: float | None,
    fit_per_mbit: float | None,
    preset: str | None,
    source: str,
    tolerated_cycles: int | None,
    as_json: bool,
) -> None:
    """Turn the scores of a campaign into failures in 10^9 hours, by module, from your rate of upsets.

    \b
    vedette softerror fit out/ --cross-section 7e-15 --flux 13 --source "beam test 2025"
    vedette softerror fit out/ --fit-per-mbit 80
    """
    from vedette.softerror import fit as library
    from vedette.softerror.rates import campaign_fit, campaign_safety

    both = cross_section_cm2 is not None and flux_per_cm2_h is not None
    if (cross_section_cm2 is None) != (flux_per_cm2_h is None):
        raise click.UsageError("--cross-section and --flux go together")
    if both + (fit_per_mbit is not None) + (preset is not None) != 1:
        raise click.UsageError("give --cross-section with --flux, or --fit-per-mbit, or --preset")
    if preset is not None:
        rate = library.preset(preset)
    elif fit_per_mbit is not None:
        rate = library.from_fit_per_mbit(fit_per_mbit, source=source)
    else:
        assert cross_section_cm2 is not None and flux_per_cm2_h is not None
        rate = library.from_cross_section(cross_section_cm2, flux_per_cm2_h, source=source)
    found = campaign_fit(folder, rate)
    safe = campaign_safety(folder, rate, tolerated_cycles=tolerated_cycles)
    if not as_json:
        click.echo(str(found) if safe is None else f"{found}\n\n{safe}")
        return
    from dataclasses import asdict

    rows: dict[str, Any] = asdict(found) | {"scope": library.SCOPE}
    if safe is not None:
        rows["safety"] = asdict(safe) | {
            "diagnostic_coverage": safe.diagnostic_coverage,
            "spfm": safe.spfm,
            "lfm": safe.lfm,
        }
    click.echo(json.dumps(rows))


def _synthesized(
    sources: tuple[Path, ...], top: str, output: Path, *, family: str, structural: bool
) -> dict[str, object]:
    from vedette.tools import yosys

    if structural:
        made = yosys.read_structural(sources, top, output)
    else:
        made = yosys.synthesize(sources, top, output, family=family)
    return {"netlist": str(output), "made_by": made.version, "script_sha256": made.script_sha256}


def _design(
    sources: tuple[Path, ...], top: str | None, family: str, output: Path
) -> tuple["Design", dict[str, Any]]:
    """The design, and what its summary says of where it came from."""
    import hashlib

    from vedette.hardware import netlist
    from vedette.softerror.lower import lower

    about: dict[str, Any] = {"versions": {}}
    path = sources[0]
    if not all(source.suffix in (".v", ".sv") for source in sources):
        if len(sources) > 1 or not path.name.endswith((".json", ".json.gz")):
            raise click.UsageError("give Verilog files (.v, .sv), or one netlist (.json)")
    else:
        if top is None:
            raise click.UsageError("name the top module with --top")
        path = output / "netlist.json"
        output.mkdir(parents=True, exist_ok=True)
        made = _synthesized(sources, top, path, family=family, structural=False)
        about["versions"]["yosys"] = made["made_by"]
        about["script_sha256"] = made["script_sha256"]
    read = netlist.read(path, top=top)
    about["versions"].setdefault("netlist", read.creator)
    about["netlist_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return lower(read), about


def _driven(resets: tuple[str, ...], cycles: int, drives: tuple[str, ...]) -> dict[str, "Drive"]:
    """What --reset and --drive say of single ports."""
    from vedette.softerror.stimulus import HeldReset, drive_of

    held = {name.removeprefix("!"): HeldReset(cycles, not name.startswith("!")) for name in resets}
    return held | dict(drive_of(text) for text in drives)


def _engine(backend: str, threads: int, prune: bool) -> "Engine":
    from functools import partial

    from vedette.softerror import engine

    return partial(engine.run, backend=backend, threads=threads, prune=prune)


def _campaign(
    design: "Design",
    stimuli: list["Bits"],
    plan: Any,
    output: Path,
    about: dict[str, Any],
    engine: "Engine",
    start: float,
    as_json: bool,
) -> "Campaign":
    """Run it, write its page, print what it found."""
    from vedette.images import write_atomically
    from vedette.softerror.campaign import run_campaign
    from vedette.softerror.page import text
    from vedette.softerror.stored import store

    with _bar("upsetting") as progress:
        campaign = run_campaign(
            design, stimuli[0], plan, output, engine, about=about, repeats=stimuli[1:], progress=progress
        )
    store(output, design, stimuli[0])
    write_atomically(output / COMMAND, (shlex.join(["vedette", *sys.argv[1:]]) + "\n").encode())
    page = _write_page(campaign, output, None)
    seconds = time.perf_counter() - start
    if as_json:
        click.echo(json.dumps(campaign.summary | {"seconds": round(seconds, 2)}))
    else:
        click.echo(f"{text(campaign)}\n\nreport   {page}\nseconds  {seconds:.2f}")
    return campaign


def _write_page(campaign: "Campaign", folder: Path, output: Path | None) -> Path:
    from vedette.report import write_report
    from vedette.softerror.page import page

    made = folder / "report.html" if output is None else output
    typed = folder / COMMAND
    commands = [
        typed.read_text().strip() if typed.exists() else shlex.join(["vedette", *sys.argv[1:]]),
        f"vedette softerror check {shlex.quote(str(folder))} --oracle verilator --sample 200",
        f"vedette softerror harden {shlex.quote(str(folder))} --budget 30% -o hardened/",
    ]
    write_report(made, page(campaign, title=campaign.summary["design"]["name"], commands=commands))
    return made


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
