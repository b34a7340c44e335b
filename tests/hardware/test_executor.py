"""The golden network, every stored value of it; and what the executor refuses."""

import time
from dataclasses import replace

import numpy as np
import pytest

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.executor import OPERATORS, execute, matrix_product
from vedette.hardware.network import Network, Operator, load_network, save_network
from vedette.hardware.vit import deit as deit_tiny


@pytest.fixture(scope="module")
def golden(data_folder):
    folder = data_folder / "deit-tiny-w3a3"
    return dict(np.load(folder / "weights.npz")), dict(np.load(folder / "vectors.npz"))


def test_the_golden_deit_tiny_is_reproduced_exactly_every_stored_value_and_all_logits(golden, tmp_path):
    arrays, vectors = golden
    save_network(deit_tiny(arrays), tmp_path / "net")
    network = load_network(tmp_path / "net")
    stored = [name for name in vectors if name not in ("network_input", "stream", "logits")]
    streams = [f"stream{n}" for n in range(25)]
    start = time.perf_counter()
    found = execute(network, {"patches": vectors["network_input"]}, keep={*stored, *streams})
    assert time.perf_counter() - start < 60
    for name in stored:
        value = found[name][0] if name == "head_ln" else found[name]
        np.testing.assert_array_equal(value, vectors[name], err_msg=name)
    for number, name in enumerate(streams):
        np.testing.assert_array_equal(found[name], vectors["stream"][number], err_msg=name)
    np.testing.assert_array_equal(found["logits"][0], vectors["logits"])
    assert found["logits"].argmax() == 0 and found["logits"].max() == 102624


def test_a_changed_rounding_is_seen(golden):
    arrays, vectors = golden
    network = deit_tiny(arrays)
    first = next(n for n, step in enumerate(network.operators) if step.op == "residual")
    step = network.operators[first]
    moved = replace(step, numbers={**step.numbers, "multiplier": step.numbers["multiplier"] + 40})
    operators = (*network.operators[:first], moved, *network.operators[first + 1 :])
    found = execute(replace(network, operators=operators), {"patches": vectors["network_input"]})
    assert not np.array_equal(found["logits"][0], vectors["logits"])


def tiny(**changes):
    weights = {"w": np.array([[1, 2], [3, -4]], np.int8), "b": np.array([10, 0], np.int16)}
    step = Operator("linear", ("x",), "y", {"weight": "w", "bias": "b"})
    parts = {
        "name": "tiny",
        "inputs": {"x": (3, 2)},
        "operators": (step,),
        "outputs": ("y",),
        "weights": weights,
    }
    return Network(**{**parts, **changes})


X = np.array([[1, 1], [0, 2], [-3, 1]])


def test_a_linear_layer_by_hand():
    assert execute(tiny(), {"x": X})["y"].tolist() == [[13, -1], [14, -8], [9, -13]]


def test_a_network_survives_its_folder(tmp_path):
    save_network(tiny(), tmp_path / "n")
    again = load_network(tmp_path / "n")
    assert again.operators == tiny().operators and again.inputs == {"x": (3, 2)}
    assert execute(again, {"x": X})["y"].tolist() == execute(tiny(), {"x": X})["y"].tolist()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"operators": (Operator("linear", ("z",), "y", {"weight": "w", "bias": "b"}),)},
            "nothing made before",
        ),
        (
            {"operators": (Operator("linear", ("x",), "y", {"weight": "v", "bias": "b"}),)},
            "needs the weights",
        ),
        ({"operators": (Operator("linear", ("x",), "x", {"weight": "w", "bias": "b"}),)}, "there already"),
        ({"outputs": ("q",)}, "nothing makes the output"),
        ({"weights": {"w": np.ones((2, 2)), "b": np.array([1])}}, "use signed integers"),
    ],
)
def test_what_does_not_hang_together_is_refused(changes, words):
    with pytest.raises(InputError) as caught:
        tiny(**changes).check()
    assert words in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "inputs", [{}, {"x": X[:2]}, {"x": X.astype(float)}, {"y": X}], ids=["none", "shape", "floats", "name"]
)
def test_inputs_that_do_not_fit_are_refused(inputs):
    with pytest.raises(InputError):
        execute(tiny(), inputs)


def test_an_unknown_operator_and_missing_parameters_are_named():
    with pytest.raises(UnknownNameError, match="operator"):
        execute(tiny(operators=(Operator("lineer", ("x",), "y"),)), {"x": X})
    with pytest.raises(InputError, match="names no tensor 'weight'"):
        execute(tiny(operators=(Operator("linear", ("x",), "y"),)), {"x": X})
    with pytest.raises(InputError, match="has no number 'shift'"):
        execute(tiny(operators=(Operator("shift", ("x",), "y"),)), {"x": X})
    with pytest.raises(InputError, match="cannot take"):
        execute(tiny(operators=(Operator("matmul", ("x", "x"), "y"),)), {"x": X})


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no network"):
        load_network(tmp_path)
    save_network(tiny(), tmp_path)
    text = (tmp_path / "network.json").read_text()
    for broken in ("{", "[]", text.replace('"version": 1', '"version": 2'), text.replace('"op"', '"po"')):
        (tmp_path / "network.json").write_text(broken)
        with pytest.raises(InputError):
            load_network(tmp_path)
    (tmp_path / "network.json").write_text(text)
    whole = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[:-3])
    with pytest.raises(InputError):
        load_network(tmp_path)


def test_products_are_exact_or_refused():
    big = np.full((1, 2), 1 << 29)
    assert matrix_product(big, big.T).tolist() == [[1 << 59]]  # beyond what doubles hold
    with pytest.raises(InputError, match="63 bits"):
        matrix_product(big << 2, big.T << 2)
    assert len(OPERATORS) == 14
