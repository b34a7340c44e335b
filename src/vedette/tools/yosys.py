"""Yosys: Verilog to a netlist of FPGA primitives.

The PyPI package pyosys (extra `silicon`) holds Yosys as a library. It runs in a Python process of its own,
since Yosys ends the process it lives in when it meets an error.
"""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.errors import InputError, MissingExtraError, ToolError, UnknownNameError
from vedette.tools.rtlil import register_names

TIMEOUT_S = 3600.0
LAST_LINES = 3
FAMILIES = ("xc7", "xcup", "xcu")
NOTE_NAMES = "dump"  # not write_json: that sorts the design, and mapping goes another way
# One command a line on stdin, so that no shell and no script file stands between.
_PROGRAM = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.stdin.read().splitlines():
    libyosys.run_pass(command, design)
sys.stdout.flush()
"""


@dataclass(frozen=True)
class Synthesis:
    """How a netlist was made, to be kept with every result: a score belongs to one netlist.

    Attributes:
        version: "Yosys 0.70 (git sha1 ...)".
        script: the commands, without the paths of files.
        script_sha256: of these commands.
        warnings: what Yosys warned of.
    """

    version: str
    script: tuple[str, ...]
    script_sha256: str
    warnings: tuple[str, ...] = ()


def require() -> None:
    """Refuse at once where pyosys is missing.

    Raises:
        MissingExtraError: pyosys is not installed.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise MissingExtraError(
            "Yosys is needed, and pyosys is not installed", hint="pip install 'vedette[silicon]'"
        )


def run(commands: Sequence[str], *, folder: Path | None = None, timeout_s: float = TIMEOUT_S) -> str:
    """What Yosys says, stdout and stderr together, when it runs `commands` in `folder`.

    Raises:
        MissingExtraError: pyosys is not installed.
        InputError: a source file is refused; the message begins with its file and line.
        ToolError: any other failure of Yosys.
    """
    require()
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input="\n".join(commands).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"Yosys ran longer than {timeout_s:g} s: {'; '.join(commands)}", hint="try a smaller design"
        ) from error
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        _explain(said, done.returncode, commands)
    return said


def synthesize(
    sources: Sequence[Path | str],
    top: str,
    out_json: Path | str,
    *,
    family: str = "xc7",
    blocks: bool = True,
) -> Synthesis:
    """Write the netlist of module `top`, flat, without pads and clock buffers.

    The commands are those of the specification, section 3.1. Mapping to tables forgets what registers were
    called, so the run is halted before it and their names are noted; the cells stay the same. Places in the
    netlist are given from the folder that all sources share, so that it does not depend on where that is.

    Args:
        sources: Verilog (.v) or SystemVerilog (.sv) files.
        out_json: file to write; the cells of the vendor's library are left out of it.
        family: "xc7" (7 series), "xcu" (UltraScale), "xcup" (UltraScale+).
        blocks: whether DSP blocks and block RAM may be used; without them everything is made of tables.

    Raises:
        MissingExtraError: pyosys is not installed.
        InputError: a file is missing or unreadable to Yosys, named with its line; there is no such top.
        ToolError: Yosys failed.
    """
    if family not in FAMILIES:
        raise UnknownNameError("device family", family, FAMILIES)
    less = "" if blocks else " -nodsp -nobram"
    synth = f"synth_xilinx -family {family} -top {_module_name(top)} -flatten -noiopad -noclkbuf{less}"
    make = [
        f"{synth} -run begin:map_luts",
        NOTE_NAMES,
        f"{synth} -run map_luts:",
        "clean -purge",
    ]
    return _netlist(sources, [], top, make, Path(out_json))


def read_structural(sources: Sequence[Path | str], top: str, out_json: Path | str) -> Synthesis:
    """Write the netlist in Verilog that a vendor's tool wrote of its primitives; nothing is optimized.

    Raises:
        As of `synthesize`.
    """
    library = ["read_verilog -lib +/xilinx/cells_sim.v", "read_verilog -lib +/xilinx/cells_xtra.v"]
    make = [f"hierarchy -check -top {_module_name(top)}", "proc", "flatten", "clean"]
    return _netlist(sources, library, top, make, Path(out_json))


def _netlist(
    sources: Sequence[Path | str], before: list[str], top: str, make: list[str], out: Path
) -> Synthesis:
    paths = [Path(source).absolute() for source in sources]
    if not paths:
        raise InputError("no source file", hint="name the Verilog files of the design")
    for path in paths:
        if not path.is_file():
            raise InputError(f"there is no file {path}", hint="check the path")
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    read = [f"read_verilog {_flag(path)}{_quoted(os.path.relpath(path, folder))}" for path in paths]
    with tempfile.TemporaryDirectory() as scratch:
        whole, noted = Path(scratch) / "netlist.json", Path(scratch) / "names.il"
        note = f"dump -o {_quoted(str(noted))} {top}/t:FD* {top}/t:$scopeinfo {top}/w:* %u %u"
        steps = [note if step == NOTE_NAMES else step for step in make]
        try:
            write = [f"select {top}", f"write_json -selected {_quoted(str(whole))}"]
            said = run([*before, *read, *steps, *write], folder=folder)
        except ToolError as error:
            if re.search(rf"odule `\\?{re.escape(top)}' not found", str(error)):
                raise UnknownNameError("module", top, _modules(paths)) from error
            raise
        netlist = json.loads(whole.read_bytes())
        if top not in netlist["modules"]:  # Yosys leaves out a module without content
            raise InputError(f"module {top} holds nothing", hint="drive its outputs, or name another --top")
        module = netlist["modules"][top]
        if noted.exists():
            module["netnames"] |= register_names(noted.read_text(), module)
    _write({"creator": netlist["creator"], "modules": {top: module}}, Path(out))
    script = (*before, *("read_verilog " + _flag(path) + "..." for path in paths), *make)
    digest = hashlib.sha256("\n".join(script).encode()).hexdigest()
    warnings = tuple(dict.fromkeys(re.findall(r"^Warning: (.*)", said, re.MULTILINE)))
    return Synthesis(_creator(netlist), script, digest, warnings)


def _write(netlist: Mapping[str, Any], out: Path) -> None:
    """The netlist without the path of Yosys' installation."""
    text = re.sub(r'[^"|]*/share/(?:yosys/)?(\w+/\w+\.vh?:)', r"share/\1", json.dumps(netlist, indent=1))
    try:
        out.write_text(text + "\n")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}", hint="check the folder") from error


def _creator(netlist: Mapping[str, Any]) -> str:
    return re.sub(r", Release.*|, [^,]*(gcc|clang|c\+\+).*", ")", str(netlist["creator"]))


def _flag(path: Path) -> str:
    return "-sv " if path.suffix == ".sv" else ""


def _quoted(path: str) -> str:
    if '"' in path or "\n" in path:
        raise InputError(f"the path {path!r} holds a quotation mark or a line end", hint="rename the file")
    return f'"{path}"' if re.search(r"[\s;#]", path) else path


def _module_name(top: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w$]*", top):
        raise InputError(f"{top!r} is no name of a module", hint="give letters, digits and underscores")
    return top


def _modules(paths: Sequence[Path]) -> list[str]:
    """Names after `module` in the sources: for a hint, so comments are not looked at."""
    found = (re.findall(r"^\s*module\s+(\w+)", path.read_text(errors="replace"), re.M) for path in paths)
    return [name for names in found for name in names]


def _explain(said: str, code: int, commands: Sequence[str]) -> None:
    """Raise what the last error line of Yosys means."""
    placed = re.search(r"^(\S.*?:\d+): ERROR: (.*)$", said, re.MULTILINE)
    if placed:
        raise InputError(
            f"{placed.group(1)}: {placed.group(2)}", hint="Yosys reads Verilog-2005, and SystemVerilog in .sv"
        )
    lines = re.findall(r"^ERROR: (.*)$", said, re.MULTILINE)
    last = (
        lines[-1] if lines else " | ".join(line.strip() for line in said.strip().splitlines()[-LAST_LINES:])
    )
    raise ToolError(
        f"Yosys ended with code {code}: {last}", hint=f"the commands were: {shlex.join(commands)}"
    )
