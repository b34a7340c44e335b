"""Yosys: Verilog becomes netlists whose simulation equals the Verilog; failures are told in one line."""

import json
import re
import subprocess
import sys

import needs
import numpy as np
import pytest

from vedette.errors import InputError, MissingExtraError, ToolError, UnknownNameError
from vedette.hardware import netlist
from vedette.softerror import export
from vedette.softerror.lower import lower
from vedette.softerror.reference import simulate
from vedette.softerror.samples import SAMPLES, sample, sample_source
from vedette.softerror.stimulus import random_stimulus
from vedette.softerror.triplicate import everything, triplicate
from vedette.tools import rtlil, yosys

pytestmark = pytest.mark.sim

STRUCTURAL = r"""
module top (input clk, input [1:0] a, output y);
  wire n, inner, clkb;
  BUFG b (.I(clk), .O(clkb));
  LUT2 #(.INIT(4'h8)) \core/mix (.I0(a[0]), .I1(a[1]), .O(n));
  FDRE #(.INIT(1'b1)) \core/q_reg (.C(clkb), .CE(1'b1), .R(1'b0), .D(n), .Q(inner));
  INV o (.I(inner), .O(y));
endmodule
"""


def rtl_outputs(source, design, stimulus, folder):
    """What Icarus says the Verilog does, outputs read before each rising edge."""
    inputs, outputs = len(design.input_bits), len(design.output_bits)
    (folder / "rows.txt").write_text("\n".join("".join(map(str, row[::-1])) for row in stimulus.tolist()))
    ports, first = [f".{design.clock}(clk)"], 0
    for port in design.inputs:
        ports.append(f".{port.name}(row[{first + len(port.bits) - 1}:{first}])")
        first += len(port.bits)
    first = 0
    for port in design.outputs:
        ports.append(f".{port.name}(out[{first + len(port.bits) - 1}:{first}])")
        first += len(port.bits)
    (folder / "bench.v").write_text(
        f"""module bench;
  reg clk = 0; reg [{inputs - 1}:0] row, rows [0:{len(stimulus) - 1}]; wire [{outputs - 1}:0] out; integer i;
  {design.name} dut ({", ".join(ports)});
  initial begin
    $readmemb("rows.txt", rows);
    for (i = 0; i < {len(stimulus)}; i = i + 1) begin
      row = rows[i]; #1 $display("%b", out); #1 clk = 1; #1 clk = 0;
    end
    $finish;
  end
endmodule
"""
    )
    command = ["iverilog", "-g2005-sv", "-o", "bench.vvp", "bench.v", str(source)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    said = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True)
    lines = [line for line in said.stdout.splitlines() if set(line) <= set("01xz") and len(line) == outputs]
    return np.array([[c for c in line[::-1]] for line in lines])


@needs.icarus
@pytest.mark.parametrize("name", ["counter", "crc", "fifo", "fsm", "mac"])
def test_samples_do_what_their_verilog_does(name, tmp_path):
    design = sample(name)
    stimulus = random_stimulus(design, 1000, seed=2)
    rtl = rtl_outputs(sample_source(name), design, stimulus, tmp_path)
    out = simulate(design, stimulus).astype(str)
    known = rtl != "x"  # before the first edge under reset, and words of a memory never written
    assert known[40:].mean() > 0.9
    assert (out == rtl)[known].all()


@needs.yosys
def test_a_sample_is_synthesized_to_the_netlist_that_is_shipped(tmp_path):
    made = yosys.synthesize([sample_source("mac")], "mac", tmp_path / "mac.json")
    assert made.version.startswith("Yosys 0.")
    assert "-flatten -noiopad -noclkbuf" in made.script[1]
    assert len(made.script_sha256) == 64
    design = lower(netlist.read(tmp_path / "mac.json"))
    if "0.70" in made.version:
        assert design == sample("mac")
    assert {table.module for table in design.tables} == {"add"}
    assert "site-packages" not in (tmp_path / "mac.json").read_text()


@needs.yosys
def test_a_netlist_of_a_vendor_is_read_as_it_is(tmp_path):
    (tmp_path / "top.v").write_text(STRUCTURAL)
    yosys.read_structural([tmp_path / "top.v"], "top", tmp_path / "top.json")
    design = lower(netlist.read(tmp_path / "top.json"))
    assert [table.name for table in design.tables] == ["core.mix"]
    assert [(ff.name, ff.initial) for ff in design.flip_flops] == [("core.q_reg", 1)]
    rows = np.array([[0, 0], [1, 1], [1, 0], [1, 1]], np.uint8)
    assert simulate(design, rows)[:, 0].tolist() == [0, 1, 0, 1]


@needs.yosys
def test_a_module_without_content_is_refused(tmp_path):
    (tmp_path / "empty.v").write_text("module empty(input a);\nendmodule\n")
    with pytest.raises(InputError, match="module empty holds nothing"):
        yosys.synthesize([tmp_path / "empty.v"], "empty", tmp_path / "n.json")


@needs.yosys
def test_unreadable_verilog_is_named_with_its_line(tmp_path):
    (tmp_path / "bad file.v").write_text("module bad(input a, output y);\n  assign y = a +* 1;\nendmodule\n")
    with pytest.raises(InputError, match=r"bad file\.v:2: syntax error"):
        yosys.synthesize([tmp_path / "bad file.v"], "bad", tmp_path / "n.json")


@needs.yosys
def test_a_missing_top_offers_the_modules_there_are():
    with pytest.raises(UnknownNameError, match="'countr'") as caught:
        yosys.synthesize([sample_source("counter")], "countr", "unused.json")
    assert "'counter'" in caught.value.hint


@needs.yosys
def test_a_missing_module_inside_is_no_missing_top(tmp_path):
    (tmp_path / "top.v").write_text("module top(input a, output y);\n  absent u (.a(a), .y(y));\nendmodule\n")
    with pytest.raises((ToolError, InputError), match="absent"):
        yosys.synthesize([tmp_path / "top.v"], "top", tmp_path / "n.json")


@needs.yosys
def test_a_run_that_takes_too_long_is_stopped():
    with pytest.raises(ToolError, match=r"longer than 0\.01 s"):
        yosys.run(["help"], timeout_s=0.01)


def test_what_cannot_work_is_refused_before_yosys_starts(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        yosys.synthesize([tmp_path / "none.v"], "top", tmp_path / "n.json")
    with pytest.raises(InputError, match="no source file"):
        yosys.synthesize([], "top", tmp_path / "n.json")
    with pytest.raises(InputError, match="no name of a module"):
        yosys.synthesize([sample_source("crc")], "crc; shell ls", tmp_path / "n.json")
    with pytest.raises(UnknownNameError, match="xc9"):
        yosys.synthesize([sample_source("crc")], "crc", tmp_path / "n.json", family="xc9")


def test_without_pyosys_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        yosys.synthesize([sample_source("crc")], "crc", tmp_path / "n.json")
    assert "vedette[silicon]" in caught.value.hint


def test_a_register_is_called_as_in_the_module_it_stands_in():
    text = r"""
      attribute \src "f.v:1.1-1.2"
      wire width 4 offset 2 output 3 \sum
      wire width 4 \add.sum
      wire width 4 upto \other
      attribute \module_src "f.v:20.1-28.10"
      cell $scopeinfo \add
      end
      attribute \src "f.v:25.1-27.9"
      cell \FDRE $ff$1
        connect \Q \sum [1]
      end
      cell \FDRE $ff$2
        connect \Q \other [0]
      end
      cell \FDRE $gone
        connect \Q \other [1]
      end
      connect \add.sum \sum
    """
    cells = {
        "$ff$1": {"type": "FDRE", "connections": {"Q": [7]}},
        "$ff$2": {"type": "FDRE", "connections": {"Q": [8]}},
    }
    added = rtlil.register_names(text, {"cells": cells, "attributes": {"src": "f.v:2.1-14.10"}})
    assert {name: entry["bits"] for name, entry in added.items()} == {"add.sum[1]": [7], "other[3]": [8]}


def test_every_sample_is_shipped_with_its_verilog():
    for name in SAMPLES:
        assert sample(name).name == name
        assert f"module {name} " in sample_source(name).read_text()
    with pytest.raises(UnknownNameError, match="'couner'"):
        sample("couner")


@pytest.mark.slow
@needs.yosys
@needs.icarus
@pytest.mark.parametrize("name", ["b01", "b03"])
def test_netlists_of_itc99_do_what_their_verilog_does(name, tmp_path, data_folder):
    source = data_folder / "itc99" / "verilog" / f"{name}.v"
    if not source.is_file():
        pytest.skip("the data folder holds no ITC'99")
    yosys.synthesize([source], name, tmp_path / "n.json")
    design = lower(netlist.read(tmp_path / "n.json"))
    stimulus = random_stimulus(design, 1000)
    rtl = rtl_outputs(source, design, stimulus, tmp_path)
    assert np.array_equal(simulate(design, stimulus).astype(str), rtl)
    assert json.loads((tmp_path / "n.json").read_text())["creator"].startswith("Yosys")


@needs.icarus
@pytest.mark.parametrize("name", ["counter", "crc", "fsm"])
def test_marked_text_does_what_the_netlist_does(name, tmp_path):
    """`keep` makes tables and gates instances; Icarus says that nothing else changes."""
    design = sample(name)
    stimulus = random_stimulus(design, 300, seed=3)
    source = tmp_path / "kept.v"
    source.write_text(export.copy(design, edge_resets=True, keep=True))
    found = rtl_outputs(source, design, stimulus, tmp_path)
    assert np.array_equal(found, simulate(design, stimulus).astype(str))


@needs.yosys
@pytest.mark.slow
def test_synthesis_keeps_three_copies_of_what_is_marked_and_one_of_what_is_not(tmp_path):
    """Triplicated text through Yosys' own Xilinx flow, flattened: the reason for the marks is the second
    half.
    """
    design = sample("counter")
    hardened = triplicate(design, everything(design)).design
    kept = {}
    for keep in (True, False):
        source = tmp_path / f"keep_{keep}.v"
        source.write_text(export.copy(hardened, edge_resets=True, keep=keep))
        script = f"read_verilog {source}; synth_xilinx -flatten -noiopad -noclkbuf -top {design.name}; stat"
        command = [sys.executable, "-c", f"import pyosys.libyosys as y; y.run_pass({script!r}, y.Design())"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        cells = said.rsplit("Printing statistics", 1)[1]
        counts = {
            name: int(count) for count, name in re.findall(r"^ +(\d+) +([A-Z]\w+)$", cells, re.MULTILINE)
        }
        kept[keep] = sum(count for name, count in counts.items() if name.startswith("FD"))
    assert kept[True] == 3 * len(design.flip_flops) == len(hardened.flip_flops)
    assert kept[False] < kept[True]
