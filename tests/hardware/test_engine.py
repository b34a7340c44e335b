"""The engine in Verilator against the executor, bit for bit, and against its cycle model, cycle for cycle."""

from dataclasses import replace

import numpy as np
import pytest
from hardware.networks import random_deit, random_input, random_pruned
from needs import verilator

from vedette.errors import InputError
from vedette.hardware.cycles import program_cycles, total_cycles
from vedette.hardware.engine import Engine
from vedette.hardware.executor import execute
from vedette.hardware.program import Program, engine_for
from vedette.hardware.rtl.engine import FOLDER, SOURCES, EngineModel, differences
from vedette.hardware.vit import SHAPES, deit, shaped
from vedette.tools import verilator as tool

pytestmark = [pytest.mark.sim, verilator]
ONE = Engine(
    tokens=8,
    packed=True,
    first=512,
    second=128,
    chances=64,
    wide=2048,
    chunks_most=32,
    words_most=16,
    rows_most=64,
)
ODD = [
    {},
    {"patches": 1},
    {"patches": 6},
    {"patches": 7, "inner": 48, "classes": 17},
    {"patches": 8, "hidden": 16, "inner": 8},
    {"patches": 15, "embed_dim": 128, "hidden": 80},
    {"patches": 16, "depth": 2, "classes": 1},
    {"patches": 33, "embed_dim": 128, "depth": 2, "hidden": 112, "weight_bits": 8},
]


@pytest.fixture(scope="module")
def model():
    with EngineModel(ONE) as built:
        yield built


@pytest.mark.parametrize(
    "sizes", ODD, ids=[" ".join(f"{k} {v}" for k, v in s.items()) or "plain" for s in ODD]
)
def test_one_engine_runs_networks_of_any_size_to_the_bit_and_to_the_cycle(model, sizes):
    network = random_deit(len(sizes), **sizes)
    program = Program(network, ONE)
    inputs = random_input(network, 3)
    done = model.run(program, inputs)
    assert differences(program, done, inputs) == []
    assert done.step_cycles == [step.total for step in program_cycles(program)]
    assert done.beats == len(program.data(inputs))


PRUNED = [
    {"patches": 20, "blocks": (0,)},
    {"patches": 40, "depth": 3, "blocks": (0, 1, 2)},
    {"patches": 40, "depth": 3, "blocks": (1, 2), "most": 9},
    {"patches": 33, "depth": 2, "threshold": 127},  # nearly all go
    {"patches": 33, "depth": 2, "threshold": 0},  # none goes
    {"patches": 1, "depth": 2},
    {"patches": 17, "depth": 2, "embed_dim": 128, "most": 1},
]


@pytest.mark.parametrize("sizes", PRUNED, ids=[" ".join(f"{k} {v}" for k, v in s.items()) for s in PRUNED])
def test_it_drops_tokens_and_takes_fewer_cycles(model, sizes):
    network = random_pruned(len(sizes), **sizes)
    program, inputs = Program(network, ONE), random_input(network, 3)
    names = [o.output for o in network.operators if o.op == "select"]
    found = execute(network, inputs, keep=names)
    kept = [len(found[name]) for name in names]
    done = model.run(program, inputs)
    assert differences(program, done, inputs) == []
    assert done.step_cycles == [step.total for step in program_cycles(program, kept)]
    assert done.cycles <= total_cycles(program)


def test_a_changed_weight_is_seen(model):
    network = random_deit(1)
    inputs = random_input(network, 3)
    done = model.run(Program(network, ONE), inputs)
    changed = dict(network.weights)
    changed["b0_fc1_acc.weight"] = changed["b0_fc1_acc.weight"] + np.int8(1)
    other = Program(type(network)(**{**vars(network), "weights": changed}), ONE)
    assert differences(other, done, inputs)


def test_the_golden_deit_tiny_runs_to_the_bit_and_to_the_cycle(data_folder):
    folder = data_folder / "deit-tiny-w3a3"
    network = deit(dict(np.load(folder / "weights.npz")))
    vectors = np.load(folder / "vectors.npz")
    program = Program(network, engine_for(network, tokens=8))
    inputs = {"patches": vectors["network_input"]}
    with EngineModel(program.engine) as built:
        done = built.run(program, inputs)
    assert differences(program, done, inputs) == []
    assert done.step_cycles == [step.total for step in program_cycles(program)]
    assert np.array_equal(done.values[-1][0], vectors["logits"])
    assert done.cycles == 1_397_728


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tokens", "terms", "packed"), [(16, 8, True), (16, 16, True), (16, 16, False), (8, 8, False)]
)
def test_every_form_of_the_engine_runs_it(tokens, terms, packed):
    engine = Engine(
        tokens=tokens,
        terms=terms,
        packed=packed,
        first=512,
        second=128,
        chances=64,
        wide=2048,
        chunks_most=32,
        words_most=16,
        rows_most=64,
    )
    networks = [random_deit(5, **sizes) for sizes in ODD] + [random_pruned(5, **sizes) for sizes in PRUNED]
    with EngineModel(engine) as built:
        for network in networks:
            program, inputs = Program(network, engine), random_input(network, 4)
            names = [o.output for o in network.operators if o.op == "select"]
            found = execute(network, inputs, keep=names)
            done = built.run(program, inputs)
            assert differences(program, done, inputs) == []
            counts = program_cycles(program, [len(found[name]) for name in names])
            assert done.step_cycles == [step.total for step in counts]


@pytest.mark.parametrize(("tokens", "terms"), [(8, 8), (16, 8), (16, 16)])
def test_the_text_is_clean_under_all_of_verilators_warnings(tokens, terms):
    tool.find().lint([FOLDER / name for name in SOURCES], "engine", {"TOKENS": tokens, "TERMS": terms})


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("terms", [8, 16])
def test_every_named_shape_fits_an_engine_below_its_roof(name, terms):
    network = shaped(name)
    program = Program(network, engine_for(network, tokens=16, terms=terms))
    busy = SHAPES[name].macs / program.engine.multipliers / total_cycles(program)
    assert (0.65 if terms == 8 else 0.45) < busy < 0.95


@pytest.mark.parametrize("tokens", [8, 16])
def test_a_step_says_how_long_what_follows_it_is(tokens):
    network = random_pruned(1, patches=9, depth=2)
    program = Program(network, engine_for(network, tokens=tokens, terms=tokens))
    assert all(len(step.beats()) == step.beats_bytes for step in program.steps)


def test_scores_that_are_no_scores_are_refused():
    network = random_pruned(1, patches=9, depth=2)
    network.weights["stream0_score.table"][0] = -1
    with pytest.raises(InputError, match="scores from -1"):
        Program(network, ONE)
    with pytest.raises(InputError, match="10 tokens"):
        Program(random_pruned(1, patches=9, depth=2), replace(ONE, rows_most=8))


def test_macs_of_the_shapes_are_the_published_ones():
    published = {"deit-tiny": 1.254, "deit-small": 4.599, "deit-base": 17.564}
    for name, gmac in published.items():
        assert SHAPES[name].macs / 1e9 == pytest.approx(gmac, abs=0.001)


def test_what_does_not_fit_is_refused_with_what_to_do():
    network = random_deit(1)
    with pytest.raises(InputError, match="no room") as caught:
        Program(network, Engine(first=4))
    assert "more memory" in caught.value.hint
    with pytest.raises(InputError, match="terms"):
        Program(network, Engine(chunks_most=2))
    with pytest.raises(InputError, match="12 rows"):
        Engine(tokens=12)
    weights = dict(network.weights)
    weights["patch_acc.weight"] = np.full_like(weights["patch_acc.weight"], -128)
    full = type(network)(**{**vars(network), "weights": weights})
    with pytest.raises(InputError, match="-128") as caught:
        Program(full, Engine())
    assert "packed=False" in caught.value.hint
    assert Program(full, Engine(packed=False)).steps


def test_what_a_description_lacks_is_named():
    network = random_deit(1)
    operators = tuple(replace(o, numbers={}) if o.op == "residual" else o for o in network.operators)
    with pytest.raises(InputError, match="linear to 'b0_o_acc' has no 'multiplier'"):
        Program(replace(network, operators=operators), ONE)
    network.weights["logits.bias"] = np.full(10, 1 << 31)
    with pytest.raises(InputError, match="biases from"):
        Program(network, ONE)
