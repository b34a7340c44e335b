"""The command line, the only floor that prints. Commands load when they are called, so `--help` is quick."""

import sys
from importlib import import_module

import click

from vedette import __version__
from vedette.errors import VedetteError

COMMANDS = {
    "run": ("vedette.cli.run", "run", "Compress a scene to one product file within a budget."),
    "open": ("vedette.cli.run", "open_product", "Open a product: the image, as TIFF or PNG."),
    "inspect": ("vedette.cli.run", "inspect", "Print what is inside a product."),
    "codec": ("vedette.cli.codec", "codec", "Encode and decode images; train, evaluate and list codecs."),
    "detect": (
        "vedette.cli.detect",
        "detect",
        "Find small objects in scenes; train and export detectors.",
    ),
    "lowbit": (
        "vedette.cli.lowbit",
        "lowbit",
        "Train in 4 to 8 bits on integer products; adapt on board.",
    ),
    "hardware": (
        "vedette.cli.hardware",
        "hardware",
        "Price, build and simulate accelerators of networks.",
    ),
    "softerror": (
        "vedette.cli.softerror",
        "softerror",
        "Measure what upset configuration bits do to an FPGA design.",
    ),
    "doctor": ("vedette.cli.doctor", "doctor", "Print versions, native module, extras and tools found."),
}


class LazyGroup(click.Group):
    """Lists commands from `COMMANDS` and imports one only when it runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vedette")
def vedette() -> None:
    """On-board vision for cameras that fly.

    \b
    vedette run scene.tif -o scene.vdt --budget 100kB
    vedette open scene.vdt -o out/
    """


def main() -> None:
    """Run a command; our errors and the system's become `error:` and `hint:` on stderr and exit code 1."""
    try:
        vedette()
    except VedetteError as error:
        _fail(str(error), error.hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", "check the path, its rights and the free space")
    except MemoryError:
        _fail(
            "the memory is used up",
            "use smaller tiles (--tile), fewer workers (--workers) or fewer cycles (--cycles)",
        )


def _fail(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    sys.exit(1)
