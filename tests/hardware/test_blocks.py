"""Blocks on their own: dot products, softmax and layer norm over random parameters, against `numerics`."""

import numpy as np
import pytest
from needs import verilator

from vedette.hardware.rtl.simulate import Model, Port, lanes_of, words_of
from vedette.numerics.layer_norm import layer_norm
from vedette.numerics.scaling import Scale, Stepped
from vedette.numerics.softmax import Reciprocal, Softmax

pytestmark = [pytest.mark.sim, verilator]


@pytest.mark.parametrize(("packed", "terms"), [(1, 8), (1, 1), (0, 5)])
def test_two_dot_products_share_their_activations(packed, terms):
    bits = 16 + (terms - 1).bit_length()
    ports = tuple(Port(name, 8 * terms) for name in ("x", "a", "b"))
    r = np.random.default_rng(terms)
    x, a, b = (r.integers(-128, 128, (600, terms)) for _ in range(3))
    for row, (one, other) in enumerate(((-128, -127), (-128, 127), (127, -128), (127, 127))):
        x[row], a[row], b[row] = one, other, -other - (other == -128)
    if packed:
        a[(a == -128).all(axis=1)] = -127
        b[(b == -128).all(axis=1)] = -127
    outputs = (Port("sum_a", bits), Port("sum_b", bits))
    with Model("dot", ("dot.sv",), {"N": terms, "PACKED": packed}, ports, outputs) as model:
        found = model.run(600, x=words_of(x, 8), a=words_of(a, 8), b=words_of(b, 8))
    for name, weights in (("sum_a", a), ("sum_b", b)):
        assert np.array_equal(lanes_of(found[name], bits, 1)[1:, 0], (x * weights).sum(axis=1)[:-1])


@pytest.mark.parametrize(("packed", "terms"), [(1, 8), (1, 1), (1, 3), (0, 5)])
def test_four_dot_products_in_4_bits_share_a_multiplier(packed, terms):
    bits = 8 + (terms - 1).bit_length()
    r = np.random.default_rng(terms)
    ab, xy = r.integers(-8, 8, (2, 1000, terms)), r.integers(0, 16, (2, 1000, terms))
    corners = np.array(np.meshgrid([-8, -1, 0, 7], [-8, -1, 0, 7], [0, 1, 15], [0, 1, 15])).reshape(4, -1)
    count = corners.shape[1]
    ab[:, :count], xy[:, :count] = corners[:2, :, None], corners[2:, :, None]
    names = ("sum_ax", "sum_ay", "sum_bx", "sum_by")
    ports = tuple(Port(name, 4 * terms) for name in "abxy")
    sizes = {"N": terms, "PACKED": packed}
    with Model("dot4", ("dot4.sv",), sizes, ports, tuple(Port(n, bits) for n in names)) as model:
        given = {n: words_of(v, 4) for n, v in zip("abxy", (*ab, *xy), strict=True)}
        found = model.run(1000, **given)
    for name, (w, v) in zip(names, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        wanted = (ab[w] * xy[v]).sum(axis=1)
        assert np.array_equal(lanes_of(found[name], bits, 1)[1:, 0], wanted[:-1]), name


SOFTMAX_IN = {
    "reset": 1, "rows": 16, "words": 5, "count": 9, "exp_offset": 18, "exp_shift": 5, "exp_last": 5,
    "near_offset": 24, "far_offset": 24, "near_shift": 5, "far_shift": 5, "near_last": 6, "far_last": 6,
    "near_half": 32, "far_half": 32, "near_drop": 5, "far_drop": 5, "peak": 8,
    "load_exp": 1, "load_near": 1, "load_far": 1, "load_index": 3, "load_data": 128, "start": 1,
    "scores": 256,
}  # fmt: skip
OUT = (Port("busy", 1), Port("valid", 1), Port("row", 16), Port("result", 128))


@pytest.fixture(scope="module")
def softmax_model():
    ports = tuple(Port(name, width) for name, width in SOFTMAX_IN.items())
    with Model("softmax", ("softmax.sv", "slots.sv"), {}, ports, (*OUT, Port("word", 4))) as model:
        yield model


def held(values, widths, cycles):
    """Parameters that stay, for every cycle."""
    return {name: np.repeat(words_of(np.array([[v]]), widths[name]), cycles, 0) for name, v in values.items()}


def results(found, rows, words, *, signed):
    ok = found["valid"][:, 0] == 1
    table = np.zeros((rows, words, 16), np.int64)
    table[found["row"][ok, 0], found["word"][ok, 0]] = lanes_of(found["result"][ok], 8, 16, signed=signed)
    return table.reshape(rows, -1), int(ok.sum())


@pytest.mark.parametrize("count", [1, 15, 16, 17, 100, 196, 256])
def test_softmax_of_rows_of_any_length_with_any_tables(softmax_model, count):
    r = np.random.default_rng(count)
    rows, words = 7, -(-count // 16)
    scores = r.integers(-700, 700, (rows, words * 16))
    scores[:, count:] = r.integers(-32768, 32768, (rows, words * 16 - count))  # must not be looked at
    exp = np.sort(r.integers(0, 32769, 32))[::-1].copy()
    near, far = (np.sort(r.integers(1, 60000, 64))[::-1].copy() for _ in range(2))
    exp_shift, near_shift, far_shift = int(r.integers(0, 8)), int(r.integers(8, 14)), int(r.integers(12, 18))
    exp_offset = int(r.integers(0, 100))
    near_offset, far_offset = (int(v) for v in r.integers(-60000, 60000, 2))
    near_drop, far_drop, bits = int(r.integers(16, 24)), int(r.integers(16, 24)), int(r.integers(2, 9))
    reference = Softmax(
        Stepped(exp, exp_offset, exp_shift),
        Reciprocal(Stepped(near, near_offset, near_shift), 1 << near_drop - 1, near_drop),
        Reciprocal(Stepped(far, far_offset, far_shift), 1 << far_drop - 1, far_drop),
        bits,
    )
    begin, slot = 22, words + 4
    cycles = begin + (rows + 2) * slot + 8
    parameters = {
        "rows": rows, "words": words, "count": count, "exp_offset": exp_offset, "exp_shift": exp_shift,
        "exp_last": 31, "near_offset": near_offset, "far_offset": far_offset, "near_shift": near_shift,
        "far_shift": far_shift, "near_last": 63, "far_last": 63, "near_half": 1 << near_drop - 1,
        "far_half": 1 << far_drop - 1, "near_drop": near_drop, "far_drop": far_drop, "peak": (1 << bits) - 1,
    }  # fmt: skip
    driven = held(parameters, SOFTMAX_IN, cycles)
    loads = np.zeros((cycles, 8), np.int64)
    at = 0
    for name, table in (("load_exp", exp), ("load_near", near), ("load_far", far)):
        driven[name] = np.zeros((cycles, 1), np.uint32)
        driven.setdefault("load_index", np.zeros((cycles, 1), np.uint32))
        for number in range(len(table) // 8):
            driven[name][at], driven["load_index"][at] = 1, number
            loads[at] = table[8 * number : 8 * number + 8]
            at += 1
    driven["load_data"] = words_of(loads, 16)
    driven["start"] = np.zeros((cycles, 1), np.uint32)
    driven["start"][begin] = 1
    fed = np.zeros((cycles, 16), np.int64)
    for row in range(rows):  # a word asked for comes in the next cycle
        first = begin + 2 + row * slot
        fed[first : first + words] = scores[row].reshape(words, 16)
    driven["scores"] = words_of(fed, 16)
    found = softmax_model.run(cycles, **driven)
    got, many = results(found, rows, words, signed=False)
    assert many == rows * words
    assert np.array_equal(got[:, :count], reference(scores[:, :count].astype(np.int64)))
    assert int(found["busy"].sum()) == (rows + 2) * slot


NORM_IN = {
    "reset": 1, "rows": 16, "words": 7, "count": 11, "mean_multiplier": 24, "mean_shift": 5,
    "root_offset": 32, "root_shift": 5, "root_last": 7, "shift": 6, "bits": 4, "load_root": 1,
    "load_index": 4, "load_data": 128, "load_affine": 1, "load_word": 6, "load_gamma": 320, "load_beta": 704,
    "start": 1, "values": 256,
}  # fmt: skip


@pytest.fixture(scope="module")
def norm_model():
    ports = tuple(Port(name, width) for name, width in NORM_IN.items())
    with Model("layer_norm", ("layer_norm.sv", "slots.sv"), {}, ports, (*OUT, Port("word", 6))) as model:
        yield model


@pytest.mark.parametrize("count", [1, 16, 30, 192, 384, 1024])
def test_layer_norm_of_rows_of_any_length_with_any_parameters(norm_model, count):
    r = np.random.default_rng(count)
    rows, words = 5, -(-count // 16)
    reach = int(r.integers(10, 32768))
    values = r.integers(-reach, reach, (rows, words * 16))
    gamma, beta = r.integers(-(1 << 19), 1 << 19, words * 16), r.integers(-(1 << 43), 1 << 43, words * 16)
    roots = np.sort(r.integers(0, 32768, 128))[::-1].copy()
    typical = count * reach * reach // 3
    root_shift = min(31, max(0, typical.bit_length() - 6))
    offset = -int(r.integers(0, min(typical // 4 + 1, 1 << 31)))
    mean_shift = int(r.integers(10, 24))
    multiplier = min((1 << 23) - 1, round(2**mean_shift / count))
    shift, bits = int(r.integers(20, 44)), int(r.integers(2, 9))
    reference = layer_norm(
        values[:, :count].astype(np.int64),
        gamma=gamma[:count].astype(np.int64),
        beta=beta[:count].astype(np.int64),
        mean=Scale(multiplier, mean_shift),
        rsqrt=Stepped(roots, offset, root_shift),
        shift=shift,
        bits=bits,
    )
    begin, slot = 16 + words, words + 7
    cycles = begin + (rows + 1) * slot + 8
    parameters = {
        "rows": rows, "words": words, "count": count, "mean_multiplier": multiplier, "mean_shift": mean_shift,
        "root_offset": offset, "root_shift": root_shift, "root_last": 127, "shift": shift, "bits": bits,
    }  # fmt: skip
    driven = held(parameters, NORM_IN, cycles)
    zero = {
        name: np.zeros((cycles, 1), np.uint32)
        for name in ("load_root", "load_index", "load_affine", "load_word", "start")
    }
    driven |= zero
    loads, gammas, betas = (np.zeros((cycles, lanes), np.int64) for lanes in (8, 16, 16))
    driven["load_root"][:16], driven["load_index"][:16, 0] = 1, np.arange(16)
    loads[:16] = roots.reshape(16, 8)
    driven["load_affine"][16 : 16 + words], driven["load_word"][16 : 16 + words, 0] = 1, np.arange(words)
    gammas[16 : 16 + words], betas[16 : 16 + words] = gamma.reshape(words, 16), beta.reshape(words, 16)
    driven |= {
        "load_data": words_of(loads, 16),
        "load_gamma": words_of(gammas, 20),
        "load_beta": words_of(betas, 44),
    }
    driven["start"][begin] = 1
    fed = np.zeros((cycles, 16), np.int64)
    for row in range(rows):
        first = begin + 2 + row * slot
        fed[first : first + words] = values[row].reshape(words, 16)
    driven["values"] = words_of(fed, 16)
    found = norm_model.run(cycles, **driven)
    got, many = results(found, rows, words, signed=True)
    assert many == rows * words
    assert np.array_equal(got[:, :count], reference)
    assert int(found["busy"].sum()) == (rows + 1) * slot
