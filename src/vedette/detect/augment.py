"""Crops to learn from: four images in one, turned, flipped, zoomed alike in all bands; RGB changes color.

The mosaic of the released code (specification section 5), made directly: each quadrant of the crop is a
random window of a random image at a random zoom, so that nothing is drawn that is then cut away. For
views from above, turns by quarters are added (ours).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from vedette.data.boxes import BoxImage
from vedette.detect.losses import Targets
from vedette.detect.store import Store
from vedette.images.boxes import area

LUMA = (0.299, 0.587, 0.114)
WHOLE_LEAST = 0.4  # an object of which less is in view is neither taught nor a mistake


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How crops vary.

    Args:
        mosaic: share of crops made of four windows; the others are one.
        zoom: an image is resized by a factor from 1/zoom to zoom.
        turn: quarter turns, for views from above.
        hue, saturation, value: of RGB groups, as shares; `gain` of the others.
        drop: chance that one of several groups is blanked, so that the detector learns to do without.
        objects: share of windows that are placed about an object, where images hold few.
    """

    mosaic: float = 1.0
    zoom: float = 1.5
    turn: bool = True
    hue: float = 0.015
    saturation: float = 0.7
    value: float = 0.4
    gain: float = 0.2
    drop: float = 0.0
    objects: float = 0.0


@dataclass(frozen=True)
class Crops:
    """A batch: what the network sees, what is in it, and the same crops at full sharpness or None."""

    images: Float[Tensor, "b c h w"]
    targets: Targets
    sharp: Float[Tensor, "b c H W"] | None

    def to(self, device: torch.device) -> "Crops":
        """The same on `device`."""
        sharp = None if self.sharp is None else self.sharp.to(device)
        return Crops(self.images.to(device), self.targets.to(device), sharp)


def batches(
    store: Store,
    images: Sequence[BoxImage],
    augment: Augment,
    *,
    groups: Sequence[tuple[str, int]],
    batch: int,
    side: int,
    reduce: int,
    factor: int = 0,
    seed: int,
) -> Iterator[Crops]:
    """Batches without end.

    Args:
        groups: name and bands of each.
        side: of the network's input, pixels.
        reduce: pixels of an image, each way, that make one of the network's.
        factor: how many times finer `sharp` is than the network's input; 0 for none.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([image.width * image.height for image in images], dtype=np.float64)
    chances = np.sqrt(sizes) / np.sqrt(sizes).sum()
    scale = max(factor, 1)  # crops are made `scale` times as fine as the network's input
    while True:
        made = [
            _one(store, images, chances, augment, groups, side * scale, scale / reduce, rng)
            for _ in range(batch)
        ]
        sharp = torch.stack([image for image, *_ in made])
        yield Crops(
            functional.avg_pool2d(sharp, scale) if scale > 1 else sharp,
            _targets(made, scale),
            sharp if factor else None,
        )


@dataclass
class _Found:
    """Objects of a crop: cxcywht, labels, and regions to ignore (xyxy)."""

    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray


def _targets(made: Sequence[tuple[Tensor, _Found]], scale: int) -> Targets:
    found = [f for _, f in made]
    boxes = np.concatenate([f.boxes for f in found]) / np.array([scale] * 4 + [1.0])
    ignored = np.concatenate([f.ignored for f in found]) / scale
    return Targets(
        torch.tensor(np.repeat(np.arange(len(made)), [len(f.boxes) for f in found])),
        torch.tensor(np.concatenate([f.labels for f in found])),
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(np.repeat(np.arange(len(made)), [len(f.ignored) for f in found])),
        torch.tensor(ignored, dtype=torch.float32),
    )


def _one(
    store: Store,
    images: Sequence[BoxImage],
    chances: np.ndarray,
    augment: Augment,
    groups: Sequence[tuple[str, int]],
    side: int,
    scale: float,
    rng: np.random.Generator,
) -> tuple[Tensor, _Found]:
    """A crop of `side` pixels, each 1/scale pixels of an image wide before zoom, and what is in it."""
    several = rng.random() < augment.mosaic
    x, y = (int(rng.uniform(0.25, 0.75) * side) for _ in range(2)) if several else (side, side)
    quadrants = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)] if several else []
    canvas = torch.zeros(store.planes, side, side)
    found = _Found(np.zeros((0, 5)), np.zeros(0, dtype=np.int64), np.zeros((0, 4)))
    for left, top, right, bottom in quadrants or [(0, 0, side, side)]:
        image = images[int(rng.choice(len(images), p=chances))]
        zoom = scale * math.exp(rng.uniform(-1, 1) * math.log(augment.zoom))
        about = augment.objects > 0 and rng.random() < augment.objects
        piece, part = _window(store.read(image), image, bottom - top, right - left, zoom, about, rng)
        piece = _colored(piece / store.peak, augment, groups, rng)
        canvas[:, top : top + piece.shape[1], left : left + piece.shape[2]] = piece
        found.boxes = np.concatenate([found.boxes, part.boxes + np.array([left, top, 0, 0, 0])])
        found.labels = np.concatenate([found.labels, part.labels])
        found.ignored = np.concatenate([found.ignored, part.ignored + np.array([left, top] * 2)])
    if augment.turn:
        canvas, found = _turned(canvas, found, int(rng.integers(4)), side)
    if rng.random() < 0.5:
        canvas = canvas.flip(2)
        found.boxes = found.boxes * [-1, 1, 1, 1, -1] + [side, 0, 0, 0, 0]
        found.ignored = np.array([side, 0, side, 0]) - found.ignored[:, [2, 1, 0, 3]] * [1, -1, 1, -1]
    if len(groups) > 1 and rng.random() < augment.drop:
        counts = [count for _, count in groups]
        gone = int(rng.integers(len(groups)))
        canvas[sum(counts[:gone]) : sum(counts[: gone + 1])] = 0
    return canvas, found


def _window(
    samples: Shaped[np.ndarray, "c h w"],
    image: BoxImage,
    height: int,
    width: int,
    zoom: float,
    about: bool,
    rng: np.random.Generator,
) -> tuple[Tensor, _Found]:
    """A random window of an image, `zoom` pixels for each of its own, at most height x width.

    Args:
        about: it shall hold one of the image's objects, where there are any.
    """
    rows, cols = min(image.height, round(height / zoom)), min(image.width, round(width / zoom))
    objects = image.xyxy[~image.ignore] if about else image.xyxy[:0]
    if len(objects):
        low_x, low_y, high_x, high_y = objects[int(rng.integers(len(objects)))]
        top = _begin(low_y, high_y, rows, image.height, rng)
        left = _begin(low_x, high_x, cols, image.width, rng)
    else:
        top = int(rng.integers(image.height - rows + 1))
        left = int(rng.integers(image.width - cols + 1))
    cut = samples[:, top : top + rows, left : left + cols]
    size = (min(height, max(1, round(rows * zoom))), min(width, max(1, round(cols * zoom))))
    piece = torch.from_numpy(cut.astype(np.float32))[None]
    piece = functional.interpolate(piece, size, mode="bilinear", antialias=zoom < 1)[0]
    grow = np.array([size[1] / cols, size[0] / rows])
    straight = (image.xyxy - [left, top, left, top]) * np.tile(grow, 2)
    limits = np.array([size[1], size[0]] * 2, dtype=np.float64)
    inside = np.clip(straight, 0, limits)
    seen = area(inside) / np.maximum(area(straight), 1e-9)
    there = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    kept = there & ~image.ignore & (seen >= WHOLE_LEAST)
    if image.cxcywht is None:
        boxes = np.concatenate(
            [(inside[:, :2] + inside[:, 2:]) / 2, inside[:, 2:] - inside[:, :2], np.zeros((len(inside), 1))],
            1,
        )
    else:  # turned boxes are not cut; the zoom is nearly the same both ways
        boxes = image.cxcywht * [*grow, *grow, 1.0] - [left * grow[0], top * grow[1], 0, 0, 0]
        kept &= ((boxes[:, :2] >= 0) & (boxes[:, :2] < limits[:2])).all(axis=1)  # taught where it is seen
    return piece, _Found(boxes[kept], image.labels[kept], inside[there & ~kept])


def _begin(low: float, high: float, length: int, most: int, rng: np.random.Generator) -> int:
    """Where a window of `length` of `most` pixels begins that holds low..high, or what fits of it."""
    first, last = sorted((math.ceil(high) - length, math.floor(low)))
    return int(np.clip(rng.integers(first, last + 1), 0, most - length))


def _turned(canvas: Tensor, found: _Found, quarters: int, side: int) -> tuple[Tensor, _Found]:
    """All of it turned counterclockwise by quarters."""
    for _ in range(quarters):
        x, y, w, h, t = found.boxes.T
        straight = t == 0  # stays straight: sides change places instead
        angle = np.where(straight, 0.0, t - np.pi / 2)
        width, height = np.where(straight, h, w), np.where(straight, w, h)
        found.boxes = np.stack([y, side - x, width, height, angle], axis=1)
        found.ignored = found.ignored[:, [1, 2, 3, 0]] * [1, -1, 1, -1] + [0, side, 0, side]
    return torch.rot90(canvas, quarters, (1, 2)), found


def _colored(
    piece: Tensor, augment: Augment, groups: Sequence[tuple[str, int]], rng: np.random.Generator
) -> Tensor:
    """Hue, saturation and value of groups of three bands called "rgb", a gain for the others."""
    parts = []
    for (name, _), group in zip(groups, piece.split([count for _, count in groups]), strict=True):
        if name == "rgb":
            hue, saturation, value = rng.uniform(-1, 1, 3) * (
                augment.hue,
                augment.saturation,
                augment.value,
            )
            turn = _hue_matrix(hue * 2 * math.pi) * (1 + saturation) + torch.tensor(LUMA) * -saturation
            group = torch.einsum("ij,jhw->ihw", turn * (1 + value), group)
        else:
            group = group * (1 + rng.uniform(-1, 1) * augment.gain)
        parts.append(group)
    return torch.cat(parts).clamp(0, 1)


def _hue_matrix(angle: float) -> Tensor:
    """Colors turned about the gray axis."""
    third, cos, sin = 1 / 3, math.cos(angle), math.sin(angle)
    a, b = cos + (1 - cos) * third, (1 - cos) * third
    s = math.sqrt(third) * sin
    return torch.tensor([[a, b - s, b + s], [b + s, a, b - s], [b - s, b + s, a]])
