"""Train a detector on a set: everything between a recipe and a detector's file."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from vedette.data.boxes import BoxImage, BoxSet
from vedette.detect.anchors import RECALL_LEAST, best_recall, fitting, sides
from vedette.detect.augment import batches
from vedette.detect.bands import BandGroup
from vedette.detect.detector_file import Detector
from vedette.detect.evaluate import LEAST, pairs
from vedette.detect.models import build
from vedette.detect.models.yolo import Yolo
from vedette.detect.preview import preview
from vedette.detect.recipes import Recipe
from vedette.detect.scene import Finding
from vedette.detect.spec import PEAKS, DetectorSpec
from vedette.detect.store import Store
from vedette.detect.superres import TAP_STRIDE, SuperResolution
from vedette.detect.task import Detection, Learner
from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.metrics.average_precision import average_precision
from vedette.metrics.f1 import f1_curve
from vedette.nn.layout import channels_last
from vedette.training import RunLog, checkpoint, fit, runlog

INNER_EVERY = 8  # every 8th image, or group of images, of the training part is held out
INNER_MOST = 24  # images scored at each validation
STATISTICS_IMAGES = 64


def train(
    recipe: Recipe,
    boxes: BoxSet,
    output: Path,
    *,
    groups: Sequence[BandGroup],
    peak: float | None = None,
    device: str = "cpu",
    command: str = "",
) -> Path:
    """Run `recipe` on the training part of a set and return the checkpoint; it goes on where it stopped.

    Every 8th image is held out to watch the run and to choose the least score; where images belong to
    groups (frames of a sequence), whole groups are. The run's scores are of these, never of a test set.

    Args:
        groups: which bands of the files each group of the recipe is.
        output: run folder: run.json, metrics.jsonl, checkpoint.safetensors, preview.png.
        peak: sample value that becomes 1.0; by default the type's largest.

    Raises:
        InputError: groups that are not the recipe's, no objects, or crops that no image can fill.
    """
    if [(group.name, len(group.bands)) for group in groups] != list(recipe.groups):
        want = ", ".join(f"{count} of {name}" for name, count in recipe.groups)
        raise InputError(
            f"bands {', '.join(f'{len(g.bands)} of {g.name}' for g in groups)}", hint=f"the recipe has {want}"
        )
    if not boxes.objects:
        raise InputError("a set without objects", hint="check its classes")
    config = recipe.train
    torch.manual_seed(config.seed)
    training, inner = inner_split(boxes)
    store = Store(groups, 1.0)
    sample = store.read(training.images[0])
    dtype = np.dtype(sample.dtype).name
    store.peak = peak or PEAKS[dtype]
    options = recipe.options | {
        "classes": len(boxes.classes),
        "groups": [count for _, count in recipe.groups],
    }
    options |= _anchors(recipe, training, options)
    network = build_network(recipe.model, options)
    if config.crop % network.multiple:
        raise InputError(f"crops of {config.crop} pixels", hint=f"a multiple of {network.multiple} is needed")
    spec = _spec(recipe, boxes, network, store, dtype, training.images)
    branch = None
    if recipe.superres:
        if network.head.strides[0] != TAP_STRIDE:
            raise InputError(
                f"super-resolution of a network of stride {network.head.strides[0]}",
                hint=f"its branch takes maps at stride {TAP_STRIDE}: leave Focus out, or the branch",
            )
        branch = SuperResolution(
            network.taps, sum(spec.counts), factor=recipe.superres, blocks=recipe.superres_blocks
        )
    learner = Learner(network, branch, recipe.decay)
    learner = channels_last(learner.to(device))
    some = BoxSet(classes=inner.classes, images=inner.images[:INNER_MOST])
    task = Detection(
        learner,
        score=lambda model: _score(model, recipe.model, options, spec, some, groups, device),
        look=lambda learner: _picture(learner, store, inner.images[0], spec, output),
        optimizer=recipe.optimizer,
        weight_decay=recipe.weight_decay,
        share=recipe.superres_share,
        parity=recipe.parity,
        seed=config.seed,
    )
    output.mkdir(parents=True, exist_ok=True)
    path = output / checkpoint.NAME
    resumed = checkpoint.step_of(path) if path.exists() else 0
    data = batches(
        store,
        training.images,
        recipe.augment,
        groups=recipe.groups,
        batch=config.batch,
        side=config.crop,
        reduce=recipe.reduce,
        factor=recipe.superres,
        seed=config.seed + 1_000_003 * resumed,  # a resumed run must not see its beginning again
    )
    description = {
        "command": command,
        "recipe": asdict(recipe),
        "options": options,
        "spec": json.loads(spec.json()),
        "bands": [asdict(group) for group in groups],
        "training_images": len(training.images),
        "held_out": [image.path.name for image in inner.images],
    }
    fit(task, data, config, output, RunLog(output, description))
    return path


def build_network(name: str, options: dict[str, Any]) -> Yolo:
    """The network of options as they are stored."""
    return build(name, **{key: tuple(v) if key == "groups" else v for key, v in options.items()})


def inner_split(boxes: BoxSet) -> tuple[BoxSet, BoxSet]:
    """The set without every 8th image, and these; images of a group stay together."""
    keys = [image.group or image.path.as_posix() for image in boxes.images]
    if len(set(keys)) < 2:  # all of one group
        keys = [image.path.as_posix() for image in boxes.images]
    order = sorted(set(keys))
    held = set(order[INNER_EVERY - 1 :: INNER_EVERY]) or set(order[-1:])
    if len(order) < 2:
        raise InputError("a single image", hint="at least two are needed to learn from")
    kept = tuple(image for image, key in zip(boxes.images, keys, strict=True) if key not in held)
    rest = tuple(image for image, key in zip(boxes.images, keys, strict=True) if key in held)
    return replace(boxes, images=kept), replace(boxes, images=rest)


def finish(
    path: Path, boxes: BoxSet | None = None, *, which: Literal["average", "best"] = "average"
) -> Detector:
    """The detector of a run's checkpoint: the average of its weights.

    Args:
        boxes: the set it was trained on: the least score is chosen on the images that were held out.
        which: "best": the average at the validation, on held-out images, that scored best, not the last one.

    Raises:
        InputError: no run.json beside the checkpoint.
    """
    description = path.with_name(runlog.NAME)
    if not description.exists():
        raise InputError(
            f"{path.name} has no {runlog.NAME} beside it", hint="give a checkpoint in its run's folder"
        )
    run = json.loads(description.read_text())
    options, spec = run["options"], DetectorSpec.parse(json.dumps(run["spec"]))
    name = run["recipe"]["model"]
    model = build_network(name, options)
    tensors = checkpoint.model_tensors(path, f"{which}.")
    model.load_state_dict(tensors)
    if boxes is not None:
        groups = [BandGroup(g["name"], tuple(g["bands"]), g["second"]) for g in run["bands"]]
        inner = inner_split(boxes)[1]
        network = Detector(model, name, options, spec).network()
        truths, founds, _ = pairs(inner, network, spec, groups, Finding(least_score=LEAST))
        curve = f1_curve(truths, founds, spec.classes, oriented=spec.oriented and inner.oriented)
        if len(curve.f1):
            spec = replace(spec, least_score=round(float(curve.thresholds[curve.f1.argmax()]), 3))
    return Detector(model.eval(), name, options, spec)


def _anchors(recipe: Recipe, boxes: BoxSet, options: dict[str, Any]) -> dict[str, Any]:
    """Anchors from the data, where the model's fit too few of the objects."""
    model = build_network(recipe.model, options)
    wh = sides(boxes, recipe.reduce)
    if not recipe.autoanchor or best_recall(wh, model.head.anchors.numpy()) >= RECALL_LEAST:
        return {}
    return {"anchors": fitting(wh, len(model.head.convs)).round(2).tolist()}


def _spec(
    recipe: Recipe,
    boxes: BoxSet,
    network: Yolo,
    store: Store,
    dtype: str,
    images: Sequence[BoxImage],
) -> DetectorSpec:
    chosen = images[:: max(1, len(images) // STATISTICS_IMAGES)]
    means = np.stack([store.read(image).mean(axis=(1, 2)) for image in chosen]) / store.peak
    squares = np.stack([(store.read(i).astype(np.float64) ** 2).mean(axis=(1, 2)) for i in chosen])
    mean = means.mean(axis=0)
    deviation = np.sqrt(np.maximum(squares.mean(axis=0) / store.peak**2 - mean**2, 0))
    gsds = [image.gsd_m for image in boxes.images if image.gsd_m]
    return DetectorSpec(
        classes=boxes.classes,
        groups=recipe.groups,
        optional=recipe.optional,
        dtype=dtype,
        peak=store.peak,
        reduce=recipe.reduce,
        gsd_m=(min(gsds), max(gsds)) if len(gsds) == len(boxes.images) else None,
        oriented=network.oriented,
        multiple=network.multiple,
        mean=tuple(mean.round(4).tolist()),
        deviation=tuple(deviation.round(4).tolist()),
    )


def _picture(learner: Learner, store: Store, image: BoxImage, spec: DetectorSpec, output: Path) -> None:
    """preview.png of the run: what the network sees of a held-out image, makes of it, and finds in it."""
    buffer = io.BytesIO()
    preview(learner, store, image, spec).save(buffer, "PNG")
    write_atomically(output / "preview.png", buffer.getvalue())


def _score(
    model: Yolo,
    name: str,
    options: dict[str, Any],
    spec: DetectorSpec,
    boxes: BoxSet,
    groups: Sequence[BandGroup],
    device: str,
) -> dict[str, float]:
    """AP of `model` on held-out images."""
    network = Detector(model, name, options, spec).network(device)
    truths, founds, _ = pairs(boxes, network, spec, groups, Finding(least_score=0.01))
    scores = average_precision(truths, founds, spec.classes, oriented=spec.oriented and boxes.oriented)
    return {"ap50": scores.ap50, "ap50_95": scores.ap50_95}
