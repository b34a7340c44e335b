"""Our codec beside others on a folder of images: curves, BD-rates, and how they are shown."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

import vedette
from vedette.codec.anchors import Coder, coder, published
from vedette.codec.codec import Codec, load_codec
from vedette.codec.measure import QUALITIES, Item, Progress, as_coder, measure
from vedette.codec.scene import decode_array, encode_image
from vedette.errors import InputError, UnknownNameError
from vedette.images import write_atomically
from vedette.metrics import Comparison, Curve, compare
from vedette.report.chart import Chart, Line

SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg")
AGAINST = ("jpeg", "jpeg2000", "webp")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Curves and BD-rates of one run, with what they were measured on."""

    dataset: str
    images: int
    curves: tuple[Curve, ...]
    comparisons: tuple[Comparison, ...]
    machine: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON's types; a PSNR that is infinite (a lossless file) becomes None."""
        data = asdict(self)
        for row, curve in zip(data["curves"], self.curves, strict=True):
            row["ms_ssim_db"] = curve.ms_ssim_db
        result: dict[str, Any] = _plain(data)
        return result

    def write(self, path: Path) -> None:
        """`to_dict()` as JSON under `path`, whole or not at all."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n").encode())


def evaluate(
    folder: Path,
    *,
    model: str = "charm-lite",
    against: Sequence[str] = AGAINST,
    anchor: str | None = None,
    most: int | None = None,
    qualities: Sequence[float] = QUALITIES,
    progress: Progress | None = None,
) -> Evaluation:
    """Our codec and real encoders on the images of a folder.

    Args:
        model: name or path of our weights.
        against: names of encoders, of `vedette.codec.anchors.ENCODERS`.
        anchor: "kodak", "tecnick" or "clic" where the folder holds that whole set: published VTM-9.1 points
            are compared with as well.
        most: only the first so many images.
        qualities: of our codec, 1..64, rising.

    Raises:
        InputError: no image, or an anchor of another number of images.
        UnknownNameError: a model, encoder or anchor that no table knows.
        MissingExtraError: an encoder that is not installed.
    """
    images = image_paths(folder)[:most]
    coders = [shipped(model, qualities=qualities), *map(coder, against)]
    more = []
    if anchor is not None:
        points = published(anchor)
        if points.images != len(images):
            raise InputError(
                f"the {points.dataset} points are means of {points.images} images, these are {len(images)}",
                hint="give the folder of the whole set and no limit on images, or leave the anchor out",
            )
        more.append(points.curve)
    for encoder in coders:
        _ = encoder.label  # what is not installed is found before the long work
    return evaluate_coders(images, coders, dataset=folder.name, of=[model], more=more, progress=progress)


def evaluate_coders(
    images: Sequence[Item],
    coders: Sequence[Coder],
    *,
    dataset: str,
    of: Sequence[str] = (),
    more: Sequence[Curve] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Measure each coder on the images, and compare.

    Args:
        dataset: the set's name, for the record.
        of: names of those whose BD-rate is wanted, each against all others; () for all.
        more: curves known already, published or measured before, of this very set.

    Raises:
        InputError: two codecs of one name, or an unknown name in `of`.
    """
    names = [coder.name for coder in coders] + [curve.name for curve in more]
    if len(set(names)) != len(names) or not set(of) <= set(names):
        raise InputError(
            f"codecs {', '.join(names)}, to compare {', '.join(of)}", hint="name each codec once"
        )
    curves = [*(measure(images, coder, progress=progress) for coder in coders), *more]
    wanted = [curve for curve in curves if curve.name in of] if of else curves
    return Evaluation(
        dataset=dataset,
        images=len(images),
        curves=tuple(curves),
        comparisons=tuple(
            compare(curve, other) for curve in wanted for other in curves if other is not curve
        ),
        machine=_machine(),
    )


def image_paths(folder: Path) -> list[Path]:
    """The images directly in `folder`, by name.

    Raises:
        InputError: not a folder, or none in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", hint="give the folder that holds the images")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"no image in {folder}", hint=f"PNG is best; read are {', '.join(SUFFIXES)}")
    return paths


def shipped(model: str = "charm-lite", *, qualities: Sequence[float] = QUALITIES) -> Coder:
    """Our codec with the weights `model`, to be measured: whole products, container included."""
    codec = load_codec(model)
    label = f"Vedette {vedette.__version__}, {codec.name}, weights {codec.weights_id.hex()}"
    return as_coder(_Products(codec), model, label, qualities=qualities)


def table(evaluation: Evaluation) -> str:
    """BD-rates as text, one line a comparison, and below them what each name stands for."""
    lines = [f"{evaluation.dataset}, {evaluation.images} images; BD-rate, negative: fewer bits", ""]
    width = 2 + max(len(curve.name) for curve in evaluation.curves)
    lines.append(f"{'codec':<{width}}{'against':<{width}}{'PSNR':>9}{'MS-SSIM':>10}   over PSNR")
    for row in evaluation.comparisons:
        over = f"{row.psnr_overlap_db[0]:.1f}-{row.psnr_overlap_db[1]:.1f} dB" if row.psnr_overlap_db else "-"
        rates = f"{_percent(row.psnr_percent):>9}{_percent(row.ms_ssim_percent):>10}"
        lines.append(f"{row.codec:<{width}}{row.anchor:<{width}}{rates}   {over}")
    return "\n".join([*lines, "", *(f"{curve.name:<{width}}{curve.label}" for curve in evaluation.curves)])


def chart(evaluation: Evaluation, metric: str = "psnr", *, x_limit: float | None = None) -> Chart:
    """The curves drawn, by "psnr" or "ms_ssim" (in dB); curves without that metric are left out.

    Args:
        x_limit: bits per pixel at which the chart ends.

    Raises:
        UnknownNameError: another metric.
    """
    if metric not in ("psnr", "ms_ssim"):
        raise UnknownNameError("metric", metric, ("psnr", "ms_ssim"))
    values = [(curve, curve.psnr_db if metric == "psnr" else curve.ms_ssim_db) for curve in evaluation.curves]
    return Chart(
        title=f"{evaluation.dataset}, mean of {evaluation.images} images",
        x_title="rate of whole files, bits per pixel",
        y_title="PSNR, dB" if metric == "psnr" else "MS-SSIM, dB",
        lines=[Line(curve.name, curve.bpp, y) for curve, y in values if y],
        x_limit=x_limit,
    )


def to_svg(evaluation: Evaluation, metric: str = "psnr") -> str:
    """`chart` as SVG."""
    return chart(evaluation, metric).svg()


def to_png(evaluation: Evaluation, metric: str = "psnr") -> bytes:
    """`chart` as the bytes of a PNG file."""
    return chart(evaluation, metric).png()


def read_evaluation(path: Path) -> Evaluation:
    """What `Evaluation.write` wrote, so that anchors need not be measured again.

    Raises:
        InputError: not such a file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        for curve in data["curves"]:
            del curve["ms_ssim_db"]
        curves = tuple(
            Curve(**{key: _restored(value) for key, value in row.items()}) for row in data["curves"]
        )
        rows = [{key: _restored(value) for key, value in row.items()} for row in data["comparisons"]]
        data |= {"curves": curves, "comparisons": tuple(Comparison(**row) for row in rows)}
        return Evaluation(**data)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} holds no evaluation", hint="give a file that an evaluation wrote"
        ) from error


class _Products:
    """Whole products of one set of weights, as `ImageCodec` asks."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def encode_image(self, image: UInt8[np.ndarray, "c h w"], quality: float) -> bytes:
        return encode_image(image, self._codec, quality=quality)

    def decode_image(self, data: bytes) -> UInt8[np.ndarray, "c h w"]:
        return decode_array(data, self._codec)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"


def _machine() -> dict[str, Any]:
    return {
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _plain(value: Any) -> Any:
    """JSON's types: tuples become lists, and a float that is not finite None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _restored(value: Any) -> Any:
    """Lists as tuples, and None inside one as the infinity it stands for."""
    return (
        tuple(math.inf if inner is None else inner for inner in value) if isinstance(value, list) else value
    )
