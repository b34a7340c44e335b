"""Multimodal fusion: groups of bands, such as (RGB, IR), become the first map (specification section 2).

    group R --gate--> R' --1x1--> mask m_R;  m_R * R' + R --3x3--> F_R      (each group its own)
    concat(F_R, F_I, ...) --squeeze and excite--> stem

SuperYOLO (arXiv 2209.13351) has two groups, RGB and infrared. Forms of the gate: "released": a constant
0.5, which is what the released code computes; "paper": squeeze and excite on the bands, as its figure
shows; "learned": a number for each group that starts at 0.5 (PROPOSED, after ESM-YOLO+, arXiv 2603.06925).
The figure's last convolutions are 1x1; its authors confirmed 3x3. More than two groups are ours.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.detect.models.blocks import SqueezeExcite

Gate = Literal["released", "paper", "learned"]
REDUCTION = 16


class GroupFusion(nn.Module):
    """One group's part: bands to features of the same size, their share of the stem.

    >>> GroupFusion(3, 48, "released")(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 48, 8, 8])
    """

    def __init__(self, bands: int, outputs: int, gate: Gate) -> None:
        super().__init__()
        self.gate: nn.Module | nn.Parameter | None = None
        if gate == "paper":
            self.gate = SqueezeExcite(bands, reduction=1)
        elif gate == "learned":
            self.gate = nn.Parameter(torch.tensor(0.5))
        self.mask = nn.Conv2d(bands, 1, 1)
        self.conv = nn.Conv2d(bands, outputs, 3, padding=1, bias=False)

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        if isinstance(self.gate, nn.Module):
            gated: Tensor = self.gate(image)
        else:
            gated = image * (0.5 if self.gate is None else self.gate)
        return self.conv(self.mask(gated) * gated + image)


class Fusion(nn.Module):
    """bands (b, c, h, w), groups behind one another --> stem (b, outputs, h, w), in full resolution.

    Args:
        groups: bands of each group; each gets its share of the outputs.

    >>> Fusion((3, 1), 64)(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 64, 8, 8])
    """

    def __init__(self, groups: tuple[int, ...], outputs: int, gate: Gate = "released") -> None:
        super().__init__()
        self.groups = groups
        shares = [outputs * bands // sum(groups) for bands in groups]
        shares[0] += outputs - sum(shares)
        self.parts = nn.ModuleList(
            GroupFusion(bands, share, gate) for bands, share in zip(groups, shares, strict=True)
        )
        self.excite = SqueezeExcite(outputs, reduction=REDUCTION)

    def forward(self, bands: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        images = bands.split(self.groups, dim=1)
        return self.excite(
            torch.cat([part(image) for part, image in zip(self.parts, images, strict=True)], 1)
        )
