"""`vedette run`, `vedette open` and `vedette inspect`: the pass over a scene, and its product."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from vedette.cli import convert
from vedette.cli.sizes import show


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
@convert.encoding_options
@click.option("--rgb", callback=_bands, help="Band numbers of red, green, blue, counted from 1.")
@click.option("--nir", type=int, help="Band number of the near infrared.")
@click.option("--tile", type=int, help="Side of a tile, pixels, a multiple of 8; 0 codes the scene whole.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Also write a report: .html, or .png for its pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def run(
    scene: Path,
    output: Path,
    rgb: tuple[int, ...] | None,
    nir: int | None,
    model: str,
    report: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compress SCENE to one product file.

    \b
    vedette run scene.tif -o scene.vdt --budget 100kB
    vedette run scene.tif -o scene.vdt --quality 32 --rgb 1,2,3 --nir 4 --workers 4
    """
    if report is not None:
        from vedette.images import check_output

        check_output(report, inputs=(scene, output))
    rows = convert.encode(scene, output, rgb=rgb, nir=nir, model=model, **options)
    if report is not None:
        from vedette import payload

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
@click.option("-m", "--model", help="Weights file, where the product was made with other than shipped ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def open_product(
    product: Path, output: Path, original: Path | None, model: str | None, as_json: bool
) -> None:
    """Open PRODUCT: write its image and say which tiles are missing.

    \b
    vedette open scene.vdt -o out/
    vedette open scene.vdt -o scene.png --original scene.tif
    """
    show(convert.decode(product, output, model=model, original=original), as_json=as_json)


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
