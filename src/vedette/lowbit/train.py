"""Train a classifier by a recipe, in floating point or in low bits."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from vedette.data.labeled import Labeled, batches, load_classes
from vedette.lowbit.config import LowBit
from vedette.lowbit.convert import convert
from vedette.lowbit.recipes import Recipe
from vedette.nn.classifier_file import Classifier, save_classifier
from vedette.nn.classify import build_classifier
from vedette.nn.layout import channels_last
from vedette.training import RunLog, checkpoint, fit
from vedette.training.classification import Classification

FILE = "classifier.safetensors"


def train(
    recipe: Recipe,
    images: Path,
    output: Path,
    *,
    device: str = "cpu",
    seed: int | None = None,
    command: str = "",
    show: Callable[[str], Any] | None = None,
    progress: Callable[[int], Any] = lambda step: None,
) -> dict[str, Any]:
    """Run `recipe` on the classes in `images`; goes on where it stopped.

    Args:
        images: a folder or zip with one folder of images for each class.
        output: run folder: run.json, metrics.jsonl, checkpoint.safetensors, classifier.safetensors.
        command: noted in run.json.
        show: called with the plan of a conversion.
        progress: called with the number of every step.

    Returns:
        The classifier's path, its accuracy in percent and loss on the images held out, at the last step.
    """
    config = recipe.train if seed is None else replace(recipe.train, seed=seed)
    torch.manual_seed(config.seed)
    data = load_classes(images, side=recipe.side)
    model = build_classifier(recipe.model, classes=len(data.classes))
    precision = recipe.precision
    if isinstance(precision, LowBit):
        sample = data.training.images[: config.batch].float() / 255
        convert(model, replace(precision, seed=config.seed), sample=sample, show=show)
    config = replace(config, bf16=precision == "bf16")
    model = channels_last(model.to(device))
    task = Classification(
        model,
        data.validation,
        optimizer=recipe.optimizer,
        weight_decay=recipe.weight_decay,
        label_smoothing=recipe.label_smoothing,
    )
    path = output / checkpoint.NAME
    start = checkpoint.step_of(path) if path.exists() else 0
    log = RunLog(
        output,
        {
            "command": command,
            "recipe": asdict(recipe),
            "seed": config.seed,
            "classes": data.classes,
            "training_images": len(data.training),
            "validation_images": len(data.validation),
        },
    )
    drawn = batches(data.training, batch=config.batch, seed=config.seed + 1_000_003 * start)
    fit(task, _counted(drawn, start, progress), config, output, log)
    file = output / FILE
    save_classifier(file, Classifier(model, recipe.model, data.classes, recipe.side))
    return {"classifier": str(file), "validation_images": len(data.validation), **task.evaluate()}


def _counted(batches: Iterator[Labeled], start: int, progress: Callable[[int], Any]) -> Iterator[Labeled]:
    for step, batch in enumerate(batches, start):
        progress(step)
        yield batch
