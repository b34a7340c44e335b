"""Cross-validation on six small images in two or three folds."""

import json
from dataclasses import replace

import pytest
from detect.scenes import make_set

from vedette.detect import folds as module
from vedette.detect.bands import BandGroup
from vedette.detect.folds import folds_by_group, run_folds, summary_of
from vedette.detect.recipes import recipe
from vedette.errors import InputError
from vedette.training import TrainConfig

RGB = (BandGroup("rgb", (1, 2, 3)),)
PLAN = replace(recipe("smoke"), train=TrainConfig(steps=2, crop=64, batch=2, bf16=False))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"), 6, groups=("fold-1", "fold-2", "fold-10"))[0]


def test_each_group_is_a_test_part_once_in_the_order_of_numbers(boxes):
    some = replace(boxes, images=(*boxes.images, replace(boxes.images[0], group="")))
    parts = folds_by_group(some)
    assert [{i.group for i in test.images} for _, test in parts] == [{"fold-1"}, {"fold-2"}, {"fold-10"}]
    for training, test in parts:
        assert len(training.images) == 5 and len(test.images) == 2
        assert "" in {i.group for i in training.images}
    with pytest.raises(InputError) as caught:
        folds_by_group(replace(boxes, images=boxes.images[:1]))
    assert caught.value.hint


def test_folds_are_trained_scored_and_not_done_again(boxes, tmp_path, monkeypatch):
    parts, seen = folds_by_group(boxes), []
    first = run_folds(PLAN, parts, tmp_path, groups=RGB, which=(2,))
    assert [r["fold"] for r in first["folds"]] == [2] and first["summary"]["ap50"]["folds"] == 1
    run = json.loads((tmp_path / "fold02" / "run.json").read_text())
    assert run["training_images"] + len(run["held_out"]) == 4
    trained = []
    original = module.train
    monkeypatch.setattr(module, "train", lambda *a, **k: (trained.append(a[2].name), original(*a, **k))[1])
    both = run_folds(PLAN, parts[:2], tmp_path, groups=RGB, progress=lambda *pair: seen.append(pair))
    assert trained == ["fold01"] and seen == [(1, 2), (2, 2)]
    assert both["folds"][1] == first["folds"][0]
    assert json.loads((tmp_path / "folds.json").read_text()) == both
    for result in both["folds"]:
        assert {"ap50", "ap50_95", "published_ap50", "leaks_by_bytes", "ap50_interval"} <= set(result)
        assert result["leaks_by_bytes"] == 0 and result["images"] == 2


def test_a_summary_by_hand():
    results = [{"ap50": a, "ap50_95": 0.5, "published_ap50": a / 2} for a in (0.4, 0.6, 0.8)]
    summary = summary_of([r | {"inner_best_ap50": 0.1} for r in results])
    assert summary["ap50"] == {"mean": pytest.approx(0.6), "sd": pytest.approx(0.2), "folds": 3}
    assert summary["published_ap50"]["mean"] == pytest.approx(0.3) and summary["ap50_95"]["sd"] == 0


def test_a_fold_that_is_not_there_and_one_that_tests_what_it_learned_are_refused(boxes, tmp_path):
    parts = folds_by_group(boxes)
    for which in ((4,), (0,)):
        with pytest.raises(InputError, match=f"fold {which[0]}") as caught:
            run_folds(PLAN, parts, tmp_path, groups=RGB, which=which)
        assert "3" in caught.value.hint
    with pytest.raises(InputError, match=r"image000\.tif"):
        run_folds(PLAN, [(boxes, parts[0][1])], tmp_path, groups=RGB)


def test_the_published_protocol_is_that_of_the_specification():
    """Section 7: scores from 0.001, redundant merging at 0.6, 300 boxes, several labels, in one piece."""
    wanted = {"least_score": 0.001, "suppress": "redundant", "threshold": 0.6, "most": 300}
    wanted |= {"every_label": True, "tile": 0}
    assert {name: getattr(module.PUBLISHED, name) for name in wanted} == wanted
