"""The engine in Verilator against the executor, bit for bit, and against its cycle model, cycle for cycle."""

import numpy as np
import pytest
from hardware.networks import random_deit, random_input
from needs import verilator

from vedette.errors import InputError
from vedette.hardware.cycles import program_cycles
from vedette.hardware.engine import Engine
from vedette.hardware.program import Program, engine_for
from vedette.hardware.rtl.engine import FOLDER, SOURCES, EngineModel, differences
from vedette.hardware.vit import SHAPES, deit, shaped
from vedette.tools import verilator as tool

pytestmark = [pytest.mark.sim, verilator]
ONE = Engine(tokens=8, packed=True, first=512, second=128, wide=2048, chunks_most=32, words_most=16)
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
    assert done.cycles == 1_521_934


@pytest.mark.slow
@pytest.mark.parametrize(("tokens", "packed"), [(16, True), (16, False), (8, False)])
def test_every_form_of_the_engine_runs_it(tokens, packed):
    engine = Engine(
        tokens=tokens, packed=packed, first=512, second=128, wide=2048, chunks_most=32, words_most=16
    )
    with EngineModel(engine) as built:
        for sizes in ODD:
            network = random_deit(5, **sizes)
            program, inputs = Program(network, engine), random_input(network, 4)
            done = built.run(program, inputs)
            assert differences(program, done, inputs) == []
            assert done.step_cycles == [step.total for step in program_cycles(program)]


@pytest.mark.parametrize("tokens", [8, 16])
def test_the_text_is_clean_under_all_of_verilators_warnings(tokens):
    tool.find().lint([FOLDER / name for name in SOURCES], "engine", {"TOKENS": tokens})


@pytest.mark.parametrize("name", SHAPES)
def test_every_named_shape_fits_an_engine_below_its_roof(name):
    network = shaped(name)
    program = Program(network, engine_for(network, tokens=16))
    cycles = sum(step.total for step in program_cycles(program))
    assert 0.5 < SHAPES[name].macs / program.engine.multipliers / cycles < 0.95


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
