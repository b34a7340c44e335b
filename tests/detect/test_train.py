"""A run on six small images: it learns, goes on, and leaves a detector; held-out images stay out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from detect.scenes import make_set, write_tiff
from safetensors import safe_open

from vedette.detect import train as module
from vedette.detect.augment import Augment
from vedette.detect.bands import BandGroup
from vedette.detect.detector_file import load_detector, save_detector
from vedette.detect.predict import predict
from vedette.detect.recipes import RECIPES, Recipe, recipe
from vedette.detect.store import Store
from vedette.detect.train import finish, inner_split, train
from vedette.errors import InputError, UnknownNameError
from vedette.training import TrainConfig, checkpoint

RGB = (BandGroup("rgb", (1, 2, 3)),)
SMOKE = recipe("smoke")


def short(steps=2, **changes):
    config = {"crop": 64, "batch": 2, "steps": steps, "eval_every": 50, "save_every": 50, "bf16": False}
    return replace(SMOKE, **({"train": TrainConfig(**config)} | changes))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"), 6, side=96)[0]


@pytest.fixture(scope="module")
def run(boxes, tmp_path_factory):
    """A run of three steps: its folder, and the images that training read."""
    folder = tmp_path_factory.mktemp("run") / "mine"
    read, original = [], module.batches

    def watched(store, images, *rest, **options):
        read.extend(image.path.name for image in images)
        return original(store, images, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "batches", watched)
        path = train(short(3), boxes, folder, groups=RGB, command="vedette detect train")
    assert path == folder / checkpoint.NAME
    return folder, read


def test_a_run_is_described(run):
    folder, _ = run
    description = json.loads((folder / "run.json").read_text())
    assert description["command"] == "vedette detect train" and description["recipe"]["model"] == SMOKE.model
    assert description["training_images"] == 5 and description["held_out"] == ["image005.tif"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {"total", "box", "objectness", "class"} <= set(rows[0]) and {"ap50", "ap50_95"} <= set(rows[1])
    assert rows[0]["step"] == 3
    assert (folder / "preview.png").stat().st_size > 100


def test_held_out_images_are_never_learned_from(run):
    folder, read = run
    held = json.loads((folder / "run.json").read_text())["held_out"]
    assert len(read) == 5 and not set(held) & set(read)


def test_what_it_leaves_loads_and_predicts(run, boxes, tmp_path):
    folder, _ = run
    detector = finish(folder / checkpoint.NAME, boxes)
    assert detector.spec.classes == ("car", "boat") and detector.spec.gsd_m == (0.5, 0.5)
    assert (
        detector.spec.dtype == "uint8" and detector.spec.peak == 255 and 0 <= detector.spec.least_score <= 1
    )
    save_detector(tmp_path / "mine.safetensors", detector)
    result = predict(boxes.images[0].path, tmp_path / "out", model=str(tmp_path / "mine.safetensors"))
    assert result.gsd_m == 0.5 and len(result.files) == 4
    again = load_detector(tmp_path / "mine.safetensors")
    assert again.spec == detector.spec


def test_the_detector_is_the_average_of_the_weights(run):
    folder, _ = run
    path = folder / checkpoint.NAME
    kept = finish(path).model.state_dict()
    stored = checkpoint.model_tensors(path, "average.")
    assert all(torch.equal(kept[name], stored[name]) for name in stored) and set(kept) == set(stored)
    now = checkpoint.model_tensors(path, "network.")
    assert any(not torch.equal(stored[name], now[name]) for name in stored)
    assert finish(path, which="best").name == SMOKE.model


def test_means_and_deviations_are_those_of_the_training_images(run, boxes):
    spec = finish(run[0] / checkpoint.NAME).spec
    store = Store(RGB, 255.0)
    samples = np.concatenate([store.read(image).reshape(3, -1) for image in boxes.images[:5]], axis=1) / 255
    assert spec.mean == pytest.approx(samples.mean(axis=1), abs=1e-4)
    assert spec.deviation == pytest.approx(samples.std(axis=1), abs=1e-4)


def test_it_goes_on_where_it_stopped_with_other_crops(run, boxes, tmp_path, monkeypatch):
    import shutil

    folder = tmp_path / "again"
    shutil.copytree(run[0], folder)
    seeds = []
    original = module.batches
    monkeypatch.setattr(
        module, "batches", lambda *a, seed, **k: (seeds.append(seed), original(*a, seed=seed, **k))[1]
    )
    train(short(5), boxes, folder, groups=RGB)
    assert checkpoint.step_of(folder / checkpoint.NAME) == 5
    assert seeds != [SMOKE.train.seed]
    updates = checkpoint.model_tensors(folder / checkpoint.NAME)["updates"]
    assert int(updates) == 5  # the average too
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 3, 5, 5]
    assert "resumed" in json.loads((folder / "run.json").read_text())


def test_super_resolution_of_reduced_images(boxes, tmp_path):
    plan = short(2, superres=2, reduce=2, superres_blocks=1, superres_share=0.5)
    path = train(plan, boxes, tmp_path, groups=RGB)
    with safe_open(path, framework="pt") as file:
        assert any("branch" in key for key in file.keys())  # noqa: SIM118
    row = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert row["superres"] > 0
    detector = finish(path)
    assert detector.spec.reduce == 2
    assert not any("branch" in name for name in detector.model.state_dict())


def test_anchors_come_from_the_data_where_published_ones_do_not_fit(boxes, tmp_path):
    tiny = replace(
        boxes,
        images=tuple(
            replace(i, xyxy=np.concatenate([i.xyxy[:, :2], i.xyxy[:, :2] + [2, 2.4]], axis=1))
            for i in boxes.images
        ),
    )
    train(short(1), tiny, tmp_path / "a", groups=RGB)
    options = json.loads((tmp_path / "a" / "run.json").read_text())["options"]
    assert np.allclose(options["anchors"], [[[2, 2.4]] * 3])
    assert finish(tmp_path / "a" / checkpoint.NAME).model.head.anchors.shape == (1, 3, 2)
    train(short(1), boxes, tmp_path / "b", groups=RGB)
    assert "anchors" not in json.loads((tmp_path / "b" / "run.json").read_text())["options"]


def test_turned_boxes_and_dropped_groups(boxes, tmp_path):
    """Four bands, of which infrared may be absent."""
    images = []
    for image in boxes.images[:3]:
        path = tmp_path / image.path.name
        write_tiff(path, np.random.default_rng(0).integers(0, 255, (4, 96, 96), dtype=np.uint8))
        center = (image.xyxy[:, :2] + image.xyxy[:, 2:]) / 2
        turned = np.concatenate([center, [[12.0, 8.0, 0.4]] * 2], axis=1)
        images.append(replace(image, path=path, cxcywht=turned))
    plan = short(
        2,
        groups=(("rgb", 3), ("ir", 1)),
        optional=("ir",),
        augment=Augment(drop=0.5),
        options={"fusion": "learned", "width": 0.125, "oriented": True},
    )
    four = replace(boxes, images=tuple(images))
    path = train(plan, four, tmp_path / "run", groups=(*RGB, BandGroup("ir", (4,))))
    spec = finish(path, four).spec
    assert spec.oriented and spec.optional == ("ir",) and spec.groups == (("rgb", 3), ("ir", 1))


def test_groups_of_images_stay_together(boxes):
    names = ("a", "a", "b", "b", "c", "c")
    grouped = replace(
        boxes, images=tuple(replace(i, group=g) for i, g in zip(boxes.images, names, strict=True))
    )
    training, held = inner_split(grouped)
    assert {i.group for i in training.images} == {"a", "b"} and {i.group for i in held.images} == {"c"}
    many = replace(boxes, images=tuple(replace(boxes.images[0], group=f"{n:02d}") for n in range(17)))
    training, held = inner_split(many)
    assert [i.group for i in held.images] == ["07", "15"] and len(training.images) == 15
    with pytest.raises(InputError, match="single"):
        inner_split(replace(boxes, images=boxes.images[:1]))


def test_runs_that_cannot_be_are_refused(boxes, tmp_path):
    nothing = replace(boxes, images=tuple(replace(i, ignore=np.ones(2, bool)) for i in boxes.images))
    for plan, data, groups, hint in (
        (short(), boxes, (BandGroup("rgb", (1, 2)),), "3 of rgb"),
        (short(), boxes, (BandGroup("ir", (1, 2, 3)),), "3 of rgb"),
        (short(), nothing, RGB, "classes"),
        (replace(short(), train=TrainConfig(steps=1, crop=72)), boxes, RGB, "multiple"),
    ):
        with pytest.raises(InputError) as caught:
            train(plan, data, tmp_path / "run", groups=groups)
        assert hint in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_without_its_run_is_refused(run, tmp_path):
    (tmp_path / checkpoint.NAME).write_bytes((run[0] / checkpoint.NAME).read_bytes())
    with pytest.raises(InputError, match=r"run\.json") as caught:
        finish(tmp_path / checkpoint.NAME)
    assert caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"superres": 2, "reduce": 3},
        {"superres": 4, "reduce": 2},
        {"optional": ("rgb",)},
        {"superres_share": 0.0},
        {"superres_share": 1.5},
        {"decay": 1.0},
        {"reduce": 0},
    ],
)
def test_recipes_that_make_no_sense_are_refused(values):
    with pytest.raises(InputError) as caught:
        Recipe(train=TrainConfig(steps=1), **values)
    assert caught.value.hint


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_its_network(name):
    plan = recipe(name)
    with torch.device("meta"):
        network = module.build_network(
            plan.model, plan.options | {"classes": 3, "groups": [count for _, count in plan.groups]}
        )
    assert plan.train.crop % network.multiple == 0
    assert set(plan.optional) <= {group for group, _ in plan.groups}


def test_an_unknown_recipe_is_named():
    with pytest.raises(UnknownNameError) as caught:
        recipe("superyolo-vedai")
    assert caught.value.hint
