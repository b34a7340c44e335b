"""`vedette hardware characterize`: measure the blocks of the engine with Yosys, for `estimate`."""

import json
from pathlib import Path

import click

from vedette.cli.sizes import show
from vedette.cli.softerror_options import bar

PATH = click.Path(path_type=Path)


@click.command()
@click.option("--family", "families", multiple=True, help="xcup or xc7; may be repeated. By default both.")
@click.option("-o", "--output", type=PATH, help="The file; by default the package's own.")
@click.option("--sources", type=PATH, help="Folder with *.sv; by default the package's own.")
@click.option(
    "--cache", type=PATH, default="characterize-cache.json", help="File of what was measured before."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def characterize(
    families: tuple[str, ...], output: Path | None, sources: Path | None, cache: Path, as_json: bool
) -> None:
    """Measure LUT, FF and DSP of the engine's blocks with Yosys, and fit what `estimate` computes with.

    About an hour on one core; a block whose sources have not changed is taken from the cache, so that the
    command goes on where it was stopped when it is typed again. Needs the extra silicon.

    \b
    vedette hardware characterize --family xcup -o coefficients.json
    """
    from vedette.hardware.characterize import CHARACTERIZED, Cache
    from vedette.hardware.characterize import characterize as run
    from vedette.hardware.coefficients import FILE
    from vedette.hardware.rtl.simulate import FOLDER
    from vedette.images import write_atomically

    output = output or FILE
    with bar("synthesizing blocks") as progress:
        found = run(
            families or CHARACTERIZED, folder=sources or FOLDER, cache=Cache(cache), progress=progress
        )
    if output.is_file():  # other families stay
        found["families"] = json.loads(output.read_text())["families"] | found["families"]
    write_atomically(output, (json.dumps(found, indent=1) + "\n").encode())
    rows: dict[str, object] = {"file": str(output), "yosys": found["yosys"]}
    for family, blocks in found["families"].items():
        rows[family] = ", ".join(blocks)
    show(rows, as_json=as_json)
