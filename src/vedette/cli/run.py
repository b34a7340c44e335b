"""`vedette run`, `vedette open` and `vedette inspect`: the pass over a scene, and its product."""

import resource
import shlex
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli.sizes import ByteSize, show


def _bands(context: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise click.BadParameter("write three band numbers, for example 1,2,3")
    return numbers


@click.command()
@click.argument("scene", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The product file to write (.vdt)."
)
@click.option(
    "--budget", type=ByteSize(), help="Most bytes of the product: 100kB, 1.5MB, 64KiB; container included."
)
@click.option("--quality", type=float, help="1 (smallest) to 64 (best); any number between.")
@click.option("--target-bpp", type=float, help="Most bits per pixel.")
@click.option("--target-psnr", type=float, help="Least PSNR, dB.")
@click.option("--rgb", callback=_bands, help="Band numbers of red, green, blue, counted from 1.")
@click.option("--nir", type=int, help="Band number of the near infrared.")
@click.option("--tile", type=int, help="Side of a tile, pixels, a multiple of 8; 0 codes the scene whole.")
@click.option(
    "--model", default="charm-lite", show_default=True, help="Weights: a shipped name or a .safetensors file."
)
@click.option(
    "--report", type=click.Path(path_type=Path), help="Also write a report: .html, or .png for its pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def run(
    scene: Path,
    output: Path,
    budget: int | None,
    quality: float | None,
    target_bpp: float | None,
    target_psnr: float | None,
    rgb: tuple[int, ...] | None,
    nir: int | None,
    tile: int | None,
    model: str,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compress SCENE to one product file.

    \b
    vedette run scene.tif -o scene.vdt --budget 100kB
    vedette run scene.tif -o scene.vdt --quality 32 --rgb 1,2,3 --nir 4
    """
    given = [value for value in (budget, quality, target_bpp, target_psnr) if value is not None]
    if len(given) > 1:
        raise click.UsageError("give one of --budget, --quality, --target-bpp, --target-psnr")
    from vedette import payload

    start = time.perf_counter()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("encoding", total=None)
        result = payload.onboard(
            scene,
            output,
            budget_bytes=budget,
            quality=quality,
            target_bpp=target_bpp,
            target_psnr_db=target_psnr,
            rgb=rgb,
            nir=nir,
            tile=tile,
            model=model,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    rows = {
        "product": str(output),
        **result.row(),
        "seconds": round(seconds, 2),
        "peak_memory_MB": round(peak_mb),
    }
    if result.best:
        rows["note"] = "best quality reached before the budget"
    if report is not None:
        command = shlex.join(["vedette", *sys.argv[1:]])
        payload.tell(scene, output, report, table=rows, command=command, rgb=rgb, nir=nir, model=model)
        rows["report"] = str(report)
    show(rows, as_json=as_json)


@click.command(name="open")
@click.argument("product", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A folder, or a .tif or .png file."
)
@click.option(
    "--original", type=click.Path(path_type=Path), help="Compare with this image: PSNR and MS-SSIM."
)
@click.option(
    "--model", default=None, help="Weights file, where the product was made with other than shipped ones."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def open_product(
    product: Path, output: Path, original: Path | None, model: str | None, as_json: bool
) -> None:
    """Open PRODUCT: write its image and say which tiles are missing.

    \b
    vedette open scene.vdt -o out/
    vedette open scene.vdt -o scene.png --original scene.tif
    """
    from vedette import payload

    start = time.perf_counter()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("decoding", total=None)
        result = payload.ground(
            product,
            output,
            model=model,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    seconds = time.perf_counter() - start
    rows: dict[str, object] = {"image": str(result.image), **result.row(), "seconds": round(seconds, 2)}
    if original is not None:
        rows |= payload.compare(result.image, original)
    rows["peak_memory_MB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
    show(rows, as_json=as_json)


@click.command()
@click.argument("product", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def inspect(product: Path, as_json: bool) -> None:
    """Print what is inside PRODUCT.

    \b
    vedette inspect scene.vdt
    """
    from vedette import payload

    rows, sections = payload.describe(product)
    if as_json:
        keys = ("kind", "offset", "bytes", "intact")
        rows["sections"] = [dict(zip(keys, section, strict=True)) for section in sections]
        show(rows, as_json=True)
        return
    show(rows, as_json=False)
    click.echo("\nsection    offset      bytes")
    for kind, offset, size, intact in sections:
        click.echo(f"{kind:<10} {offset:>6} {size:>10}{'' if intact else '  damaged'}")
