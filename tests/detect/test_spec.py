"""What a detector says of its input: kept through JSON, and held against scenes."""

import json

import numpy as np
import pytest

from vedette.detect.bands import BandGroup
from vedette.detect.spec import DetectorSpec, box_mean
from vedette.errors import InputError

SPEC = DetectorSpec(
    classes=("car", "boat"),
    groups=(("rgb", 3), ("nir", 1)),
    optional=("nir",),
    reduce=2,
    gsd_m=(0.3, 0.6),
    mean=(0.4, 0.4, 0.3, 0.5),
    deviation=(0.1, 0.1, 0.1, 0.2),
)


def test_json_gives_the_spec_back():
    assert DetectorSpec.parse(SPEC.json()) == SPEC
    other = DetectorSpec(classes=("tree",), groups=(("ir", 1),), dtype="uint16", peak=4095.0, oriented=True)
    assert DetectorSpec.parse(other.json()) == other


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "null", "{}", '"spec"', '{"classes": ["a"]}'],
)
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="not a detector's description"):
        DetectorSpec.parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"reduce": 0},
        {"multiple": 0},
        {"multiple": "a"},
        {"classes": []},
        {"groups": [["rgb", 0]]},
        {"groups": [["rgb"]]},
        {"groups": 3},
        {"peak": 0},
        {"peak": float("nan")},
        {"dtype": "float32"},
        {"more": 1},
        {"reduce": 10**9},
    ],
)
def test_values_out_of_range_are_refused(change):
    with pytest.raises(InputError):
        DetectorSpec.parse(json.dumps(json.loads(SPEC.json()) | change))


def test_without_names_the_first_bands_are_taken():
    assert SPEC.groups_of((), 4) == (BandGroup("rgb", (1, 2, 3)), BandGroup("nir", (4,)))
    assert SPEC.groups_of((), 3) == (BandGroup("rgb", (1, 2, 3)), BandGroup("nir", ()))


def test_named_groups_come_in_the_order_of_the_detector():
    nir, rgb = BandGroup("nir", (1,)), BandGroup("rgb", (4, 3, 2))
    assert SPEC.groups_of((nir, rgb), 4) == (rgb, nir)
    assert SPEC.groups_of((rgb,), 4) == (rgb, BandGroup("nir", ()))


def test_missing_and_unknown_groups_say_what_is_known():
    with pytest.raises(InputError) as caught:
        SPEC.groups_of((BandGroup("ir", (1,)),), 4)
    assert "rgb (3), nir (1)" in caught.value.hint
    for given, bands in (((BandGroup("nir", (1,)),), 4), ((), 2)):
        with pytest.raises(InputError, match="rgb") as caught:
            SPEC.groups_of(given, bands)
        assert "--bands" in caught.value.hint


def test_samples_of_another_type_are_refused():
    SPEC.check_samples(np.uint8)
    with pytest.raises(InputError, match="uint16") as caught:
        SPEC.check_samples(np.uint16)
    assert "--peak" in caught.value.hint


def test_pixels_may_be_so_much_finer_or_coarser_and_no_more():
    for gsd in (None, 0.3 / 1.59, 0.45, 0.6 * 1.59):
        SPEC.check_gsd(gsd)
    for gsd in (0.3 / 1.61, 0.6 * 1.61):
        with pytest.raises(InputError, match=r"0\.3 to 0\.6") as caught:
            SPEC.check_gsd(gsd)
        assert "--any-gsd" in caught.value.hint
    DetectorSpec(classes=("a",), groups=(("ir", 1),)).check_gsd(100.0)


@pytest.mark.parametrize(("height", "width"), [(64, 128), (65, 3), (1, 1), (70, 66)])
@pytest.mark.parametrize("reduce", [1, 2, 3])
def test_prepared_images_are_means_filled_with_zeros(height, width, reduce):
    spec = DetectorSpec(classes=("a",), groups=(("ir", 1),), reduce=reduce, peak=200.0)
    samples = np.random.default_rng(0).integers(0, 200, (1, height, width), dtype=np.uint8)
    image = spec.prepare(samples)
    assert image.dtype == np.float32 and image.shape[1] % 32 == image.shape[2] % 32 == 0
    rows, cols = -(-height // reduce), -(-width // reduce)
    assert image.shape[1] - rows < 32 and image.shape[2] - cols < 32
    assert not image[:, rows:].any() and not image[:, :, cols:].any()
    for r in {0, rows // 2, rows - 1}:
        for c in {0, cols - 1}:
            places = [(min(r * reduce + i, height - 1), min(c * reduce + j, width - 1))
                      for i in range(reduce) for j in range(reduce)]  # fmt: skip
            mean = np.mean([samples[0, y, x] for y, x in places]) / 200
            assert image[0, r, c] == pytest.approx(mean, abs=1e-6)


def test_a_mean_over_one_pixel_changes_nothing():
    image = np.random.default_rng(0).random((2, 5, 4)).astype(np.float32)
    assert np.array_equal(box_mean(image, 1), image)
