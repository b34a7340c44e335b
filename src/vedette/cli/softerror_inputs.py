"""What the commands of `vedette softerror` start from: Verilog or a netlist, and drives of inputs."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.cli.softerror_options import refuse_beside
from vedette.errors import InputError

if TYPE_CHECKING:  # nothing of it loads for --help
    from vedette.softerror.design import Design
    from vedette.softerror.plan import Bits
    from vedette.softerror.stimulus import Drive

CYCLES = 10_000  # of a run, where nothing says otherwise


def check_sources(sources: tuple[Path, ...], top: str | None, structural: bool) -> None:
    """Refuse sources, and options of their synthesis, that do not go together.

    Raises:
        InputError: they do not.
    """
    if is_verilog(sources):
        if top is None:
            raise InputError("Verilog without its top module", hint="name it with --top")
        if structural:
            hint = "a vendor's netlist is read as it is: leave that out"
            refuse_beside("--structural", "family", "no_blocks", hint=hint)
    elif len(sources) > 1 or not sources[0].name.endswith((".json", ".json.gz")):
        raise InputError(
            f"{' '.join(map(str, sources))}: neither Verilog nor a netlist",
            hint="give Verilog files (.v, .sv), or one netlist (.json)",
        )
    else:
        hint = "it is for Verilog: leave it out, or give the Verilog files"
        refuse_beside(f"the netlist {sources[0]}", "family", "structural", "no_blocks", hint=hint)


def is_verilog(sources: tuple[Path, ...]) -> bool:
    """Whether all sources are Verilog, by their names."""
    return all(source.suffix in (".v", ".sv") for source in sources)


def synthesized(
    sources: tuple[Path, ...], top: str, output: Path, family: str, structural: bool, no_blocks: bool
) -> dict[str, object]:
    """Write the netlist of Verilog sources; what it was made with."""
    from vedette.tools import yosys

    if structural:
        made = yosys.read_structural(sources, top, output)
    else:
        made = yosys.synthesize(sources, top, output, family=family, blocks=not no_blocks)
    return {"netlist": str(output), "made_by": made.version, "script_sha256": made.script_sha256}


def read_design(
    sources: tuple[Path, ...],
    top: str | None,
    family: str,
    structural: bool,
    no_blocks: bool,
) -> tuple["Design", dict[str, Any], bytes | None]:
    """The design, what its summary says of where it came from, and its netlist if that was made here."""
    import hashlib
    from tempfile import TemporaryDirectory

    from vedette.hardware import netlist
    from vedette.softerror.lower import lower

    about: dict[str, Any] = {"versions": {}}
    with TemporaryDirectory() as folder:  # the output folder may hold another campaign
        path = sources[0]
        if is_verilog(sources):
            assert top is not None  # check_sources saw to it
            path = Path(folder) / "netlist.json"
            made = synthesized(sources, top, path, family, structural, no_blocks)
            about["versions"]["yosys"] = made["made_by"]
            about["script_sha256"] = made["script_sha256"]
        read = netlist.read(path, top=top)
        content = path.read_bytes()
    about["versions"].setdefault("netlist", read.creator)
    about["netlist_sha256"] = hashlib.sha256(content).hexdigest()
    return lower(read), about, content if is_verilog(sources) else None


def read_vectors(path: Path, design: "Design", cycles: int | None) -> "Bits":
    """The stimulus in a file, or its first `cycles`.

    Raises:
        InputError: it is no such file, or holds fewer cycles.
    """
    from vedette.softerror.vectors import from_file

    rows = from_file(path, design)
    if cycles is not None and cycles > len(rows):
        raise InputError(
            f"{path} has {len(rows)} cycles, and --cycles asks for {cycles}",
            hint="give more vectors, or leave --cycles out",
        )
    return rows[:cycles]


def draw_stimuli(
    design: "Design",
    cycles: int | None,
    seeds: range,
    resets: tuple[str, ...],
    reset_cycles: int,
    drives: tuple[str, ...],
) -> list["Bits"]:
    """A random stimulus a seed.

    Raises:
        InputError: what is said of an input does not fit it, or is said twice.
    """
    from vedette.softerror.stimulus import random_stimulus, resets_of

    if not resets and not resets_of(design):
        refuse_beside(
            f"{design.name}: no input of it is known as a reset",
            "reset_cycles",
            hint="name it with --reset, or leave that out",
        )
    inputs = _driven(resets, reset_cycles, drives)
    return [
        random_stimulus(design, cycles or CYCLES, seed=seed, reset_cycles=reset_cycles, drives=inputs)
        for seed in seeds
    ]


def _driven(resets: tuple[str, ...], cycles: int, drives: tuple[str, ...]) -> dict[str, "Drive"]:
    """What --reset and --drive say of single ports."""
    from vedette.softerror.stimulus import HeldReset, drive_of

    said: list[tuple[str, Drive]] = [
        (name.removeprefix("!"), HeldReset(cycles, not name.startswith("!"))) for name in resets
    ]
    said += [drive_of(text) for text in drives]
    name, times = Counter(name for name, _ in said).most_common(1)[0] if said else ("", 0)
    if times > 1:
        raise InputError(
            f"{name} is driven in {times} ways", hint="name each input once, with --reset or --drive"
        )
    return dict(said)
