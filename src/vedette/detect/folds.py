"""Cross-validation as VEDAI is reported: every fold trained from scratch, scored three ways, mean and sd.

The released SuperYOLO code keeps the epoch that scores best on the test fold itself. Here the score is of
the last average of the weights; "inner_best" is of the average that did best on images held out of the
training part; "published" is of the last one by the published protocol of scoring (specification section
7: scores from 0.001, suppression that drops single boxes, the YOLO family's AP).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from vedette.data.boxes import BoxSet
from vedette.detect.bands import BandGroup
from vedette.detect.evaluate import LEAST, evaluate, pairs
from vedette.detect.leaks import leaks
from vedette.detect.recipes import Recipe
from vedette.detect.scene import Finding
from vedette.detect.train import finish, train
from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.metrics.yolo import yolo_average_precision

PUBLISHED = Finding(
    least_score=LEAST, suppress="redundant", threshold=0.6, most=300, every_label=True, tile=0
)


def run_folds(
    recipe: Recipe,
    folds: Sequence[tuple[BoxSet, BoxSet]],
    output: Path,
    *,
    groups: Sequence[BandGroup],
    which: Sequence[int] = (),
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Train and score folds; what is done already is not done again. Also written to `output`/folds.json.

    Args:
        folds: training and test part of each.
        which: numbers of the folds to run, from 1; () for all. Other folds' results are taken up if there.

    Raises:
        InputError: a training part that shares files with its test part.
    """
    chosen = list(which) or list(range(1, len(folds) + 1))
    for done, number in enumerate(chosen):
        if not 1 <= number <= len(folds):
            raise InputError(f"fold {number}", hint=f"there are {len(folds)}")
        training, test = folds[number - 1]
        folder = output / f"fold{number:02d}"
        score_file = folder / "score.json"
        if not score_file.exists():
            shared = {i.path.resolve() for i in training.images} & {i.path.resolve() for i in test.images}
            if shared:
                names = sorted(path.name for path in shared)
                raise InputError(
                    f"fold {number} tests on images it learned from: {', '.join(names[:3])}",
                    hint="see `vedette detect check`",
                )
            checkpoint = train(recipe, training, folder, groups=groups, device=device)
            score = score_fold(checkpoint, training, test, groups, device) | {"fold": number}
            write_atomically(score_file, json.dumps(score, indent=1).encode())
        progress(done + 1, len(chosen))
    files = [output / f"fold{number:02d}" / "score.json" for number in range(1, len(folds) + 1)]
    results = [json.loads(file.read_text()) for file in files if file.exists()]
    summary = {"folds": results, "summary": summary_of(results)}
    write_atomically(output / "folds.json", json.dumps(summary, indent=1).encode())
    return summary


def score_fold(
    checkpoint: Path, training: BoxSet, test: BoxSet, groups: Sequence[BandGroup], device: str
) -> dict[str, Any]:
    """Scores of a run on its test part: of the last average; "published_ap50" by the published protocol."""
    detector = finish(checkpoint, training)
    network = detector.network(device)
    own = evaluate(test, network, detector.spec, groups).to_dict()
    truths, founds, _ = pairs(test, network, detector.spec, groups, PUBLISHED)
    theirs = yolo_average_precision(truths, founds, detector.spec.classes)
    best = finish(checkpoint, which="best")
    inner = evaluate(test, best.network(device), best.spec, groups, draws=1).scores
    return own | {
        "inner_best_ap50": inner.ap50,
        "inner_best_ap50_95": inner.ap50_95,
        "published_ap50": mean(theirs.values()) if theirs else 0.0,
        "published_ap50_of": theirs,
        "leaks_by_bytes": sum(leak.kind == "bytes" for leak in leaks(training, test)),
    }


def summary_of(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over folds.

    >>> scores = {"ap50": 0.7, "ap50_95": 0.4, "inner_best_ap50": 0.7, "published_ap50": 0.8}
    >>> summary_of([scores])["ap50"]
    {'mean': 0.7, 'sd': 0.0, 'folds': 1}
    """
    return {
        name: {
            "mean": mean(result[name] for result in results),
            "sd": stdev(result[name] for result in results) if len(results) > 1 else 0.0,
            "folds": len(results),
        }
        for name in ("ap50", "ap50_95", "inner_best_ap50", "published_ap50")
    }


def folds_by_group(boxes: BoxSet) -> list[tuple[BoxSet, BoxSet]]:
    """Training and test part for each group of a set ("fold-1", ...); images without a group only train.

    Raises:
        InputError: fewer than two groups.
    """
    names = sorted({image.group for image in boxes.images if image.group}, key=lambda name: (len(name), name))
    if len(names) < 2:
        raise InputError(
            f"{len(names)} groups of images",
            hint="convert VEDAI without a fold, or give images a group each",
        )
    return [
        (
            replace(boxes, images=tuple(i for i in boxes.images if i.group != name)),
            replace(boxes, images=tuple(i for i in boxes.images if i.group == name)),
        )
        for name in names
    ]
