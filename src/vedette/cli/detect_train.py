"""`vedette detect train`, `folds` and `recipes`."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette.cli.detect_options import (
    PATH,
    bands_option,
    classes_option,
    device_option,
    format_option,
    groups_of,
    json_option,
    names_of,
    progress_bar,
)
from vedette.cli.sizes import show

if TYPE_CHECKING:
    from vedette.detect.bands import BandGroup
    from vedette.detect.recipes import Recipe


@click.command()
@click.argument("data", type=PATH)
@click.option("--recipe", "name", default="cars-rgb", show_default=True, help="See `recipes`.")
@click.option("-o", "--output", type=PATH, required=True, help="Run folder; resumes what it holds.")
@bands_option
@classes_option
@format_option
@click.option("--steps", type=click.IntRange(min=1), help="Other steps than the recipe's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Another seed than the recipe's.")
@click.option("--width", type=float, help="Width of the network; 0.25 and 0.5 are lite and published.")
@click.option("--reduce", type=click.IntRange(1, 8), help="Pixels, each way, that make one of the network's.")
@click.option(
    "--superres", type=click.Choice(["0", "1", "2", "4"]), help="Factor of the branch for training."
)
@click.option("--oriented", is_flag=True, help="Learn turned boxes.")
@click.option("--peak", type=float, help="Sample value that is white; by default the type's largest.")
@device_option
def train(
    data: Path,
    name: str,
    output: Path,
    bands: tuple[str, ...],
    classes: str | None,
    kind: str | None,
    peak: float | None,
    device: str,
    **changes: Any,
) -> None:
    """Train a detector on DATA: a COCO file, a converted folder, or a YOLO, VEDAI ... folder.

    Every 8th image is held out to watch the run; no test image is touched. Writes detector.safetensors.

    \b
    vedette detect train cars/train_coco.json -o runs/cars
    vedette detect train vedai/ --recipe superyolo -o runs/vedai --device cuda
    vedette detect train trees/ --recipe trees-rgbn --bands rgb=1,2,3 --bands nir=4 -o runs/trees
    """
    from vedette.detect.detector_file import save_detector
    from vedette.detect.sets import open_set
    from vedette.detect.train import finish
    from vedette.detect.train import train as run

    plan = _changed(name, **changes)
    boxes = open_set(data, kind=kind, only=names_of(classes))
    command = shlex.join(["vedette", *sys.argv[1:]])
    groups = groups_of(bands) or _default_groups(plan, boxes.images[0].path_ir is not None)
    checkpoint = run(plan, boxes, output, groups=groups, peak=peak, device=device, command=command)
    target = output / "detector.safetensors"
    save_detector(target, finish(checkpoint, boxes))
    click.echo(str(target))


def _changed(name: str, *, oriented: bool = False, **changes: Any) -> "Recipe":
    from dataclasses import replace

    from vedette.detect.recipes import recipe

    plan = recipe(name)
    for key in ("steps", "seed"):
        if changes.get(key) is not None:
            plan = replace(plan, train=replace(plan.train, **{key: changes[key]}))
    options = dict(plan.options)
    if changes.get("width") is not None:
        options["width"] = changes["width"]
    if oriented:
        options["oriented"] = True
    reduce = plan.reduce if changes.get("reduce") is None else changes["reduce"]
    superres = plan.superres if changes.get("superres") is None else int(changes["superres"])
    return replace(plan, options=options, reduce=reduce, superres=superres)


def _default_groups(plan: "Recipe", paired: bool) -> "list[BandGroup]":
    """Bands in the recipe's order; of pairs the last group lies in the second file."""
    from vedette.detect.bands import BandGroup

    groups, first = [], 1
    for number, (name, count) in enumerate(plan.groups):
        second = paired and number == len(plan.groups) - 1 and number > 0
        start = 1 if second else first
        groups.append(BandGroup(name, tuple(range(start, start + count)), second))
        first += count
    return groups


@click.command()
@click.argument("data", type=PATH)
@click.option("--recipe", "name", default="superyolo", show_default=True, help="See `recipes`.")
@click.option("-o", "--output", type=PATH, required=True, help="Folder of the runs; resumes.")
@click.option("--fold", "which", type=int, multiple=True, help="Only this fold; repeat. Default: all.")
@bands_option
@format_option
@click.option("--steps", type=click.IntRange(min=1), help="Other steps than the recipe's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Another seed than the recipe's.")
@device_option
@json_option
def folds(
    data: Path,
    name: str,
    output: Path,
    which: tuple[int, ...],
    bands: tuple[str, ...],
    kind: str | None,
    device: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Cross-validate on DATA, whose images have a group each, as VEDAI's folds: mean and sd.

    The score is of the last average of the weights, never of the epoch that suits the test fold best.

    \b
    vedette detect folds VEDAI/ --device cuda -o runs/vedai           # all ten
    vedette detect folds vedai/all_coco.json --fold 1 -o runs/vedai
    """
    from vedette.detect.folds import folds_by_group, run_folds
    from vedette.detect.sets import open_set

    boxes = open_set(data, "all", kind=kind)
    plan = _changed(name, **changes)
    groups = groups_of(bands) or _default_groups(plan, boxes.images[0].path_ir is not None)
    with progress_bar("folds") as progress:
        result = run_folds(
            plan,
            folds_by_group(boxes),
            output,
            groups=groups,
            which=which,
            device=device,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(result))
        return
    rows: dict[str, object] = {}
    for score, of in result["summary"].items():
        rows[score] = f"{of['mean']:.4f} +- {of['sd']:.4f} over {of['folds']} folds"
    show(rows, as_json=False)


@click.command()
@json_option
def recipes(as_json: bool) -> None:
    """List the training recipes."""
    from dataclasses import asdict

    from vedette.detect.recipes import RECIPES

    if as_json:
        click.echo(json.dumps({name: asdict(recipe) for name, recipe in RECIPES.items()}))
        return
    for name, recipe in RECIPES.items():
        bands = " + ".join(f"{count} {group}" for group, count in recipe.groups)
        branch = f"super-resolution by {recipe.superres}" if recipe.superres else "no super-resolution"
        seen = f"{recipe.train.crop} px crops of 1/{recipe.reduce} size, {branch}"
        click.echo(f"{name:14} {recipe.model}, {bands}, {recipe.train.steps} steps, {seen}")
