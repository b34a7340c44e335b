"""`vedette hardware`: what a network costs on an FPGA, its accelerator, and that in simulation."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette.cli.hardware_resources import characterize
from vedette.cli.sizes import show

if TYPE_CHECKING:
    from vedette.hardware.network import Network

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
size_option = click.option(
    "--multipliers",
    type=click.Choice(["1024", "2048", "4096"]),
    help="Products in a cycle; by default what the device's DSPs hold.",
)


@click.group()
def hardware() -> None:
    """From an integer network to an accelerator; no vendor tool is needed.

    \b
    vedette hardware estimate deit-tiny --device zcu102
    vedette hardware convert deit-tiny-w3a3/weights.npz -o net/
    vedette hardware build net/ -o rtl/
    vedette hardware simulate rtl/ --input photo.png
    """


def _network(name: str) -> "Network":
    from vedette.errors import UnknownNameError
    from vedette.hardware.network import load_network
    from vedette.hardware.vit import SHAPES, shaped

    if name in SHAPES:
        return shaped(name)
    if not Path(name).exists():
        raise UnknownNameError("network folder or shape", name, SHAPES)
    return load_network(Path(name))


def _size(multipliers: str | None) -> int | None:
    return None if multipliers is None else int(multipliers)


hardware.add_command(characterize)


@hardware.command()
@click.argument("name", required=False)
@json_option
def devices(name: str | None, as_json: bool) -> None:
    """List the devices, or the one called NAME, with what there is of each resource.

    \b
    vedette hardware devices
    vedette hardware devices zcu102 --json > mine.json   to change, for estimate --device mine.json
    """
    from dataclasses import asdict

    from vedette.hardware.devices import DEVICES, device

    chosen = DEVICES if name is None else {name: device(name)}
    if as_json:
        show({name: asdict(device) for name, device in chosen.items()}, as_json=True)
        return
    rows: dict[str, object] = {}
    for name, d in chosen.items():
        counts = f"{d.luts:,} LUT, {d.ffs:,} FF, {d.dsps:,} DSP, {d.bram18:,} RAM of {d.bram_kbit} kbit"
        rows[name] = f"{d.part}: {counts}, {d.uram:,} URAM, {d.ddr_gb_s:g} GB/s; {d.source}"
    show(rows, as_json=False)


@hardware.command()
@click.argument("network")
@click.option("--device", default="zcu102", show_default=True, help="See `devices`; or a file, .json.")
@click.option("--clock-mhz", type=click.FloatRange(1, 1000), help="By default the device's usual one.")
@size_option
@json_option
def estimate(
    network: str, device: str, clock_mhz: float | None, multipliers: str | None, as_json: bool
) -> None:
    """Cycles of NETWORK, a folder or a shape such as deit-tiny, the resources of its engine, what bounds it.

    Cycles are those of the engine in Verilator, exactly; resources are computed as Yosys would make them.

    \b
    vedette hardware estimate deit-tiny --device zcu102
    vedette hardware estimate net/ --device kv260 --multipliers 1024 --json
    """
    from vedette.hardware.device_file import device_or_file
    from vedette.hardware.estimate import estimate as run

    found = run(_network(network), device_or_file(device), _size(multipliers), clock_mhz)
    rows = found.row()
    if as_json:
        rows["by_block"] = found.blocks()
    else:
        rows |= {f"- {name}": counts for name, counts in found.block_texts().items()}
    show(rows, as_json=as_json)


@hardware.command()
@click.argument("weights", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder to make.")
def convert(weights: Path, output: Path) -> None:
    """Make a network's folder of WEIGHTS, an integer DeiT as .npz (docs/concepts/integer-networks.md).

    \b
    vedette hardware convert deit-tiny-w3a3/weights.npz -o net/
    """
    from vedette.hardware.network import save_network
    from vedette.hardware.vit import read_arrays

    network = read_arrays(weights)
    save_network(network, output)
    count = sum(tensor.size for tensor in network.weights.values())
    show({"network": str(output), "operators": len(network.operators), "integers": count}, as_json=False)


@hardware.command()
@click.argument("network")
@click.option("-o", "--output", type=PATH, required=True, help="Folder to make.")
@click.option("--device", default="zcu102", show_default=True, help="See `devices`; or a file, .json.")
@size_option
@click.option("--unpacked", is_flag=True, help="One product a multiplier; takes any weights.")
@json_option
def build(
    network: str, output: Path, device: str, multipliers: str | None, unpacked: bool, as_json: bool
) -> None:
    """Write the accelerator of NETWORK: SystemVerilog, the stream of its parameters, a bench.

    \b
    vedette hardware build net/ --device zcu102 -o rtl/
    vedette hardware build net/ --multipliers 1024 -o rtl/   the smallest, which simulates soonest
    """
    from vedette.hardware.build import build as run
    from vedette.hardware.device_file import device_or_file
    from vedette.hardware.engine import Engine

    size = _size(multipliers) or Engine.largest(device_or_file(device), packed=not unpacked)
    found = run(_network(network), output, multipliers=size, packed=not unpacked)
    rows: dict[str, object] = {"folder": str(output), "stream_bytes": found["stream_bytes"]}
    rows |= {"steps": len(found["steps"]), "cycles_predicted": found["cycles_predicted"]}
    show(rows | found["parameters"], as_json=as_json)


@hardware.command()
@click.argument("folder", type=PATH)
@click.option("--input", "source", type=PATH, required=True, help="A picture, or an array (.npy, .npz).")
@json_option
def simulate(folder: Path, source: Path, as_json: bool) -> None:
    """Run FOLDER, which `build` wrote, in Verilator, and compare every step with the integer reference.

    Exits with 1 where a value differs. Needs the extra silicon and g++.

    \b
    vedette hardware simulate rtl/ --input photo.png
    """
    from vedette.errors import VedetteError
    from vedette.hardware.build import NETWORK_NAME
    from vedette.hardware.build import simulate as run
    from vedette.hardware.network import load_network
    from vedette.hardware.picture import read_input

    network = load_network(folder / NETWORK_NAME)
    (name,) = network.inputs
    found = run(folder, {name: read_input(source, name, network.image)})
    rows: dict[str, object] = {
        "steps_compared": found.steps,
        "steps_that_differ": len(found.different),
        "cycles": found.cycles,
        "cycles_predicted": found.cycles_predicted,
        "seconds": round(found.seconds, 2),
    }
    for output, value in found.outputs.items():
        rows[f"{output}, highest"] = f"{int(value.max())} at {int(value.argmax())}"
    show(rows, as_json=as_json)
    if found.different:
        raise VedetteError(f"{found.different[0]}", hint="the engine and the reference disagree: report it")


@hardware.command()
@click.argument("network")
@click.option("-o", "--output", type=PATH, required=True, help="The file, .onnx.")
@click.option("--input", "source", type=PATH, help="A picture, or an array (.npy, .npz), to compare with.")
@json_option
def export(network: str, output: Path, source: Path | None, as_json: bool) -> None:
    """Write NETWORK as ONNX: rows of 4 and 8 bits, outputs equal to the integer reference's, bit for bit.

    With --input the file runs in onnxruntime, on one thread, beside the reference; it exits with 1 where a
    value differs. Needs the extra runtime.

    \b
    vedette hardware export net/ -o net.onnx --input photo.png
    """
    from dataclasses import asdict

    from vedette.errors import VedetteError
    from vedette.hardware.onnx_export import compare, export_onnx
    from vedette.hardware.picture import read_input

    found = _network(network)
    values = {}
    if source is not None:
        name = next(iter(found.inputs))
        values = {name: read_input(source, name, found.image)}
    rows: dict[str, object] = {"file": str(output), **asdict(export_onnx(found, output))}
    different = 0
    if values:
        run = compare(output, found, values)
        different = run.different
        rows |= {"values_that_differ": different, "onnx_ms": run.onnx_ms, "reference_ms": run.executor_ms}
        for made, value in run.outputs.items():
            rows[f"{made}, highest"] = f"{int(value.max())} at {int(value.argmax())}"
    show(rows, as_json=as_json)
    if different:
        hint = "the file and the reference disagree: report it"
        raise VedetteError(f"{different} values differ", hint=hint)


@hardware.command()
@click.argument("network")
@click.option("--device", default="zcu102", show_default=True, help="See `devices`; or a file, .json.")
@size_option
@click.option("-o", "--output", type=PATH, help="A file to write, .md or .html; else a table is printed.")
@json_option
def report(network: str, device: str, multipliers: str | None, output: Path | None, as_json: bool) -> None:
    """Where each operator of NETWORK goes, on the engine and in ONNX, and why where it goes nowhere.

    \b
    vedette hardware report net/ -o report.html
    vedette hardware report deit-tiny --device kv260 --json
    """
    from dataclasses import asdict

    from vedette.hardware.device_file import device_or_file
    from vedette.hardware.report import SHORT, check_path, write_report
    from vedette.hardware.report import report as run
    from vedette.report.findings_page import text_table

    if output is not None:
        check_path(output)
    found = run(_network(network), device=device_or_file(device), multipliers=_size(multipliers))
    if output is not None:
        write_report(found, output)
    if as_json:
        places = [asdict(place) for place in found.places]
        show({**found.figures, "caveats": found.caveats, "places": places}, as_json=True)
        return
    if output is None:
        click.echo(text_table(found.operators(SHORT)) + "\n")
    show(found.figures, as_json=False)
    for caveat in found.caveats:
        click.echo(caveat)
