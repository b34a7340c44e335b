"""Every way in which a test image may be in the training set, and images that only seem so."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import make_set, squares, write_tiff
from PIL import Image

from vedette.data.boxes import BoxImage, BoxSet
from vedette.detect.leaks import Leak, leaks
from vedette.errors import InputError


def image_of(path, side=96, group=""):
    none = np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool)
    return BoxImage(
        path=path, width=side, height=side, xyxy=none[0], labels=none[1], ignore=none[2], group=group
    )


def of(*images):
    return BoxSet(classes=("car",), images=images)


@pytest.fixture
def picture():
    """Smooth clouds, different by seed, that thumbnails can tell apart."""

    def make(seed, side=96):
        rng = np.random.default_rng(seed)
        small = Image.fromarray(rng.integers(0, 255, (6, 6), dtype=np.uint8))
        return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))[None]

    return make


def test_different_images_do_not_leak(tmp_path, picture):
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(picture(number)[0]).save(paths[-1])
    seen = []
    found = leaks(
        of(*map(image_of, paths[:4])),
        of(*map(image_of, paths[4:])),
        lambda done, total: seen.append((done, total)),
    )
    assert found == [] and seen == [(n, 6) for n in range(1, 7)]


def test_the_same_file_under_another_name_leaks(tmp_path, picture):
    Image.fromarray(picture(0)[0]).save(tmp_path / "a.png")
    Image.fromarray(picture(1)[0]).save(tmp_path / "b.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    one = of(image_of(tmp_path / "a.png"), image_of(tmp_path / "b.png"))
    assert leaks(one, of(image_of(tmp_path / "c.png"))) == [Leak("bytes", "a.png", "c.png")]


def test_frames_of_one_sequence_leak(tmp_path, picture):
    for name, seed in (("a", 0), ("b", 1), ("c", 2)):
        Image.fromarray(picture(seed)[0]).save(tmp_path / f"{name}.png")
    a, b, c = (
        image_of(tmp_path / f"{n}.png", group=g) for n, g in (("a", "flight"), ("b", ""), ("c", "flight"))
    )
    assert leaks(of(a, b), of(c)) == [Leak("group", "a.png", "c.png")]


@pytest.mark.parametrize(
    ("east", "crs", "leak"),
    [
        (24.0, "EPSG:32611", True),
        (47.9, "EPSG:32611", False),
        (48.0, "EPSG:32611", False),
        (0.0, "EPSG:32612", False),
    ],
)
def test_images_that_share_ground_leak(tmp_path, picture, east, crs, leak):
    """Scenes of 48 m: half, a fiftieth of a hundredth, and none of one another; zones are other places."""
    place = (0.5, 0, 500_000, 0, -0.5, 4_000_000)
    write_tiff(tmp_path / "a.tif", picture(0), transform=place)
    write_tiff(
        tmp_path / "b.tif", picture(1), crs=crs, transform=(0.5, 0, 500_000 + east, 0, -0.5, 4_000_000)
    )
    found = leaks(of(image_of(tmp_path / "a.tif")), of(image_of(tmp_path / "b.tif")))
    assert found == ([Leak("place", "a.tif", "b.tif")] if leak else [])


def test_a_copy_in_another_format_brightness_and_size_leaks_by_its_looks(tmp_path, picture):
    original = picture(3, 192)
    Image.fromarray(original[0]).save(tmp_path / "a.png")
    Image.fromarray((original[0] // 2 + 60).astype(np.uint8)).resize((96, 96)).save(
        tmp_path / "b.jpg", quality=70
    )
    found = leaks(of(image_of(tmp_path / "a.png", 192)), of(image_of(tmp_path / "b.jpg")))
    assert found == [Leak("looks", "a.png", "b.jpg")]


def test_flat_images_are_not_alike(tmp_path):
    """Two black images say nothing of one another."""
    write_tiff(tmp_path / "a.tif", np.zeros((1, 64, 64), np.uint16), crs=None)
    write_tiff(tmp_path / "b.tif", np.full((1, 64, 64), 9, np.uint16), crs=None)
    assert leaks(of(image_of(tmp_path / "a.tif", 64)), of(image_of(tmp_path / "b.tif", 64))) == []


def test_a_set_leaks_into_itself_image_by_image(tmp_path):
    boxes, _ = make_set(tmp_path, 4)
    found = leaks(boxes, replace(boxes, images=boxes.images[1:3]))
    assert found == [Leak("bytes", name, name) for name in ("image001.tif", "image002.tif")]


def test_empty_parts_are_refused(tmp_path):
    boxes, _ = make_set(tmp_path, 1)
    for parts in ((boxes, of()), (of(), boxes)):
        with pytest.raises(InputError) as caught:
            leaks(*parts)
        assert caught.value.hint


def test_squares_makes_what_its_boxes_say():
    image = squares(20, 30, [(3, 4, 9, 8)])
    assert (image[:, 4:8, 3:9] == 255).all() and (image == 255).sum() == 3 * 24
