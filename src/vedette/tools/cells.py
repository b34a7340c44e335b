"""Counts of FPGA primitives that Yosys makes of modules, a module's own, not its children's.

A table of k inputs counts as one whatever k is; two small ones that could share a place are two. Inverters
and shift registers are tables, a RAM of tables is as many as the vendor says; carry chains and the wide
multiplexers beside tables cost none. A RAMB36 is two block RAMs of 18 kbit.
"""

import importlib.metadata
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from vedette.errors import InputError, ToolError, UnknownNameError
from vedette.tools import yosys

_TABLES = {"INV": 1, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1} | {f"LUT{inputs}": 1 for inputs in range(1, 7)}
_TABLES |= {"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8}
_TABLES |= {"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8, "RAM32M": 4, "RAM64M": 4}
_TABLES |= {"RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8}
_FREE = ("CARRY4", "CARRY8", "MUXF5", "MUXF6", "MUXF7", "MUXF8", "MUXF9", "GND", "VCC")
_BRAM18 = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2}


@dataclass(frozen=True)
class Cells:
    """So many of each resource; `bram18` are block RAMs of 18 kbit.

    >>> Cells(luts=3) + Cells(luts=1, dsps=2) * 4
    Cells(luts=7, ffs=0, dsps=8, bram18=0)
    """

    luts: int = 0
    ffs: int = 0
    dsps: int = 0
    bram18: int = 0

    def __add__(self, other: "Cells") -> "Cells":
        return Cells(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: int) -> "Cells":
        return Cells(*(getattr(self, f.name) * times for f in fields(self)))


def mapper() -> str:
    """What counts: "Yosys 0.70".

    Raises:
        MissingExtraError: pyosys is not installed.
    """
    yosys.require()
    return f"Yosys {importlib.metadata.version('pyosys')}"


def count(types: Mapping[str, int]) -> Cells:
    """Resources of so many cells of each type.

    Raises:
        ToolError: a primitive that is not known here.

    >>> count({"LUT6": 2, "RAM64M8": 1, "CARRY4": 5, "FDRE": 3, "RAMB36E2": 1})
    Cells(luts=10, ffs=3, dsps=0, bram18=2)
    """
    total = Cells()
    for name, many in types.items():
        if name in _TABLES:
            total += Cells(luts=_TABLES[name] * many)
        elif re.fullmatch(r"FD[RSCP]E(_1)?|LD[CP]E", name):
            total += Cells(ffs=many)
        elif re.fullmatch(r"DSP48E\d?", name):
            total += Cells(dsps=many)
        elif name in _BRAM18:
            total += Cells(bram18=_BRAM18[name] * many)
        elif name not in _FREE:
            raise ToolError(f"Yosys made a cell {name}", hint="give it a place in vedette/tools/cells.py")
    return total


def own_cells(
    folder: Path, module: str, each: Sequence[Mapping[str, int]], *, family: str, children: Sequence[str] = ()
) -> list[Cells]:
    """What `module`, MODULE.sv in `folder`, takes with each of these parameters, without its children.

    Several go through Yosys at once, which saves its start. Children are modules in files beside it; they
    are emptied once their ports are known, and cost no time here.

    Raises:
        MissingExtraError: pyosys is not installed.
        InputError, UnknownNameError: a source or a parameter that Yosys refuses; another family.
        ToolError: Yosys failed, or made a cell that is not known here.
    """
    if family not in yosys.FAMILIES:
        raise UnknownNameError("device family", family, yosys.FAMILIES)
    if len(each) > 1 and children:  # a module with children may lose the name given here
        return [own_cells(folder, module, [one], family=family, children=children)[0] for one in each]
    for name in (module, *children):
        if not (folder / f"{name}.sv").is_file():
            raise InputError(f"there is no {folder / name}.sv", hint="name a folder with the blocks' sources")
    commands = [f"read_verilog -sv {name}.sv" for name in children]
    for number, parameters in enumerate(each):
        commands.append(f"read_verilog -sv {module}.sv")
        if parameters:
            sets = " ".join(f"-set {name} {value}" for name, value in parameters.items())
            commands.append(f"chparam {sets} {module}")
        if len(each) > 1:
            commands.append(f"rename {module} block_{number}")
    top = "all_blocks" if len(each) > 1 else module
    with tempfile.TemporaryDirectory() as scratch:
        if len(each) > 1:
            instances = "".join(f"(* keep *) block_{i} u{i}();\n" for i in range(len(each)))
            (Path(scratch) / "all.v").write_text(f"module {top}();\n{instances}endmodule\n")
            commands.append(f"read_verilog {scratch}/all.v")
        commands.append(f"hierarchy -check -top {top}")
        commands.append("setattr -unset reprocess_after */c:*")  # else the mapped module is derived anew
        commands += [f"blackbox {name} *?{name} *?{name}?*" for name in children]
        commands.append(f"synth_xilinx -family {family} -noiopad -noclkbuf")
        commands.append(f"tee -o {scratch}/stat.json stat -json")
        yosys.run(commands, folder=folder)
        modules = json.loads((Path(scratch) / "stat.json").read_text())["modules"]
    names = [f"block_{i}" for i in range(len(each))] if len(each) > 1 else [_named(modules, module)]
    known = {name.lstrip("\\") for name in modules} | set(children)
    found = []
    for name in names:
        types = modules[name if name in modules else f"\\{name}"]["num_cells_by_type"]
        own = {kind: many for kind, many in types.items() if not _is_child(kind, known)}
        found.append(count(own))
    return found


def _is_child(kind: str, known: set[str]) -> bool:
    return kind.startswith("$paramod") or kind.lstrip("\\") in known


def _named(modules: Mapping[str, object], module: str) -> str:
    """The module, which Yosys may have renamed after its parameters."""
    (found,) = (name for name in modules if re.fullmatch(rf"(\$paramod.*)?\\{module}(\\.*)?", name))
    return found
