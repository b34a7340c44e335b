"""`vedette softerror harden` and `fit`: what follows from the scores of a campaign."""

import json
from pathlib import Path
from typing import Any

import click

from vedette.cli.sizes import show
from vedette.cli.softerror_options import (
    FOLDER,
    Percent,
    bar,
    engine_of,
    engine_options,
    refuse_beside,
    write_page,
)
from vedette.errors import InputError


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the hardened campaign.")
@click.option("--budget", type=Percent(), default="30%", show_default=True, help="Tables that may be added.")
@click.option("--full", is_flag=True, help="Triplicate everything, whatever it costs.")
@click.option(
    "--exclude", multiple=True, help="Pattern of cell names that stay single, '*sync*'; may be repeated."
)
@engine_options
@click.option(
    "--scheduler", help="local, local:4, or a Dask scheduler's tcp://host:port; the rows are the same."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def harden(
    folder: Path,
    output: Path,
    budget: float,
    full: bool,
    exclude: tuple[str, ...],
    backend: str,
    threads: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Triplicate what matters most within a budget, and measure what remains by the same campaign.

    OUTPUT gets the hardened netlist as Verilog (hardened.v), the cells to triplicate (cells.txt), the curve
    of cost against remaining score (curve.csv) and the files of a campaign.

    \b
    vedette softerror harden out/ --budget 30% -o hardened/
    vedette softerror harden out/ --full --exclude '*sync*' -o tmr/
    """
    from vedette.images import check_folder
    from vedette.jobs import open_jobs
    from vedette.softerror.protecting import harden_campaign

    if full:
        refuse_beside("--full", "budget", hint="everything is triplicated: leave one of the two out")
    check_folder(output)
    engine = engine_of(backend, threads, True)
    with open_jobs(scheduler) as jobs, bar("upsetting") as progress:
        found = harden_campaign(
            folder, output, engine, budget=budget, full=full, exclude=exclude, progress=progress, jobs=jobs
        )
    page = write_page(found.campaign, output, None)
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


@click.command()
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

    figures = {
        "--cross-section": cross_section_cm2,
        "--flux": flux_per_cm2_h,
        "--fit-per-mbit": fit_per_mbit,
        "--preset": preset,
    }
    given = [option for option, value in figures.items() if value is not None]
    if given not in (["--cross-section", "--flux"], ["--fit-per-mbit"], ["--preset"]):
        raise InputError(
            f"one rate is needed, not {' with '.join(given) or 'none'}",
            hint="give --cross-section with --flux, or --fit-per-mbit, or --preset",
        )
    if preset is not None:
        refuse_beside("--preset", "source", hint="a preset names its source: leave that out")
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
