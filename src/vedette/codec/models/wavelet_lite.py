"""weconvene-lite and weconvene3d-lite: the wavelet codecs at a size for small computers.

    image (3, H, W) --color, three levels of a wavelet, /8--> u --+ residual network with WeConv--> v (192)
    v --wavelet in space (3DM: in channels too), /16--> y = low (192) and high (576)
    y --h_a--> z (64, H/32, W/32) --h_s--> features; low slices first, in order of frequency, then the
    high ones given all of low --> mean, scale, and after coding a small correction (LRP)
    y_hat --inverse wavelet--> --+ residual network--> --inverse transform--> image

From WeConvene (arXiv 2407.09983): convolution in the Haar domain with paths of their own for low and
high bands, and latents coded in the wavelet domain, all low bands before the high ones (WeChARM). From
3DM-WeConvene (arXiv 2504.04658): a wavelet across channels as well, two levels, 1x1 convolutions on
high bands (which weconvene-lite has too, since they did better). PROPOSED (ours): the size; the trunk,
which starts as a plain 9/7 wavelet codec with networks at zero around it; one model for all rates; two
checkerboard passes in the first two slices, as in charm-lite; high slices that keep the three bands of
a channel together; in the 3D form, what its paper does not say, and the lifting across the latents'
channels, which is learned, pair by pair, from the lazy wavelet on: any fixed one mixes channels that
the trunk has sorted by frequency, and costs bits.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vedette.codec.models.sliced import (
    Step,
    quality_plane,
)
from vedette.codec.models.small import SliceNet, SmallCodec, residual_network
from vedette.nn.lapped import color_matrix
from vedette.nn.layers import ResidualBlock
from vedette.nn.priors import FactorizedPrior
from vedette.nn.wavelet import Lifting, analyze, dwt2, idwt2, synthesize
from vedette.nn.weconv import LAYERS, WaveletConv
from vedette.numerics.wavelet import Bands

COLORS, LEVELS = 3, 3
CHANNELS = COLORS * 4**LEVELS  # at 1/8 resolution
STEP_AT_UNIT_LAMBDA = 0.017  # as charm-lite's
LOW = (12, 20, 32, 48, 80)  # channels of the low slices

Block = Literal["plain", "weconv", "weconv3d"]
Entropy = Literal["plain", "wecharm", "3dwecharm"]


class WaveletAnalysis(nn.Module):
    """image (3, H, W) --color, wavelet levels, finer bands as polyphase channels, matrix--> (192, H/8, W/8).

    The matrix starts as the identity; all is learnable.

    >>> WaveletAnalysis("9/7")(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 192, 2, 3])
    """

    def __init__(self, wavelet: str) -> None:
        super().__init__()
        self.color = nn.Parameter(color_matrix().float())
        self.lifting = nn.ModuleList(Lifting(wavelet, learn=True) for _ in range(LEVELS))
        self.matrix = nn.Parameter(torch.eye(CHANNELS))

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h8 w8"]:
        with torch.autocast(image.device.type, enabled=False):  # the signal itself stays in float32
            low = functional.conv2d(image, self.color[:, :, None, None])
            parts = []
            for level, lifting in enumerate(self.lifting):
                low, *high = dwt2(low, cast(Lifting, lifting).wavelet)
                parts.append(functional.pixel_unshuffle(torch.cat(high, dim=1), 2 ** (LEVELS - 1 - level)))
            bands = torch.cat([low, *reversed(parts)], dim=1)
            return functional.conv2d(bands, self.matrix[:, :, None, None])


class WaveletSynthesis(nn.Module):
    """The inverse of `WaveletAnalysis` at the start, with parameters of its own.

    >>> image = torch.rand(1, 3, 16, 24)
    >>> torch.allclose(WaveletSynthesis("9/7")(WaveletAnalysis("9/7")(image)), image, atol=1e-5)
    True
    """

    def __init__(self, wavelet: str) -> None:
        super().__init__()
        self.color = nn.Parameter(color_matrix().T.float())
        self.lifting = nn.ModuleList(Lifting(wavelet, learn=True) for _ in range(LEVELS))
        self.matrix = nn.Parameter(torch.eye(CHANNELS))

    def forward(self, bands: Float[Tensor, "b c h8 w8"]) -> Float[Tensor, "b 3 h w"]:
        sizes = [COLORS] + [3 * COLORS * 4 ** (LEVELS - 1 - level) for level in reversed(range(LEVELS))]
        with torch.autocast(bands.device.type, enabled=False):
            bands = functional.conv2d(bands, self.matrix[:, :, None, None])
            low, *parts = bands.split(sizes, dim=1)
            for level, part in zip(reversed(range(LEVELS)), parts, strict=True):
                high = functional.pixel_shuffle(part, 2 ** (LEVELS - 1 - level)).chunk(3, dim=1)
                low = idwt2(Bands(low, *high), cast(Lifting, self.lifting[level]).wavelet)
            return functional.conv2d(low, self.color[:, :, None, None])


class WeConvBlock(nn.Module):
    """conv3x3 to half the channels, LeakyReLU, `conv` on these with LeakyReLU, 1x1 back, plus the input.

    >>> WeConvBlock(4, LAYERS["weconv"])(torch.zeros(1, 4, 6, 6)).shape
    torch.Size([1, 4, 6, 6])
    """

    def __init__(self, channels: int, conv: WaveletConv) -> None:
        super().__init__()
        half = channels // 2
        self.inner = nn.Sequential(
            nn.Conv2d(channels, half, 3, padding=1),
            nn.LeakyReLU(),
            conv(half, "leaky"),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        inner: Tensor = self.inner(x)
        return inner + x


class WaveletLite(SmallCodec):
    """The whole codec as one trainable network; `quality` picks the rate, one value per image.

    Args:
        trunk_wavelet: of the transform that the codec starts as.
        block: what the last block of each residual network is: "plain" (a residual block), "weconv" or
            "weconv3d".
        entropy: "plain" (slices at 1/8 resolution), "wecharm" (low bands first) or "3dwecharm" (after a
            wavelet across channels).
        wavelet: of the wavelet-domain convolutions and of the latents: "haar", "5/3" or "9/7".
        channel_wavelet: across the latents' channels, for "3dwecharm"; "lazy" is a lifting that is learned.
        levels, high_kernel: of the wavelet-domain convolutions.
        analysis_width, analysis_blocks, synthesis_width, synthesis_blocks: of the residual networks.
        features: channels that the hyper synthesis gives to the slices.
        slice_width: hidden channels of a slice's network.

    >>> model = WaveletLite()
    >>> coded = model(torch.rand(1, 3, 64, 96), torch.tensor([32.0]))
    >>> coded.image.shape, coded.bits_y.shape
    (torch.Size([1, 3, 64, 96]), torch.Size([1]))
    """

    name = "weconvene-lite"
    context_frac = 5
    halo = (6, 8)

    def __init__(
        self,
        *,
        trunk_wavelet: str = "9/7",
        block: Block = "weconv",
        entropy: Entropy = "wecharm",
        wavelet: str = "haar",
        channel_wavelet: str = "lazy",
        levels: int = 1,
        high_kernel: int = 3,
        analysis_width: int = 96,
        analysis_blocks: int = 3,
        synthesis_width: int = 120,
        synthesis_blocks: int = 5,
        features: int = 96,
        slice_width: int = 72,
    ) -> None:
        configuration: dict[str, Any] = {
            "trunk_wavelet": trunk_wavelet,
            "block": block,
            "entropy": entropy,
            "wavelet": wavelet,
            "channel_wavelet": channel_wavelet,
            "levels": levels,
            "high_kernel": high_kernel,
            "analysis_width": analysis_width,
            "analysis_blocks": analysis_blocks,
            "synthesis_width": synthesis_width,
            "synthesis_blocks": synthesis_blocks,
            "features": features,
            "slice_width": slice_width,
        }
        plain = entropy == "plain"
        latents = CHANNELS if plain else 4 * CHANNELS
        super().__init__(latents, configuration)
        self.entropy, self.wavelet = entropy, wavelet
        self.block, self.z_block = (8, 4) if plain else (16, 2)
        if (
            block == "weconv3d"
        ):  # two levels; those of the 9/7 reach 17 and 19, and weigh next to nothing there
            self.halo = (8, 10)
        if plain:
            self.halo = (2 * self.halo[0], 2 * self.halo[1])
        self.steps = (*_steps(0, LOW, checkered=2), *(() if plain else _steps(CHANNELS, _high(entropy))))
        self.coarse_steps = 4 if plain else len(LOW) + 2

        def blocks(width: int, count: int) -> list[nn.Module]:
            last: nn.Module = ResidualBlock(width, width)
            if block != "plain":
                layer = partial(LAYERS[block], wavelet=wavelet, levels=levels, high_kernel=high_kernel)
                last = WeConvBlock(width, layer)
            return [*(ResidualBlock(width, width) for _ in range(count - 1)), last]

        self.g_a = WaveletAnalysis(trunk_wavelet)
        self.g_s = WaveletSynthesis(trunk_wavelet)
        self.across: Lifting | None = None
        if entropy == "3dwecharm":
            learn = channel_wavelet == "lazy"
            self.across = Lifting(channel_wavelet, learn=learn, channel_pairs=CHANNELS // 2)
        self.norm: Tensor  # brings v's channels to unit deviation
        self.register_buffer("norm", torch.ones(CHANNELS))
        self.norm_y: Tensor  # and y's
        self.register_buffer("norm_y", torch.ones(latents))
        self.refine_a = residual_network(CHANNELS, blocks(analysis_width, analysis_blocks))
        self.refine_s = residual_network(CHANNELS, blocks(synthesis_width, synthesis_blocks))
        self.h_a = nn.Sequential(
            nn.Conv2d(latents, 96, 1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 96, 3, stride=2 if plain else 1, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
        )
        up = [nn.Conv2d(64, 96 * 4, 3, padding=1), nn.ReLU(), nn.PixelShuffle(2)] if plain else []
        self.h_s = nn.Sequential(
            *up,
            nn.Conv2d(96 if plain else 64, features * 4, 3, padding=1),
            nn.ReLU(),
            nn.PixelShuffle(2),
        )
        self.prior_z = FactorizedPrior(64)
        self.slices = nn.ModuleList(
            SliceNet(features + 1 + s.context, s.high - s.low, slice_width, reach_first=s.low < CHANNELS)
            for s in self.steps
        )
        self.start_gains(STEP_AT_UNIT_LAMBDA)

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Order the channels by their energy on `images`; scale them, and those of y, to unit deviation."""
        deviation = self.g_a(images - 0.5).square().mean(dim=(0, 2, 3)).sqrt()
        order = deviation.argsort(descending=True)
        self.g_a.matrix.copy_(self.g_a.matrix[order])
        self.g_s.matrix.copy_(self.g_s.matrix[:, order])
        self.norm.copy_(1 / deviation[order])
        y = self._to_bands(self.g_a(images - 0.5))
        self.norm_y.copy_(1 / y.square().mean(dim=(0, 2, 3)).sqrt())
        self.start_gains(STEP_AT_UNIT_LAMBDA * self.norm_y)

    def energy(self) -> Float[Tensor, " c"]:
        """The transform starts nearly orthonormal, behind `norm_y`."""
        return self.norm_y.square().reciprocal()

    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        u = self.g_a(image - 0.5) * self.norm[:, None, None]
        refined: Tensor = self.refine_a(torch.cat([u, quality_plane(quality, u)], dim=1))
        v = u + refined.float()  # networks may run in bfloat16, sums stay in float32
        return self._to_bands(v / self.norm[:, None, None]) * self.norm_y[:, None, None]

    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        v = self._from_bands(y_hat / self.norm_y[:, None, None]) * self.norm[:, None, None]
        refined = v + self.refine_s(torch.cat([v, quality_plane(quality, v)], dim=1)).float()
        image: Tensor = self.g_s(refined / self.norm[:, None, None]) + 0.5
        return image

    def _to_bands(self, v: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Low bands of all channels, then the high ones."""
        match self.entropy:
            case "plain":
                return v
            case "wecharm":
                low, *high = dwt2(v, self.wavelet)
                return torch.cat([low, torch.stack(high, dim=2).flatten(1, 2)], dim=1)
            case "3dwecharm":
                split = analyze(v, cast(Lifting, self.across).wavelet, dim=1, extension="periodic")
                halves = zip(*(dwt2(half, self.wavelet) for half in split), strict=True)
                pairs = [torch.stack(pair, dim=2).flatten(1, 2) for pair in halves]
                return torch.cat(pairs, dim=1)  # the two halves alternate: in order of frequency still

    def _from_bands(self, y: Float[Tensor, "b d h2 w2"]) -> Float[Tensor, "b c h w"]:
        match self.entropy:
            case "plain":
                return y
            case "wecharm":
                low, high = y[:, :CHANNELS], y[:, CHANNELS:].unflatten(1, (CHANNELS, 3))
                return idwt2(Bands(low, *high.unbind(2)), self.wavelet)
            case "3dwecharm":
                low, high = y.unflatten(1, (4, CHANNELS // 2, 2)).unbind(3)
                across = cast(Lifting, self.across).wavelet
                low, high = (idwt2(Bands(*half.unbind(1)), self.wavelet) for half in (low, high))
                return synthesize(low, high, across, dim=1, extension="periodic")


def _steps(first: int, sizes: Sequence[int], checkered: int = 0) -> list[Step]:
    """Steps of so many channels each, the first `checkered` ones in two passes."""
    steps = []
    for number, size in enumerate(sizes):
        parities = (0, 1) if number < checkered else (None,)
        steps += [Step(first, first + size, parity) for parity in parities]
        first += size
    return steps


def _high(entropy: Entropy) -> tuple[int, ...]:
    """Channels of the high slices: the bands of each low slice's channels together, or by orientation."""
    return tuple(3 * size for size in LOW) if entropy == "wecharm" else (CHANNELS,) * 3
