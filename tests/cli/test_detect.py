"""`vedette detect` as a user types it, in process, on tiny data."""

import json
from dataclasses import replace

import click
import needs
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from detect.scenes import make_set, squares, tiny_detector, write_tiff

from vedette.cli import vedette
from vedette.cli.detect import detect
from vedette.data.boxes import save_coco
from vedette.detect.detector_file import load_detector, save_detector
from vedette.detect.models import MODELS
from vedette.detect.recipes import RECIPES
from vedette.errors import UnknownNameError, VedetteError


def call(*words) -> str:
    result = CliRunner().invoke(vedette, ["detect", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words) -> VedetteError:
    with pytest.raises(VedetteError) as caught:
        CliRunner().invoke(vedette, ["detect", *map(str, words)], catch_exceptions=False)
    assert "\n" not in str(caught.value) and caught.value.hint
    return caught.value


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A converted folder: train_coco.json, val_coco.json, all_coco.json with three folds."""
    folder = tmp_path_factory.mktemp("data")
    make_set(folder, 4)
    make_set(folder, 2, first=4, name="val_coco.json")
    make_set(folder, 6, groups=("fold-1", "fold-2", "fold-3"), name="all_coco.json")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "mine.safetensors"
    save_detector(path, tiny_detector(least_score=0.5, gsd_m=(0.5, 0.5)))
    return path


@pytest.fixture
def scene(tmp_path):
    boxes = [(20, 12, 30, 20), (70, 40, 82, 52)]
    return write_tiff(tmp_path / "scene.tif", squares(100, 130, boxes, dark=0.3))


@pytest.mark.parametrize("name", detect.commands)
def test_every_command_has_help_with_an_example(name):
    text = call(name, "--help")
    assert f"vedette detect {name}" in text
    for option in detect.commands[name].params:
        assert option.help if isinstance(option, click.Option) else True, option.name


def test_help_lists_every_command():
    text = call("--help")
    assert all(name in text for name in detect.commands)
    assert set(detect.commands) >= {
        "predict",
        "train",
        "evaluate",
        "convert",
        "export",
        "check",
        "folds",
        "models",
    }


@pytest.mark.parametrize(
    "words",
    [
        ["predict"],
        ["predict", "a.tif"],
        ["predict", "a.tif", "-o", "x", "--suppress", "none"],
        ["predict", "a.tif", "-o", "x", "--score", "2"],
        ["predict", "a.tif", "-o", "x", "--measure", "area"],
        ["train", "a", "-o", "x", "--superres", "3"],
        ["train", "a", "-o", "x", "--steps", "0"],
        ["convert", "vedai"],
        ["convert", "vedai", "a", "-o", "x", "--fold", "11"],
        ["export"],
        ["nothing"],
    ],
)
def test_wrong_usage_exits_with_2(words):
    result = CliRunner().invoke(vedette, ["detect", *words])
    assert result.exit_code == 2 and "Usage" in result.output


def test_predict_writes_its_files_and_prints_a_table(scene, model, tmp_path):
    text = call("predict", scene, "-o", tmp_path / "out", "-m", model, "--tile", 64, "--measure", "ios")
    assert "found" in text and "130 x 100, rgb" in text
    row = json.loads(call("predict", scene, "-o", tmp_path / "out", "-m", model, "--json", "--no-picture"))
    collection = json.loads((tmp_path / "out" / "detections.geojson").read_text())
    assert row["found"] == len(collection["features"]) == row["car"] + row["boat"] > 0
    assert "detections.png" not in row["files"] and (tmp_path / "out" / "detections.png").exists()


def test_predict_takes_every_option(scene, model, tmp_path):
    for suppress in ("nms", "soft", "merge", "redundant"):
        call(
            "predict", scene, "-o", tmp_path / "out", "-m", model, "--bands", "rgb=3,2,1",
            "--suppress", suppress, "--overlap-most", 0.4, "--score", 0.6, "--tile", 0,
            "--gsd-m", 0.4, "--crs", "EPSG:4326", "--peak", 200, "--any-gsd",
        )  # fmt: skip
    assert "crs" not in json.loads((tmp_path / "out" / "detections.geojson").read_text())


def test_predict_refuses_kindly(scene, model, tmp_path):
    out = tmp_path / "out"
    assert "rgb (3)" in refused("predict", scene, "-o", out, "-m", model, "--bands", "ir=1").hint
    assert "rgb=1,2,3" in refused("predict", scene, "-o", out, "-m", model, "--bands", "rgb").hint
    assert "--any-gsd" in refused("predict", scene, "-o", out, "-m", model, "--gsd-m", 5).hint
    assert "64" in refused("predict", scene, "-o", out, "-m", model, "--tile", 10).hint
    assert isinstance(refused("predict", scene, "-o", out, "-m", "cars-of-nobody"), UnknownNameError)
    refused("predict", tmp_path / "absent.tif", "-o", out, "-m", model)
    assert not out.exists()


def test_train_evaluate_and_predict(data, tmp_path, scene):
    folder = tmp_path / "run"
    said = call(
        "train", data, "--recipe", "smoke", "--steps", 2, "--seed", 3, "--classes", "car", "-o", folder
    )
    target = folder / "detector.safetensors"
    assert said.strip() == str(target)
    detector = load_detector(target)
    assert detector.spec.classes == ("car",) and detector.options["width"] == 0.125
    run = json.loads((folder / "run.json").read_text())
    assert run["recipe"]["train"]["steps"] == 2 and run["recipe"]["train"]["seed"] == 3
    call("predict", scene, "-o", tmp_path / "out", "-m", target)
    row = json.loads(call("evaluate", data, "-m", target, "--classes", "car", "--json"))
    assert row["images"] == 2 and row["objects"] == 2 and 0 <= row["ap50"] <= 1
    text = call("evaluate", data / "train_coco.json", "-m", target, "--classes", "car", "--radius-m", 2)
    assert "ap50 car" in text and "ap50 interval" in text


def test_train_changes_the_recipe_as_asked(data, tmp_path):
    call(
        "train", data / "train_coco.json", "--recipe", "smoke", "--steps", 1, "--width", 0.1, "--reduce", 2,
        "--superres", 2, "--oriented", "--peak", 250, "--bands", "rgb=1,2,3", "-o", tmp_path,
    )  # fmt: skip
    spec = load_detector(tmp_path / "detector.safetensors").spec
    assert spec.reduce == 2 and spec.oriented and spec.peak == 250


def test_registered_pairs_need_no_bands_named(tmp_path, monkeypatch):
    """The last group of a recipe, and of a detector, lies in the second file."""
    boxes, _ = make_set(tmp_path / "rgb", 3)
    images = []
    for image in boxes.images:
        second = tmp_path / f"ir_{image.path.name}"
        with rasterio.open(image.path) as file:
            samples, place = file.read(), tuple(file.transform)[:6]
        write_tiff(second, 255 - samples[:1], transform=place)
        images.append(replace(image, path_ir=second))
    for name in ("train", "val"):
        save_coco(replace(boxes, images=tuple(images)), tmp_path / f"{name}_coco.json")
    paired = replace(RECIPES["smoke"], groups=(("rgb", 3), ("ir", 1)))
    monkeypatch.setitem(RECIPES, "pairs", paired)
    call("train", tmp_path, "--recipe", "pairs", "--steps", 1, "-o", tmp_path / "run")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["bands"] == [
        {"name": "rgb", "bands": [1, 2, 3], "second": False},
        {"name": "ir", "bands": [1], "second": True},
    ]
    assert run["spec"]["mean"][3] > 0.9 > run["spec"]["mean"][0]  # infrared is the inverted red band
    target = tmp_path / "run" / "detector.safetensors"
    assert json.loads(call("evaluate", tmp_path, "-m", target, "--json"))["images"] == 3
    text = call("check", tmp_path, tmp_path)
    assert "sensors apart" in text


def test_train_refuses_kindly(data, tmp_path):
    assert "did you mean" in refused("train", data, "--recipe", "smok", "-o", tmp_path / "x").hint
    assert (
        "3 of rgb"
        in refused("train", data, "--recipe", "smoke", "--bands", "ir=1", "-o", tmp_path / "x").hint
    )
    assert "car" in refused("train", data, "--recipe", "smoke", "--classes", "bus", "-o", tmp_path / "x").hint
    refused("train", tmp_path / "absent", "-o", tmp_path / "x")
    refused("train", data, "--recipe", "smoke", "--superres", 4, "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_evaluate_refuses_classes_that_the_detector_does_not_know(data, tmp_path):
    save_detector(tmp_path / "trees.safetensors", tiny_detector(classes=("tree",)))
    assert "--classes" in refused("evaluate", data, "-m", tmp_path / "trees.safetensors").hint
    refused("evaluate", data, "--part", "test", "-m", tmp_path / "trees.safetensors")


def test_convert_reports_what_it_kept(data, tmp_path):
    text = call("convert", "coco", data, "-o", tmp_path / "out")
    assert "train" in text
    assert (tmp_path / "out" / "report.json").exists() and list((tmp_path / "out").glob("*_coco.json"))
    json.loads(call("convert", "coco", data, "-o", tmp_path / "more", "--straight", "--json"))
    assert "coco" in refused("convert", "cocoo", data, "-o", tmp_path / "no").hint


def test_check_lists_leaks(data):
    text = call("check", data / "train_coco.json", data / "train_coco.json")
    assert "4 by bytes" in text and "4 of 4" in text and "image000.tif  image000.tif" in text
    clean = json.loads(call("check", data, data, "--json"))["leaks"]
    assert [leak for leak in clean if leak["kind"] == "bytes"] == []


def test_models_lists_networks_with_published_sizes():
    rows = json.loads(call("models", "--json"))
    assert set(MODELS) <= set(rows)
    assert rows["superyolo"]["parameters_M"] == pytest.approx(4.8451, abs=1e-4)
    assert rows["superyolo"]["GMAC_at_512"] == pytest.approx(17.91, abs=0.01)


def test_recipes_are_listed():
    text = call("recipes")
    assert all(name in text for name in RECIPES)
    assert json.loads(call("recipes", "--json"))["smoke"]["train"]["steps"] == 20


def test_folds_give_mean_and_deviation(data, tmp_path):
    words = ["folds", data / "all_coco.json", "--recipe", "smoke", "--steps", 1, "-o", tmp_path]
    assert "over 3 folds" in call(*words)
    result = json.loads(call(*words, "--fold", 2, "--json"))
    assert [r["fold"] for r in result["folds"]] == [1, 2, 3]  # those that were run before are taken up
    assert "3" in refused(*words, "--fold", 4).hint
    refused("folds", data / "train_coco.json", "--recipe", "smoke", "-o", tmp_path / "x")


@needs.module("onnxscript", "runtime")
def test_export_writes_a_file_that_predicts_the_same(data, model, scene, tmp_path):
    target = tmp_path / "mine.onnx"
    row = json.loads(call("export", target, "-m", model, "--int8", data / "train_coco.json", "--json"))
    assert row == {"file": str(target), "bytes": target.stat().st_size, "kind": "int8"}
    found = json.loads(call("predict", scene, "-o", tmp_path / "out", "-m", target, "--json"))
    assert found["found"] >= 0 and (tmp_path / "out" / "detections.png").exists()
    assert "onnx" in refused("export", tmp_path / "mine.pt", "-m", model).hint


def test_16_bit_scenes_need_a_word(model, tmp_path):
    path = write_tiff(tmp_path / "a.tif", squares(64, 64, [(9, 9, 20, 20)], dtype=np.uint16))
    assert "--peak" in refused("predict", path, "-o", tmp_path / "out", "-m", model).hint
    call("predict", path, "-o", tmp_path / "out", "-m", model, "--peak", 65535)
