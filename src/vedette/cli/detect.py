"""`vedette detect`: find small objects in scenes; train, convert, check, evaluate and export detectors."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli.sizes import show

if TYPE_CHECKING:
    from vedette.detect.bands import BandGroup
    from vedette.detect.recipes import Recipe

PATH = click.Path(path_type=Path)
bands_option = click.option(
    "--bands",
    "bands",
    multiple=True,
    metavar="NAME=1,2,3",
    help="Which bands of the file a group is: rgb=1,2,3; nir=4; ir=second:1 for a second file. Repeat.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
format_option = click.option("--format", "kind", help="Format of the folder; by default seen by its files.")
classes_option = click.option("--classes", help="Only these classes, comma-separated, in this order.")
device_option = click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")


@contextmanager
def _bar(text: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _groups(bands: tuple[str, ...]) -> "list[BandGroup]":
    from vedette.detect.bands import parse_group

    return [parse_group(text) for text in bands]


def _names(classes: str | None) -> list[str] | None:
    return None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]


@click.group()
def detect() -> None:
    """Small objects in scenes of any size and any bands.

    \b
    vedette detect predict scene.tif -o out/
    vedette detect convert vedai VEDAI/ -o vedai/
    vedette detect train vedai/ -o runs/mine
    vedette detect evaluate vedai/val_coco.json -m runs/mine/detector.safetensors
    vedette detect export mine.onnx -m runs/mine/detector.safetensors
    """


@detect.command()
@click.argument("scene", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the files.")
@click.option("-m", "--model", default="cars-rgb", show_default=True, help="A shipped name, or a file.")
@bands_option
@click.option("--second", type=PATH, help="A registered file of another sensor.")
@click.option(
    "--score", "least_score", type=click.FloatRange(0, 1), help="Least score, instead of the detector's."
)
@click.option(
    "--suppress",
    type=click.Choice(["nms", "soft", "merge", "redundant"]),
    default="nms",
    show_default=True,
    help="How doubles are removed.",
)
@click.option("--overlap-most", "threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Two boxes that overlap more are one.")  # fmt: skip
@click.option(
    "--measure",
    type=click.Choice(["iou", "ios", "center"]),
    default="iou",
    show_default=True,
    help="Of overlap: over the union, over the smaller box, or by the distance of centers.",
)
@click.option("--tile", default=512, show_default=True, help="Side of a window, network pixels; 0: none.")
@click.option("--peak", type=float, help="Sample value that is white, for other samples than learned from.")
@click.option("--gsd-m", "scene_gsd_m", type=float, help="Meters a pixel, where the file does not say.")
@click.option("--any-gsd", is_flag=True, help="Take pixels of any size on the ground.")
@click.option("--crs", help="CRS of the GeoJSON, e.g. EPSG:4326; by default the scene's own.")
@click.option("--no-picture", is_flag=True, help="Write no detections.png.")
@device_option
@json_option
def predict(
    scene: Path,
    output: Path,
    model: str,
    bands: tuple[str, ...],
    no_picture: bool,
    as_json: bool,
    least_score: float | None,
    suppress: str,
    threshold: float,
    measure: Any,
    tile: int,
    **options: Any,
) -> None:
    """Find objects in SCENE: GeoJSON in its CRS, COCO JSON, a QGIS style and a picture.

    \b
    vedette detect predict scene.tif -o out/
    vedette detect predict scene.tif -o out/ -m trees-rgbn --bands rgb=1,2,3 --bands nir=4
    vedette detect predict rgb.tif --second ir.tif -m mine.onnx --bands rgb=1,2,3 --bands ir=second:1 -o out/
    """
    from vedette.detect.predict import predict as run
    from vedette.detect.scene import Finding

    finding = Finding(
        least_score=least_score, suppress=suppress, threshold=threshold, measure=measure, tile=tile
    )
    with _bar("looking") as progress:
        result = run(
            scene,
            output,
            model=model,
            bands=_groups(bands),
            finding=finding,
            with_picture=not no_picture,
            progress=progress,
            **options,
        )
    show(result.row(), as_json=as_json)


@detect.command()
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
    boxes = open_set(data, kind=kind, only=_names(classes))
    command = shlex.join(["vedette", *sys.argv[1:]])
    groups = _groups(bands) or _default_groups(plan, boxes.images[0].path_ir is not None)
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


@detect.command()
@click.argument("data", type=PATH)
@click.option("-m", "--model", default="cars-rgb", show_default=True, help="A shipped name, or a file.")
@click.option("--part", default="val", show_default=True, help="Of a folder.")
@bands_option
@classes_option
@format_option
@click.option("--radius-m", type=float, help="Compare centers too, within so many meters.")
@device_option
@json_option
def evaluate(
    data: Path,
    model: str,
    part: str,
    bands: tuple[str, ...],
    classes: str | None,
    kind: str | None,
    radius_m: float | None,
    device: str,
    as_json: bool,
) -> None:
    """Score a detector on DATA: AP50, AP50:95 with intervals, AP by class and size, F1.

    \b
    vedette detect evaluate cars/val_coco.json -m cars-rgb
    vedette detect evaluate trees/ -m trees-rgbn --bands rgb=1,2,3 --radius-m 3   # without infrared
    """
    from vedette.detect.evaluate import evaluate as run
    from vedette.detect.predict import load_network
    from vedette.detect.sets import open_set
    from vedette.images import open_scene

    boxes = open_set(data, part, kind=kind, only=_names(classes))
    network, spec = load_network(model, device=device)
    paired = boxes.images[0].path_ir is not None
    with open_scene(boxes.images[0].path, bands=(1,)) as probe:
        chosen = spec.groups_of(_groups(bands), probe.source_bands, paired=paired)
    with _bar("scoring") as progress:
        result = run(boxes, network, spec, chosen, radius_m=radius_m, progress=progress)
    row = result.to_dict()
    if as_json:
        click.echo(json.dumps(row, allow_nan=False))
        return
    of_class, by_size = row.pop("ap50_of"), row.pop("ap50_by_size")
    for key in ("ap50_interval", "ap50_95_interval"):
        row[key] = " to ".join(f"{value:.3f}" for value in row[key])
    row |= {f"ap50 {name}": "none there" if ap is None else ap for name, ap in of_class.items()}
    row |= {f"ap50 {name}": f"{s['ap50']:.4g} of {s['objects']}" for name, s in by_size.items()}
    show(row, as_json=False)


@detect.command()
@click.argument("kind")
@click.argument("source", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder to make.")
@click.option("--fold", type=click.IntRange(1, 10), help="VEDAI: train and val of this fold alone.")
@click.option("--side", type=click.Choice(["512", "1024"]), help="VEDAI: images of this side.")
@click.option("--parity", is_flag=True, help="VEDAI: classes and boxes as published, motorcycles among vans.")
@click.option("--straight", is_flag=True, help="Leave turned boxes out.")
@click.option("--labels", type=click.Choice(["ir", "rgb"]), default="ir", show_default=True,
              help="DroneVehicle: whose labels.")  # fmt: skip
@click.option("--border", type=click.IntRange(min=0), default=100, show_default=True,
              help="DroneVehicle: pixels to cut off.")  # fmt: skip
@json_option
def convert(
    kind: str, source: Path, output: Path, straight: bool, side: str | None, as_json: bool, **options: Any
) -> None:
    """Make COCO files of SOURCE, a set in the format KIND.

    Formats: vedai, dota, dronevehicle, hit-uav, visdrone, yolo, coco.

    Prints what was kept, dropped and clipped, and writes it to report.json.

    \b
    vedette detect convert vedai VEDAI/ -o vedai/ --fold 1
    vedette detect convert dota DOTA/ -o dota/
    """
    from vedette.detect.formats import Options
    from vedette.detect.formats import convert as run

    chosen = Options(oriented=not straight, side=int(side) if side else None, **options)
    report = run(kind, source, output, options=chosen)
    if as_json:
        click.echo(json.dumps(report.to_dict()))
    else:
        click.echo("\n".join(report.lines()))


@detect.command()
@click.argument("training", type=PATH)
@click.argument("test", type=PATH)
@json_option
def check(training: Path, test: Path, as_json: bool) -> None:
    """Look for leaks between TRAINING and TEST, and for sensors that lie apart.

    \b
    vedette detect check cars/train_coco.json cars/val_coco.json
    """
    from vedette.detect.checks import check as run
    from vedette.detect.sets import open_set

    with _bar("comparing") as progress:
        result = run(open_set(training, "train"), open_set(test, "val"), progress)
    if as_json:
        click.echo(json.dumps(result.to_dict()))
        return
    show(result.row(), as_json=False)
    for leak in result.leaks[:20]:
        click.echo(f"  {leak.kind:6} {leak.first}  {leak.second}")
    if len(result.leaks) > 20:
        click.echo(f"  and {len(result.leaks) - 20} more; --json lists all")


@detect.command()
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
    groups = _groups(bands) or _default_groups(plan, boxes.images[0].path_ir is not None)
    with _bar("folds") as progress:
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


@detect.command()
@click.argument("target", type=PATH)
@click.option("-m", "--model", default="cars-rgb", show_default=True, help="A shipped name, or a file.")
@click.option("--suppress", is_flag=True, help="Put suppression into the file.")
@click.option("--int8", "calibration", type=PATH, help="8-bit convolutions; ranges from this set's images.")
@bands_option
@json_option
def export(target: Path, model: str, suppress: bool, calibration: Path | None, bands: tuple[str, ...],
           as_json: bool) -> None:  # fmt: skip
    """Write a detector as TARGET, an .onnx file that runs without torch on images of any size.

    \b
    vedette detect export cars.onnx -m cars-rgb
    vedette detect export cars8.onnx -m cars-rgb --int8 cars/train_coco.json
    vedette detect predict scene.tif -m cars.onnx -o out/
    """
    from vedette.detect.calibrate import prepared_images
    from vedette.detect.detector_file import load_detector
    from vedette.detect.export import export_onnx
    from vedette.detect.sets import open_set

    detector = load_detector(model)
    images = []
    if calibration is not None:
        images = prepared_images(open_set(calibration), detector.spec, _groups(bands))
    export_onnx(detector, target, suppress=suppress, int8=images)
    show(
        {
            "file": str(target),
            "bytes": target.stat().st_size,
            "kind": "int8" if images else "float32",
        },
        as_json=as_json,
    )


@detect.command()
@json_option
def models(as_json: bool) -> None:
    """List the networks with their sizes, and the detectors that ship.

    \b
    vedette detect models
    """
    from vedette.detect.detector_file import load_detector, shipped
    from vedette.detect.models import MODELS, giga_macs, parameter_count

    rows: dict[str, object] = {}
    for name in MODELS:
        millions = parameter_count(name, classes=8) / 1e6
        macs = giga_macs(name, classes=8)
        text = f"{millions:.2f} M parameters, {macs:.1f} GMAC at 512 x 512, RGB + IR, 8 classes"
        rows[name] = {"parameters_M": millions, "GMAC_at_512": macs} if as_json else text
    for name in shipped():
        spec = load_detector(name).spec
        bands = " + ".join(f"{count} {group}" for group, count in spec.groups)
        text = f"weights: {bands}, {spec.dtype}; finds {', '.join(spec.classes)}"
        rows[name] = {"classes": spec.classes, "groups": spec.groups} if as_json else text
    show(rows, as_json=as_json)


@detect.command()
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
