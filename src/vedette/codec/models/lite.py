"""charm-lite: a hyperprior with channel-wise slices on a trunk that starts as a lapped transform.

    image (3, H, W) --lapped transform, /8--> u --+ residual network--> y (192, H/8, W/8)
    y --h_a--> z (64, H/32, W/32) --h_s--> features; slices of y in order of frequency, each from
    the features and the slices before it --> mean, scale, and after coding a small correction (LRP)
    y_hat --+ residual network--> --inverse lapped transform--> image

PROPOSED (ours): channel-wise slices and latent residual prediction are those of the CHARM family
(Minnen and Singh, arXiv 2007.08982), shrunk to what two CPU cores can train and a small computer
can run. The first two slices are coded in two checkerboard passes, since low frequencies are where
neighboring blocks agree. All networks between the bitstream and the tables use only convolutions
and ReLU, so that `codec.latents.integer` can turn them into exact integer networks.
"""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vedette.nn.lapped import LappedAnalysis, LappedSynthesis
from vedette.nn.layers import ResidualBlock
from vedette.nn.priors import FactorizedPrior, gaussian_bits, round_ste

LATENTS = 192
QUALITY_MIN, QUALITY_MAX = 1.0, 64.0
NOISY_SHARE = 0.25
ANCHOR_QUALITIES = 8  # gain vectors; between them the logarithm is interpolated


class Step(NamedTuple):
    """One coding step: the channels low..high, on all positions or on one checkerboard color."""

    low: int
    high: int
    parity: int | None

    @property
    def context(self) -> int:
        """How many leading channels are known when the step is coded."""
        return self.high if self.parity == 1 else self.low


STEPS = (
    Step(0, 12, 0),
    Step(0, 12, 1),
    Step(12, 32, 0),
    Step(12, 32, 1),
    Step(32, 64, None),
    Step(64, 112, None),
    Step(112, 192, None),
)


def checkerboard(height: int, width: int, parity: int | None) -> Tensor:
    """The positions a step codes, (height, width) of bool.

    >>> checkerboard(2, 3, 0).int()
    tensor([[1, 0, 1],
            [0, 1, 0]], dtype=torch.int32)
    """
    if parity is None:
        return torch.ones(height, width, dtype=torch.bool)
    return (torch.arange(height)[:, None] + torch.arange(width)[None]) % 2 == parity


def quality_plane(quality: Float[Tensor, " b"], like: Tensor) -> Tensor:
    """Quality / 8 as one more input channel."""
    return (quality / 8)[:, None, None, None].expand(-1, 1, *like.shape[-2:])


def lmbda(quality: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The rate-distortion weight of a quality: 0.0008 at 1, doubling every 6.8, 0.5 at 64.

    >>> lmbda(torch.tensor([1.0, 64.0]))
    tensor([0.0008, 0.5000])
    """
    position = (quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN)
    return 0.0008 * (0.5 / 0.0008) ** position


@dataclass(frozen=True, kw_only=True)
class Coded:
    """What a training forward returns: the decoded image, 0..1, and bits by part."""

    image: Float[Tensor, "b 3 h w"]
    bits_y: Float[Tensor, " b"]
    bits_z: Float[Tensor, " b"]


class SliceNet(nn.Module):
    """Mean and log2 scale of one step's channels; `correct` predicts what rounding took away."""

    def __init__(self, inputs: int, outputs: int, width: int = 80) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, width, 3, padding=1)
        self.hidden = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(width, 2 * outputs, 1)
        self.lrp_hidden = nn.Conv2d(width + outputs, 64, 1)
        self.lrp = nn.Conv2d(64, outputs, 1)
        nn.init.zeros_(self.lrp.weight)
        nn.init.zeros_(self.lrp.bias)  # type: ignore[arg-type]  # the convolution has a bias
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = torch.relu(self.hidden(torch.relu(self.mix(x))))
        mean, log2_scale = self.head(hidden).chunk(2, dim=1)
        return hidden, mean, log2_scale

    def correct(self, hidden: Tensor, symbols: Tensor) -> Tensor:
        """The correction, at most half a step, in quantization steps."""
        x = torch.relu(self.lrp_hidden(torch.cat([hidden, symbols.clamp(-4, 4)], dim=1)))
        return self.lrp(x).clamp(-0.5, 0.5)


class CharmLite(nn.Module):
    """The whole codec as one trainable network; `quality` picks the rate, one value per image.

    >>> model = CharmLite()
    >>> coded = model(torch.rand(1, 3, 64, 96), torch.tensor([32.0]))
    >>> coded.image.shape, coded.bits_y.shape
    (torch.Size([1, 3, 64, 96]), torch.Size([1]))
    """

    stride = 32  # pixels per position of z: images are padded to a multiple of it

    def __init__(
        self, *, analysis_width: int = 96, synthesis_width: int = 128, blocks: int = 3, features: int = 64
    ) -> None:
        super().__init__()
        self.g_a = LappedAnalysis()
        self.g_s = LappedSynthesis()
        self.norm: Tensor
        self.register_buffer("norm", torch.ones(LATENTS))
        self.refine_a = _residual_network(analysis_width, 1)
        self.refine_s = _residual_network(synthesis_width, blocks)
        self.h_a = nn.Sequential(
            nn.Conv2d(LATENTS, 96, 1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 96, 3, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
        )
        self.h_s1 = nn.Conv2d(64, 96 * 4, 3, padding=1)
        self.h_s2 = nn.Conv2d(96, features * 4, 3, padding=1)
        self.prior_z = FactorizedPrior(64)
        self.slices = nn.ModuleList(SliceNet(features + 1 + s.context, s.high - s.low) for s in STEPS)
        self.log2_gain = nn.Parameter(torch.zeros(ANCHOR_QUALITIES, LATENTS))
        self._start_gains()

    @property
    def nets(self) -> list[SliceNet]:
        """The networks of the steps, in order."""
        return cast(list[SliceNet], list(self.slices))

    @torch.no_grad()
    def _start_gains(self) -> None:
        """The step that each lambda wants at high rate: D = step^2 / 12 and dD/dR = -1 / lambda."""
        anchors = torch.linspace(QUALITY_MIN, QUALITY_MAX, ANCHOR_QUALITIES)
        step = 0.017 / lmbda(anchors).sqrt()  # in units of the image range
        self.log2_gain.copy_(-torch.log2(step)[:, None] - torch.log2(self.norm)[None])

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Order the channels by their energy on `images` and scale each to unit deviation."""
        deviation = self.g_a(images - 0.5).square().mean(dim=(0, 2, 3)).sqrt()
        order = deviation.argsort(descending=True)
        self.g_a.block.copy_(self.g_a.block[order])
        self.g_s.block.copy_(self.g_s.block[:, order])
        self.norm.copy_(1 / deviation[order])
        self._start_gains()

    def gain(self, quality: Float[Tensor, " b"]) -> Float[Tensor, "b c 1 1"]:
        """Quantization steps per unit of y, interpolated geometrically between the anchors."""
        position = (quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN) * (ANCHOR_QUALITIES - 1)
        low = position.floor().clamp(0, ANCHOR_QUALITIES - 2).long()
        weight = (position - low)[:, None]
        log2 = self.log2_gain[low] * (1 - weight) + self.log2_gain[low + 1] * weight
        return torch.exp2(log2)[:, :, None, None]

    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        """Image, 0..1, to y."""
        u = self.g_a(image - 0.5) * self.norm[None, :, None, None]
        refined: Tensor = self.refine_a(torch.cat([u, quality_plane(quality, u)], dim=1))
        return u + refined

    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        """y_hat to image; not clamped."""
        refined = y_hat + self.refine_s(torch.cat([y_hat, quality_plane(quality, y_hat)], dim=1))
        image: Tensor = self.g_s(refined / self.norm[None, :, None, None]) + 0.5
        return image

    def features(self, z_hat: Tensor) -> Tensor:
        """What the hyperprior tells about y, at y's resolution."""
        x = torch.relu(functional.pixel_shuffle(self.h_s1(z_hat), 2))
        return torch.relu(functional.pixel_shuffle(self.h_s2(x), 2))

    def forward(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Coded:
        y = self.analyze(image, quality)
        z = self.h_a(y)
        bits_z = self.prior_z.bits(z + torch.rand_like(z) - 0.5).sum(dim=(1, 2, 3))
        base = torch.cat([self.features(round_ste(z)), quality_plane(quality, y)], dim=1)
        gain = self.gain(quality)
        # Noise overstates the rate of nearly certain symbols, of which a full-rank latent is full (here
        # by 0.5 bpp); rounding gives no gradient to shrink them. A quarter of the crops see noise (ours).
        noisy = (torch.rand(len(y), device=y.device) < NOISY_SHARE)[:, None, None, None] & self.training
        y_hat = torch.zeros_like(y[:, :0])
        bits_y = torch.zeros_like(bits_z)
        for step, net in zip(STEPS, self.nets, strict=True):
            here = slice(step.low, step.high)
            hidden, mean, log2_scale = net(torch.cat([base, y_hat[:, : step.context]], dim=1))
            residual = (y[:, here] - mean) * gain[:, here]
            symbols = round_ste(residual)
            counted = torch.where(noisy, residual + torch.rand_like(residual) - 0.5, symbols)
            bits = gaussian_bits(counted, torch.exp2(log2_scale) * gain[:, here])
            decoded = mean + (symbols + net.correct(hidden, symbols)) / gain[:, here]
            mask = checkerboard(y.shape[2], y.shape[3], step.parity).to(y.device)
            bits_y = bits_y + (bits * mask).sum(dim=(1, 2, 3))
            if step.parity == 0:
                y_hat = torch.cat([y_hat, decoded * mask], dim=1)
            elif step.parity == 1:
                y_hat = torch.cat([y_hat[:, : step.low], y_hat[:, here] + decoded * mask], dim=1)
            else:
                y_hat = torch.cat([y_hat, decoded], dim=1)
        return Coded(image=self.synthesize(y_hat, quality), bits_y=bits_y, bits_z=bits_z)


def _residual_network(width: int, blocks: int) -> nn.Sequential:
    """y and the quality to a change of y that is zero at the start."""
    last = nn.Conv2d(width, LATENTS, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # the convolution has a bias
    inner = [ResidualBlock(width, width) for _ in range(blocks)]
    return nn.Sequential(nn.Conv2d(LATENTS + 1, width, 1), *inner, last)
