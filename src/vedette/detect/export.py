"""A detector as an ONNX file, for machines without torch: any size of image, with or without suppression.

Input `bands` (1, c, h, w), float32, 0 to 1, sides of the detector's multiple. Output `rows` (1, n, k), as
`vedette.detect.detections.candidates` takes them; with suppression `boxes` (m, 4) xyxy in pixels, `scores`
and `labels` (m). The spec is in the file's metadata under "detector".
"""

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.detect.detector_file import KEY, Detector
from vedette.detect.models.yolo import Yolo
from vedette.errors import InputError, MissingExtraError
from vedette.images import check_output, write_atomically

STEPS_MOST = 512  # of the multiple, each way


class _Rows(nn.Module):
    """bands to decoded rows, without the check of the input that tracing cannot follow."""

    def __init__(self, model: Yolo) -> None:
        super().__init__()
        self.model = model

    def forward(self, bands: Tensor) -> Tensor:
        return self.model.head(self.model.unchecked(bands)[2]).decode()


def export_onnx(
    detector: Detector,
    path: Path,
    *,
    suppress: bool = False,
    threshold: float = 0.5,
    least_score: float | None = None,
    most: int = 1000,
    int8: Sequence[Float[np.ndarray, "1 c h w"]] = (),
) -> None:
    """Write `detector` to `path` (.onnx), whole or not at all.

    Args:
        suppress: put suppression into the file; `threshold`, `least_score` (None: the detector's own) and
            `most` (of a class) belong to it.
        int8: prepared images (`DetectorSpec.prepare`) to measure ranges on: convolutions but the head's are
            then in 8-bit integers. 8 to 64 images of the kind to be seen are enough.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        InputError: suppression of turned boxes, which the ONNX operator does not know.
    """
    if path.suffix.lower() != ".onnx":
        raise InputError(f"cannot export to {path.name}", hint="name a .onnx file")
    check_output(path)
    if suppress and detector.spec.oriented:
        raise InputError("suppression of turned boxes in the file", hint="export without; predict does it")
    onnx = _onnx()
    model = _traced(detector)
    if int8:
        model = _quantized(model, int8, heads=len(detector.model.head.convs))
    if suppress:
        least = detector.spec.least_score if least_score is None else least_score
        _append_suppression(onnx, model, len(detector.spec.classes), threshold, least, most)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, detector.spec.json()
    onnx.checker.check_model(model)
    write_atomically(path, model.SerializeToString())


def _onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401, torch's exporter needs it
    except ImportError as error:
        raise MissingExtraError(
            "export needs onnx and onnxscript", hint="pip install 'vedette[runtime]'"
        ) from error
    return onnx


def _traced(detector: Detector) -> Any:
    """The ONNX model of the fused network, for any sides of the multiple."""
    model = _Rows(copy.deepcopy(detector.model).fuse()).eval()
    multiple = detector.spec.multiple
    down, across = (torch.export.Dim(name, min=1, max=STEPS_MOST) for name in ("down", "across"))
    sizes = {"bands": {2: multiple * down, 3: multiple * across}}
    example = torch.zeros(1, sum(detector.spec.counts), 2 * multiple, 3 * multiple)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it would report that torchvision is missing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                (example,),
                dynamic_shapes=sizes,
                dynamo=True,
                input_names=["bands"],
                output_names=["rows"],
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto


def _append_suppression(
    onnx: Any, model: Any, classes: int, threshold: float, least: float, most: int
) -> None:
    """Nodes from `rows` to `boxes`, `scores` and `labels`: each box's best class, then ONNX's suppression."""
    graph, helper = model.graph, onnx.helper
    kinds = onnx.TensorProto
    add = graph.node.append

    def constant(name: str, values: Any, kind: type) -> str:
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, dtype=kind), name))
        return name

    def node(operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        add(helper.make_node(operation, inputs, [output], name=f"suppress_{output}", **attributes))
        return output

    axis = constant("last_axis", [2], np.int64)
    for name, start, end in (("cxcywh", 0, 4), ("sure", 4, 5), ("of_class", 5, 5 + classes)):
        starts, ends = constant(f"{name}_from", [start], np.int64), constant(f"{name}_to", [end], np.int64)
        node("Slice", ["rows", starts, ends, axis], name)
    if classes > 1:
        node("Mul", ["sure", "of_class"], "every")
        node("ReduceMax", ["every", axis], "best", keepdims=1)
        node("Equal", ["every", "best"], "is_best")
        node("Cast", ["is_best"], "is_best_float", to=kinds.FLOAT)
        scored = node("Mul", ["every", "is_best_float"], "scored")
    else:
        scored = "sure"
    node("Transpose", [scored], "by_class", perm=[0, 2, 1])
    limits = [
        constant("most", [most], np.int64),
        constant("threshold", [threshold], np.float32),
        constant("least", [least], np.float32),
    ]
    node("NonMaxSuppression", ["cxcywh", "by_class", *limits], "chosen", center_point_box=1)
    node("GatherND", ["by_class", "chosen"], "scores")
    for name, index in (("labels", 1), ("box_numbers", 2)):
        node("Gather", ["chosen", constant(f"{name}_column", index, np.int64)], name, axis=1)
    first = constant("first_image", 0, np.int64)
    node("Gather", ["cxcywh", first], "of_image", axis=0)
    node("Gather", ["of_image", "box_numbers"], "kept", axis=0)
    corners = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
    node("MatMul", ["kept", constant("corners", corners, np.float32)], "boxes")
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("boxes", kinds.FLOAT, ["m", 4]),
            helper.make_tensor_value_info("scores", kinds.FLOAT, ["m"]),
            helper.make_tensor_value_info("labels", kinds.INT64, ["m"]),
        ]
    )


class _Images:
    """Images one after another, as onnxruntime's calibration asks for them."""

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self._left: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one; None after the last."""
        image = next(self._left, None)
        return None if image is None else {"bands": image}


def _quantized(model: Any, images: Sequence[np.ndarray], heads: int) -> Any:
    """Convolutions in 8-bit integers, ranges from `images`; the last ones, the heads, stay float.

    Weights take 7 bits: on processors without VNNI, onnxruntime adds two products of 8 by 8 bits in 16, which
    saturate.
    """
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    except ImportError as error:
        raise MissingExtraError("int8 needs onnxruntime", hint="pip install 'vedette[runtime]'") from error

    import onnx

    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        try:
            quantize_static(
                source,
                target,
                _Images(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=convolutions[-heads:],
            )
        finally:
            logger.setLevel(level)
        return onnx.load(target)
