"""`vedette softerror`: what an upset bit does to an FPGA design, for every bit of it."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette.cli.sizes import show
from vedette.cli.softerror_check import check, export
from vedette.cli.softerror_harden import fit, harden
from vedette.cli.softerror_inputs import check_sources, draw_stimuli, read_design, read_vectors, synthesized
from vedette.cli.softerror_options import (
    COMMAND,
    FILE,
    FOLDER,
    Names,
    Start,
    bar,
    engine_of,
    engine_options,
    refuse_beside,
    synthesis_options,
    write_page,
)

if TYPE_CHECKING:  # nothing of it loads for --help
    from vedette.jobs import Jobs
    from vedette.softerror.campaign import Campaign
    from vedette.softerror.design import Design
    from vedette.softerror.plan import Bits, Engine


@click.group()
def softerror() -> None:
    """Soft errors: the effect of every upset configuration bit of an FPGA design.

    \b
    vedette softerror run design.v --top top --cycles 10000 -o out/
    vedette softerror check out/ --oracle verilator --sample 200
    vedette softerror harden out/ --budget 30% -o hardened/
    """


for _command in (check, export, harden, fit):
    softerror.add_command(_command)


@softerror.command()
@click.argument("sources", type=FILE, nargs=-1, required=True)
@click.option("--top", required=True, help="The top module.")
@click.option("-o", "--output", type=FILE, required=True, help="The netlist to write (.json).")
@synthesis_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def synth(
    sources: tuple[Path, ...],
    top: str,
    output: Path,
    family: str,
    structural: bool,
    no_blocks: bool,
    as_json: bool,
) -> None:
    """Synthesize Verilog SOURCES with Yosys (extra `silicon`).

    \b
    vedette softerror synth fifo.v core.v --top core -o core.json
    vedette softerror synth core_funcsim.v --top core --structural -o core.json
    """
    from vedette.images import check_output

    check_sources(sources, top, structural)
    check_output(output, inputs=sources)
    show(synthesized(sources, top, output, family, structural, no_blocks), as_json=as_json)


@softerror.command()
@click.argument("sources", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the campaign; goes on in it.")
@click.option("--top", help="The top module; needed for Verilog.")
@synthesis_options
@click.option("--cycles", type=click.IntRange(1), help="Of each run; 10000, or as many as vectors.")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Of the stimulus and of all that is drawn.",
)
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
@click.option(
    "--tolerated-cycles", type=click.IntRange(0), help="Alarms count up to so long after the error."
)
@click.option("--enable", default="", help="Port whose value 1 marks the cycles that count.")
@click.option("--no-prune", is_flag=True, help="Simulate also what cannot matter; the rows are the same.")
@engine_options
@click.option(
    "--scheduler", help="local, local:4, or a Dask scheduler's tcp://host:port; the rows are the same."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(
    sources: tuple[Path, ...],
    output: Path,
    top: str | None,
    family: str,
    structural: bool,
    no_blocks: bool,
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
    scheduler: str | None,
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
    vedette softerror run top.json --scheduler tcp://host:8786 -o out/
    """
    from vedette.images import check_folder, write_atomically
    from vedette.jobs import open_jobs
    from vedette.softerror.plan import Plan

    start = time.perf_counter()
    check_sources(sources, top, structural)
    if vectors is not None:
        hint = "vectors say all of the inputs: leave that out"
        refuse_beside("--vectors", "resets", "reset_cycles", "drives", "seeds", hint=hint)
    if faults == ("state",):
        hint = "flip-flops are upset in any cycle, and nothing repairs them: leave that out, or add a class"
        refuse_beside("--faults state", "strike", "scrub_cycles", hint=hint)
    elif "state" not in faults and plan["draw"] is None and plan["until"] is None:
        refuse_beside("every fault", "by_module", hint="draw some with --sample or --until-interval")
    wanted = Plan(faults=faults, seed=seed, start=None if strike < 0 else strike, **plan)
    check_folder(output)
    jobs = click.get_current_context().with_resource(open_jobs(scheduler))  # refused before synthesis
    design, about, made = read_design(sources, top, family, structural, no_blocks)
    if "pins" in faults:
        from vedette.softerror.pin_buffers import buffered

        design = buffered(design)
    if vectors is not None:
        stimuli = [read_vectors(vectors, design, cycles)]
    else:
        each = range(seed, seed + seeds)
        stimuli = draw_stimuli(design, cycles, each, resets, reset_cycles, drives)
    about["seed"] = seed
    engine = engine_of(backend, threads, not no_prune)
    _campaign(design, stimuli, wanted, output, about, engine, jobs, start, as_json)
    if made is not None:
        write_atomically(output / "netlist.json", made)


@softerror.command()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", type=FILE, help="The page to write; by default FOLDER's report.html.")
@click.option("--most", default=8, show_default=True, type=click.IntRange(0), help="Cells in the table.")
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
    page = write_page(campaign, folder, output)
    click.echo(json.dumps(campaign.summary) if as_json else f"{text(campaign, most=most)}\n\nreport  {page}")


def _campaign(
    design: "Design",
    stimuli: list["Bits"],
    plan: Any,
    output: Path,
    about: dict[str, Any],
    engine: "Engine",
    jobs: "Jobs",
    start: float,
    as_json: bool,
) -> "Campaign":
    """Run it, write its page, print what it found."""
    from vedette.images import write_atomically
    from vedette.softerror.campaign import run_campaign
    from vedette.softerror.page import text
    from vedette.softerror.stored import store

    with bar("upsetting") as progress:
        campaign = run_campaign(
            design,
            stimuli[0],
            plan,
            output,
            engine,
            about=about,
            repeats=stimuli[1:],
            progress=progress,
            jobs=jobs,
        )
    store(output, design, stimuli[0])
    write_atomically(output / COMMAND, (shlex.join(["vedette", *sys.argv[1:]]) + "\n").encode())
    page = write_page(campaign, output, None)
    seconds = time.perf_counter() - start
    if as_json:
        click.echo(json.dumps(campaign.summary | {"seconds": round(seconds, 2)}))
    else:
        click.echo(f"{text(campaign)}\n\nreport   {page}\nseconds  {seconds:.2f}")
    return campaign
