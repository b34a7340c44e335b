"""Block RAM and DSP blocks: netlists of Yosys against their Verilog in Icarus, DSP modes against integers."""

from collections import Counter
from pathlib import Path

import needs
import numpy as np
import pytest
from softerror.test_yosys import rtl_outputs

from vedette.errors import InputError
from vedette.hardware import netlist
from vedette.softerror import engine, oracle
from vedette.softerror.design import Design
from vedette.softerror.lower import lower
from vedette.softerror.plan import renumbered
from vedette.softerror.population import Window, population
from vedette.softerror.stimulus import HeldReset, random_stimulus
from vedette.tools import yosys

SOURCE = Path(__file__).with_name("blocks.v")
DIRECT = """
module top(input clk, input [29:0] a, input [17:0] b, input [47:0] c, input [47:0] pc, input [24:0] d,
           input [6:0] op, input [3:0] alu, input [4:0] inmode, input cin, output [47:0] p);
  DSP48E1 #(.USE_DPORT("TRUE"), .AREG(STAGES), .BREG(STAGES), .ACASCREG(STAGES), .BCASCREG(STAGES), .CREG(0),
            .DREG(0), .ADREG(0), .MREG(PRODUCT), .PREG(1), .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0),
            .CARRYINREG(0), .CARRYINSELREG(0)) dut (
    .CLK(clk), .A(a), .B(b), .C(c), .D(d), .PCIN(pc), .OPMODE(op), .ALUMODE(alu), .INMODE(inmode & EARLY),
    .CARRYIN(cin), .CARRYINSEL(3'd0), .P(p), .CEA1(1'b1), .CEA2(1'b1), .CEB1(1'b1), .CEB2(1'b1), .CEC(1'b1),
    .CED(1'b1), .CEAD(1'b1), .CEM(1'b1), .CEP(1'b1), .CECTRL(1'b1), .CEALUMODE(1'b1), .CEINMODE(1'b1),
    .CECARRYIN(1'b1),
    .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0), .RSTCTRL(1'b0),
    .RSTALUMODE(1'b0), .RSTINMODE(1'b0), .RSTALLCARRYIN(1'b0));
endmodule
"""
MASK = (1 << 48) - 1


def synthesized(folder: Path, family: str) -> Design:
    yosys.synthesize([SOURCE], "blocks", folder / "netlist.json", family=family)
    return lower(netlist.read(folder / "netlist.json"))


@needs.yosys
@needs.icarus
@pytest.mark.sim
@pytest.mark.parametrize("family", ["xc7", pytest.param("xcup", marks=pytest.mark.slow)])
def test_memories_and_multipliers_do_what_their_verilog_does(family, tmp_path):
    design = synthesized(tmp_path, family)
    kinds = Counter(cell.type[:4] for cell in netlist.read(tmp_path / "netlist.json").cells)
    assert kinds["DSP4"] >= 3 and kinds["RAMB"] >= 5
    stimulus = few_addresses(design, 1500)
    rtl = rtl_outputs(SOURCE, design, stimulus, tmp_path)
    assert np.array_equal(engine.stream(design, stimulus).astype(str), rtl)
    short = stimulus[:30]
    every = population("init", design, Window(cycles=30)).columns(np.arange(0, 60, 6))
    faults = renumbered(list(every))
    rows, crcs = engine.run(design, short, faults), engine.crcs(design, short, faults)
    again = engine.run(design, short, faults, backend="numpy", words=4)
    assert np.array_equal(rows.mismatches, again.mismatches) and rows.mismatches.any()
    found = oracle.check(design, short, faults, rows, crcs, tool="icarus")
    assert found.exact, found.disagreements


def few_addresses(design: Design, cycles: int) -> np.ndarray:
    """Random inputs; of each address four bits change, so that what is written is read again."""
    stimulus = random_stimulus(design, cycles, seed=1, drives={"rst": HeldReset(2)})
    names = columns(design)
    for name in ("a", "b"):
        stimulus[:, [c for c, other in enumerate(names) if other == name][4:]] = 0
    return stimulus


def columns(design: Design) -> list[str]:
    return [port.name for port in design.inputs for _ in port.bits]


def signed(value: int, width: int) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def alu(x: int, y: int, z: int, carry: int, mode: int) -> int:
    """UG479, tables 2-10 and 2-13."""
    if mode < 4:
        total = x + y + carry
        return {0: z + total, 3: z - total, 1: ~z + total, 2: ~(z + total)}[mode] & MASK
    plain = {
        (0, 4): x ^ z, (0, 5): ~(x ^ z), (0, 6): ~(x ^ z), (0, 7): x ^ z,
        (0, 12): x & z, (0, 13): x & ~z, (0, 14): ~(x & z), (0, 15): ~x | z,
        (2, 4): ~(x ^ z), (2, 5): x ^ z, (2, 6): x ^ z, (2, 7): ~(x ^ z),
        (2, 12): x | z, (2, 13): x | ~z, (2, 14): ~(x | z), (2, 15): ~x & z,
    }  # fmt: skip
    return plain[2 if y else 0, mode] & MASK


@needs.yosys
@pytest.mark.parametrize("stages", [0, 1, 2])
def test_every_mode_of_a_dsp_block_is_that_of_the_users_guide(stages, tmp_path):
    text = DIRECT.replace("STAGES", str(stages)).replace("PRODUCT", str(int(stages > 0)))
    (tmp_path / "top.v").write_text(text.replace("EARLY", "5'b11111" if stages == 2 else "5'b01110"))
    yosys.read_structural([tmp_path / "top.v"], "top", tmp_path / "top.json")
    design = lower(netlist.read(tmp_path / "top.json"))
    random, cycles = np.random.default_rng(stages), 600
    stimulus = random.integers(0, 2, (cycles, len(design.input_bits))).astype(np.uint8)
    at = {
        name: [c for c, other in enumerate(columns(design)) if other == name] for name in set(columns(design))
    }
    arithmetic, logic = [0, 1, 2, 3], [4, 5, 6, 7, 12, 13, 14, 15]
    said: list[dict[str, int]] = []
    for row in stimulus:
        mode = int(random.choice(arithmetic + logic))
        y, x = (1, 1) if mode < 4 and random.random() < 0.5 else (int(random.choice([0, 2, 3])), 0)
        if mode >= 4:
            y = int(random.choice([0, 2]))
        x = x or int(random.choice([0, 2, 3]))
        z = int(random.choice([0, 1, 2, 3, 5, 6]))
        inmode = int(random.integers(0, 32)) & (31 if stages == 2 else 0b01110)
        for name, value in (("op", x | y << 2 | z << 4), ("alu", mode), ("inmode", inmode)):
            row[at[name]] = [value >> i & 1 for i in range(len(at[name]))]
        numbers = {name: sum(int(row[c]) << i for i, c in enumerate(places)) for name, places in at.items()}
        said.append(numbers | {"x": x, "y": y, "z": z})
    out = engine.stream(design, stimulus)
    a1 = a2 = b1 = b2 = m_held = p = 0
    for cycle, row in enumerate(said):
        assert sum(int(bit) << i for i, bit in enumerate(out[cycle])) == p, cycle
        first_a, first_b = (a1, b1) if stages == 2 else (row["a"], row["b"])
        second_a, second_b = (a2, b2) if stages else (row["a"], row["b"])
        inmode = row["inmode"]
        a = 0 if inmode >> 1 & 1 else signed(first_a if inmode & 1 else second_a, 25)
        d = signed(row["d"], 25) if inmode >> 2 & 1 else 0
        b = signed(first_b if inmode >> 4 & 1 else second_b, 18)
        product = signed(d - a if inmode >> 3 & 1 else d + a, 25) * b
        m = m_held if stages else product
        x = [0, m, p, second_a << 18 | second_b][row["x"]]
        y = [0, 0, MASK, row["c"]][row["y"]]
        wide = [0, row["pc"], p, row["c"], 0, signed(row["pc"], 48) >> 17, signed(p, 48) >> 17][row["z"]]
        p = alu(x, y, wide, row["cin"], row["alu"])
        m_held = product
        a2, b2 = first_a, first_b
        a1, b1 = row["a"], row["b"]


@needs.yosys
def test_what_is_not_modeled_is_named(tmp_path):
    (tmp_path / "top.v").write_text(
        'module top(input clk, input [47:0] c, output [47:0] p); DSP48E1 #(.USE_SIMD("TWO24")) d'
        "(.CLK(clk), .C(c), .P(p)); endmodule"
    )
    yosys.read_structural([tmp_path / "top.v"], "top", tmp_path / "top.json")
    with pytest.raises(InputError, match=r"DSP48E1 d.*USE_SIMD TWO24 is not modeled") as caught:
        lower(netlist.read(tmp_path / "top.json"))
    assert "--no-blocks" in str(caught.value.hint)
