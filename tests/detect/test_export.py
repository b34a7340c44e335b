"""ONNX files say what torch says, run without torch, and carry what the detector knows of itself."""

import copy
import json
import subprocess
import sys

import needs
import numpy as np
import pytest
import torch
from detect.scenes import squares, tiny_detector, write_tiff

from vedette.detect import export as module
from vedette.detect.detections import nothing
from vedette.detect.detector_file import Detector
from vedette.detect.export import export_onnx
from vedette.detect.models import build
from vedette.detect.predict import load_network, predict
from vedette.detect.scene import Finding, pick
from vedette.detect.superres import SuperResolution
from vedette.detect.task import Learner
from vedette.errors import InputError
from vedette.images.boxes import iou

pytestmark = needs.module("onnxscript", "runtime")
BLOCKS = [(20, 12, 30, 20), (70, 40, 82, 52), (100, 80, 110, 92)]


def image_of(height, width, bands=4, seed=0):
    image = squares(height, width, BLOCKS, bands=bands, dark=0.3, seed=seed)
    return (image / 255).astype(np.float32)[None]


@pytest.fixture(scope="module")
def detector():
    return tiny_detector(groups=(("rgb", 3), ("ir", 1)), least_score=0.6, gsd_m=(0.5, 0.5))


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """torch needs seconds to trace a network: once for each."""
    made, real = {}, module._traced

    def traced(detector):
        if id(detector) not in made:
            made[id(detector)] = detector, real(detector)
        return copy.deepcopy(made[id(detector)][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_traced", traced)
        yield


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(detector, folder / "plain.onnx")
    assert [path.name for path in folder.iterdir()] == ["plain.onnx"]
    return folder / "plain.onnx"


@pytest.fixture(scope="module")
def suppressing(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("suppressing") / "nms.onnx"
    export_onnx(detector, path, suppress=True, threshold=0.4, least_score=0.55)
    return path


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 128), (160, 64)])
def test_rows_are_those_of_torch_at_any_size(detector, exported, height, width):
    network, spec = load_network(str(exported), threads=1)
    assert spec == detector.spec
    image = image_of(height, width)
    rows, expected = network(image), detector.network()(image)
    assert rows.shape == expected.shape == (3 * height * width // 16, 7)
    scale = np.array([width, height, 50, 50, 1, 1, 1])
    assert (np.abs(rows - expected) / scale).max() < 1e-4


def test_a_size_that_does_not_fit_is_refused(exported):
    network, _ = load_network(str(exported), threads=1)
    with pytest.raises(InputError) as caught:
        network(np.zeros((1, 3, 64, 64), np.float32))
    assert "bands" in caught.value.hint


def test_suppression_in_the_file_is_that_of_pick(detector, suppressing):
    network, spec = load_network(str(suppressing), threads=1)
    finding = Finding(threshold=0.4, least_score=0.55)
    for seed, size in ((0, (96, 128)), (1, (160, 160))):
        image = image_of(*size, seed=seed)
        expected = pick(detector.network()(image), spec, finding)
        found = pick(network(image), spec, Finding(threshold=1.0, least_score=0.55))
        assert len(found) == len(expected) > 10
        assert np.allclose(found.scores, expected.scores, atol=1e-4)
        order, wanted = (np.lexsort(d.xyxy.round(1).T) for d in (found, expected))
        assert np.allclose(found.xyxy[order], expected.xyxy[wanted], atol=0.02)
        assert (found.labels[order] == expected.labels[wanted]).all()


def test_an_image_without_objects_gives_no_boxes(suppressing):
    network, spec = load_network(str(suppressing), threads=1)
    rows = network(np.zeros((1, 4, 32, 32), np.float32))
    assert len(pick(rows[:0], spec, Finding())) == len(nothing())
    assert rows.shape[1] == 7


def test_it_runs_where_torch_cannot_be_imported(exported, tmp_path):
    scene = write_tiff(tmp_path / "scene.tif", squares(100, 130, BLOCKS, bands=4, dark=0.3))
    program = (
        "import sys, json, pathlib; sys.modules['torch'] = None\n"
        "from vedette.detect.predict import predict\n"
        f"result = predict(pathlib.Path({str(scene)!r}), pathlib.Path({str(tmp_path / 'out')!r}), "
        f"model={str(exported)!r})\n"
        "print(json.dumps([result.found.xyxy.tolist(), result.found.scores.tolist()]))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    boxes, scores = json.loads(done.stdout)
    here = predict(scene, tmp_path / "here", model=str(exported), with_picture=False)
    assert len(boxes) == len(here.found) > 3
    assert np.allclose(boxes, here.found.xyxy, atol=1e-3) and np.allclose(
        scores, here.found.scores, atol=1e-4
    )
    assert (tmp_path / "out" / "detections.png").stat().st_size > 500


@pytest.mark.slow
def test_the_graph_does_not_know_of_super_resolution(exported, tmp_path):
    """The branch belongs to the training: of a learner with and without, one and the same file."""
    plain = tiny_detector(groups=(("rgb", 3), ("ir", 1)), least_score=0.6)
    paths = []
    for branch in (SuperResolution(plain.model.taps, 4, blocks=1), None):
        torch.manual_seed(0)
        network = build(plain.name, **plain.options)
        network.load_state_dict(plain.model.state_dict())
        average = Learner(network, branch, 0.9).average
        paths.append(tmp_path / f"{len(paths)}.onnx")
        export_onnx(Detector(average, plain.name, plain.options, plain.spec), paths[-1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_8_bits_change_little(detector, exported, tmp_path):
    import onnx

    path = tmp_path / "int8.onnx"
    export_onnx(detector, path, int8=[image_of(96, 128, seed=seed) for seed in range(6)])
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("QuantizeLinear") > 20 and [p.name for p in tmp_path.iterdir()] == ["int8.onnx"]
    whole, spec = load_network(str(exported), threads=1)
    eighth, again = load_network(str(path), threads=1)
    assert again == spec
    image = image_of(96, 128, seed=9)
    a, b = (
        pick(network(image), spec, Finding(threshold=0.4, least_score=0.7)) for network in (whole, eighth)
    )
    assert len(a) > 3
    sure = [network(image)[:, 4] for network in (whole, eighth)]
    assert np.corrcoef(*sure)[0, 1] > 0.8  # of an untrained network, whose head is three times as steep
    assert (iou(a.xyxy, b.xyxy).max(axis=1) > 0.5).mean() > 0.5


def test_suppression_of_turned_boxes_is_refused(tmp_path):
    with pytest.raises(InputError, match="turned") as caught:
        export_onnx(tiny_detector(oriented=True), tmp_path / "a.onnx", suppress=True)
    assert "without" in caught.value.hint and list(tmp_path.iterdir()) == []


def test_other_files_and_closed_places_are_refused(detector, tmp_path):
    for path in (tmp_path / "a.pt", tmp_path / "absent" / "a.onnx"):
        with pytest.raises(InputError):
            export_onnx(detector, path)


def test_a_file_that_is_no_detector_is_refused(exported, tmp_path):
    import onnx

    (tmp_path / "garbage.onnx").write_bytes(b"no graph")
    model = onnx.load(exported)
    model.metadata_props[0].value = "[]"
    onnx.save(model, tmp_path / "other.onnx")
    model.metadata_props[0].key = "mine"
    onnx.save(model, tmp_path / "unknown.onnx")
    for name, word in (("garbage", "ONNX"), ("other", "description"), ("unknown", "no detector")):
        with pytest.raises(InputError, match=word) as caught:
            load_network(str(tmp_path / f"{name}.onnx"))
        assert caught.value.hint
