"""Images to measure ranges on: evenly over a set, the middle of each, as the network sees them."""

from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import make_set

from vedette.detect import calibrate as module
from vedette.detect.bands import BandGroup
from vedette.detect.calibrate import prepared_images
from vedette.detect.spec import DetectorSpec
from vedette.errors import InputError
from vedette.images import Window, open_scene

SPEC = DetectorSpec(classes=("car",), groups=(("rgb", 3),), reduce=2)


def test_images_are_those_that_the_network_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIDE_MOST", 32)
    boxes, _ = make_set(tmp_path, 2, side=100)
    images = prepared_images(boxes, SPEC)
    with open_scene(boxes.images[1].path, bands=(1, 2, 3)) as scene:
        middle = scene.read(Window(18, 18, 64, 64)).astype(float)
    assert [image.shape for image in images] == [(1, 3, 32, 32)] * 2
    assert np.allclose(images[1][0], middle.reshape(3, 32, 2, 32, 2).mean((2, 4)) / 255, atol=1e-6)


def test_a_large_set_gives_some_images_evenly(tmp_path, monkeypatch):
    boxes, _ = make_set(tmp_path, 9, side=96)
    monkeypatch.setattr(module, "IMAGES_MOST", 3)
    some = prepared_images(boxes, replace(SPEC, reduce=1))
    every = prepared_images(replace(boxes, images=boxes.images[0::3]), replace(SPEC, reduce=1))
    assert len(some) == 3 and all(np.array_equal(a, b) for a, b in zip(some, every, strict=True))


def test_bands_are_those_of_the_user_and_must_fit(tmp_path):
    boxes, _ = make_set(tmp_path, 1, side=96)
    plain = prepared_images(boxes, SPEC)[0]
    turned = prepared_images(boxes, SPEC, [BandGroup("rgb", (3, 2, 1))])[0]
    assert np.array_equal(plain[:, ::-1], turned)
    with pytest.raises(InputError):
        prepared_images(boxes, replace(SPEC, dtype="uint16", peak=65535.0))
