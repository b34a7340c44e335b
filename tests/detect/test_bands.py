"""Groups of bands from one file or two registered ones."""

import numpy as np
import pytest
from detect.scenes import write_tiff
from PIL import Image

from vedette.detect.bands import BandGroup, Sensors, parse_group
from vedette.errors import InputError
from vedette.images import Window

RGB, NIR, IR = BandGroup("rgb", (1, 2, 3)), BandGroup("nir", (4,)), BandGroup("ir", (1,), second=True)
HERE = (0.5, 0, 500_000, 0, -0.5, 4_000_000)


def four(path, **options):
    samples = np.random.default_rng(0).integers(0, 255, (4, 20, 30), dtype=np.uint8)
    return write_tiff(path, samples, **options), samples


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("rgb=1,2,3", RGB),
        ("nir=4", NIR),
        ("ir=second:1", IR),
        ("rgb=3, 2, 1", BandGroup("rgb", (3, 2, 1))),
    ],
)
def test_groups_as_they_are_typed(text, group):
    assert parse_group(text) == group


@pytest.mark.parametrize(
    "text", ["", "rgb", "rgb=", "=1", "rgb=a", "rgb=0", "rgb=1,-2", "ir=third:1", "ir=1:2"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(InputError) as caught:
        parse_group(text)
    assert "rgb=1,2,3" in caught.value.hint


def test_bands_come_in_the_order_of_the_groups(tmp_path):
    path, samples = four(tmp_path / "a.tif")
    groups = (NIR, BandGroup("rgb", (3, 1, 2)))
    with Sensors([path], groups, (1, 3)) as sensors:
        assert (sensors.planes, sensors.height, sensors.width) == (4, 20, 30)
        assert np.array_equal(sensors.whole(), samples[[3, 2, 0, 1]])
        part = sensors.read(Window(5, 7, 4, 6))
        assert np.array_equal(part, samples[[3, 2, 0, 1], 5:9, 7:13])
        assert sensors.geo.transform == HERE


def test_an_absent_group_is_planes_of_zeros(tmp_path):
    path, samples = four(tmp_path / "a.tif")
    with Sensors([path], (BandGroup("rgb", ()), NIR), (3, 1)) as sensors:
        read = sensors.whole()
    assert not read[:3].any() and np.array_equal(read[3], samples[3])


def test_two_registered_files_are_read_together(tmp_path):
    a, samples = four(tmp_path / "a.tif")
    b = write_tiff(tmp_path / "b.tif", 255 - samples[:1])
    with Sensors([a, b], (RGB, IR), (3, 1)) as sensors:
        assert np.array_equal(sensors.whole(), np.concatenate([samples[:3], 255 - samples[:1]]))


def test_a_second_file_without_a_place_is_taken_at_its_word(tmp_path):
    a, samples = four(tmp_path / "a.tif")
    Image.fromarray(samples[0]).save(tmp_path / "b.png")
    with Sensors([a, tmp_path / "b.png"], (RGB, IR), (3, 1)) as sensors:
        assert np.array_equal(sensors.whole()[3], samples[0])
        assert sensors.geo.crs == "EPSG:32611"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"side": 18}, "resample"),
        ({"dtype": np.uint16}, "one type"),
        ({"transform": (0.5, 0, 500_000.5, 0, -0.5, 4_000_000)}, "warp"),  # one pixel to the right
        ({"transform": (0.6, 0, 500_000, 0, -0.6, 4_000_000)}, "warp"),
        ({"transform": (0.5, 0.01, 500_000, 0.01, -0.5, 4_000_000)}, "warp"),
        ({"crs": "EPSG:32610"}, "warp"),
    ],
)
def test_files_that_do_not_lie_on_one_another_are_refused(tmp_path, change, word):
    a, samples = four(tmp_path / "a.tif")
    dtype, side = change.pop("dtype", np.uint8), change.pop("side", 20)
    b = write_tiff(tmp_path / "b.tif", samples[:1, :side].astype(dtype), **change)
    with pytest.raises(InputError) as caught:
        Sensors([a, b], (RGB, IR), (3, 1))
    assert word in caught.value.hint


def test_a_hundredth_of_a_pixel_is_no_shift(tmp_path):
    a, samples = four(tmp_path / "a.tif")
    b = write_tiff(tmp_path / "b.tif", samples[:1], transform=(0.5, 0, 500_000.002, 0, -0.5, 4_000_000))
    with Sensors([a, b], (RGB, IR), (3, 1)) as sensors:
        assert sensors.planes == 4


def test_wrong_numbers_of_bands_and_missing_files_are_refused(tmp_path):
    path, _ = four(tmp_path / "a.tif")
    for groups, counts, hint in (
        ((BandGroup("rgb", (1, 2)),), (3,), "3 are needed"),
        ((RGB, IR), (3, 1), "that file too"),
        ((BandGroup("rgb", ()),), (3,), "at least one"),
        ((BandGroup("nir", (5,)),), (1,), "from 1 to 4"),
    ):
        with pytest.raises(InputError) as caught:
            Sensors([path], groups, counts)
        assert hint in caught.value.hint
