"""An outside simulator's word on every fault: Verilator or Icarus runs the exported design.

The model of the specification, section 3.5, in any of its three forms is driven by the campaign's stimulus;
for each fault it gives the mismatching cycles, the first, the last, and the CRC-32 of all outputs in all
cycles. `check` lists every difference from what an engine found. `form="copy"` is the paper's own
flow: one model translated and compiled for each fault, and slow for that reason.
"""

import resource
import tempfile
import time
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from vedette.errors import InputError, ToolError, UnknownNameError
from vedette.softerror import bench, export
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.outcomes import Outcomes
from vedette.tools import icarus, verilator

TOOLS = ("verilator", "icarus")
CFG_FAULT_BITS = 64  # most bits of one fault that the Verilog bench holds


@dataclass(frozen=True, eq=False)
class Run:
    """What an outside simulator found.

    Attributes:
        tool: its name and version.
        mismatches, first, last, crcs: for each fault, as `Outcomes` has them; CRC-32 of `pack`ed outputs.
        golden: outputs of the fault-free run.
        compile_s: CPU seconds to export, translate and compile; for copies the sum over all.
        run_s: CPU seconds in the cycles; Verilator without reading files and building models, Icarus whole.
        wall_s: of everything.
    """

    tool: str
    mismatches: Int64[np.ndarray, " n"]
    first: Int64[np.ndarray, " n"]
    last: Int64[np.ndarray, " n"]
    crcs: Int64[np.ndarray, " n"]
    golden: UInt8[np.ndarray, "cycles outputs"]
    compile_s: float
    run_s: float
    wall_s: float


@dataclass(frozen=True)
class Disagreement:
    """One number on which an engine and the simulator differ; `fault` -1 is the fault-free run."""

    fault: int
    what: str  # "mismatches", "first", "last", "crc"
    ours: int
    theirs: int

    def __str__(self) -> str:
        name = "the fault-free run" if self.fault < 0 else f"fault {self.fault}"
        return f"{name}: {self.what} {self.ours} here, {self.theirs} there"


@dataclass(frozen=True)
class Agreement:
    """What came of a check; `exact` where nothing differs.

    Attributes:
        faults, cycles: how many were compared.
        crcs: distinct output streams among them: many say that the check could have failed.
    """

    tool: str
    form: str
    faults: int
    cycles: int
    crcs: int
    disagreements: tuple[Disagreement, ...]
    compile_s: float
    run_s: float

    @property
    def exact(self) -> bool:
        return not self.disagreements

    def __str__(self) -> str:
        verdict = "agree exactly" if self.exact else f"differ in {len(self.disagreements)} numbers"
        return (
            f"{self.faults} faults x {self.cycles} cycles, {self.tool}, form {self.form}: {verdict} "
            f"({self.crcs} distinct output streams; "
            f"build {self.compile_s:.1f} s, run {self.run_s:.2f} s of CPU)"
        )


def pack(outputs: UInt8[np.ndarray, "cycles outputs"]) -> bytes:
    """The output stream that a CRC is of: ceil(outputs / 8) bytes a cycle, output 0 the lowest bit.

    >>> pack(np.array([[1, 0, 1], [0, 1, 0]], np.uint8)).hex()
    '0502'
    """
    return np.packbits(outputs, axis=1, bitorder="little").tobytes()


def crc(outputs: UInt8[np.ndarray, "cycles outputs"]) -> int:
    """CRC-32 (IEEE 802.3) of the `pack`ed outputs of a run, as the simulators' benches compute it.

    >>> f"{crc(np.array([[1, 0, 1], [0, 1, 0]], np.uint8)):08x}"
    'd2a08796'
    """
    return zlib.crc32(pack(outputs))


def run(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    *,
    tool: str = "verilator",
    form: str = "select",
    compare: Sequence[int] | None = None,
    enable: int = -1,
    crcs: bool = True,
    folder: Path | None = None,
    optimize: str = "-O3",
) -> Run:
    """Run the faults in an outside simulator.

    Args:
        tool: "verilator" or "icarus".
        form: "select" takes configuration faults of one bit, "cfg" of several, "copy" faults of every kind.
        compare: output bits that count in mismatches; None: all. The CRC is always of all.
        enable: bit that says, in the fault-free run, which cycles count; -1: all. A port of the design.
        crcs: compute them; without, they are 0 and the run is faster.
        folder: where sources and programs stay; None: they are deleted.
        optimize: gcc's level for the model; "-O0" is the quickest build.

    Raises:
        UnknownNameError: no such tool or form.
        InputError: a stimulus of another width, a fault that the form cannot take.
        MissingExtraError, ToolError: the simulator is missing or fails.
    """
    if tool not in TOOLS:
        raise UnknownNameError("simulator", tool, TOOLS)
    if form not in bench.FORMS:
        raise UnknownNameError("export form", form, bench.FORMS)
    if stimulus.shape[1] != len(design.input_bits) or not len(stimulus):
        raise InputError(
            f"the stimulus has {stimulus.shape[0]} cycles of {stimulus.shape[1]} bits",
            hint=f"{design.name} has {len(design.input_bits)} input bits; give at least one cycle",
        )
    for fault in faults:
        _takes(form, fault)
    began = time.monotonic()
    with (
        nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory(prefix="vedette-oracle-") as name
    ):
        job = _Job(design, stimulus, Path(name).resolve(), tool, form, crcs, optimize)
        found = job.everything(faults, compare, enable)
    columns = np.array(found, np.int64).reshape(-1, 5).T
    version = verilator.version() if tool == "verilator" else icarus.version()
    return Run(
        version,
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        golden=job.golden,
        compile_s=job.compile_s,
        run_s=job.run_s,
        wall_s=time.monotonic() - began,
    )


def check(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    outcomes: Outcomes,
    crcs: Sequence[int] | np.ndarray | None = None,
    *,
    golden_crc: int | None = None,
    tool: str = "verilator",
    form: str = "select",
    compare: Sequence[int] | None = None,
    enable: int = -1,
    folder: Path | None = None,
    optimize: str = "-O3",
) -> Agreement:
    """Compare an engine's rows with an outside simulator's, number by number.

    Args:
        outcomes: rows of `faults`, in their order.
        crcs: `crc` of each faulty run's outputs; None: they are not compared.
        golden_crc: `crc` of the fault-free run's; None: not compared.
        tool, form, compare, enable, folder, optimize: as for `run`.

    Raises:
        InputError: rows of other faults or cycles; else as `run`.
    """
    if len(outcomes.mismatches) != len(faults) or outcomes.cycles != len(stimulus):
        raise InputError(
            f"{len(outcomes.mismatches)} rows of {outcomes.cycles} cycles "
            f"for {len(faults)} faults of {len(stimulus)} cycles",
            hint="give the rows of exactly these faults",
        )
    theirs = run(
        design,
        stimulus,
        faults,
        tool=tool,
        form=form,
        compare=compare,
        enable=enable,
        folder=folder,
        optimize=optimize,
    )
    columns: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "mismatches": (outcomes.mismatches, theirs.mismatches),
        "first": (outcomes.first, theirs.first),
        "last": (outcomes.last, theirs.last),
    }
    if crcs is not None:
        columns["crc"] = (np.asarray(crcs, np.int64), theirs.crcs)
    found = [
        Disagreement(faults[i].number, what, int(ours[i]), int(other[i]))
        for what, (ours, other) in columns.items()
        for i in np.flatnonzero(ours != other).tolist()
    ]
    if golden_crc is not None and golden_crc != crc(theirs.golden):
        found.insert(0, Disagreement(-1, "crc", golden_crc, crc(theirs.golden)))
    return Agreement(
        theirs.tool,
        form,
        len(faults),
        len(stimulus),
        len(np.unique(theirs.crcs)),
        tuple(found),
        theirs.compile_s,
        theirs.run_s,
    )


def _takes(form: str, fault: Fault) -> None:
    configuration = fault.kind is FaultKind.CONFIGURATION
    good = form == "copy" or (configuration and (form == "cfg" or len(fault.bits) == 1))
    if not good or len(fault.bits) > CFG_FAULT_BITS:
        raise InputError(
            f"fault {fault.number} ({fault.kind.value}, {len(fault.bits)} bits) does not fit form {form!r}",
            hint="'select' takes one configuration bit, 'cfg' up to 64, 'copy' every kind",
        )


# One run of the oracle: its folder, its models and what they cost.
class _Job:
    def __init__(
        self,
        design: Design,
        stimulus: UInt8[np.ndarray, "cycles inputs"],
        folder: Path,
        tool: str,
        form: str,
        crcs: bool,
        optimize: str,
    ) -> None:
        self.design, self.folder, self.tool, self.form = design, folder, tool, form
        self.crcs, self.optimize, self.cycles = crcs, optimize, len(stimulus)
        self.compile_s = self.run_s = 0.0
        self.golden = np.zeros((0, 0), np.uint8)
        folder.mkdir(parents=True, exist_ok=True)
        self.stimulus = stimulus
        self.files = {"stimulus.hex": _hex_rows(stimulus)}
        if form == "cfg":
            self.files["cfg.hex"] = bench.hex_lines(design)

    def everything(
        self, faults: Sequence[Fault], compare: Sequence[int] | None, enable: int
    ) -> list[list[int]]:
        exported = {"select": export.select, "cfg": export.cfg, "copy": export.copy}[self.form](self.design)
        text = exported + bench.wrapper(self.design, self.form, False)
        here = self.folder / "golden"
        program = self._build(here, text, upset=False, faults=False)
        self._run(program)
        self.golden = _bits(here / "golden.hex", len(self.design.output_bits))
        self.files["golden.hex"] = (here / "golden.hex").read_text()
        self.files["mask.hex"] = _hex_rows(self._mask(compare, enable))
        if self.form != "copy":
            self.files["faults.txt"] = "".join(self._line(fault) for fault in faults)
            if (
                self.tool == "icarus"
            ):  # its bench is compiled with what it does; Verilator's looks for the list
                program = self._build(self.folder / "faults", text, upset=False, faults=True)
            self._write(program.parent)
            return self._run(program)
        rows = []
        for fault in faults:
            upset = export.timed(fault)
            text = export.copy(self.design, fault) + bench.wrapper(self.design, "copy", upset)
            self.files["faults.txt"] = self._line(fault)
            here = self.folder / f"fault-{fault.number}"
            rows += self._run(self._build(here, text, upset=upset, faults=True))
        return rows

    def _line(self, fault: Fault) -> str:
        stop = self.cycles if fault.stop is None else min(fault.stop, self.cycles)
        if fault.kind is FaultKind.STATE:
            stop = fault.start + 1
        values: tuple[int, ...] = ()
        if self.form == "select":
            values = export.place(self.design, fault.bits[0])
        if self.form == "cfg":
            values = (len(fault.bits), *fault.bits)
        return " ".join(map(str, (fault.number, fault.start, stop, *values))) + "\n"

    def _mask(self, compare: Sequence[int] | None, enable: int) -> UInt8[np.ndarray, "cycles outputs"]:
        outputs = self.design.output_bits
        mask = np.ones((self.cycles, len(outputs)), np.uint8)
        if compare is not None:
            mask[:, [bit not in set(compare) for bit in outputs]] = 0
        if enable in outputs:
            mask[self.golden[:, outputs.index(enable)] == 0] = 0
        elif enable in self.design.input_bits:
            mask[self.stimulus[:, self.design.input_bits.index(enable)] == 0] = 0
        elif enable >= 0:
            raise InputError(f"bit {enable} is no port", hint="only a port can say which cycles count")
        return mask

    def _write(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name).write_text(text)

    def _build(self, folder: Path, text: str, *, upset: bool, faults: bool) -> Path:
        began = _cpu_s()
        folder.mkdir(exist_ok=True)
        (folder / "faults.txt").unlink(missing_ok=True)  # of a former run in this folder
        self._write(folder)
        source, program = folder / "design.v", folder / "model"
        source.write_text(text)
        if self.tool == "verilator":
            (folder / "bench.cpp").write_text(bench.cpp(self.design, self.form, upset=upset, crc=self.crcs))
            found = verilator.find()
            found.translate(source, "bench", folder / "obj")
            library = self.folder / "library"
            found.compile(folder / "obj", folder / "bench.cpp", program, library, optimize=self.optimize)
        else:
            written = bench.verilog(
                self.design, self.form, self.cycles, faults=faults, upset=upset, crc=self.crcs
            )
            (folder / "test.v").write_text(written)
            icarus.compile([source, folder / "test.v"], "test", program)
        self.compile_s += _cpu_s() - began
        return program

    def _run(self, program: Path) -> list[list[int]]:
        began = _cpu_s()
        if self.tool == "verilator":
            self.run_s += float(verilator.run(program))
        else:
            icarus.run(program)
            self.run_s += _cpu_s() - began
        lines = (program.parent / "results.txt").read_text().splitlines()
        expected = self.files.get("faults.txt", "\n").count("\n")
        if len(lines) != expected:
            raise ToolError(
                f"{program.name} gave {len(lines)} rows of {expected}", hint=f"look at {program.parent}"
            )
        rows = [[int(word) for word in line.split()] for line in lines]
        return rows if self.crcs else [[*row[:4], 0] for row in rows]


def _cpu_s() -> float:
    """CPU seconds of this process and of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def _hex_rows(bits: UInt8[np.ndarray, "rows columns"]) -> str:
    """One number a row, column 0 its lowest bit."""
    rows, columns = bits.shape
    if not columns:
        return "0\n" * rows
    padded = np.pad(bits, ((0, 0), (0, -columns % 8)))
    packed = np.packbits(padded[:, ::-1], axis=1, bitorder="big")
    digits = -(-columns // 4)
    return "".join(row.tobytes().hex()[-digits:] + "\n" for row in packed)


def _bits(path: Path, columns: int) -> UInt8[np.ndarray, "rows columns"]:
    lines = path.read_text().split()
    digits = max(len(line) for line in lines)
    size = -(-max(digits * 4, columns) // 8)
    try:
        data = b"".join(int(line, 16).to_bytes(size, "little") for line in lines)
    except ValueError as error:
        raise ToolError(
            f"{path.name} holds x or z", hint="the exported text starts no state: report it"
        ) from error
    rows = np.frombuffer(data, np.uint8).reshape(len(lines), size)
    return np.unpackbits(rows, axis=1, bitorder="little")[:, :columns]
