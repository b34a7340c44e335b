"""An image to a product and back: what `run`, `open`, `codec encode` and `codec decode` share."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli.sizes import ByteSize

Command = TypeVar("Command", bound=Callable[..., Any])

ENCODING = (
    click.option(
        "--budget",
        "budget_bytes",
        type=ByteSize(),
        help="Most bytes of the product: 100kB, 1.5MB, 64KiB; container included.",
    ),
    click.option("--quality", type=float, help="1 (smallest) to 64 (best); any number between. Default: 32."),
    click.option("--target-bpp", type=float, help="Most bits per pixel."),
    click.option("--target-psnr", "target_psnr_db", type=float, help="Least PSNR, dB."),
    click.option(
        "-m",
        "--model",
        default="charm-lite",
        show_default=True,
        help="Weights: a shipped name or a .safetensors file.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        help="Tiles encoded at once; by default the processor's cores, up to 8. The bytes stay the same.",
    ),
)


def encoding_options(command: Command) -> Command:
    """The options of every command that makes a product, named as `payload.onboard` names them."""
    for option in reversed(ENCODING):
        command = option(command)
    return command


def encode(scene: Path, output: Path, **options: Any) -> dict[str, object]:
    """The table of a product made of `scene`; `options` are those of `payload.onboard`."""
    rates = ("budget_bytes", "quality", "target_bpp", "target_psnr_db")
    if sum(options.get(name) is not None for name in rates) > 1:
        raise click.UsageError("give one of --budget, --quality, --target-bpp, --target-psnr")
    from vedette import payload

    start = time.perf_counter()
    with _bar("encoding") as progress:
        result = payload.onboard(scene, output, progress=progress, **options)
    rows = {"product": str(output), **result.row(), **_cost(start)}
    if result.best:
        rows["note"] = "best quality reached before the budget"
    return rows


def decode(
    product: Path, output: Path, *, model: str | None, original: Path | None = None
) -> dict[str, object]:
    """The table of the image of `product`, compared with `original` where there is one."""
    from vedette import payload

    start = time.perf_counter()
    with _bar("decoding") as progress:
        result = payload.ground(product, output, model=model, original=original, progress=progress)
    rows = {"image": str(result.image), **result.row(), **_cost(start)}
    if original is not None:
        rows |= payload.compare(result.image, original)
    return rows


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _cost(start: float) -> dict[str, object]:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux counts KiB
    return {"seconds": round(time.perf_counter() - start, 2), "peak_memory_MB": round(peak_mb)}
