"""`vedette detect`: find small objects in scenes; score, export and list detectors."""

import json
from pathlib import Path
from typing import Any

import click

from vedette.cli.detect_data import check, convert
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
from vedette.cli.detect_train import folds, recipes, train
from vedette.cli.sizes import show


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


for _command in (train, convert, check, folds, recipes):
    detect.add_command(_command)


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
    with progress_bar("looking") as progress:
        result = run(
            scene,
            output,
            model=model,
            bands=groups_of(bands),
            finding=finding,
            with_picture=not no_picture,
            progress=progress,
            **options,
        )
    show(result.row(), as_json=as_json)


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

    boxes = open_set(data, part, kind=kind, only=names_of(classes))
    network, spec = load_network(model, device=device)
    paired = boxes.images[0].path_ir is not None
    with open_scene(boxes.images[0].path, bands=(1,)) as probe:
        chosen = spec.groups_of(groups_of(bands), probe.source_bands, paired=paired)
    with progress_bar("scoring") as progress:
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
        images = prepared_images(open_set(calibration), detector.spec, groups_of(bands))
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
