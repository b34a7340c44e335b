"""Every primitive against its truth table or a trace, whole netlists against a simulator of their own,
and what cannot be modeled is refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.hardware import netlist
from vedette.softerror.design import Kind, Reset
from vedette.softerror.lower import lower
from vedette.softerror.reference import simulate

OUTPUTS = {"O", "O5", "O6", "Q", "Q15", "Q31", "CO", "SPO", "DPO", "P", "G", "DOA", "DOB", "DOC", "DOD"}


class Maker:
    """Builds netlists: nets by name, ports of one or more bits."""

    def __init__(self):
        self.nets, self.cells, self.ports = {}, {}, {}

    def bits(self, names):
        return [n if n in "01xz" else self.nets.setdefault(n, len(self.nets) + 2) for n in names.split()]

    def port(self, name, direction, names=None):
        self.ports[name] = {"direction": direction, "bits": self.bits(names or name)}
        return self

    def cell(self, type_, name=None, parameters=None, source="", **pins):
        connections = {pin: self.bits(nets) for pin, nets in pins.items()}
        self.cells[name or f"{type_}{len(self.cells)}"] = {
            "type": type_,
            "parameters": parameters or {},
            "attributes": {"src": source} if source else {},
            "port_directions": {pin: "output" if pin in OUTPUTS else "input" for pin in pins},
            "connections": connections,
        }
        return self

    def lower(self):
        names = {name: {"hide_name": 0, "bits": [bit], "attributes": {}} for name, bit in self.nets.items()}
        module = {"ports": self.ports, "cells": self.cells, "netnames": names}
        return lower(netlist.parse({"modules": {"top": module}}))


def gate(type_, inputs, outputs, parameters=None, **tied):
    """A design of one cell whose pins are ports."""
    made = Maker()
    pins = {}
    for pin in inputs.split():
        made.port(pin, "input")
        pins[pin] = pin
    for pin in outputs.split():
        made.port(f"{pin}_", "output")
        pins[pin] = f"{pin}_"
    return made.cell(type_, parameters=parameters, **pins, **tied).lower()


def every(count):
    return (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(np.uint8)


def binary(value, width):
    return format(value, f"0{width}b")


def trace(design, **columns):
    """First output bit of a run whose inputs are texts of 0 and 1, a digit a cycle."""
    rows = [[int(d) for d in columns[port.name]] for port in design.inputs]
    return "".join(map(str, simulate(design, np.array(rows, np.uint8).T.copy())[:, 0]))


@pytest.mark.parametrize("width", range(1, 7))
def test_a_table_gives_the_bit_at_its_address(width):
    content = int.from_bytes(np.random.default_rng(width).bytes(8), "little") % (1 << (1 << width))
    names = " ".join(f"I{i}" for i in range(width))
    design = gate(f"LUT{width}", names, "O", {"INIT": binary(content, 1 << width)})
    out = simulate(design, every(width))[:, 0]
    assert out.tolist() == [content >> address & 1 for address in range(1 << width)]
    assert (design.configuration_bits, design.tables[0].first_bit) == (1 << width, 0)


def test_the_outputs_of_a_lut6_2_share_its_bits():
    content = 0x123456789ABCDEF0
    design = gate("LUT6_2", "I0 I1 I2 I3 I4 I5", "O5 O6", {"INIT": binary(content, 64)})
    out = simulate(design, every(6))
    ports = [port.name for port in design.outputs]
    assert out[:, ports.index("O6_")].tolist() == [content >> a & 1 for a in range(64)]
    assert out[:, ports.index("O5_")].tolist() == [content >> a % 32 & 1 for a in range(64)]
    assert design.configuration_bits == 64
    assert [table.first_bit for table in design.tables] == [0, 0]


@pytest.mark.parametrize("type_", ["MUXF7", "MUXF8", "MUXF9"])
def test_a_multiplexer_shows_its_second_input_where_selected(type_):
    out = simulate(gate(type_, "I0 I1 S", "O"), every(3))[:, 0]
    assert out.tolist() == [i1 if s else i0 for i0, i1, s in every(3).tolist()]


@pytest.mark.parametrize("type_", ["BUF", "IBUF", "OBUF", "BUFG"])
def test_buffers_are_no_operations(type_):
    design = gate(type_, "I", "O")
    assert simulate(design, every(1))[:, 0].tolist() == [0, 1]
    assert design.operations == ()


def test_an_inverter_and_constants():
    assert simulate(gate("INV", "I", "O"), every(1))[:, 0].tolist() == [1, 0]
    made = Maker().port("a", "input").port("one", "output", "v").port("zero", "output", "g")
    design = made.cell("VCC", P="v").cell("GND", G="g").lower()
    assert simulate(design, every(1)).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("start", ["CI", "CYINIT", "both"])
def test_a_carry_chain_adds(start):
    made = Maker().port("a", "input", "a0 a1 a2 a3").port("b", "input", "b0 b1 b2 b3").port("c", "input")
    for i in range(4):
        made.cell("LUT2", parameters={"INIT": "0110"}, I0=f"a{i}", I1=f"b{i}", O=f"s{i}")
    made.port("sum", "output", "o0 o1 o2 o3").port("carry", "output", "c3")
    pins = {"CI": "c" if start != "CYINIT" else "0", "CYINIT": "c" if start != "CI" else "0"}
    made.cell("CARRY4", S="s0 s1 s2 s3", DI="a0 a1 a2 a3", O="o0 o1 o2 o3", CO="c0 c1 c2 c3", **pins)
    design = made.lower()
    out = simulate(design, every(9)) @ (1 << np.arange(5))
    assert out.tolist() == [(n & 15) + (n >> 4 & 15) + (n >> 8) for n in range(512)]
    assert design.clock == ""


@pytest.mark.parametrize("kind", ["SINGLE_CY8", "DUAL_CY4"])
def test_a_carry8_is_one_chain_or_two(kind):
    made = Maker().port("ci", "input").port("top", "input")
    s, o, di = " ".join("1" * 8), " ".join(f"o{i}" for i in range(8)), " ".join("0" * 8)
    made.port("o", "output", o).cell(
        "CARRY8", parameters={"CARRY_TYPE": kind}, CI="ci", CI_TOP="top", S=s, DI=di, O=o
    )
    for row, out in zip(every(2), simulate(made.lower(), every(2)), strict=True):
        second = row[1] if kind == "DUAL_CY4" else row[0]
        assert out.tolist() == [1 - row[0]] * 4 + [1 - second] * 4


def test_a_chain_through_two_blocks_and_back_is_no_loop():
    made = Maker().port("a", "input").port("y", "output", "o3")
    made.cell("CARRY4", CI="0", CYINIT="0", S="a a l a", DI="0 0 0 0", O="o0 o1 o2 o3")
    made.cell("LUT1", parameters={"INIT": "10"}, I0="o0", O="l")
    assert len(simulate(made.lower(), every(1))) == 2


@pytest.mark.parametrize(("type_", "pin"), [("FDRE", "R"), ("FDSE", "S"), ("FDCE", "CLR"), ("FDPE", "PRE")])
def test_flip_flops(type_, pin):
    design = flip_flop(type_, pin, INIT="x")
    columns = {"D": "01000111", "CE": "01101011", pin: "00010100"}
    assert trace(design, **columns) == expected(type_, columns, pin)
    assert design.flip_flops[0].initial == (type_ in ("FDSE", "FDPE"))
    assert flip_flop(type_, pin, INIT="0").flip_flops[0].initial == 0


def flip_flop(type_, pin, **parameters):
    made = Maker().port("clk", "input").port("D", "input").port("CE", "input").port(pin, "input")
    made.port("Q", "output").cell(type_, parameters=parameters, C="clk", D="D", CE="CE", Q="Q", **{pin: pin})
    return made.lower()


def expected(type_, columns, pin):
    value = int(type_ in ("FDSE", "FDPE"))
    q, shown = value, ""
    for d, e, r in zip(columns["D"], columns["CE"], columns[pin], strict=True):
        if r == "1" and type_ in ("FDCE", "FDPE"):
            q = value
        shown += str(q)
        q = value if r == "1" else int(d) if e == "1" else q
    return shown


def test_pins_may_be_inverted_but_not_the_clock():
    plain, turned = flip_flop("FDRE", "R"), flip_flop("FDRE", "R", IS_D_INVERTED="1", IS_R_INVERTED="1")
    columns = {"D": "01000111", "CE": "01101011", "R": "00010100"}
    other = columns | {pin: columns[pin].translate(str.maketrans("01", "10")) for pin in "DR"}
    assert trace(plain, **columns) == trace(turned, **other)
    with pytest.raises(InputError, match=r"FDRE .* works on the falling edge"):
        flip_flop("FDRE", "R", IS_C_INVERTED="1")


def test_an_inverted_asynchronous_reset_acts_in_its_own_cycle():
    plain, turned = flip_flop("FDCE", "CLR"), flip_flop("FDCE", "CLR", IS_CLR_INVERTED="1")
    columns = {"D": "11111111", "CE": "11111111", "CLR": "00110101"}
    other = columns | {"CLR": "11001010"}
    assert trace(plain, **columns) == trace(turned, **other) == "01000000"
    assert turned.flip_flops[0].kind is Reset.SYNC  # with a multiplexer behind it


def test_a_registered_reset_resets_what_it_reaches_in_the_same_cycle():
    made = Maker().port("clk", "input").port("r", "input").port("d", "input").port("y", "output", "q")
    made.cell("FDRE", C="clk", CE="1", R="0", D="r", Q="s")
    made.cell("FDCE", C="clk", CE="1", CLR="s", D="d", Q="q")
    assert trace(made.lower(), r="00010000", d="11111111") == "01110011"


SRL = {"D": "1011000000000000000000000000000000000000", "CE": "1101" + "1" * 36}


@pytest.mark.parametrize(("type_", "last", "depth"), [("SRLC16E", "Q15", 16), ("SRLC32E", "Q31", 32)])
def test_shift_registers_show_any_place_and_their_end(type_, last, depth):
    content = 0x9E3779B97F4A7C15 % (1 << depth)
    made = Maker().port("clk", "input").port("D", "input").port("CE", "input").port("end", "output")
    pins = {"A": " ".join("11000")} if depth == 32 else {f"A{i}": "1100"[i] for i in range(4)}
    made.port("three", "output")
    made.cell(
        type_,
        parameters={"INIT": binary(content, depth)},
        CLK="clk",
        D="D",
        CE="CE",
        Q="three",
        **pins,
        **{last: "end"},
    )
    design = made.lower()
    held = [content >> i & 1 for i in range(depth)]
    stimulus = np.array([[int(c) for c in SRL["D"]], [int(c) for c in SRL["CE"]]], np.uint8).T.copy()
    for (d, ce), out in zip(stimulus.tolist(), simulate(design, stimulus).tolist(), strict=True):
        assert out == [held[-1], held[3]]
        if ce:
            held = [d, *held[:-1]]
    assert len(design.memories) == 1 and design.memories[0].shifts


@pytest.mark.parametrize(
    ("type_", "width"), [("RAM32X1S", 5), ("RAM64X1S", 6), ("RAM32X1D", 5), ("RAM64X1D", 6)]
)
def test_distributed_ram(type_, width):
    content = 0x9E3779B97F4A7C15 % (1 << (1 << width))
    made = Maker().port("clk", "input").port("d", "input").port("we", "input")
    pins = {}
    for i in range(width):
        made.port(f"a{i}", "input")
        pins[f"A{i}"] = f"a{i}"
    if type_.endswith("D"):
        for i in range(width):
            made.port(f"r{i}", "input")
            pins[f"DPRA{i}"] = f"r{i}"
        made.port("first", "output").port("second", "output")
        pins |= {"SPO": "first", "DPO": "second"}
    else:
        made.port("first", "output")
        pins |= {"O": "first"}
    parameters = {"INIT": binary(content, 1 << width)}
    design = made.cell(type_, parameters=parameters, WCLK="clk", WE="we", D="d", **pins).lower()
    stimulus = np.random.default_rng(1).integers(0, 2, (500, len(design.input_bits)), dtype=np.uint8)
    held = [content >> i & 1 for i in range(1 << width)]
    for row, out in zip(stimulus, simulate(design, stimulus).tolist(), strict=True):
        write = int(row[2 : 2 + width] @ (1 << np.arange(width)))
        read = int(row[2 + width :] @ (1 << np.arange(width))) if len(out) == 2 else 0
        assert out == [held[write], held[read]][: len(out)]
        if row[1]:
            held[write] = int(row[0])


@pytest.mark.parametrize(("type_", "width", "data"), [("RAM32M", 5, 2), ("RAM64M", 6, 1)])
def test_ram_of_four_ports(type_, width, data):
    contents = {p: 0x9E3779B97F4A7C15 >> i for i, p in enumerate("ABCD")}
    made = Maker().port("clk", "input").port("we", "input")
    pins = {}
    for p in "ABCD":
        for kind, size in (("ADDR", width), ("DI", data)):
            names = " ".join(f"{kind}{p}{i}" for i in range(size))
            made.port(f"{kind}{p}", "input", names)
            pins[f"{kind}{p}"] = names
        pins[f"DO{p}"] = " ".join(f"DO{p}{i}" for i in range(data))
        made.port(f"DO{p}", "output", pins[f"DO{p}"])
    parameters = {f"INIT_{p}": binary(contents[p], 64) for p in "ABCD"}
    design = made.cell(type_, parameters=parameters, WCLK="clk", WE="we", **pins).lower()
    words = {p: [contents[p] >> data * i & (1 << data) - 1 for i in range(1 << width)] for p in "ABCD"}
    stimulus = np.random.default_rng(2).integers(0, 2, (400, len(design.input_bits)), dtype=np.uint8)
    for row, out in zip(stimulus, simulate(design, stimulus), strict=True):
        value, column = {}, 0
        for port in design.inputs:
            size = len(port.bits)
            value[port.name] = int(row[column : column + size] @ (1 << np.arange(size)))
            column += size
        shown = [int(out[data * i : data * (i + 1)] @ (1 << np.arange(data))) for i in range(4)]
        assert shown == [words[p][value[f"ADDR{p}"]] for p in "ABCD"]
        for p in "ABCD" if value["we"] else "":
            words[p][value["ADDRD"]] = value[f"DI{p}"]


def test_unknown_constants_are_0_and_counted():
    made = Maker().port("a", "input").port("y", "output")
    design = made.cell("LUT3", parameters={"INIT": "1x01z010"}, I0="a", I1="x", I2="z", O="y").lower()
    assert design.unknown_constants == 4
    assert design.tables[0].content == 0b10010010
    assert simulate(design, every(1))[:, 0].tolist() == [0, 1]


def test_bits_are_numbered_in_the_order_of_names_whatever_the_order_of_cells():
    def made(order):
        netlist_ = Maker().port("a", "input").port("y", "output", "x9 y9")
        for name in order:
            netlist_.cell("LUT1", name, {"INIT": "01"}, I0="a", O="x9" if name == "b" else "y9")
        return netlist_.lower()

    first, second = made("ab"), made("ba")
    assert [(t.name, t.first_bit) for t in first.tables] == [("a", 0), ("b", 2)]
    assert first.tables == second.tables


def test_a_generated_cell_is_called_after_the_register_it_feeds():
    made = Maker().port("clk", "input").port("a", "input").port("y", "output", "core.q")
    made.cell("LUT1", "$abc$2", {"INIT": "10"}, I0="a", O="$1").cell(
        "LUT1", "$abc$1", {"INIT": "10"}, I0="$1", O="$2"
    )
    made.cell("FDRE", "$ff", {}, "core.v:7.1-9.4", C="clk", CE="1", R="0", D="$2", Q="core.q")
    design = made.lower()
    assert [(t.name, t.module, t.source) for t in design.tables] == [
        ("core.q_LUT1", "core", "core.v:7.1-9.4"),
        ("core.q_LUT1_1", "core", "core.v:7.1-9.4"),
    ]
    assert design.names[design.flip_flops[0].q] == "core.q"


@st.composite
def netlists(draw):
    """Random tables and flip-flops: any table reads inputs, registers and earlier tables."""
    inputs, registers, tables = draw(st.integers(1, 3)), draw(st.integers(0, 4)), draw(st.integers(1, 8))
    nets = [f"i{i}" for i in range(inputs)] + [f"q{i}" for i in range(registers)] + ["0", "1"]
    made = Maker().port("clk", "input") if registers else Maker()
    for i in range(inputs):
        made.port(f"i{i}", "input")
    luts = []
    for i in range(tables):
        width = draw(st.integers(1, 6))
        pins = draw(st.lists(st.sampled_from(nets), min_size=width, max_size=width))
        content = draw(st.integers(0, (1 << (1 << width)) - 1))
        luts.append((f"t{i}", pins, content))
        nets.append(f"t{i}")
    flip_flops = []
    for i in range(registers):
        type_, pin = draw(st.sampled_from([("FDRE", "R"), ("FDSE", "S"), ("FDCE", "CLR"), ("FDPE", "PRE")]))
        reset = draw(st.sampled_from(["0", "i0"] if pin in ("CLR", "PRE") else nets))
        flip_flops.append(
            (f"q{i}", type_, pin, draw(st.sampled_from(nets)), draw(st.sampled_from(nets)), reset)
        )
    for name, pins, content in draw(st.permutations(luts)):
        address = {f"I{i}": net for i, net in enumerate(pins)}
        made.cell(f"LUT{len(pins)}", name, {"INIT": binary(content, 1 << len(pins))}, O=name, **address)
    for q, type_, pin, d, enable, reset in flip_flops:
        made.cell(type_, q, {}, C="clk", D=d, CE=enable, Q=q, **{pin: reset})
    outs = [name for name, _, _ in luts] + [name for name, *_ in flip_flops]
    made.port("y", "output", " ".join(outs))
    return made, luts, flip_flops, outs, inputs


@settings(max_examples=60, deadline=None)
@given(netlists(), st.integers(0, 99))
def test_random_netlists_behave_as_a_simulator_of_the_netlist_says(made, seed):
    maker, luts, flip_flops, outs, inputs = made
    design = maker.lower()
    stimulus = np.random.default_rng(seed).integers(0, 2, (20, inputs), dtype=np.uint8)
    out = simulate(design, stimulus)
    one = {"FDSE", "FDPE"}
    value = {"0": 0, "1": 1} | {q: int(type_ in one) for q, type_, *_ in flip_flops}
    for row, shown in zip(stimulus.tolist(), out.tolist(), strict=True):
        value |= {f"i{i}": bit for i, bit in enumerate(row)}
        value |= {q: int(t in one) for q, t, pin, _, _, r in flip_flops if len(pin) > 1 and value[r]}
        for name, pins, content in luts:
            value[name] = content >> sum(value[net] << i for i, net in enumerate(pins)) & 1
        assert shown == [value[name] for name in outs]
        value |= {
            q: int(type_ in one) if value[r] else value[d] if value[e] else value[q]
            for q, type_, _, d, e, r in flip_flops
        }


def clocked():
    return Maker().port("clk", "input").port("a", "input").port("y", "output")


def test_a_loop_is_told_cell_by_cell():
    made = Maker().port("a", "input").port("y", "output")
    made.cell("LUT2", "u1", {"INIT": "0110"}, "loop.v:3.1-3.9", I0="a", I1="w", O="y")
    made.cell("LUT1", "u2", {"INIT": "01"}, I0="y", O="v").cell("LUT1", "u3", {"INIT": "01"}, I0="v", O="w")
    with pytest.raises(InputError, match=r"loop through 3 cells: .*LUT2 u1 \(loop.v:3.1-3.9\)") as caught:
        made.lower()
    assert all(name in str(caught.value) for name in ("u1", "u2", "u3"))


def test_a_reset_that_depends_on_what_it_resets_is_a_loop():
    made = clocked().cell("FDCE", C="clk", CE="1", CLR="y", D="a", Q="y")
    with pytest.raises(InputError, match="combinational loop"):
        made.lower()


def test_every_unknown_primitive_is_listed():
    made = clocked().cell("FIFO18E1", "m", source="big.v:5.1-6.2").cell("DSP58", "d1").cell("DSP58", "d2")
    with pytest.raises(InputError, match=r"2 DSP58 \(d1\); 1 FIFO18E1 \(m, big.v:5.1-6.2\)") as caught:
        made.lower()
    assert "--no-blocks" in caught.value.hint


def test_a_latch_is_called_one():
    made = clocked().cell("LDCE", "hold", source="latch.v:4.3-9.6", G="clk", D="a", Q="y")
    with pytest.raises(InputError, match=r"latches: 1 LDCE \(hold, latch.v:4.3-9.6\)"):
        made.lower()


def two_clocks():
    made = clocked().port("other", "input").cell("FDRE", "f1", C="clk", CE="1", R="0", D="a", Q="v")
    return made.cell("FDRE", "f2", C="other", CE="1", R="0", D="v", Q="y")


def gated_clock():
    made = clocked().cell("LUT2", parameters={"INIT": "1000"}, I0="clk", I1="a", O="g")
    return made.cell("FDRE", "f1", C="g", CE="1", R="0", D="a", Q="y")


def clock_as_data():
    made = clocked().cell("LUT2", "mix", parameters={"INIT": "1000"}, I0="clk", I1="a", O="d")
    return made.cell("FDRE", "f1", C="clk", CE="1", R="0", D="d", Q="y")


def clock_as_output():
    return clocked().port("tick", "output", "clk").cell("FDRE", "f1", C="clk", CE="1", R="0", D="a", Q="y")


def wide_clock():
    made = Maker().port("clk", "input", "c0 c1").port("y", "output")
    return made.cell("FDRE", "f1", C="c0", CE="1", R="0", D="c1", Q="y")


def ring_of_buffers():
    return clocked().cell("BUF", I="y", O="v").cell("BUF", I="v", O="y")


def long_content():
    return clocked().cell("LUT1", "t", {"INIT": "11111"}, I0="a", O="y")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (two_clocks, r"2 clocks: clk \(f1\); other \(f2\)"),
        (gated_clock, "the clock g of f1 is no input"),
        (clock_as_data, "the clock clk is data at pin I0 of mix"),
        (clock_as_output, "the clock clk is data at output tick"),
        (wide_clock, "the clock is one bit of port clk"),
        (ring_of_buffers, "buffers drive each other in a ring"),
        (long_content, "INIT of LUT1 t has more than 2 bits"),
    ],
)
def test_what_cannot_be_modeled_is_refused(made, says):
    with pytest.raises(InputError, match=says):
        made().lower()


def test_reads_that_nothing_uses_are_left_out():
    made = clocked().cell("SRLC32E", "s", {}, CLK="clk", D="a", CE="1", A="0 0 0 0 1", Q="y", Q31="$open")
    design = made.lower()
    assert [operation.kind for operation in design.operations] == [Kind.READ]
