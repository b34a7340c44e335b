"""`vedette codec`: encode, decode, train, freeze, evaluate and list codecs."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli import convert
from vedette.cli.sizes import show


@click.group()
def codec() -> None:
    """Learned codecs.

    \b
    vedette codec encode photo.png --quality 40
    vedette codec train --recipe charm-lite --images photos/ -o runs/lite
    vedette codec evaluate kodak/ --against jpeg,webp
    """


@codec.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write; by default IMAGE's name, .vdt.",
)
@convert.encoding_options
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def encode(image: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Compress IMAGE: PNG, JPEG, WebP or TIFF. `vedette run` is for scenes with more than colors.

    \b
    vedette codec encode photo.png                       # photo.vdt
    vedette codec encode photo.png -o small.vdt --target-bpp 0.5
    """
    show(convert.encode(image, output or image.with_suffix(".vdt"), **options), as_json=as_json)


@codec.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A .png or .tif file; by default FILE's name, .decoded.png.",
)
@click.option("-m", "--model", help="Weights file, where FILE was made with other than shipped ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def decode(file: Path, output: Path | None, model: str | None, as_json: bool) -> None:
    """Write the image that FILE holds.

    \b
    vedette codec decode photo.vdt                       # photo.decoded.png
    vedette codec decode photo.vdt -o photo.tif
    """
    rows = convert.decode(file, output or file.with_suffix(".decoded.png"), model=model)
    show(rows, as_json=as_json)


@codec.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def models(as_json: bool) -> None:
    """List the networks, and the weights that ship for them.

    \b
    vedette codec models
    vedette codec models --json
    """
    from vedette import codec as library

    shipped: dict[str, list[str]] = {name: [] for name in library.MODELS}
    for name in library.available():
        weights = library.load(name)
        shipped[weights.network.name].append(f"{name} ({weights.weights_id.hex()})")
    rows: dict[str, object] = {}
    for name, weights_of in shipped.items():
        millions, kilo_macs = library.parameter_count(name) / 1e6, library.kilo_macs_per_pixel(name)
        if as_json:
            rows[name] = {
                "parameters_M": round(millions, 3),
                "kMAC_per_pixel": round(kilo_macs, 1),
                "weights": weights_of,
            }
        else:
            size = f"{millions:.1f} M parameters, {kilo_macs:.0f} kMAC/pixel"
            rows[name] = f"{size}; weights: {', '.join(weights_of) or 'none ship'}"
    show(rows, as_json=as_json)


@codec.command()
@click.option("--recipe", "name", default="charm-lite", show_default=True, help="A recipe's name.")
@click.option(
    "--images", type=click.Path(path_type=Path), multiple=True, help="Folder of images; may be repeated."
)
@click.option(
    "--halved",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folder whose images are halved first (JPEGs).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Run folder; resumes what it holds.",
)
@click.option("--steps", type=int, help="Other steps than the recipe's.")
@click.option("--seed", type=int, help="Another seed than the recipe's.")
@click.option(
    "--start", type=click.Path(path_type=Path, exists=True), help="Parameters to begin a new run with."
)
@click.option(
    "--rate-weights",
    type=(float, float),
    metavar="LOW HIGH",
    help="Weights of the rates of low and high bands in the loss.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def train(
    name: str,
    images: tuple[Path, ...],
    halved: tuple[Path, ...],
    output: Path,
    steps: int | None,
    seed: int | None,
    start: Path | None,
    rate_weights: tuple[float, float] | None,
    device: str,
) -> None:
    """Train a codec on folders of images; an interrupted run goes on where it stopped.

    \b
    vedette codec train --recipe charm-lite --images photos/ --halved aerial_jpg/ -o runs/lite
    torchrun --nproc-per-node 2 -m vedette codec train --images photos/ -o runs/lite
    vedette codec train --recipe weconvene3d-lite-step2 --rate-weights 0.9 1.1 --images photos/ \\
        --start runs/3d/checkpoint.safetensors -o runs/3d-step2
    """
    if not images and not halved:
        raise click.UsageError("give at least one folder with --images or --halved")
    from vedette.codec.recipes import recipe
    from vedette.codec.train import changed
    from vedette.codec.train import train as run

    command = shlex.join(["vedette", *sys.argv[1:]])
    plan = changed(recipe(name), steps=steps, seed=seed, rate_weights=rate_weights)
    click.echo(str(run(plan, images, output, halved=halved, start=start, device=device, command=command)))


@codec.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--images", type=click.Path(path_type=Path, exists=True), required=True, help="Folder that sets ranges."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The weights file to write."
)
def freeze(checkpoint: Path, images: Path, output: Path) -> None:
    """Turn a training CHECKPOINT into weights with exact integer entropy networks.

    \b
    vedette codec freeze runs/lite/checkpoint.safetensors --images photos/ -o charm-lite.safetensors
    """
    from vedette.codec.train import freeze_checkpoint
    from vedette.images import write_atomically

    data = freeze_checkpoint(checkpoint, images)
    write_atomically(output, data)
    show({"weights": str(output), "bytes": len(data)}, as_json=False)


@codec.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--against", default="jpeg,jpeg2000,webp", show_default=True, help="Encoders, comma-separated.")
@click.option(
    "--anchor",
    type=click.Choice(["kodak", "tecnick", "clic"]),
    help="Published VTM-9.1 points of FOLDER's set.",
)
@click.option("--model", default="charm-lite", show_default=True, help="Weights.")
@click.option("--most", type=int, help="Only the first so many images.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write the curves as SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print curves and BD-rates as JSON.")
def evaluate(
    folder: Path,
    against: str,
    anchor: str | None,
    model: str,
    most: int | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Compare with real encoders on the images of FOLDER: real file bytes, PSNR, MS-SSIM, BD-rate.

    \b
    vedette codec evaluate kodak/ --against jpeg,jpeg2000,webp,avif,jxl --anchor kodak
    """
    from vedette.codec.evaluate import evaluate as run
    from vedette.codec.evaluate import table, to_svg
    from vedette.images import write_atomically

    names = [name.strip() for name in against.split(",") if name.strip()]
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("evaluating", total=None)

        def show_progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        result = run(folder, model=model, against=names, anchor=anchor, most=most, progress=show_progress)
    if plot is not None:
        write_atomically(plot, to_svg(result).encode())
    if as_json:
        show(result.to_dict(), as_json=True)
    else:
        click.echo(table(result))
