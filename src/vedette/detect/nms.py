"""Suppression and merging on tensors, on any device: square matrices, no loop over boxes; no torchvision.

The results are those of `vedette.detect.suppress`; for up to some thousand boxes of one image.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vedette.detect.suppress import MEASURES, TINY, Measure
from vedette.errors import UnknownNameError


def overlap(
    a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"], measure: Measure = "iou"
) -> Float[Tensor, "n m"]:
    """How much each xyxy box of `a` and each of `b` are one: 0 to 1 (`vedette.images.boxes`).

    >>> overlap(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]])).round(decimals=3)
    tensor([[0.3330]])
    """
    if measure not in MEASURES:
        raise UnknownNameError("measure of overlap", measure, MEASURES)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1)[:, None], (b[:, 2:] - b[:, :2]).prod(1)[None]
    if measure == "center":
        apart = torch.cdist((a[:, :2] + a[:, 2:]) / 2, (b[:, :2] + b[:, 2:]) / 2)
        return (1 - apart / ((area_a.sqrt() + area_b.sqrt()) / 2).clamp(min=1e-12)).clamp(min=0)
    shared = torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])
    both = shared.clamp(min=0).prod(2)
    whole = torch.minimum(area_a, area_b) if measure == "ios" else area_a + area_b - both
    return both / whole.clamp(min=1e-12)


def nms(
    xyxy: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    threshold: float,
    measure: Measure = "iou",
) -> Int64[Tensor, " m"]:
    """Numbers of the boxes that no better one of their class overlaps by more than `threshold`, best first.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 0.0, 5.0, 4.0], [9.0, 9.0, 12.0, 12.0]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.3]), torch.zeros(3, dtype=torch.int64), 0.5)
    tensor([1, 2])
    """
    order, hits = _hits(xyxy, scores, labels, threshold, measure)
    return order[_leaders(hits)]


def merge(
    xyxy: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    threshold: float,
    measure: Measure = "iou",
) -> tuple[Float[Tensor, "m 4"], Int64[Tensor, " m"]]:
    """The kept boxes, each the mean by score of itself and those it suppresses, and their numbers."""
    order, hits = _hits(xyxy, scores, labels, threshold, measure)
    leads = _leaders(hits)
    claims = hits & leads[:, None]
    first = claims & (claims.cumsum(0) == 1)  # a box belongs to the best leader that overlaps it
    shares = (first | torch.diag(leads)).to(scores.dtype) * scores[order].clamp(min=TINY)
    means = shares @ xyxy[order] / shares.sum(1, keepdim=True).clamp(min=TINY)
    return means[leads], order[leads]


def soft_nms(
    xyxy: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    *,
    sigma: float = 0.5,
    least: float = 0.001,
    measure: Measure = "iou",
) -> tuple[Int64[Tensor, " m"], Float[Tensor, " m"]]:
    """Numbers and lowered scores, best first (Bodla et al., arXiv 1704.04503)."""
    same = labels[:, None] == labels[None]
    decay = torch.exp(-(overlap(xyxy, xyxy, measure) * same).square() / sigma)
    left, kept, values = scores.clone(), [], []
    for _ in range(len(scores)):
        best = left.argmax()
        if left[best] <= least:
            break
        kept.append(best)
        values.append(left[best].clone())
        left = left * decay[best]
        left[best] = -1.0
    if not kept:
        return torch.zeros(0, dtype=torch.int64, device=scores.device), scores[:0]
    return torch.stack(kept), torch.stack(values)


def _hits(
    xyxy: Tensor, scores: Tensor, labels: Tensor, threshold: float, measure: Measure
) -> tuple[Int64[Tensor, " n"], Bool[Tensor, "n n"]]:
    """Order by score, and in it which box overlaps which later one of its class."""
    order = torch.sort(scores, descending=True, stable=True).indices
    boxes, names = xyxy[order], labels[order]
    over = (overlap(boxes, boxes, measure) > threshold) & (names[:, None] == names[None])
    return order, over.triu(1)


def _leaders(hits: Bool[Tensor, "n n"]) -> Bool[Tensor, " n"]:
    """Which boxes a greedy pass keeps: the fixed point of "kept unless a kept one before hits it".

    Each round settles at least one box more, few rounds settle all (Cluster-NMS, arXiv 2005.03572).
    """
    kept = torch.ones(len(hits), dtype=torch.bool, device=hits.device)
    while True:
        after = ~(hits & kept[:, None]).any(0)
        if torch.equal(after, kept):
            return kept
        kept = after
