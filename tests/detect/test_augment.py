"""Boxes follow the image through every change of geometry: a bright block marks each object in all bands."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from vedette.data.boxes import BoxImage
from vedette.detect.augment import Augment, batches
from vedette.detect.store import Store
from vedette.images.boxes import corners, hull

GROUPS = (("rgb", 3), ("ir", 1))
PLAIN = Augment(mosaic=0.0, zoom=1.0, turn=False, hue=0, saturation=0, value=0, gain=0)


class Arrays(Store):
    """Samples in memory, by the name of the path."""

    def __init__(self, samples, peak=255.0):
        self.samples, self.peak = samples, peak
        self.planes = next(iter(samples.values())).shape[0]

    def read(self, image):
        return self.samples[str(image.path)]


def drawn(turned, height, width, bands, dtype):
    """Black, with every box white; each pixel whose center lies within."""
    image = np.zeros((bands, height, width), dtype)
    y, x = np.mgrid[:height, :width] + 0.5
    for cx, cy, w, h, t in turned:
        u = (x - cx) * np.cos(t) + (y - cy) * np.sin(t)
        v = (y - cy) * np.cos(t) - (x - cx) * np.sin(t)
        image[:, (abs(u) <= w / 2) & (abs(v) <= h / 2)] = np.iinfo(dtype).max
    return image


def make(*, oriented, seed=0, count=3, bands=4, dtype=np.uint8):
    """Images of different sizes with boxes on a loose grid, of two classes."""
    from pathlib import Path

    rng = np.random.default_rng(seed)
    samples, images = {}, []
    for number in range(count):
        height, width = 150 + 30 * number, 190 - 20 * number
        rows = []
        for cy in range(20, height - 20, 36):
            for cx in range(20, width - 20, 36):
                angle = rng.uniform(-1.5, 1.5) if oriented else 0.0
                rows.append(
                    (*(np.array([cx, cy]) + rng.integers(-2, 3, 2)), *rng.choice([10, 14, 18], 2), angle)
                )
        boxes = np.array(rows, dtype=np.float64)
        path = Path(f"{number}")
        samples[str(path)] = drawn(boxes, height, width, bands, dtype)
        images.append(
            BoxImage(
                path=path,
                width=width,
                height=height,
                xyxy=hull(boxes),
                labels=np.arange(len(boxes)) % 2,
                ignore=np.zeros(len(boxes), dtype=bool),
                cxcywht=boxes if oriented else None,
            )
        )
    return Arrays(samples, float(np.iinfo(dtype).max)), images


def take(count, store, images, augment, **options):
    defaults = {"groups": GROUPS, "batch": 2, "side": 128, "reduce": 1, "seed": 5}
    stream = batches(store, images, augment, **(defaults | options))
    return [next(stream) for _ in range(count)]


VIEWS = {
    "plain": PLAIN,
    "turns": replace(PLAIN, turn=True),
    "zoom": replace(PLAIN, zoom=1.6),
    "mosaic": replace(PLAIN, mosaic=1.0),
    "about objects": replace(PLAIN, mosaic=1.0, zoom=1.5, objects=1.0),
    "all": replace(PLAIN, mosaic=1.0, turn=True, zoom=1.5),
}


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("reduce", [1, 2])
def test_boxes_follow_the_image_in_all_bands(view, oriented, reduce):
    """White within each box, black around, and no white block without a box."""
    store, images = make(oriented=oriented)
    seen = 0
    for crops in take(3, store, images, VIEWS[view], reduce=reduce, side=128 // reduce):
        for number, image in enumerate(crops.images):
            bright = (image > 0.45).numpy()
            assert (bright == bright[:1]).all()  # the same geometry in every band
            mine = crops.targets.image == number
            boxes = crops.targets.boxes[mine].numpy().astype(np.float64)
            regions = crops.targets.ignored[crops.targets.ignored_image == number].numpy()
            y, x = np.mgrid[: image.shape[1], : image.shape[2]] + 0.5
            explained = np.zeros(image.shape[1:], dtype=bool)
            for cx, cy, w, h, t in boxes:
                u = (x - cx) * np.cos(t) + (y - cy) * np.sin(t)
                v = (y - cy) * np.cos(t) - (x - cx) * np.sin(t)
                core = (abs(u) <= w / 2 - 1.2) & (abs(v) <= h / 2 - 1.2)
                if not oriented:
                    assert bright[0][core].all()
                elif core.any():  # a turned box that the edge of a window cuts is not all there
                    assert bright[0][core].mean() > 0.4
                explained |= (abs(u) <= w / 2 + 1.5) & (abs(v) <= h / 2 + 1.5)
                seen += 1
            for left, top, right, bottom in regions:
                explained |= (x >= left - 1.5) & (x <= right + 1.5) & (y >= top - 1.5) & (y <= bottom + 1.5)
            assert not (bright[0] & ~explained).any()
    assert seen > 15


@pytest.mark.parametrize("oriented", [False, True])
def test_what_is_taught_lies_within_the_crop(oriented):
    store, images = make(oriented=oriented)
    for crops in take(6, store, images, Augment()):
        boxes = crops.targets.boxes
        assert ((boxes[:, :2] >= 0) & (boxes[:, :2] <= 128)).all() and (boxes[:, 2:4] > 0).all()
        if not oriented:
            assert (boxes[:, :2] - boxes[:, 2:4] / 2 >= -1e-3).all()
            assert (boxes[:, :2] + boxes[:, 2:4] / 2 <= 128 + 1e-3).all() and (boxes[:, 4] == 0).all()
        assert (crops.targets.ignored >= -1e-3).all() and (crops.targets.ignored <= 128 + 1e-3).all()
        assert crops.images.shape == (2, 4, 128, 128) and crops.sharp is None
        assert crops.images.min() >= 0 and crops.images.max() <= 1


def test_turned_boxes_keep_their_sides_and_angles_without_zoom():
    """Whatever quarter turns and flips do: to each target one of the objects has the same corners, moved."""
    store, images = make(oriented=True, count=1)
    true = corners(images[0].cxcywht)
    true = true - true.mean(axis=1, keepdims=True)

    def views(points):
        for quarters in range(4):
            turn = np.array([[0, -1], [1, 0]])
            for mirror in (1, -1):
                yield (points @ np.linalg.matrix_power(turn, quarters)) * [mirror, 1]

    known = np.concatenate([view for view in views(true)])
    for crops in take(3, store, images, replace(PLAIN, turn=True)):
        for points in corners(crops.targets.boxes.numpy().astype(np.float64)):
            points = points - points.mean(axis=0)
            apart = np.abs(points[None, :, None] - known[:, None]).sum(-1).min(2).max(1)
            assert apart.min() < 1e-3


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_the_input_is_the_mean_of_the_sharp_image(factor):
    store, images = make(oriented=False)
    for crops in take(2, store, images, Augment(), reduce=4, side=32, factor=factor):
        assert crops.sharp.shape == (2, 4, 32 * factor, 32 * factor)
        assert torch.allclose(functional.avg_pool2d(crops.sharp, factor), crops.images)
        assert (crops.targets.boxes[:, :2] <= 32).all() and len(crops.targets.labels) > 0


def test_what_is_barely_in_view_is_neither_taught_nor_a_mistake():
    from pathlib import Path

    boxes = np.array([[20.0, 30.0, 40.0, 40.0]])
    image = BoxImage(
        path=Path("0"), width=96, height=96, xyxy=boxes, labels=np.array([0]), ignore=np.array([False])
    )
    store = Arrays({"0": np.zeros((1, 96, 96), np.uint8)})
    shares = {"taught": [], "ignored": []}
    stream = batches(store, [image], PLAIN, groups=(("ir", 1),), batch=1, side=32, reduce=1, seed=1)
    for _ in range(300):
        targets = next(stream).targets
        shares["taught"] += (targets.boxes[:, 2] * targets.boxes[:, 3] / 200).tolist()
        wh = targets.ignored[:, 2:] - targets.ignored[:, :2]
        shares["ignored"] += (wh[:, 0] * wh[:, 1] / 200).tolist()
    assert len(shares["taught"]) > 5 and len(shares["ignored"]) > 5
    assert min(shares["taught"]) >= 0.4 > max(shares["ignored"])


@pytest.mark.parametrize("place", [(0.0, 0.0), (50.0, 61.0), (86.0, 86.0)])
def test_a_window_about_an_object_holds_it_wherever_it_lies(place):
    from pathlib import Path

    boxes = np.array([[*place, place[0] + 10, place[1] + 10]])
    image = BoxImage(
        path=Path("0"), width=96, height=96, xyxy=boxes, labels=np.array([0]), ignore=np.array([False])
    )
    store = Arrays({"0": np.zeros((1, 96, 96), np.uint8)})
    options = {"groups": (("ir", 1),), "batch": 1, "reduce": 1, "seed": 1}
    stream = batches(store, [image], replace(PLAIN, objects=1.0), side=32, **options)
    found = torch.cat([next(stream).targets.boxes for _ in range(50)])
    assert len(found) == 50 and (found[:, 2:4] == 10).all()
    assert place != (50.0, 61.0) or len(found[:, 0].unique()) > 10  # not always in the same place
    tiny = batches(store, [image], replace(PLAIN, objects=1.0), side=8, **options)  # less than the object
    assert all(len(next(tiny).targets.boxes) + len(next(tiny).targets.ignored) for _ in range(20))


def test_regions_to_ignore_move_along():
    store, images = make(oriented=False)
    images = [replace(image, ignore=np.ones(len(image.labels), bool)) for image in images]
    for crops in take(3, store, images, Augment()):
        assert len(crops.targets.boxes) == 0 and len(crops.targets.ignored) > 0
        for number, (left, top, right, bottom) in zip(
            crops.targets.ignored_image, crops.targets.ignored, strict=True
        ):
            rows, cols = (slice(int(a) + 2, max(0, int(b) - 1)) for a, b in ((top, bottom), (left, right)))
            part = crops.images[number, 3, rows, cols]
            assert (part > 0.45).all()


def test_a_blanked_group_is_black_and_never_all_of_them():
    store, images = make(oriented=False)
    gone = {"rgb": 0, "ir": 0, "none": 0}
    for crops in take(15, store, images, replace(Augment(), drop=0.6)):
        for image in crops.images:
            rgb, ir = (bool(part.any()) for part in (image[:3], image[3:]))
            assert rgb or ir
            gone["none" if rgb and ir else "ir" if rgb else "rgb"] += 1
    assert min(gone.values()) >= 3
    for crops in take(4, store, images, Augment()):
        assert crops.images.amax(dim=(2, 3)).min() > 0


def test_colors_change_gray_does_not_gain_hue_and_infrared_only_its_gain():
    from pathlib import Path

    gray = np.full((4, 64, 64), 100, np.uint8)
    image = BoxImage(
        path=Path("0"), width=64, height=64, xyxy=np.zeros((0, 4)), labels=np.zeros(0, np.int64),
        ignore=np.zeros(0, bool),
    )  # fmt: skip
    stream = batches(
        Arrays({"0": gray}), [image], replace(Augment(), mosaic=0.0, zoom=1.0), groups=GROUPS,
        batch=8, side=64, reduce=1, seed=2,
    )  # fmt: skip
    value = next(stream).images[:, :, 32, 32] * 255
    assert torch.allclose(value[:, :1].expand(8, 3), value[:, :3], atol=0.1)
    assert value[:, 0].std() > 5 and value[:, 3].std() > 2
    assert (value[:, :3] >= 59.9).all() and (value[:, :3] <= 140.1).all()
    assert (value[:, 3] >= 79.9).all() and (value[:, 3] <= 120.1).all()
    assert len(set(value[:, 0].tolist())) == 8


def test_images_smaller_than_the_crop_leave_the_rest_black():
    store, images = make(oriented=False, count=1)
    crops = take(1, store, images, PLAIN, side=256)[0]
    assert (crops.images[0].amax(dim=0) > 0).any()
    assert len(crops.targets.boxes) == 2 * len(images[0].labels)


def test_a_seed_gives_its_crops_again_and_another_gives_others():
    store, images = make(oriented=False)
    one, two, other = (take(1, store, images, Augment(), seed=seed)[0] for seed in (3, 3, 4))
    assert torch.equal(one.images, two.images) and torch.equal(one.targets.boxes, two.targets.boxes)
    assert not torch.equal(one.images, other.images)


def test_16_bit_samples_become_shares_of_the_peak():
    store, images = make(oriented=False, dtype=np.uint16)
    store.peak = 65535.0
    crops = take(1, store, images, PLAIN)[0]
    assert crops.images.max() == 1


def test_batches_go_to_a_device_whole():
    store, images = make(oriented=False)
    crops = take(1, store, images, Augment(), reduce=2, side=64, factor=2)[0].to(torch.device("meta"))
    assert crops.images.is_meta and crops.sharp.is_meta
    assert crops.targets.boxes.is_meta and crops.targets.ignored_image.is_meta
