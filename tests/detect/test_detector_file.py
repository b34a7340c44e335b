"""Detectors as files: whole, small, and never code."""

import json

import numpy as np
import pytest
import torch
from detect.scenes import squares, tiny_detector
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vedette.detect.detector_file import load_detector, save_detector, shipped
from vedette.errors import InputError, UnknownNameError


@pytest.fixture(scope="module")
def detector():
    return tiny_detector(groups=(("rgb", 3), ("ir", 1)), gsd_m=(0.25, 0.5), optional=("ir",), least_score=0.4)


@pytest.fixture
def saved(detector, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_detector(path, detector)
    return path


def test_a_file_gives_the_detector_back(detector, saved):
    again = load_detector(saved)
    assert again.spec == detector.spec and again.name == detector.name
    assert dict(again.options) == detector.options
    for name, value in detector.model.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(again.model.state_dict()[name], expected), name
    assert not again.model.training
    assert [p.name for p in saved.parent.iterdir()] == ["mine.safetensors"]


def test_half_precision_changes_little(detector, saved):
    image = squares(96, 96, [(20, 30, 32, 40)], bands=4, dark=0.3)[None].astype(np.float32) / 255
    with torch.no_grad():
        whole = detector.model(torch.from_numpy(image)).decode()[0].numpy()
    rows = load_detector(saved).network()(image)
    assert rows.shape == whole.shape and np.abs(rows[:, 4:] - whole[:, 4:]).mean() < 0.005
    assert whole[:, 4].max() > 0.5 and whole[:, 4].min() < 0.1
    assert sum(p.numel() for p in detector.model.parameters()) * 2 < saved.stat().st_size < 2**20


def test_the_same_detector_makes_the_same_bytes(detector, saved, tmp_path):
    save_detector(tmp_path / "again.safetensors", load_detector(saved))
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_a_file_cut_short_is_refused(saved):
    data = saved.read_bytes()
    for length in (0, 4, 100, len(data) // 2, len(data) - 1):
        saved.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            load_detector(saved)
        assert caught.value.hint


def test_an_absent_file_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        load_detector(tmp_path / "absent.safetensors")
    with pytest.raises(UnknownNameError):
        load_detector("cars-rbg-of-nobody")


def test_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"detector": Trap()}, tmp_path / "evil.safetensors")
    torch.save({"detector": Trap()}, tmp_path / "evil.pt")
    for name in ("evil.safetensors", "evil.pt"):
        with pytest.raises(InputError):
            load_detector(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_file_of_something_else_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no detector"):
        load_detector(tmp_path / "other.safetensors")


def changed(path, change):
    """The file with another description."""
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["detector"])
    change(description)
    save_file(load_file(path), path, metadata={"detector": json.dumps(description)})


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("model"),
        lambda d: d.pop("spec"),
        lambda d: d.update(model="superyollo"),
        lambda d: d["options"].update(width=0.25),
        lambda d: d["options"].update(classes=3),
        lambda d: d["options"].update(groups=[3]),
        lambda d: d["options"].update(depht=1),
        lambda d: d["options"].update(fusion="none"),
        lambda d: d["spec"].update(classes=["car"]),
        lambda d: d["spec"].update(groups=[["rgb", 3]]),
        lambda d: d["spec"].update(peak=-1),
        lambda d: d.update(spec=[]),
    ],
)
def test_a_description_of_another_network_is_refused(saved, change):
    changed(saved, change)
    with pytest.raises(InputError, match="damaged") as caught:
        load_detector(saved)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_a_description_that_is_no_json_is_refused(saved):
    save_file(load_file(saved), saved, metadata={"detector": "{"})
    with pytest.raises(InputError, match="damaged"):
        load_detector(saved)


def test_missing_tensors_are_refused(saved):
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(saved)
    tensors.popitem()
    save_file(tensors, saved, metadata=metadata)
    with pytest.raises(InputError, match="damaged"):
        load_detector(saved)


@pytest.mark.parametrize("name", shipped())
def test_shipped_detectors_open(name):
    detector = load_detector(name)
    side = detector.spec.multiple
    rows = detector.network()(np.zeros((1, sum(detector.spec.counts), side, side), np.float32))
    assert np.isfinite(rows).all()
