"""Images are read once and forgotten when memory is short."""

from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import make_set

from vedette.detect import store as module
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.store import Store
from vedette.errors import InputError, LimitError

RGB = (BandGroup("rgb", (1, 2, 3)),)


@pytest.fixture
def boxes(tmp_path):
    return make_set(tmp_path, 3, side=64)[0]


@pytest.fixture
def opened(monkeypatch):
    """Paths of the files in the order they were opened."""
    seen = []

    def counted(paths, *rest):
        seen.append(paths[0].name)
        return Sensors(paths, *rest)

    monkeypatch.setattr(module, "Sensors", counted)
    return seen


def test_an_image_is_read_once(boxes, opened):
    store = Store(RGB, 255.0)
    first = store.read(boxes.images[0])
    assert store.read(boxes.images[0]) is first and opened == ["image000.tif"]
    with Sensors(boxes.images[0].paths, RGB, (3,)) as sensors:
        assert np.array_equal(first, sensors.whole())
    assert store.planes == 3


def test_the_least_recently_used_image_is_forgotten(boxes, opened, monkeypatch):
    monkeypatch.setattr(module, "BYTES_MOST", 2 * 3 * 64 * 64)
    store = Store(RGB, 255.0)
    a, b, c = boxes.images
    for image in (a, b, a, c, a, b):  # c drives b out, a stays; b drives c out
        store.read(image)
    assert opened == ["image000.tif", "image001.tif", "image002.tif", "image001.tif"]


def test_an_image_larger_than_all_memory_is_refused(boxes, monkeypatch):
    monkeypatch.setattr(module, "BYTES_MOST", 100)
    with pytest.raises(LimitError) as caught:
        Store(RGB, 255.0).read(boxes.images[0])
    assert caught.value.hint


def test_labels_of_another_size_are_refused(boxes):
    with pytest.raises(InputError, match="64 x 64") as caught:
        Store(RGB, 255.0).read(replace(boxes.images[0], width=32))
    assert caught.value.hint
