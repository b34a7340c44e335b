"""What a detector pays for: boxes that miss, places that are wrongly sure or unsure, wrong classes.

Gains as in the released SuperYOLO code (specification section 4), with L = scales of the head, S = side of
the input: box 0.05 * 3/L * mean(1 - CIoU), objectness (S/640)^2 * 3/L * balance * BCE, class
0.5 * classes/80 * 3/L * BCE. There S was the side of the super-resolved image by mistake; `parity` has that.
Turned boxes (ours): the Hellinger distance of the boxes as Gaussians, ProbIoU (arXiv 2106.06072).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from vedette.detect.assign import assign
from vedette.detect.models.head import PER_PLACE, Predictions

BALANCE = (4.0, 1.0, 0.4)  # of the objectness, finest scale first


@dataclass(frozen=True)
class Targets:
    """The objects of a batch, pixels of the network's input.

    Args:
        image: which image each is in.
        labels: numbers of the classes.
        boxes: cxcywht; the angle is 0 where boxes are straight.
        ignored_image, ignored: regions (xyxy) in which no place is taught anything but the objects.
    """

    image: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    boxes: Float[Tensor, "n 5"]
    ignored_image: Int64[Tensor, " m"]
    ignored: Float[Tensor, "m 4"]

    def to(self, device: torch.device) -> "Targets":
        """The same on `device`."""
        parts = (self.image, self.labels, self.boxes, self.ignored_image, self.ignored)
        return Targets(*(part.to(device) for part in parts))


def ciou(a: Float[Tensor, "n 4"], b: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """Complete IoU of cxcywh boxes, pair by pair, -1.5 to 1 (arXiv 1911.08287).

    IoU less the squared distance of centers in units of the hull's diagonal, less a term for the shape.

    >>> ciou(torch.tensor([[4.0, 4.0, 2.0, 2.0]]), torch.tensor([[4.0, 4.0, 2.0, 2.0]])).item()
    1.0
    """
    low_a, high_a = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    low_b, high_b = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    shared = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(1)
    iou = shared / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - shared).clamp(min=1e-9)
    diagonal = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).square().sum(1).clamp(min=1e-9)
    apart = (a[:, :2] - b[:, :2]).square().sum(1) / diagonal
    angles = [torch.atan(box[:, 2] / box[:, 3].clamp(min=1e-9)) for box in (a, b)]
    shape = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    with torch.no_grad():
        weight = shape / (1 - iou + shape).clamp(min=1e-9)
    return iou - apart - weight * shape


def gaussian_iou(a: Float[Tensor, "n 5"], b: Float[Tensor, "n 5"]) -> Float[Tensor, " n"]:
    """1 less the Hellinger distance of two cxcywht boxes as Gaussians, 0 to 1: ProbIoU.

    >>> box = torch.tensor([[4.0, 4.0, 6.0, 2.0, 0.3]])
    >>> turned = torch.tensor([[4.0, 4.0, 6.0, 2.0, 0.3 + torch.pi]])
    >>> round(gaussian_iou(box, turned).item(), 2)  # half a turn changes nothing
    1.0
    """
    (a1, b1, c1), (a2, b2, c2) = _covariance(a), _covariance(b)
    dx, dy = (a[:, :2] - b[:, :2]).unbind(1)
    p, q, r = a1 + a2, b1 + b2, c1 + c2
    both = (p * q - r.square()).clamp(min=1e-9)
    far = (p * dy.square() + q * dx.square() - 2 * r * dx * dy) / both / 4
    single = ((a1 * b1 - c1.square()).clamp(min=1e-9) * (a2 * b2 - c2.square()).clamp(min=1e-9)).sqrt()
    near = 0.5 * torch.log(both / (4 * single) + 1e-9)
    distance = (far + near).clamp(1e-6, 100.0)
    return 1 - torch.sqrt(1 - torch.exp(-distance))


def _covariance(box: Float[Tensor, "n 5"]) -> tuple[Tensor, Tensor, Tensor]:
    """Variance along x, along y, and covariance, of a uniform box."""
    w, h = (box[:, 2:4].square() / 12).unbind(1)
    cos, sin = torch.cos(box[:, 4]), torch.sin(box[:, 4])
    return w * cos**2 + h * sin**2, w * sin**2 + h * cos**2, (w - h) * cos * sin


def detection_losses(predictions: Predictions, targets: Targets, *, side: int) -> dict[str, Tensor]:
    """ "box", "objectness" and "class", gains included.

    Args:
        side: pixels that the gain of the objectness counts with.
    """
    head = predictions.head
    device = predictions.maps[0].device
    zero = torch.zeros((), device=device)
    losses = {"box": zero, "objectness": zero, "class": zero}
    per_scale = 3 / len(predictions.maps)
    first = 4 + 2 * head.oriented
    for scale, said in enumerate(predictions.maps):
        said = said.float()
        height, width = said.shape[2:4]
        anchors, stride = head.anchors[scale], head.strides[scale]
        found = assign(
            targets.image, targets.boxes[:, :4], anchors, stride=stride, height=height, width=width
        )
        sure = torch.zeros(said.shape[:4], device=device)
        if len(found.target):
            at = said[found.image, found.anchor, found.row, found.column]
            wanted = targets.boxes[found.target]
            cell = torch.stack([found.column, found.row], dim=1)
            center = (2 * at[:, :2].sigmoid() - 0.5 + cell) * stride
            size = (2 * at[:, 2:4].sigmoid()).square() * anchors[found.anchor]
            if head.oriented:
                angle = 0.5 * torch.atan2(at[:, 4:5], at[:, 5:6])
                good = gaussian_iou(torch.cat([center, size, angle], dim=1), wanted)
            else:
                good = ciou(torch.cat([center, size], dim=1), wanted[:, :4])
            losses["box"] = losses["box"] + 0.05 * per_scale * (1 - good).mean()
            # a place that answers for several objects is as sure as its best box is good
            flat = ((found.image * PER_PLACE + found.anchor) * height + found.row) * width + found.column
            sure.view(-1).scatter_reduce_(0, flat, good.detach().clamp(min=0), "amax")
            if head.classes > 1:
                classes = functional.one_hot(targets.labels[found.target], head.classes).float()
                cost = functional.binary_cross_entropy_with_logits(at[:, first + 1 :], classes)
                losses["class"] = losses["class"] + 0.5 * head.classes / 80 * per_scale * cost
        cost = functional.binary_cross_entropy_with_logits(said[..., first], sure, reduction="none")
        taught = (sure > 0) | ~_ignored(targets, said.shape, stride)[:, None]
        gain = (side / 640) ** 2 * per_scale * BALANCE[scale]
        losses["objectness"] = losses["objectness"] + gain * (cost * taught).mean()
    return losses


def _ignored(targets: Targets, shape: torch.Size, stride: int) -> Tensor:
    """(b, h, w): cells whose center lies in a region to ignore."""
    b, _, h, w = shape[:4]
    mask = torch.zeros(b, h, w, dtype=torch.bool, device=targets.ignored.device)
    x = (torch.arange(w, device=mask.device) + 0.5) * stride
    y = (torch.arange(h, device=mask.device) + 0.5) * stride
    for number, (left, top, right, bottom) in zip(
        targets.ignored_image.tolist(), targets.ignored.tolist(), strict=True
    ):
        mask[number] |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
    return mask
