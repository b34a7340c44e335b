"""`vedette softerror check` and `export`: a campaign's faults in simulators from outside."""

import sys
from pathlib import Path

import click

from vedette.cli.sizes import show
from vedette.cli.softerror_options import FILE, FOLDER
from vedette.errors import InputError


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--oracle",
    type=click.Choice(["verilator", "icarus"]),
    default="verilator",
    show_default=True,
    help="The simulator to agree with.",
)
@click.option("--sample", default=200, show_default=True, type=click.IntRange(1), help="Faults, drawn.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of the draw.")
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


@click.command()
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
            raise InputError(
                f"fault {number} is of kind {fault.kind.value}: --form {form} takes the configuration alone",
                hint="use --form copy",
            )
    write_atomically(output, text.encode())
    show(rows, as_json=False)
