"""`vedette detect convert` and `check`: sets in other formats, and what to know of a set before training."""

import json
from pathlib import Path
from typing import Any

import click

from vedette.cli.detect_options import PATH, json_option, progress_bar
from vedette.cli.sizes import show


@click.command()
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


@click.command()
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

    with progress_bar("comparing") as progress:
        result = run(open_set(training, "train"), open_set(test, "val"), progress)
    if as_json:
        click.echo(json.dumps(result.to_dict()))
        return
    show(result.row(), as_json=False)
    for leak in result.leaks[:20]:
        click.echo(f"  {leak.kind:6} {leak.first}  {leak.second}")
    if len(result.leaks) > 20:
        click.echo(f"  and {len(result.leaks) - 20} more; --json lists all")
