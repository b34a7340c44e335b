"""Losses by hand, by theory, and by learning."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vedette.detect.losses import Targets, ciou, detection_losses, gaussian_iou
from vedette.detect.models.head import ANCHORS, Head, Predictions
from vedette.detect.models.yolo import Yolo

boxes = st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(1, 60), st.floats(1, 60))


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def targets(rows, labels=None, image=None, ignored=(), ignored_image=None):
    boxes = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    count = len(boxes)
    regions = torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4)
    return Targets(
        torch.zeros(count, dtype=torch.int64) if image is None else torch.tensor(image),
        torch.zeros(count, dtype=torch.int64) if labels is None else torch.tensor(labels),
        boxes,
        torch.zeros(len(regions), dtype=torch.int64)
        if ignored_image is None
        else torch.tensor(ignored_image),
        regions,
    )


def test_ciou_by_hand():
    """Squares of 2 that share a third, 1 apart, in a hull of 3 x 2: 1/3 - 1/13."""
    value = ciou(tensor([1, 1, 2, 2]), tensor([2, 1, 2, 2])).item()
    assert value == pytest.approx(1 / 3 - 1 / 13)


def test_ciou_counts_the_shape():
    """The same center, 4 x 1 inside 4 x 4."""
    v = 4 / math.pi**2 * (math.atan(4) - math.atan(1)) ** 2
    expected = 0.25 - v * v / (0.75 + v)
    assert ciou(tensor([0, 0, 4, 1]), tensor([0, 0, 4, 4])).item() == pytest.approx(expected)


@given(boxes, boxes)
def test_ciou_is_at_most_the_iou_and_within_its_range(a, b):
    value = ciou(tensor(a), tensor(b)).item()
    shared = max(0, min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2))
    shared *= max(0, min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2))
    assert -1.5 <= value <= shared / (a[2] * a[3] + b[2] * b[3] - shared) + 1e-9
    assert value == pytest.approx(ciou(tensor(b), tensor(a)).item())
    assert ciou(tensor(a), tensor(a)).item() == pytest.approx(1)


@given(boxes, boxes, st.floats(-3, 3), st.floats(-3, 3))
def test_gaussian_iou_knows_no_half_turns_and_no_order_of_sides(a, b, s, t):
    def value(one, two):
        return gaussian_iou(tensor(one), tensor(two)).item()

    x, y, w, h = b
    first = value((*a, s), (x, y, w, h, t))
    assert 0 <= first <= 1
    assert value((*a, s), (x, y, w, h, t + math.pi)) == pytest.approx(first, abs=1e-6)
    assert value((*a, s), (x, y, h, w, t + math.pi / 2)) == pytest.approx(first, abs=1e-6)
    assert value((x, y, w, h, t), (*a, s)) == pytest.approx(first, abs=1e-6)
    assert value((*a, s), (*a, s)) > 0.99


@given(boxes, boxes, st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_gaussian_iou_does_not_change_with_the_view(a, b, s, t, turn):
    def seen(box, angle):
        x = math.cos(turn) * box[0] - math.sin(turn) * box[1] + 7
        y = math.sin(turn) * box[0] + math.cos(turn) * box[1] - 3
        return tensor((x, y, box[2], box[3], angle + turn))

    before = gaussian_iou(tensor((*a, s)), tensor((*b, t))).item()
    assert gaussian_iou(seen(a, s), seen(b, t)).item() == pytest.approx(before, abs=1e-5)


def test_gaussian_iou_is_the_integral_of_its_definition():
    """1 - sqrt(1 - Bhattacharyya coefficient), summed over a grid."""
    a, b = (2.0, 1.0, 12.0, 6.0, 0.4), (4.0, 2.0, 9.0, 7.0, -0.7)
    step = 0.1
    xy = np.stack(np.meshgrid(np.arange(-40, 40, step), np.arange(-40, 40, step), indexing="ij"), -1)

    def density(box):
        x, y, w, h, t = box
        turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        sigma = turn @ np.diag([w**2 / 12, h**2 / 12]) @ turn.T
        d = xy - (x, y)
        power = np.einsum("ijk,kl,ijl->ij", d, np.linalg.inv(sigma), d)
        return np.exp(-power / 2) / (2 * np.pi * np.sqrt(np.linalg.det(sigma)))

    coefficient = np.sqrt(density(a) * density(b)).sum() * step**2
    assert gaussian_iou(tensor(a), tensor(b)).item() == pytest.approx(1 - np.sqrt(1 - coefficient), abs=1e-4)


def silent(classes, side, oriented=False, batch=1, scales=1, value=0.0):
    """Predictions of one number everywhere."""
    head = Head([8] * scales, classes, stride=4, anchors=ANCHORS[:scales], oriented=oriented)
    shape = 5 + classes + 2 * oriented
    sides = [side // stride for stride in head.strides]
    maps = [torch.full((batch, 3, s, s, shape), value, requires_grad=True) for s in sides]
    return Predictions(maps, head)


def test_gains_are_those_of_the_specification():
    """Section 4, one scale, 8 classes: 0.15 for boxes and classes; 12 (side / 640)^2 for objectness, which
    is 30.7 at 1024.
    """
    said = silent(8, 64)
    # the middle of the cell (4, 4): the places say (18, 18) and the first anchor's size
    losses = detection_losses(said, targets([[18.0, 18.0, 10.0, 13.0, 0.0]]), side=1024)
    assert pytest.approx(30.7, abs=0.03) == 12 * (1024 / 640) ** 2
    assert losses["class"].item() == pytest.approx(0.5 * 8 / 80 * 3 * math.log(2), rel=1e-5)
    assert pytest.approx(0.15) == 0.5 * 8 / 80 * 3
    one = torch.tensor([[18.0, 18.0, 10.0, 13.0]])
    good = []
    for anchor in ANCHORS[0]:  # 13 x 10 fits all three anchors
        for x, y in ((18, 18), (22, 18), (18, 22)):
            good.append(ciou(torch.tensor([[x, y, *anchor]], dtype=torch.float32), one).item())
    assert losses["box"].item() == pytest.approx(0.15 * (1 - np.mean(good)), rel=1e-5)
    # cross entropy of a half is log 2 whatever the target
    assert losses["objectness"].item() == pytest.approx(12 * 1.6**2 * math.log(2), rel=1e-5)


def test_the_gain_of_an_objectness_is_divided_among_scales():
    losses = detection_losses(silent(1, 64, scales=3), targets([[18.0, 18.0, 10.0, 13.0, 0.0]]), side=640)
    assert losses["objectness"].item() == pytest.approx((4.0 + 1.0 + 0.4) * math.log(2), rel=1e-5)
    assert losses["class"].item() == 0  # a single class is as sure as the object is


def test_objectness_learns_how_good_the_box_is():
    """At a place that answers, the gradient is zero where sigmoid = CIoU; elsewhere where it is 0."""
    said = silent(1, 64, value=0.0)
    box = [18.0, 18.0, 10.0, 13.0, 0.0]
    detection_losses(said, targets([box]), side=640)["objectness"].backward()
    grad = said.maps[0].grad[0, ..., 4]
    places = 3 * 16 * 16
    right = (0.5 - 1.0) * 12 / places  # the first anchor at its own cell is the box
    assert grad[0, 4, 4].item() == pytest.approx(right, rel=1e-4)
    assert grad[0, 9, 9].item() == pytest.approx(0.5 * 12 / places, rel=1e-4)
    assert (said.maps[0].grad[..., :4] == 0).all()  # the goodness is a target, not a path


def test_a_place_of_two_objects_is_as_sure_as_the_better_box():
    near = [18.0, 18.0, 10.0, 13.0, 0.0]
    far = [19.0, 19.0, 30.0, 13.0, 0.0]
    for order in ([near, far], [far, near]):
        said = silent(1, 64)
        detection_losses(said, targets(order), side=640)["objectness"].backward()
        assert said.maps[0].grad[0, 0, 4, 4, 4].item() == pytest.approx(-0.5 * 12 / 768, rel=1e-4)


def test_nothing_is_taught_in_regions_to_ignore_but_the_objects():
    said = silent(2, 64, batch=2)
    region = [8.0, 0.0, 64.0, 40.0]
    box = [18.0, 18.0, 10.0, 13.0, 0.0]
    made = targets([box], image=[1], ignored=[region], ignored_image=[1])
    detection_losses(said, made, side=640)["objectness"].backward()
    grad = said.maps[0].grad[..., 4]
    assert (grad[0] != 0).all()
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[:10, 2:] = True
    assert (grad[1][:, ~inside] != 0).all()
    assert grad[1, 0, 4, 4] < 0  # the object
    quiet = grad[1][:, inside].count_nonzero().item()
    assert 1 <= quiet <= 9  # at most three anchors at three places


@pytest.mark.parametrize("oriented", [False, True])
def test_images_without_objects_give_finite_losses(oriented):
    said = silent(3, 32, oriented=oriented, batch=2)
    losses = detection_losses(said, targets([]), side=32)
    sum(losses.values()).backward()
    assert losses["box"].item() == 0 and losses["class"].item() == 0
    assert losses["objectness"].item() > 0
    assert torch.isfinite(said.maps[0].grad).all()


@pytest.mark.parametrize("value", [-60.0, 60.0])
@pytest.mark.parametrize("oriented", [False, True])
def test_wild_predictions_give_finite_losses_and_gradients(oriented, value):
    said = silent(3, 32, oriented=oriented, value=value)
    losses = detection_losses(said, targets([[9.0, 9.0, 10.0, 13.0, 0.4]]), side=32)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert torch.isfinite(said.maps[0].grad).all()


@pytest.mark.parametrize("oriented", [False, True])
def test_a_few_dozen_steps_on_one_batch_halve_every_loss(oriented):
    torch.manual_seed(0)
    model = Yolo(classes=2, groups=(3,), fusion="concat", width=0.125, oriented=oriented)
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.uniform(0, 0.3, (2, 3, 64, 64)).astype(np.float32))
    rows = [[16.0, 20.0, 14.0, 12.0, 0.0], [45.0, 40.0, 20.0, 10.0, 0.6 * oriented]]
    image[0, :, 14:26, 9:23] = 1.0
    image[1, 0, 35:45, 35:55] = 1.0
    made = targets(rows, labels=[0, 1], image=[0, 1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    history = []
    for _ in range(50):
        losses = detection_losses(model(image), made, side=320)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    for name in history[0]:
        assert np.mean([h[name] for h in history[-5:]]) < 0.5 * history[0][name], name
