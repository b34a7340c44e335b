"""`vedette lowbit`: train classifiers in few bits, adapt them on board, and see what it gains and costs."""

import json
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from vedette.cli.sizes import ByteSize, show

if TYPE_CHECKING:
    from vedette.lowbit import LowBit

PATH = click.Path(path_type=Path, exists=True)


class Bits(click.ParamType):
    """Bits of weights, activations and gradients.

    >>> Bits().convert("4/4/6", None, None)
    (4, 4, 6)
    """

    name = "w/a/g"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split("/")
        if len(parts) == 1:
            parts *= 3
        if len(parts) != 3 or not all(part.strip().isdigit() and 2 <= int(part) <= 8 for part in parts):
            self.fail(f"{value!r} is no number of bits; write 4, or 4/4/6 for weight/activation/gradient")
        weight, act, grad = map(int, parts)
        return weight, act, grad


@click.group()
def lowbit() -> None:
    """Training in 4 to 8 bits on integer products.

    \b
    vedette lowbit train --recipe resnet20-444 --images eurosat.zip -o runs/r444
    vedette lowbit adapt my_tiles/ -o mine.safetensors --seconds 60
    vedette lowbit report my_tiles/
    vedette lowbit bench
    """


@lowbit.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def recipes(as_json: bool) -> None:
    """List the training recipes: NETWORK-FORMAT."""
    from vedette.lowbit.recipes import RECIPES

    if as_json:
        click.echo(json.dumps({name: asdict(recipe) for name, recipe in RECIPES.items()}))
        return
    for name, recipe in RECIPES.items():
        click.echo(
            f"{name:22} {recipe.model}, {recipe.side} px, {recipe.train.steps} steps: {recipe.precision}"
        )


@lowbit.command()
@click.option("--recipe", "name", default="resnet20-444", show_default=True, help="See `recipes`.")
@click.option("--images", type=PATH, required=True, help="Folder or zip with one folder of images a class.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Run folder; resumes.")
@click.option("--steps", type=click.IntRange(min=1), help="Other steps than the recipe's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Another seed than the recipe's.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def train(name: str, images: Path, output: Path, steps: int | None, seed: int | None, device: str) -> None:
    """Train a classifier; prints what becomes of each layer, and writes classifier.safetensors.

    \b
    vedette lowbit train --recipe smoke --images eurosat.zip -o runs/smoke
    vedette lowbit train --recipe resnet20-444 --images eurosat.zip -o runs/r444 --seed 2
    """
    from vedette.lowbit.recipes import recipe
    from vedette.lowbit.train import train as run

    chosen = recipe(name)
    if steps is not None:
        chosen = replace(chosen, train=replace(chosen.train, steps=steps))
    command = shlex.join(["vedette", *sys.argv[1:]])
    with _bar() as bar:
        task = bar.add_task("training", total=chosen.train.steps)
        found = run(
            chosen,
            images,
            output,
            device=device,
            seed=seed,
            command=command,
            show=lambda text: click.echo(text, err=True),
            progress=lambda step: bar.update(task, completed=step),
        )
    show(found, as_json=False)


@lowbit.command()
@click.argument("images", type=PATH)
@click.option("--weights", default="resnet20-eurosat", show_default=True, help="Shipped name, or a file.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
@click.option("--bits", type=Bits(), default="8/8/8", show_default=True, help="weight/activation/gradient.")
@click.option("--float", "in_float", is_flag=True, help="Train in float32 instead, to compare.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="Budget of time.")
@click.option("--memory", type=ByteSize(), default="500MB", show_default=True, help="Budget of memory.")
@click.option("--most", type=click.IntRange(min=1), help="Only the first so many images of each class.")
@click.option("--learning-rate", type=float, default=0.01, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def adapt(
    images: Path,
    weights: str,
    output: Path,
    bits: tuple[int, int, int],
    in_float: bool,
    seconds: float,
    memory: int,
    most: int | None,
    learning_rate: float,
    seed: int,
    as_json: bool,
) -> None:
    """Fine-tune a classifier on the few IMAGES of a folder or zip, one folder a class, within a budget.

    Every 7th image of a class is held out to measure accuracy, or a part named val. Other classes than the
    network's own give it a new last layer. An interrupted run goes on from OUTPUT.run.

    \b
    vedette lowbit adapt my_tiles/ -o mine.safetensors --seconds 60 --memory 200MB
    vedette lowbit adapt my_tiles/ -o mine.safetensors --bits 4 --most 20
    """
    from vedette.data import load_classes
    from vedette.images import check_output
    from vedette.lowbit.adapt import adapt as run
    from vedette.nn.classifier_file import load_classifier, save_classifier

    check_output(output)
    classifier = load_classifier(weights)
    data = load_classes(images, side=classifier.side, most=most)
    config = None if in_float else _config(bits)
    found = run(
        classifier,
        data,
        output.with_name(output.name + ".run"),
        config=config,
        seconds=seconds,
        memory_bytes=memory,
        learning_rate=learning_rate,
        seed=seed,
    )
    save_classifier(output, found.classifier)
    rows = {key: value for key, value in vars(found).items() if key != "classifier"}
    show({"file": str(output), "classes": len(data.classes), **rows}, as_json=as_json)


@lowbit.command()
@click.argument("images", type=PATH)
@click.option("--weights", default="resnet20-eurosat", show_default=True, help="Shipped name, or a file.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def evaluate(images: Path, weights: str, as_json: bool) -> None:
    """Accuracy of a classifier on the held-out IMAGES of a folder or zip (a part named val, or every 7th).

    \b
    vedette lowbit evaluate eurosat.zip --weights runs/r444/classifier.safetensors
    """
    from vedette.data import load_classes
    from vedette.errors import InputError
    from vedette.nn.classifier_file import load_classifier
    from vedette.training.classification import evaluate as score

    classifier = load_classifier(weights)
    data = load_classes(images, side=classifier.side)
    if data.classes != classifier.classes:
        raise InputError(
            f"classes {', '.join(data.classes)}",
            hint=f"this classifier knows {', '.join(classifier.classes)}; `adapt` teaches it others",
        )
    show({"images": len(data.validation), **score(classifier.model, data.validation)}, as_json=as_json)


@lowbit.command()
@click.argument("images", type=PATH)
@click.option("--weights", default="resnet20-eurosat", show_default=True, help="Shipped name, or a file.")
@click.option("--bits", type=click.IntRange(2, 8), default=4, show_default=True, help="Of gradients.")
@click.option("--groups", type=click.IntRange(1, 8), default=4, show_default=True)
@click.option("--batch", type=click.IntRange(2, 256), default=32, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def report(images: Path, weights: str, bits: int, groups: int, batch: int, as_json: bool) -> None:
    """Variance that each way of grouping adds to the gradients of a classifier on IMAGES, layer by layer.

    \b
    vedette lowbit report eurosat.zip --bits 4 --groups 4
    """
    import torch

    from vedette.data import load_classes
    from vedette.data.labeled import batches
    from vedette.errors import InputError
    from vedette.lowbit.variance import report as run
    from vedette.lowbit.variance import table
    from vedette.nn.classifier_file import load_classifier

    classifier = load_classifier(weights)
    data = load_classes(images, side=classifier.side)
    if len(data.classes) > len(classifier.classes):
        raise InputError(
            f"{len(data.classes)} classes, and this classifier has {len(classifier.classes)}",
            hint="adapt it first",
        )
    torch.manual_seed(1)
    part = next(batches(data.training, batch=min(batch, len(data.training)), seed=1))
    rows = run(classifier.model.train(), part.images, part.labels, bits=bits, groups=groups)
    click.echo(json.dumps([asdict(row) for row in rows]) if as_json else table(rows))


@lowbit.command()
@click.option("--bits", type=Bits(), default="4/4/4", show_default=True, help="weight/activation/gradient.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--rows", type=int, help="One linear layer: samples,")
@click.option("--columns", type=int, help="outputs,")
@click.option("--inner", type=int, help="and inputs.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def bench(
    bits: tuple[int, int, int],
    threads: int,
    rows: int | None,
    columns: int | None,
    inner: int | None,
    as_json: bool,
) -> None:
    """Time layers here, forward and backward: integers, bfloat16 autocast and float32, taking turns.

    \b
    vedette lowbit bench
    vedette lowbit bench --rows 4096 --columns 768 --inner 3072 --bits 6
    """
    import torch

    from vedette.lowbit.bench import time_conv, time_linear

    given = [size for size in (rows, columns, inner) if size is not None]
    if given and len(given) < 3:
        raise click.UsageError("give --rows, --columns and --inner together")
    torch.set_num_threads(threads)
    config = _config(bits)
    if given:
        found = [time_linear(given[0], given[1], given[2], config)]
    else:
        found = [time_linear(n, n, n, config) for n in (256, 512, 1024)]
        found += [time_conv(64, side, channels, config) for side, channels in ((32, 64), (16, 128), (8, 256))]
    if as_json:
        click.echo(json.dumps([{**asdict(t), "over_bf16": t.ratio("bf16")} for t in found]))
        return
    click.echo(f"{config}; {threads} thread{'s' if threads > 1 else ''}, forward and backward, medians")
    for timing in found:
        click.echo(str(timing))


def _config(bits: tuple[int, int, int]) -> "LowBit":
    from vedette.lowbit import LowBit

    return LowBit(weight_bits=bits[0], act_bits=bits[1], grad_bits=bits[2], where="all")


def _bar() -> Progress:
    return Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
