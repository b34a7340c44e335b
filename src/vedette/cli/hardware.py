"""`vedette hardware`: what a network costs on an FPGA, its accelerator, and that in simulation."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette.cli.sizes import show

if TYPE_CHECKING:
    from vedette.hardware.network import Network

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
tokens_option = click.option(
    "--tokens", type=click.Choice(["8", "16"]), default="16", show_default=True, help="Rows at once."
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


@hardware.command()
@json_option
def devices(as_json: bool) -> None:
    """List the devices, with what there is of each resource.

    \b
    vedette hardware devices
    """
    from dataclasses import asdict

    from vedette.hardware.devices import DEVICES

    if as_json:
        show({name: asdict(device) for name, device in DEVICES.items()}, as_json=True)
        return
    rows: dict[str, object] = {}
    for name, d in DEVICES.items():
        counts = f"{d.luts:,} LUT, {d.ffs:,} FF, {d.dsps:,} DSP, {d.bram18:,} RAM of {d.bram_kbit} kbit"
        rows[name] = f"{d.part}: {counts}, {d.uram:,} URAM, {d.ddr_gb_s:g} GB/s; {d.source}"
    show(rows, as_json=False)


@hardware.command()
@click.argument("network")
@click.option("--device", "device_name", default="zcu102", show_default=True, help="See `devices`.")
@click.option("--clock-mhz", type=click.FloatRange(1, 1000), help="By default the device's usual one.")
@tokens_option
@json_option
def estimate(network: str, device_name: str, clock_mhz: float | None, tokens: str, as_json: bool) -> None:
    """Cycles of NETWORK, a folder or a shape such as deit-tiny, on the engine, and what bounds it.

    Cycles are those of the engine in Verilator, exactly; what fits a device is not synthesized.

    \b
    vedette hardware estimate deit-tiny --device zcu102
    vedette hardware estimate net/ --device kv260 --tokens 8 --json
    """
    from vedette.hardware.devices import device
    from vedette.hardware.estimate import estimate as run

    show(run(_network(network), device(device_name), int(tokens), clock_mhz).row(), as_json=as_json)


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
@tokens_option
@click.option("--unpacked", is_flag=True, help="One product a multiplier; takes any weights.")
@json_option
def build(network: str, output: Path, tokens: str, unpacked: bool, as_json: bool) -> None:
    """Write the accelerator of NETWORK: SystemVerilog, the stream of its parameters, a bench.

    \b
    vedette hardware build net/ -o rtl/
    """
    from vedette.hardware.build import build as run

    found = run(_network(network), output, tokens=int(tokens), packed=not unpacked)
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
