"""Convolution in the wavelet domain, with paths of their own for low and high bands.

`WeConv` is the layer of WeConvene (arXiv 2407.09983): one Haar level, 3x3 convolutions on both paths.
`WeConv3D` is that of 3DM-WeConvene (arXiv 2504.04658): the channels are split by a wavelet first, then
space in two levels, and high bands see 1x1 convolutions only. Of the second, what the paper says is
known from its summary; how the parts are put together here is PROPOSED (ours), and so is every
extension of either: other wavelets, mirrored borders, channels as a ring, odd sizes, learned lifting.
Both keep the shape of a map, so that they drop into any network.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vedette.errors import InputError
from vedette.nn.layers import GDN, subpel
from vedette.nn.wavelet import Lifting, analyze, dwt2, idwt2, synthesize
from vedette.numerics.wavelet import Bands

Norm = Literal["gdn", "igdn", "leaky", "none"]
NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "gdn": GDN,
    "igdn": lambda channels: GDN(channels, inverse=True),
    "leaky": lambda channels: nn.LeakyReLU(),
    "none": lambda channels: nn.Identity(),
}


class WeConv(nn.Module):
    """x --wavelet--> low: 3x3, norm; high, by level: k x k, norm --inverse wavelet--> same shape.

    Sides that the levels do not divide are filled up by repeating the last row and column.

    Args:
        channels: of the map.
        norm: after each convolution: "gdn", "igdn", "leaky" (LeakyReLU) or "none".
        wavelet: "haar", "5/3" or "9/7".
        levels: of the wavelet; the last low band has the 3x3 convolution.
        high_kernel: 3 (WeConvene) or 1 (3DM-WeConvene).
        learn: make the lifting a parameter, from the wavelet on.

    >>> WeConv(4)(torch.zeros(1, 4, 6, 5)).shape
    torch.Size([1, 4, 6, 5])
    """

    def __init__(
        self,
        channels: int,
        norm: Norm = "gdn",
        *,
        wavelet: str = "haar",
        levels: int = 1,
        high_kernel: int = 3,
        learn: bool = False,
    ) -> None:
        super().__init__()
        if levels < 1 or high_kernel not in (1, 3):
            raise InputError(
                f"{levels} levels and {high_kernel} x {high_kernel} on high bands",
                hint="use at least one level, and 1 or 3",
            )
        self.lifting = Lifting(wavelet, learn=learn)
        self.low = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), NORMS[norm](channels))
        kernel, inner = high_kernel, 3 * channels
        self.high = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inner, inner, kernel, padding=kernel // 2), NORMS[norm](inner))
            for _ in range(levels)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wavelet, step = self.lifting.wavelet, 2 ** len(self.high)
        height, width = x.shape[-2:]
        low, highs = functional.pad(x, (0, -width % step, 0, -height % step), mode="replicate"), []
        for net in self.high:
            low, *bands = dwt2(low, wavelet)
            highs.append(net(torch.cat(bands, dim=1)))
        low = self.low(low)
        for high in reversed(highs):
            low = idwt2(Bands(low, *high.chunk(3, dim=1)), wavelet)
        return low[..., :height, :width]


class WeConv3D(nn.Module):
    """x --channel wavelet--> two halves of the channels, each by its own `WeConv` --inverse--> same shape.

    Args:
        channels: an even number of them; the channel axis is a ring.
        norm, wavelet, levels, high_kernel, learn: as for `WeConv`; the wavelet splits channels and space.

    Raises:
        InputError: an odd number of channels.

    >>> WeConv3D(4)(torch.zeros(1, 4, 6, 5)).shape
    torch.Size([1, 4, 6, 5])
    """

    def __init__(
        self,
        channels: int,
        norm: Norm = "gdn",
        *,
        wavelet: str = "9/7",
        levels: int = 2,
        high_kernel: int = 1,
        learn: bool = False,
    ) -> None:
        super().__init__()
        if channels % 2:
            raise InputError(f"{channels} channels", hint="a channel wavelet needs an even number")
        self.lifting = Lifting(wavelet, learn=learn)
        self.halves = nn.ModuleList(
            WeConv(
                channels // 2,
                norm,
                wavelet=wavelet,
                levels=levels,
                high_kernel=high_kernel,
                learn=learn,
            )
            for _ in range(2)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wavelet = self.lifting.wavelet
        halves = analyze(x, wavelet, dim=1, extension="periodic")
        low, high = (net(half) for net, half in zip(self.halves, halves, strict=True))
        return synthesize(low, high, wavelet, dim=1, extension="periodic")


WaveletConv = Callable[[int, Norm], nn.Module]  # channels and norm to a layer that keeps the shape
LAYERS: dict[str, Callable[..., nn.Module]] = {"weconv": WeConv, "weconv3d": WeConv3D}


class WeConvDown(nn.Module):
    """conv3x3 of stride 2, LeakyReLU, `conv` with GDN, plus a strided 1x1 skip.

    >>> WeConvDown(3, 8)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, conv: WaveletConv = WeConv) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.activation = nn.LeakyReLU(inplace=True)
        self.conv = conv(outputs, "gdn")
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Tensor:
        inner: Tensor = self.conv(self.activation(self.down(x)))
        return inner + self.skip(x)


class WeConvUp(nn.Module):
    """subpel3x3, LeakyReLU, `conv` with inverse GDN, plus a subpel3x3 skip.

    >>> WeConvUp(4, 8)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, conv: WaveletConv = WeConv) -> None:
        super().__init__()
        self.up = subpel(inputs, outputs, 2)
        self.activation = nn.LeakyReLU(inplace=True)
        self.conv = conv(outputs, "igdn")
        self.skip = subpel(inputs, outputs, 2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Tensor:
        inner: Tensor = self.conv(self.activation(self.up(x)))
        return inner + self.skip(x)
