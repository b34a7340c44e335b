"""Options that several commands of `vedette detect` take, and what becomes of them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from vedette.detect.bands import BandGroup

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
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's stderr; gives what to call with done and total."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def groups_of(bands: tuple[str, ...]) -> "list[BandGroup]":
    """The groups of `--bands`."""
    from vedette.detect.bands import parse_group

    return [parse_group(text) for text in bands]


def names_of(classes: str | None) -> list[str] | None:
    """The names of `--classes`."""
    return None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
