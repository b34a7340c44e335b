"""Is the test set in the training set? Same files, places or sequences, or images that look the same."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vedette.data.boxes import BoxImage, BoxSet
from vedette.errors import InputError
from vedette.images import Window, open_scene

THUMB = 24  # pixels a side
ALIKE = 0.97  # correlation of two thumbnails


@dataclass(frozen=True)
class Leak:
    """Two images of different parts that are one, and how that shows: "bytes", "group", "place", "looks"."""

    kind: str
    first: str
    second: str


def leaks(
    training: BoxSet, test: BoxSet, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Leak]:
    """Pairs of a training and a test image that share bytes, a group, ground, or looks; each pair once.

    Args:
        training, test: the parts; images are read.

    Raises:
        InputError: a part without images.
    """
    if not training.images or not test.images:
        raise InputError("a part without images", hint="give two sets that have some")
    total = len(training.images) + len(test.images)
    seen = []
    for image in (*training.images, *test.images):
        seen.append(_Seen.of(image))
        progress(len(seen), total)
    one, two = seen[: len(training.images)], seen[len(training.images) :]
    alike = np.stack([s.thumb for s in one]) @ np.stack([s.thumb for s in two]).T
    found = []
    for row, a in enumerate(one):
        for col, b in enumerate(two):
            kind = (
                "bytes" if a.digest == b.digest
                else "group" if a.group and a.group == b.group
                else "place" if _overlap(a, b)
                else "looks" if alike[row, col] > ALIKE
                else ""
            )  # fmt: skip
            if kind:
                found.append(Leak(kind, a.name, b.name))
    return found


@dataclass(frozen=True)
class _Seen:
    name: str
    digest: bytes
    group: str
    crs: str
    bounds: tuple[float, float, float, float] | None  # left, bottom, right, top
    thumb: np.ndarray

    @staticmethod
    def of(image: BoxImage) -> "_Seen":
        with open_scene(image.path, bands=(1,)) as scene:
            samples = scene.read(Window(0, 0, scene.height, scene.width))[0].astype(np.float32)
            geo = scene.geo
        thumb = np.asarray(
            Image.fromarray(samples).resize((THUMB, THUMB), Image.Resampling.BOX), dtype=np.float64
        ).ravel()
        thumb = thumb - thumb.mean()
        thumb /= max(float(np.linalg.norm(thumb)), 1e-9)
        bounds = None
        if geo is not None and geo.crs and geo.transform:
            a, b, c, d, e, f = geo.transform
            xs = [c + a * x + b * y for x in (0, image.width) for y in (0, image.height)]
            ys = [f + d * x + e * y for x in (0, image.width) for y in (0, image.height)]
            bounds = (min(xs), min(ys), max(xs), max(ys))
        return _Seen(image.path.name, _digest(image.path), image.group, geo.crs if geo else "", bounds, thumb)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _overlap(a: _Seen, b: _Seen) -> bool:
    """Whether two placed images share ground: more than a hundredth of the smaller one."""
    if a.bounds is None or b.bounds is None or a.crs != b.crs:
        return False
    width = min(a.bounds[2], b.bounds[2]) - max(a.bounds[0], b.bounds[0])
    height = min(a.bounds[3], b.bounds[3]) - max(a.bounds[1], b.bounds[1])
    areas = [(s[2] - s[0]) * (s[3] - s[1]) for s in (a.bounds, b.bounds)]
    return width > 0 and height > 0 and width * height > 0.01 * min(areas)
