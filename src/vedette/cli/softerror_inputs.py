"""What the commands of `vedette softerror` start from: Verilog or a netlist, and drives of inputs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # nothing of it loads for --help
    from vedette.softerror.design import Design
    from vedette.softerror.stimulus import Drive


def synthesized(
    sources: tuple[Path, ...], top: str, output: Path, family: str, structural: bool, no_blocks: bool
) -> dict[str, object]:
    """Write the netlist of Verilog sources; what it was made with."""
    from vedette.tools import yosys

    if structural and no_blocks:
        raise click.UsageError("--structural changes nothing: leave --no-blocks away")
    if structural:
        made = yosys.read_structural(sources, top, output)
    else:
        made = yosys.synthesize(sources, top, output, family=family, blocks=not no_blocks)
    return {"netlist": str(output), "made_by": made.version, "script_sha256": made.script_sha256}


def read_design(
    sources: tuple[Path, ...],
    top: str | None,
    output: Path,
    family: str,
    structural: bool,
    no_blocks: bool,
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
        if structural or no_blocks:
            raise click.UsageError("--structural and --no-blocks are for Verilog, not for a netlist (.json)")
    else:
        if top is None:
            raise click.UsageError("name the top module with --top")
        path = output / "netlist.json"
        output.mkdir(parents=True, exist_ok=True)
        made = synthesized(sources, top, path, family, structural, no_blocks)
        about["versions"]["yosys"] = made["made_by"]
        about["script_sha256"] = made["script_sha256"]
    read = netlist.read(path, top=top)
    about["versions"].setdefault("netlist", read.creator)
    about["netlist_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return lower(read), about


def driven(resets: tuple[str, ...], cycles: int, drives: tuple[str, ...]) -> dict[str, "Drive"]:
    """What --reset and --drive say of single ports."""
    from vedette.softerror.stimulus import HeldReset, drive_of

    held = {name.removeprefix("!"): HeldReset(cycles, not name.startswith("!")) for name in resets}
    return held | dict(drive_of(text) for text in drives)
