"""Places by the rule of YOLOv5, told in loops."""

import numpy as np
import pytest
import torch

from vedette.detect.assign import assign

ANCHORS = ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0))


def by_loops(image, boxes, stride, height, width):
    """(image, anchor, row, column, target) of every place."""
    places = set()
    for number, (x, y, w, h) in enumerate(boxes):
        for a, (aw, ah) in enumerate(ANCHORS):
            if max(w / aw, aw / w, h / ah, ah / h) >= 4:
                continue
            gx, gy = x / stride, y / stride
            column, row = int(gx), int(gy)
            cells = [(row, column)]
            cells.append((row, column - 1) if gx % 1 < 0.5 else (row, column + 1))
            cells.append((row - 1, column) if gy % 1 < 0.5 else (row + 1, column))
            places |= {
                (image[number], a, r, c, number) for r, c in cells if 0 <= r < height and 0 <= c < width
            }
    return places


@pytest.mark.parametrize(("stride", "height", "width"), [(4, 16, 24), (8, 5, 7), (16, 3, 2)])
def test_places_are_those_of_the_loops(stride, height, width):
    rng = np.random.default_rng(stride)
    count = 150
    center = rng.uniform(0, (width * stride, height * stride), (count, 2))
    boxes = np.concatenate([center, np.exp(rng.uniform(0.5, 5, (count, 2)))], 1).astype(np.float32)
    image = rng.integers(0, 4, count)
    found = assign(
        torch.from_numpy(image), torch.from_numpy(boxes), torch.tensor(ANCHORS),
        stride=stride, height=height, width=width,
    )  # fmt: skip
    got = list(
        zip(
            *(t.tolist() for t in (found.image, found.anchor, found.row, found.column, found.target)),
            strict=True,
        )
    )
    expected = by_loops(image.tolist(), boxes.tolist(), stride, height, width)
    assert len(got) == len(set(got)) and set(got) == expected
    assert len(expected) > count / 2


def test_four_times_as_large_is_too_large():
    def places(side):
        box = torch.tensor([[18.0, 18.0, side, side]])
        return len(
            assign(torch.tensor([0]), box, torch.tensor([[10.0, 10.0]]), stride=4, height=9, width=9).target
        )

    assert [places(side) for side in (2.4, 2.6, 10.0, 39.9, 40.1)] == [0, 3, 3, 3, 0]


def test_a_corner_object_has_one_place_an_object_beyond_has_none():
    for x, y, count in ((0.5, 0.5, 1), (31.9, 31.9, 1), (0.5, 16.2, 2), (-9.0, 4.0, 0)):
        box = torch.tensor([[x, y, 10.0, 10.0]])
        found = assign(torch.tensor([0]), box, torch.tensor([[10.0, 10.0]]), stride=4, height=8, width=8)
        assert len(found.target) == count


def test_no_objects_have_no_places():
    found = assign(
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 4),
        torch.tensor(ANCHORS),
        stride=4,
        height=8,
        width=8,
    )
    assert len(found.target) == 0
