"""What the commands of `vedette softerror` share: kinds of options, the engine, the bar, the page."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vedette.errors import InputError

if TYPE_CHECKING:  # nothing of it loads for --help
    from vedette.softerror.campaign import Campaign
    from vedette.softerror.plan import Engine

COMMAND = "command.txt"  # in the folder: what was typed, for the page
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)


class Percent(click.ParamType):
    """A share written as 30% or 0.3.

    >>> Percent().convert("30%", None, None)
    0.3
    """

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1000:
            self.fail(f"{value!r} is no share; write 30% or 0.3", param, context)
        return share


class Names(click.ParamType):
    """Names with commas between them.

    >>> Names().convert("a, b", None, None)
    ('a', 'b')
    """

    name = "names"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())


class Start(click.ParamType):
    """A cycle, or the word random, which is -1 here."""

    name = "cycle|random"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        if str(value) == "random":
            return -1
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no cycle; write 0 or more, or random", param, context)
        return int(str(value))


ENGINE = (
    click.option(
        "--backend",
        default="auto",
        show_default=True,
        help="auto, numpy, native or generated; the rows are the same.",
    ),
    click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256), help="Cores used."),
)


SYNTHESIS = (
    click.option(
        "--family",
        type=click.Choice(["xc7", "xcu", "xcup"]),
        default="xc7",
        show_default=True,
        help="7 series, UltraScale, UltraScale+.",
    ),
    click.option("--structural", is_flag=True, help="SOURCES are a vendor's netlist: optimize nothing."),
    click.option("--no-blocks", is_flag=True, help="No DSP block and block RAM: everything made of tables."),
)


def synthesis_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that reads Verilog."""
    for option in reversed(SYNTHESIS):
        command = option(command)
    return command


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that simulates."""
    for option in reversed(ENGINE):
        command = option(command)
    return command


def refuse_beside(what: str, *names: str, hint: str) -> None:
    """Refuse options that would have no effect beside something else.

    Args:
        names: of parameters of the running command.

    Raises:
        InputError: one of them was typed.
    """
    context = click.get_current_context()
    options = [option for option in context.command.params if option.name in names]
    typed = [
        option.opts[0]
        for option in options
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    ]
    if typed:
        raise InputError(f"{', '.join(typed)} would have no effect beside {what}", hint=hint)


def engine_of(backend: str, threads: int, prune: bool) -> "Engine":
    """What runs faults, with the options of the command line."""
    from functools import partial

    from vedette.softerror import engine

    return partial(engine.run, backend=backend, threads=threads, prune=prune)


def write_page(campaign: "Campaign", folder: Path, output: Path | None) -> Path:
    """Write the page of a campaign, by default into its folder; its path."""
    from vedette.report import write_report
    from vedette.softerror.page import page

    made = folder / "report.html" if output is None else output
    typed = folder / COMMAND
    commands = [
        typed.read_text().strip() if typed.exists() else shlex.join(["vedette", *sys.argv[1:]]),
        f"vedette softerror check {shlex.quote(str(folder))} --oracle verilator --sample 200",
        f"vedette softerror harden {shlex.quote(str(folder))} --budget 30% -o hardened/",
    ]
    write_report(made, page(campaign, title=campaign.summary["design"]["name"], commands=commands))
    return made


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as drawn:
        task = drawn.add_task(what, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)
