"""Multiply-accumulate units of integer and of half-precision training against `numerics` and a layer."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from needs import verilator

from vedette.hardware.rtl.simulate import FOLDER, Model, Port, lanes_of, words_of
from vedette.lowbit import LowBit, layers
from vedette.lowbit.backends import laid_out
from vedette.numerics import half, product8, shift_sum
from vedette.tools import verilator as tool

pytestmark = [pytest.mark.sim, verilator]

SHIFT = ("shift_mac.sv",)
FLOAT = ("fp16_mac.sv", "half_multiply.sv", "float_add.sv")
ARRAY = ("training_array.sv", *SHIFT, *FLOAT)
CONTROL = (Port("reset", 1), Port("valid", 1), Port("first", 1), Port("last", 1))
EDGES = np.uint16(
    [0, 1, 0x200, 0x3FF, 0x400, 0x401, 0x7FF, 0x1C00, 0x3BFF, 0x3C00, 0x3C01, 0x7BFF, 0x7C00, 0x7E00]
)


@dataclass(frozen=True)
class Unit:
    """A unit of the bench. `widths` are bits of a term's part of each input, and of the sum."""

    name: str
    module: str
    parameters: dict[str, int]
    widths: dict[str, int]

    @property
    def lanes(self) -> int:
        return self.parameters["N"]

    def instance(self) -> str:
        many = {"a": self.lanes, "b": self.lanes, "shift": self.lanes if self.parameters.get("EACH") else 1}
        given = ", ".join(f".{name}({value})" for name, value in self.parameters.items())
        wired = ", ".join(
            f".{port}({port}[{bits * many[port] - 1}:0])"
            for port, bits in self.widths.items()
            if port != "sum"
        )
        return f"""    {self.module} #({given}) {self.name} (
        .clk, .reset, .valid, .first, .last, {wired}, .done(done_{self.name}), .sum(sum_{self.name}));"""

    def run(self, model: Model, first: np.ndarray, **terms: np.ndarray) -> np.ndarray:
        """Its sum after each row of `terms`, as integers; between them are cycles that must not count."""
        r = np.random.default_rng(len(first))
        latency, last = (self.lanes - 1).bit_length() + 2, np.append(first[1:], True)
        at = np.sort(r.choice(len(first) * 9 // 8 + 2, len(first), replace=False)) + 1
        cycles = int(at[-1]) + latency + 1

        def spread(values: np.ndarray, bits: int, words: int) -> np.ndarray:
            whole = r.integers(0, 1 << bits, (cycles, values.shape[1]))
            whole[at] = values
            found = words_of(whole, bits)
            return np.pad(found, ((0, 0), (0, words - found.shape[1])))

        driven = {name: spread(values, self.widths[name], WORDS[name]) for name, values in terms.items()}
        driven["first"], driven["last"] = (spread(flag[:, None], 1, 1) for flag in (first, last))
        driven["reset"], driven["valid"] = np.zeros((2, cycles, 1), np.uint32)
        driven["reset"][0] = driven["valid"][at] = 1
        found = model.run(cycles, **driven)
        assert np.array_equal(np.flatnonzero(found[f"done_{self.name}"]), at[last] + latency)
        sums = lanes_of(found[f"sum_{self.name}"], self.widths["sum"], 1, signed="shift" in terms)
        return sums[at + latency, 0]


def integer(name: str, **parameters: int) -> Unit:
    widths = {"a": parameters["A"], "b": parameters["B"], "shift": 2, "sum": 32}
    return Unit(name, "shift_mac", parameters, widths)


def float16(name: str, **parameters: int) -> Unit:
    return Unit(name, "fp16_mac", parameters, {"a": 16, "b": 16, "sum": 32 if parameters["WIDE"] else 16})


INTEGERS = (
    integer("eight", N=8, A=4, B=4, GROUPS=4, EACH=0),
    integer("each", N=3, A=8, B=7, GROUPS=3, EACH=1),
    integer("one", N=1, A=8, B=8, GROUPS=4, EACH=0),
)
LAYER = integer("layer", N=5, A=7, B=7, GROUPS=4, EACH=0)
FLOATS = (
    float16("half", N=1, WIDE=0, SUBNORMALS=0),
    float16("half_full", N=4, WIDE=0, SUBNORMALS=1),
    float16("single", N=3, WIDE=1, SUBNORMALS=0),
    float16("single_full", N=2, WIDE=1, SUBNORMALS=1),
)
UNITS = (*INTEGERS, LAYER, *FLOATS)
SIDE = 3  # of both arrays
WORDS = {"a": 2, "b": 2, "shift": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """All units and both arrays in one bench, for building one costs as much as building all."""
    outputs = [
        port for u in UNITS for port in (Port(f"done_{u.name}", 1), Port(f"sum_{u.name}", u.widths["sum"]))
    ]
    for name, bits in (("integers", 32), ("floats", 16)):
        outputs += [Port(f"done_{name}", SIDE * SIDE), Port(f"sum_{name}", SIDE * SIDE * bits)]
    declared = "".join(f",\n    output logic [{p.width - 1}:0] {p.name}" for p in outputs)
    instances = [u.instance() for u in UNITS]
    for name, width in (("integers", 4), ("floats", 16)):
        top = SIDE * width - 1
        instances.append(f"""    training_array #(.FLOAT({width // 16}), .SIDE({SIDE})) {name} (
        .clk, .reset, .valid, .first, .last, .shift(shift[1:0]), .a(a[{top}:0]), .b(b[{top}:0]),
        .done(done_{name}), .sums(sum_{name}));""")
    text = f"""module bench (
    input logic clk, reset, valid, first, last,
    input logic [63:0] a, b,
    input logic [5:0] shift{declared}
);
{chr(10).join(instances)}
endmodule
"""
    path = tmp_path_factory.mktemp("bench") / "bench.sv"
    path.write_text(text)
    inputs = (*CONTROL, Port("a", 64), Port("b", 64), Port("shift", 6))
    with Model("bench", (str(path), *ARRAY), {}, inputs, tuple(outputs)) as built:
        yield built


def starts(cycles: int) -> np.ndarray:
    """Where sums begin: some last a cycle, some fifty."""
    r = np.random.default_rng(cycles)
    first = r.random(cycles) < np.repeat(r.choice([0.02, 0.3, 1], -(-cycles // 50)), 50)[:cycles]
    first[0] = True
    return first


def signed(r: np.random.Generator, bits: int, shape: tuple[int, int]) -> np.ndarray:
    return r.integers(-(1 << bits - 1), 1 << bits - 1, shape)


@pytest.mark.parametrize("unit", INTEGERS, ids=lambda unit: unit.name)
def test_integer_terms_are_shifted_and_summed(model, unit):
    parameters = unit.parameters
    r = np.random.default_rng(parameters["N"])
    cycles, lanes, a_bits, b_bits = 4000, parameters["N"], parameters["A"], parameters["B"]
    a, b = signed(r, a_bits, (cycles, lanes)), signed(r, b_bits, (cycles, lanes))
    shifts = r.integers(0, parameters["GROUPS"], (cycles, lanes if parameters["EACH"] else 1))
    a[::7], b[::7], shifts[::7] = -(1 << a_bits - 1), -(1 << b_bits - 1), parameters["GROUPS"] - 1
    first = starts(cycles)
    found = unit.run(model, first, a=a, b=b, shift=shifts)
    assert np.array_equal(found, shift_sum.running_sums(a, b, shifts, first))


def products_of_a_layer(config: LowBit) -> list[tuple[np.ndarray, ...]]:
    """(a, b, exponents, rows, columns, result) of the products of a linear layer, forward and backward."""
    taken = []
    original = layers.product

    def kept(a, b, rows, columns, bias, route, *, exponents=None, largest):
        result = original(a, b, rows, columns, bias, route, exponents=exponents, largest=largest)
        operands = (laid_out(a).numpy().astype(np.int64), laid_out(b).numpy().astype(np.int64))
        inner = np.zeros(operands[0].shape[1], np.int64) if exponents is None else exponents
        taken.append((*operands, inner, rows.numpy(), columns.numpy(), result.numpy()))
        return result

    torch.manual_seed(3)
    layer = layers.Linear(23, 9, bias=False, config=config)
    x = torch.relu(torch.randn(17, 23)).requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "product", kept)
        layer(x).backward(
            torch.randn(17, 9) * torch.exp(2 * torch.randn(9)) * torch.exp(2 * torch.randn(17, 1))
        )
    return taken


def test_the_three_products_of_a_layer_in_training(model):
    """Groups of odd sizes, sums back to back; 6 bits in four groups are not stored shifted."""
    products = products_of_a_layer(LowBit(weight_bits=6, act_bits=6, grad_bits=6, groups=4))
    assert len(products) == 3 and sum(len(np.unique(p[2])) > 2 for p in products) == 2
    for a, b, exponents, rows, columns, result in products:
        plan = shift_sum.schedule(exponents, LAYER.lanes)
        m, n, cycles = len(a), len(b), len(plan.shifts)
        left = np.repeat(plan.taken(a), n, axis=0).reshape(-1, LAYER.lanes)
        right = np.tile(plan.taken(b), (m, 1, 1)).reshape(-1, LAYER.lanes)
        first = np.arange(m * n * cycles) % cycles == 0
        shifts = np.tile(plan.shifts, m * n)[:, None]
        sums = LAYER.run(model, first, a=left, b=right, shift=shifts)
        found = sums[cycles - 1 :: cycles].reshape(m, n)
        spread = product8.horner(exponents)
        exact = product8.product(a.astype(np.int8), b.astype(np.int8), shifts=spread, largest=1 << 15)
        assert np.array_equal(found, exact)
        assert np.array_equal(found.astype(np.float32) * rows[:, None] * columns, result)


def halves(r: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Any bits; edges; ordinary numbers; such that products are near the least normal half."""
    kind = r.integers(0, 8, (shape[0], 1))
    edge = r.choice(EDGES, shape) | r.integers(0, 2, shape).astype(np.uint16) << 15
    usual = r.normal(0, 4, shape).astype(np.float16).view(np.uint16)
    small = (r.normal(0, 1, shape) * 2.0 ** r.integers(-9, -5, shape)).astype(np.float16).view(np.uint16)
    any_bits = r.integers(0, 1 << 16, shape).astype(np.uint16)
    return np.select([kind < 1, kind < 2, kind < 5], [any_bits, edge, usual], small)


@pytest.mark.parametrize("unit", FLOATS, ids=lambda unit: unit.name)
def test_halves_are_multiplied_and_summed_as_numpy_does(model, unit):
    lanes, wide, subnormals = unit.lanes, bool(unit.parameters["WIDE"]), bool(unit.parameters["SUBNORMALS"])
    r = np.random.default_rng(lanes)
    cycles, pairs = 6000, 2 * len(EDGES) ** 2
    a, b, first = halves(r, (cycles, lanes)), halves(r, (cycles, lanes)), starts(cycles)
    a[-pairs:, 0] = np.repeat(EDGES, 2 * len(EDGES))  # every edge times, and plus or minus, every other
    b[-pairs:, 0] = np.tile(np.concatenate([EDGES, EDGES | 0x8000]), len(EDGES))
    sums = np.full((2 * pairs, lanes), 0, np.uint16)
    sums[::2, 0], sums[1::2, 0] = a[-pairs:, 0], b[-pairs:, 0]
    a, b = np.concatenate([a, sums]), np.concatenate([b, np.full_like(sums, 0x3C00)])
    first = np.concatenate([first, np.tile([True, False], pairs)])
    found = unit.run(model, first, a=a, b=b)
    wanted = half.running_sums(
        a.view(np.float16), b.view(np.float16), first, wide=wide, subnormals=subnormals
    )
    assert np.array_equal(found, wanted.view(np.uint32 if wide else np.uint16))
    assert np.isfinite(wanted).mean() > 0.4


@pytest.mark.parametrize("is_float", [False, True])
def test_an_array_gives_the_tiles_of_a_product(model, is_float):
    """Two tiles back to back; `done` of a unit tells when its sum may be taken."""
    cycles = 12
    r = np.random.default_rng(cycles)
    name, out, width = ("floats", 16, 16) if is_float else ("integers", 32, 4)
    if is_float:
        a, b = (r.normal(0, 1, (cycles, SIDE)).astype(np.float16) for _ in range(2))
    else:
        a, b = (signed(r, 4, (cycles, SIDE)) for _ in range(2))
    shifts = r.integers(0, 4, (cycles, 1))
    first = np.arange(cycles) % 7 == 0
    last = np.append(first[1:], True)
    total = cycles + 2 * SIDE + 2

    def padded(values: np.ndarray, bits: int, words: int = 1) -> np.ndarray:
        found = words_of(values, bits)
        return np.pad(found, ((0, total - cycles), (0, words - found.shape[1])))

    raw = [v.view(np.uint16) if is_float else v for v in (a, b)]
    found = model.run(
        total, a=padded(raw[0], width, 2), b=padded(raw[1], width, 2), shift=padded(shifts, 2),
        valid=padded(np.ones((cycles, 1)), 1), first=padded(first[:, None], 1), last=padded(last[:, None], 1),
    )  # fmt: skip
    done = lanes_of(found[f"done_{name}"], 1, SIDE * SIDE, signed=False)
    sums = lanes_of(found[f"sum_{name}"], out, SIDE * SIDE, signed=not is_float)
    for unit in range(SIDE * SIDE):
        i, j = divmod(unit, SIDE)
        left, right = a[:, i : i + 1], b[:, j : j + 1]
        if is_float:
            wanted = half.running_sums(left, right, first).view(np.uint16)
        else:
            wanted = shift_sum.running_sums(left, right, shifts, first)
        assert np.array_equal(np.flatnonzero(done[:, unit]), np.flatnonzero(last) + i + j + 2)
        assert np.array_equal(sums[done[:, unit] == 1, unit], wanted[last])


@pytest.mark.parametrize(
    ("top", "sources", "parameters"),
    [
        ("shift_mac", SHIFT, {"EACH": 1, "N": 3}),
        ("fp16_mac", FLOAT, {"N": 3}),
        ("fp16_mac", FLOAT, {"WIDE": 1, "SUBNORMALS": 1}),
        ("training_array", ARRAY, {}),
    ],
)
def test_the_text_is_clean_under_all_of_verilators_warnings(top, sources, parameters):
    tool.find().lint([FOLDER / name for name in sources], top, parameters)
