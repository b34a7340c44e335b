"""Blocks with HeatViT's polynomials, and requantization, against `numerics`: every input at every format."""

import numpy as np
import pytest
from needs import verilator, yosys

from vedette.hardware.rtl.simulate import FOLDER, Model, Port, lanes_of, words_of
from vedette.hardware.rtl.units import poly_norm_cycles, poly_softmax_cycles
from vedette.numerics.approximations import exp_integer, gelu_integer, sigmoid_integer, softmax_integer
from vedette.numerics.newton import layer_norm_newton, reciprocal_root
from vedette.numerics.scaling import Scale, rescale
from vedette.tools import verilator as verilator_tool
from vedette.tools import yosys as yosys_tool

pytestmark = pytest.mark.sim
SOURCES = {
    "poly_gelu": ("poly_gelu.sv",),
    "poly_exp": ("poly_exp.sv",),
    "poly_sigmoid": ("poly_sigmoid.sv",),
    "requantize": ("requantize.sv",),
    "poly_softmax": ("poly_softmax.sv", "poly_exp.sv", "slots.sv"),
    "poly_norm": ("poly_norm.sv", "slots.sv"),
}
LANES = 4  # of the blocks without a state, side by side, so that one build serves them all
SIDE_BY_SIDE = """
module functions #(localparam int L = 4) (
    input  logic clk, input logic [3:0] frac, input logic [14:0] delta,
    input  logic [L*16-1:0] x, input logic [L*17-1:0] distance, input logic [L*32-1:0] sums,
    input  logic [L*16-1:0] multiplier, input logic [L*6-1:0] shift, input logic signed [8:0] low, high,
    output logic [L*16-1:0] gelu, gelu8, exp, exp8, sigmoid, output logic [L*8-1:0] scaled, shifted
);
    poly_gelu #(.LANES(L), .FRAC_MOST(14)) g14 (.clk, .frac, .delta, .x, .y(gelu));
    poly_gelu #(.LANES(L)) g8 (.clk, .frac, .delta, .x, .y(gelu8));
    poly_exp #(.LANES(L), .FRAC_MOST(14)) e14 (.clk, .frac, .x(distance), .y(exp));
    poly_exp #(.LANES(L)) e8 (.clk, .frac, .x(distance), .y(exp8));
    poly_sigmoid #(.LANES(L)) s (.clk, .frac, .x, .y(sigmoid));
    requantize #(.LANES(L)) r (.clk, .x(sums), .multiplier, .shift, .low, .high, .y(scaled));
    requantize #(.LANES(L), .POWER(1)) p (.clk, .x(sums), .multiplier, .shift, .low, .high, .y(shifted));
endmodule
"""
IN = {
    "frac": 4, "delta": 15, "x": 64, "distance": 68, "sums": 128, "multiplier": 64, "shift": 24,
    "low": 9, "high": 9,
}  # fmt: skip
OUT = {"gelu": 64, "gelu8": 64, "exp": 64, "exp8": 64, "sigmoid": 64, "scaled": 32, "shifted": 32}
EVERY = np.arange(-(1 << 15), 1 << 15)
DISTANCES = np.arange(1 << 17)


def ports(table):
    return tuple(Port(name, width) for name, width in table.items())


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    top = tmp_path_factory.mktemp("functions") / "functions.sv"
    top.write_text(SIDE_BY_SIDE)
    files = ("poly_gelu.sv", "poly_exp.sv", "poly_sigmoid.sv", "requantize.sv", str(top))
    with Model("functions", files, {}, ports(IN), ports(OUT)) as built:
        yield built


def streamed(functions, latencies, values, **held):
    """What comes of `values`, (name, lanes of bits): each output after its latency, as lanes of 16 bits."""
    cycles = max(len(v) for v, _ in values.values()) + max(latencies.values()) + 1
    driven = {name: np.repeat(words_of(np.array([[v]]), IN[name]), cycles, 0) for name, v in held.items()}
    for name, (lanes, bits) in values.items():
        driven[name] = np.zeros((cycles, -(-IN[name] // 32)), np.uint32)
        driven[name][1 : 1 + len(lanes)] = words_of(lanes, bits)  # a cycle later: constants take one
    found = functions.run(cycles, **driven)
    return {name: found[name][1 + latency :] for name, latency in latencies.items()}


@verilator
@pytest.mark.parametrize("frac", range(15))
def test_gelu_exponential_and_sigmoid_are_their_twins_over_every_input(functions, frac):
    latencies = {"gelu": 10, "gelu8": 10, "exp": 6, "exp8": 6, "sigmoid": 2}
    x, distance = (EVERY.reshape(-1, LANES), 16), (DISTANCES.reshape(-1, LANES), 17)
    got = streamed(functions, latencies, {"x": x, "distance": distance}, frac=frac, delta=1 << 14)
    words, exp_words = len(x[0]), len(distance[0])
    exps = exp_integer(-DISTANCES, frac=frac)
    assert np.array_equal(lanes_of(got["exp"][:exp_words], 16, LANES, signed=False).ravel(), exps)
    gelu = lanes_of(got["gelu"][:words], 16, LANES).ravel()
    assert np.array_equal(gelu, gelu_integer(EVERY, frac=frac))
    if frac <= 8:
        assert np.array_equal(got["exp8"][:exp_words], got["exp"][:exp_words])
        assert np.array_equal(got["gelu8"][:words], got["gelu"][:words])
    if frac >= 5:
        sigmoid = lanes_of(got["sigmoid"][:words], 16, LANES, signed=False).ravel()
        assert np.array_equal(sigmoid, sigmoid_integer(EVERY, frac=frac))


@verilator
@pytest.mark.parametrize(("frac", "delta"), [(0, 0.5), (4, 0.5), (8, 0.5), (8, 0.768), (14, 0.01)])
def test_gelu_takes_the_papers_delta(functions, frac, delta):
    values = {"x": (EVERY.reshape(-1, LANES), 16)}
    got = streamed(functions, {"gelu": 10}, values, frac=frac, delta=round(delta * 2**14))
    gelu = lanes_of(got["gelu"][: len(EVERY) // LANES], 16, LANES).ravel()
    assert np.array_equal(gelu, gelu_integer(EVERY, frac=frac, delta=delta))


@verilator
@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 255), (-127, 127), (-4, 3)])
def test_requantization_rounds_ties_upward_and_saturates_with_a_scale_for_each_lane(functions, low, high):
    r = np.random.default_rng(high - low)
    edge = 1 << 31
    for shifts in np.arange(48).reshape(-1, LANES):
        factors = np.where(r.integers(3, size=LANES), r.integers(-32768, 32768, LANES), 1)
        near = np.minimum(300 << shifts, edge - 1)  # about what saturates, by shifts alone
        sums = np.concatenate(
            [
                r.integers(-edge, edge, (100, LANES)),
                r.integers(-near, near, (100, LANES)),
                (2 * r.integers(-200, 200, (100, LANES)) + 1) << np.maximum(shifts - 1, 0),  # ties
                np.array([[-edge], [edge - 1], [0]]).repeat(LANES, 1),
            ]
        ).clip(-edge, edge - 1)
        many = {
            "multiplier": (np.tile(factors, (len(sums), 1)), 16),
            "shift": (np.tile(shifts, (len(sums), 1)), 6),
        }
        latencies = {"scaled": 3, "shifted": 3}
        got = streamed(functions, latencies, {"sums": (sums, 32), **many}, low=low, high=high)
        for name, by in (("scaled", factors), ("shifted", np.ones_like(factors))):
            lanes = lanes_of(got[name][: len(sums)], 8, LANES, signed=low < 0)
            for lane, (factor, shift) in enumerate(zip(by, shifts, strict=True)):
                wanted = rescale(sums[:, lane], Scale(int(factor), int(shift))).clip(low, high)
                assert np.array_equal(lanes[:, lane], wanted), (name, factor, shift)


SOFTMAX_IN = {
    "reset": 1, "rows": 16, "words": 5, "count": 9, "frac": 4, "peak": 22, "start": 1, "scores": 256,
}  # fmt: skip
SOFTMAX_OUT = {
    "busy": 1, "read_row": 16, "read_word": 4, "valid": 1, "row": 16, "word": 4, "result": 128,
}  # fmt: skip


@pytest.fixture(scope="module")
def softmax_model():
    with Model(
        "poly_softmax", SOURCES["poly_softmax"], {"FRAC_MOST": 14}, ports(SOFTMAX_IN), ports(SOFTMAX_OUT)
    ) as built:
        yield built


def softmax_jobs():
    """Rows of any length, formats and deltas; one after another in one unit."""
    r = np.random.default_rng(3)
    for number, count in enumerate((1, 2, 15, 16, 17, 100, 144, 145, 196, 197, 255, 256, 50, 7)):
        bits = 8 if number % 3 else int(r.integers(1, 9))
        frac = int(r.integers(0, 15))
        reach = min(32767, 12 << frac) if number % 4 else 32767
        scores = r.integers(-reach - 1, reach + 1, (int(r.integers(1, 6)), count))
        if number % 5 == 2:
            scores[0] = scores[0, 0]  # all alike
        yield scores, frac, bits, float(r.choice([1.0, 0.5, r.uniform(0.01, 1)]))


@verilator
def test_softmax_of_rows_of_any_length_is_its_twin_to_the_cycle(softmax_model):
    every = list(softmax_jobs())
    driven = {name: [] for name in SOFTMAX_IN if name != "reset"}
    r = np.random.default_rng(4)
    lengths = []
    for scores, frac, bits, delta in every:
        rows, count = scores.shape
        words = -(-count // 16)
        cycles = 1 + poly_softmax_cycles(rows, words)
        held = {"rows": rows, "words": words, "count": count, "frac": frac}
        held["peak"] = round(delta * (2**bits - 1) * 2**14)
        for name, value in held.items():
            driven[name].append(np.full((cycles, 1), value))
        driven["start"].append((np.arange(cycles) == 0)[:, None])
        fed = r.integers(-32768, 32768, (cycles, 16))  # what is beyond a row must not be looked at
        for row in range(rows):
            first = 2 + row * (max(words, 9) + 9)
            fed[first : first + words].reshape(-1)[:count] = scores[row]
        driven["scores"].append(fed)
        lengths.append(cycles)
    streams = {
        name: words_of(np.concatenate(parts), SOFTMAX_IN[name] if name != "scores" else 16)
        for name, parts in driven.items()
    }
    found = softmax_model.run(sum(lengths), **streams)
    for (scores, frac, bits, delta), end, cycles in zip(every, np.cumsum(lengths), lengths, strict=True):
        run = slice(end - cycles + 1, end)
        assert found["busy"][run].all() and not found["busy"][run.start - 1]
        ok = found["valid"][run, 0] == 1
        words = -(-scores.shape[1] // 16)
        assert ok.sum() == len(scores) * words
        got = np.zeros((len(scores), words, 16), np.int64)
        at = found["row"][run][ok, 0], found["word"][run][ok, 0]
        got[at] = lanes_of(found["result"][run][ok], 8, 16, signed=False)
        wanted = softmax_integer(scores.astype(np.int64), frac=frac, bits=bits, delta=delta)
        assert np.array_equal(got.reshape(len(scores), -1)[:, : scores.shape[1]], wanted)


def test_newtons_root_is_within_2_to_the_minus_14():
    r = np.random.default_rng(0)
    n = np.concatenate(
        [np.arange(1, 1 << 17), r.integers(1, 1 << 44, 10_000), r.integers(1, 1 << 48, 10_000)]
    )
    root, drop = reciprocal_root(n)
    assert (np.abs(root / 2.0**drop * np.sqrt(n) / 65536 - 1) < 2**-14).all()
    assert root.max() < 1 << 16 and root.min() >= 1 << 15


def test_the_norm_is_a_layer_norm():
    r = np.random.default_rng(1)
    for scale in (20, 500, 9000):  # whatever the size of the values, without a table of their roots
        x = r.normal(0, scale, (20, 192)).round().astype(np.int64)
        gamma = np.full(192, round(192**0.5 * 2**15))
        beta = np.full(192, 1 << 24)
        mean = Scale(round(2**20 / 192), 20)
        got = layer_norm_newton(x, gamma=gamma, beta=beta, mean=mean, shift=25, bits=12) / 64
        wanted = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        assert np.abs(got - wanted).max() < 1 / 128 + 0.6 / scale + 4 / 2**14  # result, mean and root


NORM_IN = {
    "reset": 1, "rows": 16, "words": 7, "count": 11, "mean_multiplier": 24, "mean_shift": 5, "shift": 6,
    "bits": 4, "load_affine": 1, "load_word": 6, "load_gamma": 320, "load_beta": 704, "start": 1,
    "values": 256,
}  # fmt: skip
NORM_OUT = SOFTMAX_OUT | {"read_word": 6, "word": 6}


@pytest.fixture(scope="module")
def norm_model():
    with Model("poly_norm", SOURCES["poly_norm"], {}, ports(NORM_IN), ports(NORM_OUT)) as built:
        yield built


@verilator
@pytest.mark.parametrize("count", [1, 2, 16, 30, 176, 192, 200, 384, 1024])
def test_layer_norm_of_rows_of_any_length_is_its_twin_to_the_cycle(norm_model, count):
    r = np.random.default_rng(count)
    words = -(-count // 16)
    streams = {name: [] for name in NORM_IN if name != "reset"}
    wanted, ends, end = [], [], 0
    for rows, reach in ((4, 32768), (1, 3), (3, 300)):  # one after another in one unit
        x = r.integers(-reach, reach, (rows, count))
        x[rows // 2] = x[rows // 2, 0] if reach < 300 else -reach  # no distances, or the widest sums
        gamma, beta = r.integers(-(1 << 19), 1 << 19, words * 16), r.integers(-(1 << 40), 1 << 40, words * 16)
        mean_shift = int(r.integers(10, 24))
        mean = Scale(min((1 << 23) - 1, round(2**mean_shift / count)), mean_shift)
        shift, bits = int(r.integers(20, 40)), int(r.integers(2, 9))
        cycles = words + 1 + poly_norm_cycles(rows, words)
        parameters = {
            "rows": rows, "words": words, "count": count, "mean_multiplier": mean.multiplier,
            "mean_shift": mean_shift, "shift": shift, "bits": bits,
        }  # fmt: skip
        at = np.arange(cycles)
        parameters |= {"load_affine": at < words, "load_word": at.clip(0, words - 1), "start": at == words}
        for name, value in parameters.items():
            streams[name].append(words_of(np.broadcast_to(value, cycles)[:, None], NORM_IN[name]))
        place = at.clip(0, words - 1)
        streams["load_gamma"].append(words_of(gamma.reshape(words, 16)[place], 20))
        streams["load_beta"].append(words_of(beta.reshape(words, 16)[place], 44))
        fed = r.integers(-32768, 32768, (cycles, 16))  # what is beyond a row must not be looked at
        for row in range(rows):
            first = words + 2 + row * (max(words, 12) + 5)
            fed[first : first + words].reshape(-1)[:count] = x[row]
        streams["values"].append(words_of(fed, 16))
        affine = {"gamma": gamma[:count], "beta": beta[:count]}
        wanted.append(layer_norm_newton(x, **affine, mean=mean, shift=shift, bits=bits))
        ends.append((end + words + 1, end := end + cycles))
    found = norm_model.run(end, **{name: np.concatenate(parts) for name, parts in streams.items()})
    for reference, (begin, over) in zip(wanted, ends, strict=True):
        run = slice(begin, over)
        assert found["busy"][run].all() and not found["busy"][begin - 1]
        ok = found["valid"][run, 0] == 1
        got = np.full((len(reference), words, 16), 1 << 20)
        at = found["row"][run][ok, 0], found["word"][run][ok, 0]
        got[at] = lanes_of(found["result"][run][ok], 8, 16)
        assert ok.sum() == len(reference) * words
        assert np.array_equal(got.reshape(len(reference), -1)[:, :count], reference)


@verilator
@yosys
@pytest.mark.parametrize("top", SOURCES)
def test_blocks_are_clean_in_verilator_and_yosys(top):
    files = [FOLDER / name for name in SOURCES[top]]
    verilator_tool.find().lint(files, top)
    yosys_tool.run(
        [
            *(f"read_verilog -sv -defer {file}" for file in files),
            f"chparam -set LANES 2 {top}",  # so that it takes a second
            f"hierarchy -check -top {top}",
            "proc",
            "flatten",
            "opt -fast",
            "memory -nomap",
            "check -assert",
        ]
    )
