"""ONNX files in onnxruntime against the executor: every value of random networks, bit for bit."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hardware.networks import random_deit, random_input
from needs import module

from vedette.cli import vedette
from vedette.errors import InputError, MissingExtraError
from vedette.hardware.carried import carrier_of
from vedette.hardware.executor import execute
from vedette.hardware.network import Network, Operator, save_network
from vedette.hardware.onnx_export import compare, export_onnx, lower_network
from vedette.hardware.vit import deit

pytestmark = [module("onnx", "runtime"), module("onnxruntime", "runtime")]
ODD = [
    {},
    {"patches": 1},
    {"patches": 7, "inner": 41, "classes": 17},
    {"patches": 15, "embed_dim": 128, "hidden": 81, "weight_bits": 8},
    {"patches": 16, "depth": 2, "classes": 1},
    {"patches": 33, "embed_dim": 128, "depth": 2, "hidden": 111, "weight_bits": 8},
    {"weight_bits": 3, "inner": 1},
]


def session(path, optimized=True):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def same_everywhere(network, path, inputs, optimized=True):
    """Every value of the network, by both."""
    made = [step.output for step in network.operators]
    export_onnx(network, path, keep=made)
    run = session(path, optimized)
    names = [output.name for output in run.get_outputs()]
    found = dict(zip(names, run.run(names, inputs), strict=True))
    expected = execute(network, inputs, keep=made)
    for name in made:
        assert found[name].dtype == np.int64
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def mixed(network, seed):
    """The network with every second row of its weights, or so, in 4 bits."""
    r = np.random.default_rng(seed)
    weights = dict(network.weights)
    for name in [name for name in weights if name.endswith(".weight")]:
        narrow = r.random(len(weights[name])) < 0.5
        weights[name] = np.where(narrow[:, None], weights[name] >> 4, weights[name]).astype(np.int8)
    return replace(network, weights=weights)


@pytest.mark.parametrize("optimized", [True, False], ids=["optimized", "as written"])
@pytest.mark.parametrize(
    "sizes", ODD, ids=[" ".join(f"{k} {v}" for k, v in s.items()) or "plain" for s in ODD]
)
def test_every_value_of_a_network_of_odd_sizes_and_mixed_rows_is_the_executors(sizes, optimized, tmp_path):
    network = mixed(random_deit(len(sizes), **sizes), 5)
    same_everywhere(network, tmp_path / "n.onnx", random_input(network, 3), optimized)


def test_the_golden_deit_tiny_gives_all_its_logits(data_folder, tmp_path):
    folder = data_folder / "deit-tiny-w3a3"
    network = deit(dict(np.load(folder / "weights.npz")))
    vectors = np.load(folder / "vectors.npz")
    done = export_onnx(network, tmp_path / "n.onnx")
    assert (done.rows_4, done.rows_8) == (12 * (5 * 192 + 768), 192 + 1000)
    assert done.size < 3_600_000 and done.size_int8 - done.size == 12 * 12 * 192 * 192 // 2
    assert done.tokens.startswith("195, 'patch_acc'")
    found = session(tmp_path / "n.onnx").run(["logits"], {"patches": vectors["network_input"]})[0]
    np.testing.assert_array_equal(found[0], vectors["logits"])


def test_rows_of_4_bits_are_stored_in_4_and_put_back_where_they_were(tmp_path):
    import onnx

    weights = {"w": np.array([[7, -8, 1], [8, 0, 0], [0, 0, 3], [-9, 1, 1], [2, 2, 2]], np.int8)}
    weights["b"] = np.zeros(5, np.int8)
    step = Operator("linear", ("x",), "y", {"weight": "w", "bias": "b"})
    network = Network("rows", {"x": (3, 3)}, (step,), ("y",), weights)
    done = export_onnx(network, tmp_path / "n.onnx")
    assert (done.rows_4, done.rows_8) == (3, 2)
    model = onnx.load(tmp_path / "n.onnx")
    stored = {t.name: t for t in model.graph.initializer}
    four = stored["y/weight_4_bits"]
    assert four.data_type == onnx.TensorProto.INT4 and len(four.raw_data) == 5  # nine values
    restore = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert all(node.attribute[0].name == "axis" and node.attribute[0].i == 0 for node in restore)
    found = session(tmp_path / "n.onnx").run(None, {"x": np.eye(3, dtype=np.int8)})[0]
    assert found.T.tolist() == weights["w"].tolist()


def free_tokens(seed):
    """A network without a bias for each token."""
    network = random_deit(seed)
    bias = network.weights["patch_acc.bias"]
    return replace(network, weights={**network.weights, "patch_acc.bias": bias[0]})


def test_a_softmax_changes_its_segment_where_the_executor_does(tmp_path):
    tables = {"exp": np.array([3, 2, 1, 0]), "near": np.array([90, 70, 50, 30]), "far": np.array([9, 7, 5])}
    numbers = {"exp_offset": 0, "exp_shift": 0, "near_offset": 0, "near_shift": 1, "far_offset": 0}
    numbers |= {"far_shift": 1, "near_half": 8, "near_product_shift": 4, "far_half": 1, "bits": 4}
    step = Operator(
        "softmax",
        ("x",),
        "y",
        {"exp": "exp", "reciprocal_near": "near", "reciprocal_far": "far"},
        {**numbers, "far_product_shift": 1},
    )
    network = Network("soft", {"x": (64, 4)}, (step,), ("y",), tables)
    x = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(64, 3)
    x = np.concatenate([x, np.full((64, 1), 3)], axis=1).astype(np.int8)
    totals = tables["exp"][3 - x].sum(axis=1)
    assert {7, 8, 9} <= set(totals.tolist())  # 8 is the first of the far ones
    same_everywhere(network, tmp_path / "n.onnx", {"x": x})


def test_any_number_of_tokens_runs_where_none_has_numbers_of_its_own(tmp_path):
    network = free_tokens(2)
    assert export_onnx(network, tmp_path / "n.onnx").tokens == "any number up to 512"
    run = session(tmp_path / "n.onnx")
    assert run.get_inputs()[0].shape == ["tokens", 40]
    for tokens in (1, 5, 16, 61, 512):
        other = replace(network, inputs={"patches": (tokens, 40)})
        inputs = random_input(other, tokens)
        found = run.run(None, inputs)[0]
        np.testing.assert_array_equal(found, execute(other, inputs)["logits"])
    with pytest.raises(Exception, match="out of data bounds"):
        run.run(None, {"patches": np.zeros((513, 40), np.int8)})


def test_a_bias_for_each_token_fixes_their_number_and_says_so(tmp_path):
    assert "patch_acc" in export_onnx(random_deit(1), tmp_path / "n.onnx").tokens
    assert session(tmp_path / "n.onnx").get_inputs()[0].shape == [5, 40]


def wide(*factors):
    """Products by each factor in turn, and after each what rounds: shift, residual, table."""
    weights = {"b": np.array([-1, 3], np.int8), "t": np.arange(-30, 34).astype(np.int8)}
    steps, x = [], "x"
    for n, factor in enumerate(factors):
        weights[f"w{n}"] = np.array([[factor, -3], [5, factor - 1]], np.int64)
        y = f"y{n}"
        bits = max(1, factor.bit_length() * (n + 1) - 4)
        steps += [
            Operator("linear", (x,), y, {"weight": f"w{n}", "bias": "b"}),
            Operator("shift", (y,), f"s{n}", {}, {"shift": 3}),
            Operator("residual", (y, y), f"r{n}", {}, {"multiplier": 5, "shift": 2}),
            Operator("lookup", (y,), f"t{n}", {"table": "t"}, {"offset": 77, "shift": bits}),
        ]
        x = y
    return Network("wide", {"x": (4, 2)}, tuple(steps), (f"t{len(factors) - 1}",), weights)


def test_sums_beyond_what_floats_hold_are_carried_wider_and_stay_exact(tmp_path):
    network = wide(9, 1 << 14, 1 << 18, 1 << 13)
    carriers = [lower_network(network).values[f"y{n}"].carrier for n in range(4)]
    assert carriers == ["float32", "float64", "float64", "int64"]
    for seed in range(5):
        same_everywhere(network, tmp_path / "n.onnx", random_input(network, seed), seed % 2 == 0)


def test_what_could_exceed_63_bits_is_refused_and_the_file_before_stays(tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(b"before")
    with pytest.raises(InputError, match=r"linear to 'y2'.*63 bits"):
        export_onnx(wide(1 << 20, 1 << 20, 1 << 20), path)
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_each_type_ends_where_it_no_longer_holds_every_integer():
    for carrier, limit in (("float32", 1 << 24), ("float64", 1 << 53)):
        assert carrier_of(limit - 1) == carrier != carrier_of(limit)
        assert int(np.dtype(carrier).type(limit - 1)) == limit - 1
        assert int(np.dtype(carrier).type(limit + 1)) != limit + 1
    with pytest.raises(InputError):
        carrier_of(1 << 63)


def test_a_changed_weight_is_seen(tmp_path):
    network = random_deit(1)
    export_onnx(network, tmp_path / "n.onnx")
    inputs = random_input(network, 3)
    assert compare(tmp_path / "n.onnx", network, inputs, repeats=1).different == 0
    changed = {**network.weights, "logits.bias": network.weights["logits.bias"] + 1}
    other = replace(network, weights=changed)
    assert compare(tmp_path / "n.onnx", other, inputs, repeats=1).different == 10
    with pytest.raises(InputError, match="from 128 to 128"):
        compare(tmp_path / "n.onnx", network, {"patches": np.full((5, 40), 128)}, repeats=1)


def test_what_cannot_be_exported_is_refused_with_what_to_do(tmp_path, monkeypatch):
    network = random_deit(1)
    with pytest.raises(InputError, match="txt") as caught:
        export_onnx(network, tmp_path / "n.txt")
    assert ".onnx" in caught.value.hint
    with pytest.raises(InputError, match="no folder"):
        export_onnx(network, tmp_path / "no" / "n.onnx")
    with pytest.raises(InputError, match="nothing makes 'q'"):
        export_onnx(network, tmp_path / "n.onnx", keep=["q"])
    with pytest.raises(InputError, match="is an input"):
        export_onnx(network, tmp_path / "n.onnx", keep=["patches"])
    with pytest.raises(InputError, match="40 channels"):
        export_onnx(replace(network, inputs={"patches": (5, 41)}), tmp_path / "n.onnx")
    steps = (Operator("gelu", ("patches",), "y"),)
    with pytest.raises(InputError, match="gelu to 'y': no operator"):
        export_onnx(replace(network, operators=steps, outputs=("y",)), tmp_path / "n.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError):
        export_onnx(network, tmp_path / "n.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_and_compares(tmp_path):
    network = random_deit(1)
    save_network(network, tmp_path / "net")
    np.save(tmp_path / "x.npy", random_input(network, 3)["patches"])
    arguments = ["hardware", "export", str(tmp_path / "net"), "-o", str(tmp_path / "n.onnx"), "--json"]
    done = CliRunner().invoke(vedette, [*arguments, "--input", str(tmp_path / "x.npy")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["values_that_differ"] == 0 and found["size"] == (tmp_path / "n.onnx").stat().st_size
    np.save(tmp_path / "x.npy", np.zeros((4, 40), np.int8))
    done = CliRunner().invoke(vedette, [*arguments, "--input", str(tmp_path / "x.npy")])
    assert done.exit_code == 1 and "(5, 40)" in done.exception.hint
