"""charm-lite: a hyperprior with channel-wise slices on a trunk that starts as a lapped transform.

    image (3, H, W) --lapped transform, /8--> u --+ residual network--> y (192, H/8, W/8)
    y --h_a--> z (64, H/32, W/32) --h_s--> features; slices of y in order of frequency, each from
    the features and the slices before it --> mean, scale, and after coding a small correction (LRP)
    y_hat --+ residual network--> --inverse lapped transform--> image

PROPOSED (ours): channel-wise slices and latent residual prediction are those of the CHARM family
(Minnen and Singh, arXiv 2007.08982), shrunk to what two CPU cores can train and a small computer
can run. The first two slices are coded in two checkerboard passes, since low frequencies are where
neighboring blocks agree.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.codec.models.sliced import (
    Step,
    quality_plane,
)
from vedette.codec.models.small import SliceNet, SmallCodec, residual_network
from vedette.nn.lapped import LappedAnalysis, LappedSynthesis
from vedette.nn.layers import ResidualBlock
from vedette.nn.priors import FactorizedPrior

LATENTS = 192
STEP_AT_UNIT_LAMBDA = 0.017  # of the image range: D = step^2 / 12 and dD/dR = -1 / lambda
STEPS = (
    Step(0, 12, 0),
    Step(0, 12, 1),
    Step(12, 32, 0),
    Step(12, 32, 1),
    Step(32, 64, None),
    Step(64, 112, None),
    Step(112, 192, None),
)


class CharmLite(SmallCodec):
    """The whole codec as one trainable network; `quality` picks the rate, one value per image.

    >>> model = CharmLite()
    >>> coded = model(torch.rand(1, 3, 64, 96), torch.tensor([32.0]))
    >>> coded.image.shape, coded.bits_y.shape
    (torch.Size([1, 3, 64, 96]), torch.Size([1]))
    """

    name = "charm-lite"
    block = 8
    z_block = 4
    context_frac = 5
    coarse_steps = 4
    halo = (6, 8)

    def __init__(
        self,
        *,
        analysis_width: int = 96,
        analysis_blocks: int = 2,
        synthesis_width: int = 128,
        synthesis_blocks: int = 3,
        features: int = 64,
    ) -> None:
        super().__init__(
            LATENTS,
            {
                "analysis_width": analysis_width,
                "analysis_blocks": analysis_blocks,
                "synthesis_width": synthesis_width,
                "synthesis_blocks": synthesis_blocks,
                "features": features,
            },
        )
        self.steps = STEPS
        self.g_a = LappedAnalysis()
        self.g_s = LappedSynthesis()
        self.norm: Tensor
        self.register_buffer("norm", torch.ones(LATENTS))
        self.refine_a = residual_network(LATENTS, _blocks(analysis_width, analysis_blocks))
        self.refine_s = residual_network(LATENTS, _blocks(synthesis_width, synthesis_blocks))
        self.h_a = nn.Sequential(
            nn.Conv2d(LATENTS, 96, 1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 96, 3, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
        )
        self.h_s = nn.Sequential(
            nn.Conv2d(64, 96 * 4, 3, padding=1),
            nn.ReLU(),
            nn.PixelShuffle(2),
            nn.Conv2d(96, features * 4, 3, padding=1),
            nn.ReLU(),
            nn.PixelShuffle(2),
        )
        self.prior_z = FactorizedPrior(64)
        self.slices = nn.ModuleList(SliceNet(features + 1 + s.context, s.high - s.low) for s in STEPS)
        self.start_gains(STEP_AT_UNIT_LAMBDA)

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Order the channels by their energy on `images` and scale each to unit deviation."""
        deviation = self.g_a(images - 0.5).square().mean(dim=(0, 2, 3)).sqrt()
        order = deviation.argsort(descending=True)
        self.g_a.block.copy_(self.g_a.block[order])
        self.g_s.block.copy_(self.g_s.block[:, order])
        self.norm.copy_(1 / deviation[order])
        self.start_gains(STEP_AT_UNIT_LAMBDA * self.norm)

    def energy(self) -> Float[Tensor, " c"]:
        """The transform starts orthonormal, behind `norm`."""
        return self.norm.square().reciprocal()

    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        u = self.g_a(image - 0.5) * self.norm[None, :, None, None]
        refined: Tensor = self.refine_a(torch.cat([u, quality_plane(quality, u)], dim=1))
        return u + refined.float()  # networks may run in bfloat16, sums stay in float32

    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        refined = y_hat + self.refine_s(torch.cat([y_hat, quality_plane(quality, y_hat)], dim=1)).float()
        image: Tensor = self.g_s(refined / self.norm[None, :, None, None]) + 0.5
        return image


def _blocks(width: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(width, width) for _ in range(count)]
