"""Synthetic scenes, sets and detectors, small enough for a test."""

from pathlib import Path

import numpy as np
import rasterio
import torch
from torch import nn

from vedette.data.boxes import BoxImage, BoxSet, save_coco
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.detections import Detections
from vedette.detect.detector_file import Detector
from vedette.detect.models import build
from vedette.detect.spec import DetectorSpec
from vedette.images import Window

UTM = "EPSG:32611"


class InMemory(Sensors):
    """An array (planes, h, w) in the place of files."""

    def __init__(self, samples: np.ndarray, counts: tuple[int, ...] | None = None) -> None:
        self.samples = samples
        self.planes, self.height, self.width = samples.shape
        self.dtype = samples.dtype.type
        self.geo = None
        self.counts = counts or (self.planes,)
        firsts = np.cumsum([0, *self.counts])
        self.groups = tuple(
            BandGroup(f"group{n}", tuple(range(first + 1, first + count + 1)))
            for n, (first, count) in enumerate(zip(firsts, self.counts, strict=False))
        )

    def read(self, window: Window) -> np.ndarray:
        rows = slice(window.row, window.row + window.height)
        return self.samples[:, rows, window.col : window.col + window.width]


def detections(xyxy, scores=None, labels=None, cxcywht=None) -> Detections:
    """Of plain lists; scores fall where none are given, all of class 0."""
    boxes = np.array(xyxy, dtype=np.float64).reshape(-1, 4)
    count = len(boxes)
    return Detections(
        xyxy=boxes,
        scores=np.linspace(0.9, 0.5, count) if scores is None else np.array(scores, dtype=np.float64),
        labels=np.zeros(count, np.int64) if labels is None else np.array(labels, dtype=np.int64),
        cxcywht=None if cxcywht is None else np.array(cxcywht, dtype=np.float64).reshape(-1, 5),
    )


def random_detections(count, seed, *, classes=2, turned=False, side=60.0) -> Detections:
    """Boxes of 2 to 20 pixels; positions and scores on coarse grids, so that some are equal."""
    rng = np.random.default_rng(seed)
    center = rng.integers(0, 2 * side, (count, 2)) / 2
    size = rng.integers(4, 40, (count, 2)) / 2
    scores = rng.integers(1, 40, count) / 40
    labels = rng.integers(0, classes, count)
    if not turned:
        return detections(np.concatenate([center - size / 2, center + size / 2], 1), scores, labels)
    from vedette.images.boxes import hull

    boxes = np.concatenate([center, size, rng.uniform(-2, 2, (count, 1))], 1)
    return detections(hull(boxes), scores, labels, boxes)


def stir(model: nn.Module, seed: int = 0) -> nn.Module:
    """Normalizations with statistics and weights of their own, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.3),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return model


def tiny_detector(
    *, classes=("car", "boat"), groups=(("rgb", 3),), oriented=False, sure=True, seed=0, **spec
) -> Detector:
    """An untrained detector of the least width; `sure`: its scores spread from 0 to 1."""
    torch.manual_seed(seed)
    counts = tuple(count for _, count in groups)
    options = {
        "classes": len(classes),
        "groups": counts,
        "fusion": "concat",
        "width": 0.125,
        "oriented": oriented,
        "anchors": [[[8.0, 8.0], [10.0, 12.0], [12.0, 9.0]]],
    }
    model = stir(build("superyolo", **options), seed)
    if sure:
        calibrate(model, sum(counts), 4 + 2 * oriented)
    described = DetectorSpec(
        classes=tuple(classes), groups=tuple(groups), oriented=oriented, multiple=32, **spec
    )
    return Detector(model.eval(), "superyolo", options, described)


@torch.no_grad()
def calibrate(model: nn.Module, bands: int, first: int) -> None:
    """Statistics and a head as if it had learned from noise and squares: sure of some places, not of most."""
    images = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        corners = rng.integers(0, 145, (18 * (seed > 0), 2))
        boxes = [(x, y, x + rng.integers(6, 14), y + rng.integers(6, 14)) for x, y in corners]
        images.append(squares(160, 160, boxes, bands=bands, dark=0.3, seed=seed))
    image = torch.from_numpy(np.stack(images) / 255).float()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches, here of one
    model.train()(image)
    for conv in model.head.convs:
        conv.bias.zero_()
    for conv, said in zip(model.head.convs, model.eval()(image).maps, strict=True):
        values = said.permute(1, 4, 0, 2, 3).flatten(0, 1).flatten(1)  # of each channel over the places
        conv.weight.mul_((3 / values.std(dim=1))[:, None, None, None])
        conv.bias.sub_(3 * values.mean(dim=1) / values.std(dim=1))
        conv.bias.view(3, -1)[:, first] -= 3.0
        conv.weight.view(3, -1, *conv.weight.shape[1:])[:, 2:4] *= 0.05  # about as large as the anchors


def squares(
    height: int, width: int, boxes, *, bands: int = 3, dtype=np.uint8, dark: float = 0.1, seed: int = 0
) -> np.ndarray:
    """(bands, height, width): dark noise with white rectangles, xyxy in whole pixels."""
    peak = np.iinfo(dtype).max
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, dark, (bands, height, width)) * peak
    for left, top, right, bottom in boxes:
        image[:, top:bottom, left:right] = peak
    return image.astype(dtype)


def write_tiff(path: Path, samples: np.ndarray, *, crs=UTM, transform=(0.5, 0, 500_000, 0, -0.5, 4_000_000)):
    """A GeoTIFF; without a place where `crs` is None."""
    bands, height, width = samples.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": samples.dtype}
    if crs is not None:
        profile |= {"crs": crs, "transform": rasterio.Affine(*transform)}
    if bands > 3:
        profile |= {"photometric": "MINISBLACK"}
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as file:
            file.write(samples)
    return path


def make_set(
    folder: Path,
    count: int = 6,
    *,
    side: int = 96,
    bands: int = 3,
    classes=("car", "boat"),
    groups: tuple[str, ...] = (),
    first: int = 0,
    name: str = "train_coco.json",
) -> tuple[BoxSet, Path]:
    """`count` GeoTIFFs with two objects each, and their COCO file."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        corner = rng.integers(4, side // 2 - 16, 2)
        boxes = [(*corner, *(corner + (10, 12))), (*(corner + side // 2), *(corner + side // 2 + 12))]
        path = folder / f"image{number:03d}.tif"
        place = (0.5, 0, 500_000 + 1000 * number, 0, -0.5, 4_000_000)
        write_tiff(path, squares(side, side, boxes, bands=bands, seed=number), transform=place)
        images.append(
            BoxImage(
                path=path,
                width=side,
                height=side,
                xyxy=np.array(boxes, dtype=np.float64),
                labels=np.array([0, len(classes) - 1]),
                ignore=np.zeros(2, dtype=bool),
                gsd_m=0.5,
                group=groups[(number - first) % len(groups)] if groups else "",
            )
        )
    made = BoxSet(classes=tuple(classes), images=tuple(images))
    save_coco(made, folder / name)
    return made, folder / name
