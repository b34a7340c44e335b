"""Any network in an ONNX file; each graph here is made by hand."""

import numpy as np
import pytest

from vedette.errors import ImageReadError, InputError, VedetteError
from vedette.runtime import OnnxNetwork

import needs  # isort: skip

pytestmark = needs.module("onnxruntime", "runtime")


@pytest.fixture
def doubled(tmp_path):
    """2 x and the sum over the channels of three."""
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["twice"]),
         helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, shape),
         helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, "h", "w"])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "who", "me"
    onnx.save(model, tmp_path / "twice.onnx")
    return tmp_path / "twice.onnx"


def test_outputs_come_in_the_order_of_the_file(doubled):
    network = OnnxNetwork(doubled, threads=1)
    for height, width in ((2, 5), (7, 3)):
        x = np.random.default_rng(0).random((1, 3, height, width)).astype(np.float32)
        twice, total = network(x)
        assert np.allclose(twice, 2 * x) and np.allclose(total, x.sum(axis=1))
    assert network.metadata == {"who": "me"}


def test_another_shape_or_type_is_refused(doubled):
    network = OnnxNetwork(doubled, threads=1)
    for wrong in (np.zeros((1, 4, 2, 2), np.float32), np.zeros((1, 3, 2, 2), np.float64)):
        with pytest.raises(ImageReadError) as caught:
            network(wrong)
        assert "bands" in caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\x08\x08\x12\x04torch"])
def test_garbage_is_refused(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(VedetteError) as caught:
        OnnxNetwork(tmp_path / "a.onnx")
    assert "a.onnx" in str(caught.value) and "\n" not in str(caught.value) and caught.value.hint


def test_a_truncated_file_is_refused(doubled):
    data = doubled.read_bytes()
    doubled.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError):
        OnnxNetwork(doubled)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        OnnxNetwork(tmp_path / "absent.onnx")
