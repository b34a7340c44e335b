"""Stimuli are repeatable, follow the roles of their ports, come from files, and fit or are refused."""

import re
import subprocess

import needs
import numpy as np
import pytest

from vedette.errors import InputError, UnknownNameError
from vedette.softerror import stimulus as st
from vedette.softerror import vectors
from vedette.softerror.reference import simulate
from vedette.softerror.samples import sample, sample_source

HEADER = "reset,put,take,in\n"


def columns(design, rows, name):
    start = 0
    for port in design.inputs:
        if port.name == name:
            return rows[:, start : start + len(port.bits)]
        start += len(port.bits)
    raise AssertionError(name)


def test_the_same_seed_gives_the_same_bits_and_a_shorter_run_is_its_beginning():
    design = sample("mac")
    long = st.random_stimulus(design, 9000, seed=4)
    assert np.array_equal(long, st.random_stimulus(design, 9000, seed=4))
    assert np.array_equal(long[:5001], st.random_stimulus(design, 5001, seed=4))
    assert not np.array_equal(long, st.random_stimulus(design, 9000, seed=5))
    assert abs(columns(design, long, "weight").mean() - 0.5) < 0.01


def test_a_drive_of_one_port_leaves_the_others_as_they_were():
    design = sample("mac")
    plain, held = (st.random_stimulus(design, 50, drives=d) for d in ({}, {"clear": st.Hold(0)}))
    assert np.array_equal(columns(design, plain, "value"), columns(design, held, "value"))


def test_ports_follow_their_roles():
    design = sample("fifo")
    drives = {"put": st.Pulse(8, 2, 1), "take": st.Random(0.1), "in": st.Hold(10), "reset": st.HeldReset(3)}
    rows = st.random_stimulus(design, 4000, drives=drives)
    assert columns(design, rows, "put")[:12, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert abs(columns(design, rows, "take").mean() - 0.1) < 0.02
    assert (columns(design, rows, "in") == [0, 1, 0, 1]).all()
    assert columns(design, rows, "reset")[:5, 0].tolist() == [1, 1, 1, 0, 0]


def test_resets_are_held_at_their_active_level_first():
    rows = st.random_stimulus(sample("fsm"), 40)
    assert rows[:, 0].tolist() == [0, 0] + [1] * 38
    assert st.resets_of(sample("counter")) == {"reset": True}
    assert st.resets_of(sample("delay")) == {}


@pytest.mark.parametrize(
    ("name", "active_high"),
    [
        ("reset", True),
        ("RST", True),
        ("rst_i", True),
        ("areset", True),
        ("srst", True),
        ("rstn", False),
        ("nreset", False),
        ("n_rst", False),
        ("ARESETN", False),
        ("rst_ni", False),
        ("resetb", False),
        ("preset", None),
        ("restart", None),
        ("reset_count", None),
        ("first", None),
        ("n", None),
    ],
)
def test_resets_are_known_by_their_names(name, active_high):
    assert st.reset_polarity(name) is active_high


@pytest.mark.parametrize(
    ("drives", "says"),
    [
        ({"in": st.Hold(16)}, "in is 16 in every cycle"),
        ({"clk": st.Hold(1)}, "clk is the clock"),
        ({"inn": st.Hold(1)}, "no input port is called 'inn'"),
    ],
)
def test_drives_that_do_not_fit_are_refused(drives, says):
    with pytest.raises(InputError, match=says):
        st.random_stimulus(sample("fifo"), 10, drives=drives)


def test_words_name_drives():
    assert st.drive_of("rst=reset:4:low") == ("rst", st.HeldReset(4, False))
    assert st.drive_of("a=12") == ("a", st.Hold(12))
    for text in ("a=", "a=pulse:0", "a=p2", "a=pulse", "a=reset:x", "a"):
        with pytest.raises(InputError):
            st.drive_of(text)


def test_a_function_that_forgets_a_port_is_told_so():
    with pytest.raises(InputError, match="cycle 1 has no value of in"):
        st.from_function(sample("delay"), 3, lambda c: {"valid": 1} | ({} if c == 1 else {"in": 0}))
    with pytest.raises(UnknownNameError, match="'out'"):
        st.from_function(sample("delay"), 3, lambda c: {"valid": 1, "in": 0, "out": 0})


def test_a_stimulus_comes_back_from_its_file_and_fits_one_design_only(tmp_path):
    rows = st.random_stimulus(sample("fifo"), 20)
    st.save(rows, tmp_path / "s.npy")
    assert np.array_equal(st.load(tmp_path / "s.npy", sample("fifo")), rows)
    with pytest.raises(InputError, match=r"uint8 of shape \(20, 7\)") as caught:
        st.load(tmp_path / "s.npy", sample("mac"))
    assert "(cycles, 11)" in caught.value.hint
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match=r"cannot be read as \.npy"):
        st.load(tmp_path / "text.npy", sample("mac"))
    assert st.sha256(rows) != st.sha256(rows ^ 1)


def test_a_table_of_vectors(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("\ufeffclk,in,take,put,reset\n1,0x0a,0,1,1\n\n1,0b0001,1,0,0\n")
    rows = vectors.from_file(path, sample("fifo"))
    assert rows.tolist() == [[1, 1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "0,0,0,x\n", r"v\.csv:2: in is 'x'"),
        ("in," + HEADER + "0,0,0,0,0\n", r"v\.csv has 2 columns 'in'"),
        (HEADER + "0,0,0\n", r"v\.csv:2 has 3 values"),
        (HEADER + "0,0,0,1\n0,0,0,16\n", r"in is 16 in .*v\.csv: cycle 1"),
        ("reset,put,take\n0,0,0\n", "has no value of in"),
        (HEADER.replace("in", "im") + "0,0,0,0\n", "no input port is called 'im'"),
        (HEADER, "without a cycle"),
        ("", "without a cycle"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_line(tmp_path, text, says):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        vectors.from_file(tmp_path / "v.csv", sample("fifo"))


WAVES = """$date today $end $timescale 1 ns $end
$scope module tb $end
$var wire 1 ! clk $end
$scope module dut $end
$var wire 1 ! clk $end $var wire 1 " reset $end $var reg 1 # put $end $var reg 1 $ take $end
$var wire 4 % in [3:0] $end
$upscope $end
$upscope $end
$enddefinitions $end
#0 $dumpvars 0! 1" x# 0$ bx % $end
#4 b101 % 1#
#5 1!
#6 b0 % 0"
#10 0!
#15 1!
b1111 %
#20 0!
"""


def test_waves_are_sampled_right_before_each_rising_edge(tmp_path):
    (tmp_path / "w.vcd").write_text(WAVES)
    rows = vectors.from_file(tmp_path / "w.vcd", sample("fifo"))
    assert rows.tolist() == [[1, 1, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0, 0]]
    assert np.array_equal(vectors.from_vcd(tmp_path / "w.vcd", sample("fifo"), scope="tb.dut"), rows)


def test_a_clock_that_is_1_in_the_first_dump_is_no_edge(tmp_path):
    (tmp_path / "w.vcd").write_text(WAVES.replace("$dumpvars 0!", "$dumpvars 1!").replace("#4", "#2 0! #4"))
    rows = vectors.from_file(tmp_path / "w.vcd", sample("fifo"))
    assert rows.tolist() == [[1, 1, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0, 0]]


BENCH = """
module tb;
  reg clk = 1, reset = 1, clear = 0, valid = 0; reg [3:0] value = 0, weight = 0; wire [9:0] sum;
  mac dut(.clk(clk), .reset(reset), .clear(clear), .valid(valid), .value(value), .weight(weight), .sum(sum));
  always #5 clk = ~clk;
  always @(posedge clk) begin
    if ($time > 0) $display("%0d", sum);
    value <= $random; weight <= $random; valid <= $random; clear <= ($random & 7) == 0;
  end
  initial begin $dumpfile("w.vcd"); $dumpvars; #22 reset <= 0; #1000 $finish; end
endmodule
"""


@pytest.mark.sim
@needs.icarus
def test_waves_of_icarus_give_the_outputs_that_icarus_had(tmp_path):
    (tmp_path / "tb.v").write_text(BENCH)
    for words in (["iverilog", "-o", "tb", "tb.v", sample_source("mac")], ["vvp", "-n", "tb"]):
        done = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True)
    theirs = re.findall(r"^[x\d]+$", done.stdout, re.MULTILINE)
    ours = simulate(sample("mac"), vectors.from_file(tmp_path / "w.vcd", sample("mac"))) @ 2 ** np.arange(10)
    assert len(ours) == len(theirs) == 102 and len(set(theirs)) > 30
    assert [str(value) for value, said in zip(ours, theirs, strict=True) if said != "x"] == [
        said for said in theirs if said != "x"
    ]


def test_waves_without_a_clock_give_a_row_for_each_time(tmp_path):
    (tmp_path / "w.vcd").write_text(WAVES.replace("! clk", "! tick"))
    rows = vectors.from_vcd(tmp_path / "w.vcd", sample("fifo"))
    assert len(rows) == 7
    assert rows[1].tolist() == [1, 1, 0, 1, 0, 1, 0]


def test_a_port_dumped_bit_by_bit_is_put_together(tmp_path):
    bits = " ".join(f"$var wire 1 {code} in [{i}] $end" for i, code in enumerate("abcd"))
    text = WAVES.replace("$var wire 4 % in [3:0] $end", bits).replace("bx %", "0a 0b 0c 0d")
    text = text.replace("b101 %", "1a 1c").replace("b0 %", "0a 0c").replace("b1111 %", "1a")
    (tmp_path / "w.vcd").write_text(text)
    assert vectors.from_vcd(tmp_path / "w.vcd", sample("fifo")).tolist()[0] == [1, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (" put ", " push ", "tb.dut lacks put"),
        ("4 % in [3:0]", "3 % in [2:0]", "in in tb.dut has 3 bits, the port 4"),
        ("1!", "0!", "no rising edge of clk"),
        ("$enddefinitions", "", "is no VCD file"),
        ("wire 1 !", "wire x !", "is no VCD file"),
        ("$scope module tb", "$upscope", "is no VCD file"),
    ],
)
def test_waves_that_do_not_fit_are_refused(tmp_path, old, new, says):
    (tmp_path / "w.vcd").write_text(WAVES.replace(old, new))
    with pytest.raises(InputError, match=says):
        vectors.from_vcd(tmp_path / "w.vcd", sample("fifo"))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no vectors"):
        vectors.from_file(tmp_path / "w.fst", sample("fifo"))
    with pytest.raises(InputError, match="cannot be read"):
        vectors.from_file(tmp_path / "none.vcd", sample("fifo"))
