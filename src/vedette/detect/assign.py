"""Which anchors at which places answer for an object: the rule of YOLOv5 (specification section 4).

An anchor fits where neither side differs from the object's by 4 times or more. It answers at the cell
that holds the object's center and at the two nearest of the four neighbors.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RATIO_MOST = 4.0


@dataclass(frozen=True)
class Assigned:
    """Places of one scale and what each is to say.

    Args:
        image, anchor, row, column: of each place.
        target: number of the object, a row of the batch's targets.
    """

    image: Int64[Tensor, " n"]
    anchor: Int64[Tensor, " n"]
    row: Int64[Tensor, " n"]
    column: Int64[Tensor, " n"]
    target: Int64[Tensor, " n"]


def assign(
    image: Int64[Tensor, " t"],
    cxcywh: Float[Tensor, "t 4"],
    anchors: Float[Tensor, "a 2"],
    *,
    stride: int,
    height: int,
    width: int,
) -> Assigned:
    """Places for objects on a map of height x width cells.

    Args:
        image: which image of the batch each object is in.
        cxcywh: objects, pixels of the network's input.

    >>> car, anchors = torch.tensor([[9.0, 9.0, 10.0, 13.0]]), torch.tensor([[10.0, 13.0]])
    >>> found = assign(torch.tensor([0]), car, anchors, stride=4, height=8, width=8)
    >>> sorted(zip(found.row.tolist(), found.column.tolist()))  # the cell (2, 2), the one above, the one left
    [(1, 2), (2, 1), (2, 2)]
    """
    ratio = cxcywh[None, :, 2:] / anchors[:, None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < RATIO_MOST
    anchor, target = fits.nonzero(as_tuple=True)
    place = cxcywh[target, :2] / stride
    cell = place.floor()
    inside = place - cell
    steps = torch.where(inside < 0.5, -1.0, 1.0)  # to the nearer neighbor, across and down
    zero = torch.zeros_like(steps[:, 0])
    moves = torch.stack(
        [torch.zeros_like(steps), torch.stack([steps[:, 0], zero], 1), torch.stack([zero, steps[:, 1]], 1)]
    )
    cells = (cell[None] + moves).long()
    limits = torch.tensor([width, height], device=cells.device)
    ok = ((cells >= 0) & (cells < limits)).all(2)
    kept = ok.nonzero(as_tuple=True)
    column, row = cells[kept].unbind(1)
    return Assigned(image[target[kept[1]]], anchor[kept[1]], row, column, target[kept[1]])
