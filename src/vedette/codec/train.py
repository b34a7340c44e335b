"""Train a codec on folders of photographs: everything between a recipe and a checkpoint."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor, distributed

from vedette.codec.codec import freeze
from vedette.codec.models import build
from vedette.codec.recipes import Recipe
from vedette.codec.task import RateDistortion
from vedette.data import crops, find_images, load_rgb, split
from vedette.errors import InputError
from vedette.nn.layout import channels_last
from vedette.training import RunLog, TrainConfig, checkpoint, fit, runlog

VALIDATION_EVERY = 25  # every 25th image of a folder is held out
VALIDATION_MOST = 8  # images scored at each validation
CALIBRATION_CROPS = 64
CALIBRATION_IMAGES = 24
CALIBRATION_SIDE = 256  # pixels


def train(
    recipe: Recipe,
    folders: Sequence[Path],
    output: Path,
    *,
    halved: Sequence[Path] = (),
    start: Path | None = None,
    device: str = "cpu",
    command: str = "",
) -> Path:
    """Run `recipe` and return the checkpoint's path; an interrupted run goes on from its checkpoint.

    Args:
        folders: images for training as they are; every 25th is held out for validation.
        halved: folders whose images are first halved (those that were JPEG).
        output: run folder: run.json, metrics.jsonl, checkpoint.safetensors.
        start: parameters to begin with, where the run is new (`weights/training/`).
        command: noted in run.json.

    Under `torchrun` (WORLD_SIZE set) the batch is shared among the processes.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    if ranks > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    config = recipe.train
    torch.manual_seed(config.seed)
    training, validation = _load(folders, halved, config.crop)
    model = build(recipe.model, **recipe.options)
    sample = next(crops(training, batch=CALIBRATION_CROPS, side=config.crop, seed=config.seed))
    model.calibrate(sample)
    if start is not None:
        checkpoint.load_model(start, model)
    model = channels_last(model.to(device))
    # noise differs between processes, crops and qualities are drawn alike and shared out
    task = RateDistortion(
        model,
        validation,
        distortion=recipe.distortion,
        rdoq=recipe.rdoq,
        rate_weights=recipe.rate_weights,
        seed=config.seed,
        rank=rank,
        ranks=ranks,
    )
    output.mkdir(parents=True, exist_ok=True)
    batches = crops(
        training,
        batch=config.batch,
        side=config.crop,
        seed=_data_seed(output, config),
        rank=rank,
        ranks=ranks,
    )
    description = {"command": command, "recipe": asdict(recipe), "training_images": len(training)}
    log = RunLog(output, description) if rank == 0 else lambda step, values: None
    fit(task, batches, config, output, log)
    return output / checkpoint.NAME


def changed(
    recipe: Recipe,
    *,
    steps: int | None = None,
    seed: int | None = None,
    rate_weights: tuple[float, float] | None = None,
) -> Recipe:
    """`recipe` with other steps, seed or weights of the low and high rates."""
    config = recipe.train
    if steps is not None:
        config = replace(config, steps=steps)
    if seed is not None:
        config = replace(config, seed=seed)
    return replace(recipe, train=config, rate_weights=rate_weights or recipe.rate_weights)


def _data_seed(output: Path, config: TrainConfig) -> int:
    """A resumed run must not see the crops of its beginning again."""
    path = output / checkpoint.NAME
    return config.seed + (1_000_003 * checkpoint.step_of(path) if path.exists() else 0)


def _load(
    folders: Sequence[Path], halved: Sequence[Path], crop: int
) -> tuple[list[UInt8[Tensor, "3 h w"]], list[UInt8[Tensor, "3 h w"]]]:
    training: list[Tensor] = []
    validation: list[Tensor] = []
    for folder, halve in [(f, False) for f in folders] + [(f, True) for f in halved]:
        kept, held = split(find_images(folder), validation_every=VALIDATION_EVERY)
        training += [load_rgb(path, halve=halve) for path in kept]
        validation += [load_rgb(path, halve=halve) for path in held[: VALIDATION_MOST // 2]]
    return [image for image in training if min(image.shape[1:]) >= crop], validation


def freeze_checkpoint(path: Path, images: Path) -> bytes:
    """The weights file of a training checkpoint; ranges are measured on crops of the images in a folder.

    The model is the one that run.json beside the checkpoint names.

    Raises:
        InputError: no run.json there.
    """
    description = path.with_name(runlog.NAME)
    if not description.exists():
        raise InputError(
            f"{path.name} has no {runlog.NAME} beside it", hint="give a checkpoint in its run's folder"
        )
    recipe = json.loads(description.read_text())["recipe"]
    model = build(recipe["model"], **recipe.get("options", {})).eval()
    checkpoint.load_model(path, model)
    photographs = [load_rgb(image) for image in find_images(images)[:CALIBRATION_IMAGES]]
    largest = max(min(image.shape[1:]) for image in photographs)
    side = min(CALIBRATION_SIDE, largest) // model.stride * model.stride
    sample = next(crops(photographs, batch=CALIBRATION_IMAGES, side=side, seed=1))
    return freeze(model, sample)
