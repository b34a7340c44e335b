"""Multiply-accumulate units of ShiftQuant beside units of FP16, synthesized: LUT, FF, DSP, BRAM.

    python benchmarks/hardware/training_mac.py [--quick] [--json]

The paper (arXiv 2411.10948) says 33.9 % fewer FPGA resources than FP16; what it counts, at how many bits, on
which part and in which unit could not be read. Here: a unit that takes as many terms a cycle, with the same
control, registers at the same places and the same latency, by Yosys, before place and route. Baselines round
every sum to a half, or to single precision, as training with FP16 usually does; subnormals count as zeros.

"weighted" is one figure: every LUT, FF and DSP counts by how few of it the device has, in LUTs (ZCU102 for
xcup, Artix-7 35T for xc7). Without blocks, everything is made of tables, and LUTs alone are compared.
"levels" are LUTs on the longest path between registers: where they are many, the clock is slow, or more
registers are needed.

Yosys makes multipliers of tables about twice as large as Vivado does. That hits both sides, but not equally:
"halved" is the change of LUTs if every multiplier took half.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.hardware import netlist
from vedette.hardware.devices import DEVICES
from vedette.hardware.rtl.simulate import FOLDER
from vedette.tools import yosys

PAPER = -33.9  # percent
BOARDS = {"xcup": DEVICES["zcu102"], "xc7": DEVICES["artix7-35t"]}
SOURCES = ("shift_mac.sv", "fp16_mac.sv", "half_multiply.sv", "float_add.sv", "training_array.sv")
BASELINES = ("FP16, sums in FP16", "FP16, sums in FP32")


@dataclass(frozen=True)
class Unit:
    """A unit with its parameters; `factors` are the bits of its multipliers."""

    name: str
    is_float: bool
    parameters: dict[str, int]
    factors: tuple[int, int]

    def verilog(self, lanes: int, side: int) -> str:
        """A top module that only instantiates it, or an array of side x side."""
        p = {**self.parameters, "N": lanes}
        left, right = (16, 16) if self.is_float else self.factors
        out = 32 if not self.is_float or p["WIDE"] else 16
        shift = 2 * lanes if p.get("EACH") else 2
        if side > 1:
            p |= {"SIDE": side, "FLOAT": int(self.is_float)}
        module = "training_array" if side > 1 else "fp16_mac" if self.is_float else "shift_mac"
        given = ", ".join(f".{name}({value})" for name, value in p.items())
        many = max(1, side)
        shifted = "" if self.is_float and side == 1 else ".shift(shift), "
        sums = ".sums(sum)" if side > 1 else ".sum(sum)"
        return f"""module top (
    input logic clk, reset, valid, first, last,
    input logic [{many * lanes * left - 1}:0] a,
    input logic [{many * lanes * right - 1}:0] b,
    input logic [{shift - 1}:0] shift,
    output logic [{many * many - 1}:0] done,
    output logic [{many * many * out - 1}:0] sum
);
    {module} #({given}) unit (.clk, .reset, .valid, .first, .last, {shifted}.a, .b, .done, {sums});
endmodule
"""


def integer(name: str, a: int, b: int, groups: int = 4, each: int = 0) -> Unit:
    parameters = {"A": a, "B": b, "GROUPS": groups}
    return Unit(name, False, parameters | ({"EACH": 1} if each else {}), (a, b))


MAIN = tuple(integer(f"integers, {bits} x {bits} bits, 4 groups", bits, bits) for bits in (4, 6, 8))
VARIANTS = (
    integer("4 x 5 bits: activations without sign", 4, 5),
    integer("4 x 4 bits, one step for all", 4, 4, groups=1),
    integer("4 x 4 bits, every term its own shift", 4, 4, each=1),
    integer("7 x 4 bits: stored shifted", 7, 4, groups=1),
)
FLOATS = tuple(
    Unit(name, True, {"WIDE": wide, "SUBNORMALS": 0}, (11, 11)) for wide, name in enumerate(BASELINES)
)
FULL = Unit("FP16 with subnormals, sums in FP16", True, {"WIDE": 0, "SUBNORMALS": 1}, (11, 11))


def synthesized(text: str, family: str, blocks: bool) -> tuple[netlist.Netlist, str]:
    """The netlist, and the version of Yosys."""
    with tempfile.TemporaryDirectory() as folder:
        top, made = Path(folder) / "top.sv", Path(folder) / "netlist.json"
        top.write_text(text)
        sources = [top, *(FOLDER / name for name in SOURCES)]
        done = yosys.synthesize(sources, "top", made, family=family, blocks=blocks)
        return netlist.read(made), done.version


def counts(made: netlist.Netlist, family: str) -> dict[str, float]:
    """Resources of a netlist; shift registers made of tables count as LUTs."""
    kinds = Counter(cell.type for cell in made.cells)
    found = {"lut": 0, "ff": 0, "dsp": 0, "bram18": 0}
    for kind, count in kinds.items():
        for prefix, key, each in (
            ("LUT", "lut", 1), ("SRL", "lut", 1), ("FD", "ff", 1), ("DSP", "dsp", 1), ("RAMB36", "bram18", 2),
            ("RAMB18", "bram18", 1),
        ):  # fmt: skip
            found[key] += count * each if kind.startswith(prefix) else 0
    board = BOARDS[family]
    weighted = found["lut"] + board.luts * (
        found["ff"] / board.ffs + found["dsp"] / board.dsps + found["bram18"] / board.bram18
    )
    return {**found, "weighted": round(weighted, 1), "levels": levels(made)}


def levels(made: netlist.Netlist) -> int:
    """LUTs on the longest path that no register or block cuts; carries and multiplexers count none."""
    ends = ("FD", "SRL", "DSP", "RAMB")
    driver: dict[Any, tuple[netlist.Cell, list[Any]]] = {}
    for cell in made.cells:
        if not cell.type.startswith(ends):
            read = [
                bit for p, bits in cell.connections.items() if cell.directions[p] == "input" for bit in bits
            ]
            for port, bits in cell.connections.items():
                driver |= {bit: (cell, read) for bit in bits if cell.directions[port] == "output"}
    depth: dict[Any, int] = {}

    def of(bit: Any) -> int:
        if bit not in driver:
            return 0
        if bit not in depth:
            cell, read = driver[bit]
            depth[bit] = max(map(of, read), default=0) + cell.type.startswith("LUT")
        return depth[bit]

    sys.setrecursionlimit(100_000)
    return max(map(of, driver), default=0)


def multiplier_luts(factors: tuple[int, int], is_float: bool) -> int:
    """LUTs of a bare multiplier made of tables."""
    a, b = factors
    sign = "" if is_float else "signed "
    text = f"""module top (
    input {sign}[{a - 1}:0] a,
    input {sign}[{b - 1}:0] b,
    output {sign}[{a + b - 1}:0] p
);
    assign p = a * b;
endmodule
"""
    return int(counts(synthesized(text, "xcup", False)[0], "xcup")["lut"])


def measured(
    units: tuple[Unit, ...], lanes: int, side: int, family: str, blocks: bool
) -> list[dict[str, Any]]:
    rows = []
    for unit in units:
        made, version = synthesized(unit.verilog(lanes, side), family, blocks)
        row = {"unit": unit.name, "lanes": lanes, "side": side, "family": family, "blocks": blocks}
        row |= {**counts(made, family), "yosys": version}
        rows.append(row)
        print(row, file=sys.stderr)
    by_name = {row["unit"]: row for row in rows}
    for row in rows:
        for name in BASELINES:
            key = "weighted" if blocks else "lut"
            row[f"percent of {name}"] = round(100 * (row[key] / by_name[name][key] - 1), 1)
    return rows


def halved(rows: list[dict[str, Any]], bare: dict[str, int]) -> None:
    """Add to each row made of tables its change if every multiplier took half of its LUTs."""
    for row in rows:
        if not row["blocks"]:
            row["lut halved"] = row["lut"] - bare[row["unit"]] * row["lanes"] * row["side"] ** 2 / 2
    for row in rows:
        if not row["blocks"]:
            same = ("lanes", "side", "family", "blocks")
            base = next(
                r for r in rows if r["unit"] == BASELINES[0] and all(r[key] == row[key] for key in same)
            )
            row["percent halved"] = round(100 * (row["lut halved"] / base["lut halved"] - 1), 1)


def main() -> None:
    """Synthesize and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one term a cycle, xcup, of tables")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    all_units = (*FLOATS, FULL, *MAIN, *VARIANTS)
    bare = {unit.name: multiplier_luts(unit.factors, unit.is_float) for unit in all_units}
    main_units = (*FLOATS, *MAIN)
    rows = measured(all_units, 1, 1, "xcup", False)
    if not options.quick:
        rows += measured(main_units, 1, 1, "xcup", True)
        rows += measured(main_units, 1, 1, "xc7", False)
        rows += measured(main_units, 1, 1, "xc7", True)
        rows += measured(main_units, 4, 1, "xcup", False)
        rows += measured(main_units, 1, 2, "xcup", False)
    halved(rows, bare)
    if options.json:
        print(json.dumps({"paper_percent": PAPER, "multiplier_luts": bare, "rows": rows}, indent=1))
        return
    print(f"{rows[0]['yosys']}; the paper: {PAPER} % against FP16\n")
    print("| unit | terms a cycle | family | blocks | LUT | FF | DSP | BRAM | levels | weighted |", end="")
    print(" against FP16 | against FP16 into FP32 | halved |")
    print("|---" * 13 + "|")
    for row in rows:
        size = f"{row['lanes']}" + (f", {row['side']} x {row['side']} units" if row["side"] > 1 else "")
        cells = [row["unit"], size, row["family"], "yes" if row["blocks"] else "no"]
        cells += [row[key] for key in ("lut", "ff", "dsp", "bram18", "levels", "weighted")]
        cells += [f"{row[f'percent of {name}']:+.1f} %" for name in BASELINES]
        cells += [f"{row['percent halved']:+.1f} %" if "percent halved" in row else ""]
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
