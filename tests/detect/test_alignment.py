"""Shifts that were made are found; where there is nothing to find it is said."""

import numpy as np
import pytest
from PIL import Image

from vedette.detect.alignment import Shift, shift_between
from vedette.errors import InputError


@pytest.fixture(scope="module")
def scene():
    """Blocks of different brightness and size, 8 times as fine as it is seen."""
    rng = np.random.default_rng(0)
    image = np.full((160 * 8, 160 * 8), 0.4)
    for _ in range(250):
        y, x = rng.integers(0, 1200, 2)
        h, w = rng.integers(30, 160, 2)
        image[y : y + h, x : x + w] = rng.random()
    return image


def seen(scene, right, down, side=96):
    """What a sensor sees that lies so many pixels off."""
    top, left = (round((32 - off) * 8) for off in (down, right))
    part = scene[top : top + side * 8, left : left + side * 8]
    return part.reshape(side, 8, side, 8).mean((1, 3))[None]


@pytest.mark.parametrize(
    ("right", "down"), [(0, 0), (3, 2), (-5, 0), (0, 7), (-12, -9), (0.5, 0), (1.25, -2.75), (-0.375, 4.5)]
)
def test_shifts_are_found_to_a_fraction_of_a_pixel(scene, right, down):
    shift = shift_between(seen(scene, 0, 0), seen(scene, right, down))
    assert shift.known
    assert shift.right == pytest.approx(right, abs=0.3) and shift.down == pytest.approx(down, abs=0.3)
    assert shift.pixels == pytest.approx(np.hypot(shift.right, shift.down))


def test_sensors_that_see_other_brightness_share_their_edges(scene):
    """An infrared image: inverted, bent, noisy, of another type."""
    rng = np.random.default_rng(1)
    visible = np.concatenate([seen(scene, 0, 0) * gain for gain in (200, 150, 90)]).astype(np.uint8)
    thermal = (1 - seen(scene, 4, -3)) ** 2 * 40_000 + rng.normal(0, 500, (1, 96, 96))
    shift = shift_between(visible, np.clip(thermal, 0, 65535).astype(np.uint16))
    assert shift.known
    assert (round(shift.right), round(shift.down)) == (4, -3)


def test_the_other_way_round_is_the_opposite(scene):
    one, two = seen(scene, 0, 0), seen(scene, 6, 2)
    there, back = shift_between(one, two), shift_between(two, one)
    assert there.right == pytest.approx(-back.right, abs=0.1) and there.down == pytest.approx(
        -back.down, abs=0.1
    )


def test_images_that_are_not_square_and_real_pictures(sample_image):
    moved = shift_between(sample_image[:, 20:180, 30:250], sample_image[1:2, 14:174, 25:245])
    assert moved.known and (round(moved.right), round(moved.down)) == (5, 6)


def test_noise_and_flat_images_tell_nothing():
    rng = np.random.default_rng(2)
    for one, two in (
        (rng.random((1, 64, 64)), rng.random((1, 64, 64))),
        (rng.random((3, 200, 150)), rng.random((1, 200, 150))),
        (np.zeros((1, 64, 64)), np.zeros((1, 64, 64))),
        (np.full((1, 64, 64), 7.0), rng.random((1, 64, 64))),
    ):
        assert not shift_between(one, two).known


def test_sizes_that_differ_or_are_too_small_are_refused():
    for a, b in (((1, 64, 64), (1, 64, 65)), ((1, 31, 64), (1, 31, 64))):
        with pytest.raises(InputError) as caught:
            shift_between(np.zeros(a), np.zeros(b))
        assert "32" in caught.value.hint


def test_of_large_images_the_middle_is_compared():
    small = np.random.default_rng(3).integers(0, 255, (60, 60), dtype=np.uint8)
    whole = np.asarray(Image.fromarray(small).resize((1200, 1100), Image.Resampling.NEAREST))[None]
    shift = shift_between(whole[:, :-4, :-9], whole[:, 4:, 9:])
    assert shift.known and (round(shift.right), round(shift.down)) == (-9, -4)


def test_six_deviations_are_sure():
    assert Shift(0.0, 0.0, 6.0).known and not Shift(0.0, 0.0, 5.9).known
