"""Rate-distortion curves of codecs on a set of images, and their BD-rates.

Every rate is the size of the whole file, header included. The protocol is that of recent papers: PSNR of
8-bit RGB is taken per image and averaged, as are bits per pixel and MS-SSIM, and BD-rate compares these
dataset means.
"""

import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8

from vedette.codec.anchors import Coder, Pixels
from vedette.errors import InputError, UnknownNameError, VedetteError
from vedette.images import read_image, write_atomically
from vedette.metrics import Comparison, Curve, compare, ms_ssim, psnr
from vedette.metrics.distortion import WINDOW
from vedette.report.chart import Chart, Line

QUALITIES = (4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 60.0)
SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg")


@runtime_checkable
class ImageCodec(Protocol):
    """What a codec of ours must offer to be evaluated."""

    def encode_image(self, image: UInt8[np.ndarray, "c h w"], quality: float) -> bytes: ...

    def decode_image(self, data: bytes) -> UInt8[np.ndarray, "c h w"]: ...


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Curves and BD-rates of one run, with what they were measured on."""

    dataset: str
    images: int
    curves: tuple[Curve, ...]
    comparisons: tuple[Comparison, ...]
    machine: dict[str, Any]

    def to_json(self) -> str:
        """All of it as JSON text; a PSNR that is infinite (a lossless file) becomes null."""
        return json.dumps(_finite(asdict(self)), indent=1, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """`to_json()` under `path`, whole or not at all."""
        write_atomically(path, self.to_json().encode())


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


def as_coder(codec: ImageCodec, name: str, label: str, *, qualities: Sequence[float] = QUALITIES) -> Coder:
    """Our codec in the same shape as every other encoder, at `qualities`, rising."""
    return Coder(
        name=name,
        settings=tuple(qualities),
        encode=codec.encode_image,
        decode=codec.decode_image,
        describe=lambda: label,
    )


def evaluate(
    images: Sequence[Path | UInt8[np.ndarray, "c h w"]],
    coders: Sequence[Coder],
    *,
    dataset: str,
    of: Sequence[str] = (),
    more: Sequence[Curve] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Encode and decode every image with every coder at every setting, and compare.

    Args:
        images: files or arrays, 8-bit; gray is coded as RGB. Files are read one at a time.
        coders: each runs in this process, one after another; timings are of this machine as it is.
        dataset: the set's name, for the record.
        of: names of the coders whose BD-rate is wanted, each against all others; () for all.
        more: curves known already, published or measured before, of this very set.
        progress: called with the coder's name, images done and images in all.

    Raises:
        InputError: no image or coder, two coders of one name, an unknown name in `of`.
        VedetteError: a coder returned an image of another size.
    """
    names = [coder.name for coder in coders] + [curve.name for curve in more]
    if not images or not coders:
        raise InputError(f"{len(images)} images and {len(coders)} codecs", hint="give at least one of each")
    if len(set(names)) != len(names) or not set(of) <= set(names):
        raise InputError(
            f"codecs {', '.join(names)}, compared {', '.join(of)}", hint="each codec once, by its name"
        )
    curves = [_measure(images, coder, progress) for coder in coders]
    curves += more
    wanted = [curve for curve in curves if curve.name in of] if of else curves
    comparisons = [compare(curve, anchor) for curve in wanted for anchor in curves if anchor is not curve]
    return Evaluation(
        dataset=dataset,
        images=len(images),
        curves=tuple(curves),
        comparisons=tuple(comparisons),
        machine=_machine(),
    )


def chart(evaluation: Evaluation, metric: str = "psnr", *, x_limit: float | None = None) -> Chart:
    """The curves drawn, by "psnr" or "ms_ssim" (in dB); curves without that metric are left out.

    Raises:
        UnknownNameError: another metric.
    """
    if metric not in ("psnr", "ms_ssim"):
        raise UnknownNameError("metric", metric, ("psnr", "ms_ssim"))
    values = [(curve, curve.psnr_db if metric == "psnr" else curve.ms_ssim_db) for curve in evaluation.curves]
    return Chart(
        title=f"{evaluation.dataset}, mean of {evaluation.images} images",
        x_title="rate, bits per pixel of whole files",
        y_title="PSNR, dB" if metric == "psnr" else "MS-SSIM, dB",
        lines=[Line(curve.name, curve.bpp, y) for curve, y in values if y],
        x_limit=x_limit,
    )


def from_json(text: str) -> Evaluation:
    """What `Evaluation.to_json` wrote, so that anchors need not be measured again.

    Raises:
        InputError: not such a text.
    """
    try:
        data = json.loads(text)
        curves = [
            Curve(**{key: _restored(value) for key, value in curve.items()}) for curve in data.pop("curves")
        ]
        comparisons = [
            Comparison(**{key: _restored(value) for key, value in row.items()})
            for row in data.pop("comparisons")
        ]
        return Evaluation(**data, curves=tuple(curves), comparisons=tuple(comparisons))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            "this is no evaluation", hint="give a file that an evaluation wrote as JSON"
        ) from error


def _measure(
    images: Sequence[Path | UInt8[np.ndarray, "c h w"]],
    coder: Coder,
    progress: Callable[[str, int, int], None] | None,
) -> Curve:
    scores: list[list[tuple[float, ...]]] = [[] for _ in coder.settings]
    for done, item in enumerate(images, start=1):
        image = _rgb(read_image(item) if isinstance(item, Path) else item)
        if done == 1:  # libraries load and set up at their first call
            coder.decode(coder.encode(image, coder.settings[0]))
        for setting, row in zip(coder.settings, scores, strict=True):
            row.append(_score(image, coder, setting))
        if progress is not None:
            progress(coder.name, done, len(images))
    points = []
    for setting, row in zip(coder.settings, scores, strict=True):
        bpp, quality, similarity, encode_s, decode_s = zip(*row, strict=True)
        points.append(
            (fmean(bpp), setting, fmean(quality), fmean(similarity), median(encode_s), median(decode_s))
        )
    rate, settings, psnr_db, similarities, encode, decode = zip(*sorted(points), strict=True)
    return Curve(
        name=coder.name,
        label=coder.label,
        settings=settings,
        bpp=rate,
        psnr_db=psnr_db,
        ms_ssim=() if math.isnan(similarities[0]) else similarities,
        encode_s=encode,
        decode_s=decode,
    )


def _score(image: Pixels, coder: Coder, setting: float) -> tuple[float, ...]:
    """bpp, PSNR in dB, MS-SSIM (NaN for an image below its window), seconds to encode and to decode."""
    start = time.perf_counter()
    data = coder.encode(image, setting)
    middle = time.perf_counter()
    decoded = coder.decode(data)
    end = time.perf_counter()
    _, height, width = image.shape
    if coder.even_sides:
        decoded = decoded[:, :height, :width]
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise VedetteError(
            f"{coder.name} made {decoded.dtype} {decoded.shape} of an image uint8 {image.shape}",
            hint="a codec must return the size it was given",
        )
    a, b = (torch.from_numpy(np.ascontiguousarray(x)).double()[None] for x in (decoded, image))
    quality = psnr(a, b, peak=255).item()
    similarity = ms_ssim(a.float(), b.float(), peak=255).item() if min(height, width) >= WINDOW else math.nan
    return 8 * len(data) / (height * width), quality, similarity, middle - start, end - middle


def _rgb(image: UInt8[np.ndarray, "c h w"]) -> Pixels:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
        raise InputError(
            f"an image {image.dtype} {image.shape}", hint="8-bit gray or RGB, (bands, h, w), is needed"
        )
    return np.repeat(image, 3, axis=0) if image.shape[0] == 1 else image


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _finite(value: Any) -> Any:
    """`value` with every infinite or undefined float replaced by None, which JSON can say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _restored(value: Any) -> Any:
    """JSON's lists as tuples, and null inside one as the infinity it stands for."""
    return (
        tuple(math.inf if inner is None else inner for inner in value) if isinstance(value, list) else value
    )
