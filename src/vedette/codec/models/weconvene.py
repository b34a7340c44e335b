"""weconvene and weconvene3d: convolution and entropy coding in the wavelet domain, at the size papers use.

    image (3, H, W) --g_a--> (320, H/8, W/8) --wavelet--> y: low (320, H/16, W/16), high (960, H/16, W/16)
    y --h_a--> z (192, H/64, W/64) --h_mean_s, h_scale_s--> 320 channels each, H/16
    low slices from these and the low slices before; high slices from these, all of low and the high before
    y_hat --inverse wavelet--> --g_s--> image

WeConvene (Fu, Liang, Fang, Liang, Zhang, ECCV 2024, arXiv 2407.09983): network and entropy model as
released; the layers that its code owns and never runs are left out.

3DM-WeConvene (arXiv 2504.04658): its layer and entropy model are known from the paper's summary (a
wavelet across channels before the one in space, two levels, 1x1 convolutions on high bands, four low
slices, a plain context for the high ones). PROPOSED (ours), for want of its body and its model file:
how these parts are put together, the 9/7 with mirrored borders and the channels as a ring, one level in
the hyper networks, high slices by orientation and half, 80 channels a low slice.

PROPOSED (ours) in both: one model for all rates, by gain vectors and a plane that tells the quality;
the correction is predicted in quantization steps; images are filled up to a multiple of 16 by
repetition, not of 128 by zeros; the stream ends after the low bands where only a preview is wanted.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.codec.models.charm import STEP_AT_UNIT_LAMBDA, SliceNets, parameter_net
from vedette.codec.models.sliced import (
    CORRECTION_FRAC,
    MEAN_FRAC,
    HalfTanh,
    Runner,
    SlicedCodec,
    Step,
    V,
)
from vedette.nn.layers import GatedAttention, ResidualBlock, ResidualDown, ResidualUp, subpel
from vedette.nn.priors import FactorizedPrior
from vedette.nn.wavelet import dwt2, dwt3, idwt2, idwt3
from vedette.nn.weconv import LAYERS, WeConvDown, WeConvUp
from vedette.numerics.wavelet import Bands


class AttendedNets(nn.Module):
    """Mean, log2 scale and correction of one slice, from inputs that a gated attention has gone over.

    Args:
        inputs: hyper features, quality plane and context.
        attended: channels that leave the attention.
        low: channels of the low bands, where the correction sees them again.
        outputs: channels of the slice.
    """

    def __init__(
        self, inputs: int, attended: int, low: int, outputs: int, attention_width: int, widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.mean_attention = GatedAttention(inputs, attended, attention_width)
        self.scale_attention = GatedAttention(inputs, attended, attention_width)
        self.mean = parameter_net(attended, outputs, widths)
        self.scale = parameter_net(attended, outputs, widths)
        self.lrp = nn.Sequential(*parameter_net(low + attended + outputs, outputs, widths), HalfTanh())


class WeConvene(SlicedCodec):
    """The whole codec as one trainable network; `quality` picks the rate, one value per image.

    Args:
        width: channels of the trunk (N).
        latents: channels at 1/8 resolution (M).
        hyper: channels of z.
        blocks: residual blocks of each stage.
        conv: the layer in the wavelet domain, "weconv" or "weconv3d".
        wavelet: of these layers and of the latents: "haar", "5/3" or "9/7".
        levels, high_kernel: of these layers.
        channel_wavelet: split the latents across channels, too.
        low_slices, high_slices: numbers that divide M and 3 M.
        high_attention: high slices have gated attention as the low ones do.
        attention_width: hidden channels of the attention.
        parameter_widths: hidden channels of the parameter networks, two.

    >>> model = WeConvene(
    ...     width=16, latents=20, hyper=8, blocks=1, attention_width=8, parameter_widths=(16, 8)
    ... )
    >>> model(torch.rand(1, 3, 64, 128), torch.tensor([32.0])).image.shape
    torch.Size([1, 3, 64, 128])
    """

    name = "weconvene"
    paper_size = True
    block = 16
    z_block = 4
    context_frac = 3
    halo = (4, 8)

    def __init__(
        self,
        *,
        width: int = 128,
        latents: int = 320,
        hyper: int = 192,
        blocks: int = 3,
        conv: Literal["weconv", "weconv3d"] = "weconv",
        wavelet: str = "haar",
        levels: int = 1,
        high_kernel: int = 3,
        channel_wavelet: bool = False,
        low_slices: int = 5,
        high_slices: int = 5,
        high_attention: bool = True,
        attention_width: int = 128,
        parameter_widths: Sequence[int] = (224, 128),
    ) -> None:
        super().__init__(
            4 * latents,
            {
                "width": width,
                "latents": latents,
                "hyper": hyper,
                "blocks": blocks,
                "conv": conv,
                "wavelet": wavelet,
                "levels": levels,
                "high_kernel": high_kernel,
                "channel_wavelet": channel_wavelet,
                "low_slices": low_slices,
                "high_slices": high_slices,
                "high_attention": high_attention,
                "attention_width": attention_width,
                "parameter_widths": list(parameter_widths),
            },
        )
        self.wavelet, self.channel_wavelet, self.low = wavelet, channel_wavelet, latents
        self.steps = (*_even(0, latents, low_slices), *_even(latents, 3 * latents, high_slices))
        self.coarse_steps = low_slices
        if conv == "weconv3d":
            self.halo = (12, 14)
        layer = partial(LAYERS[conv], wavelet=wavelet, levels=levels, high_kernel=high_kernel)
        hyper_layer = partial(layer, levels=1)  # z's maps are small

        def stage() -> list[nn.Module]:
            return [ResidualBlock(width, width) for _ in range(blocks)]

        def hyper_synthesis() -> nn.Sequential:
            return nn.Sequential(WeConvUp(hyper, width, hyper_layer), *stage(), subpel(width, latents, 2))

        self.g_a = nn.Sequential(
            ResidualDown(3, width, stride=1),
            *stage(),
            WeConvDown(width, width, layer),
            *stage(),
            WeConvDown(width, width, layer),
            *stage(),
            nn.Conv2d(width, latents, 3, stride=2, padding=1),
        )
        self.g_s = nn.Sequential(
            ResidualUp(latents, width, factor=1),
            *stage(),
            WeConvUp(width, width, layer),
            *stage(),
            WeConvUp(width, width, layer),
            *stage(),
            subpel(width, 3, 2),
        )
        self.h_a = nn.Sequential(
            WeConvDown(4 * latents, width, hyper_layer),
            *stage(),
            nn.Conv2d(width, hyper, 3, stride=2, padding=1),
        )
        self.h_mean_s, self.h_scale_s = hyper_synthesis(), hyper_synthesis()
        self.prior_z = FactorizedPrior(hyper)

        def nets(step: Step) -> nn.Module:
            outputs = step.high - step.low
            if step.low < latents:
                seen = latents + step.low
                return AttendedNets(seen + 1, seen, 0, outputs, attention_width, parameter_widths)
            if not high_attention:
                return SliceNets(latents, step.low, outputs, parameter_widths)
            seen = step.low  # hyper features and high slices: the attention takes the low bands in
            inputs = latents + 1 + step.low
            return AttendedNets(inputs, seen, latents, outputs, attention_width, parameter_widths)

        self.slices = nn.ModuleList(map(nets, self.steps))
        self.start_gains(STEP_AT_UNIT_LAMBDA)

    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        y = cast(Tensor, self.g_a(image - 0.5)).float()
        if self.channel_wavelet:
            parts = [half for pair in zip(*dwt3(y, self.wavelet), strict=True) for half in pair]
            return torch.cat(parts, dim=1)
        return torch.cat(dwt2(y, self.wavelet), dim=1)

    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        if self.channel_wavelet:
            parts = y_hat.chunk(8, dim=1)
            y = idwt3(Bands(*parts[::2]), Bands(*parts[1::2]), self.wavelet)
        else:
            y = idwt2(Bands(*y_hat.chunk(4, dim=1)), self.wavelet)
        return cast(Tensor, self.g_s(y)).float() + 0.5

    def hyper(self, run: Runner[V], z: V) -> tuple[V, ...]:
        return run(self.h_mean_s, z), run(self.h_scale_s, z)

    def predict(
        self, run: Runner[V], number: int, features: tuple[V, ...], plane: V, context: V
    ) -> tuple[tuple[V, ...], V, V]:
        nets, (means, scales) = self.slices[number], features
        if isinstance(nets, SliceNets):
            mean = run(nets.mean, means, plane, context, frac=MEAN_FRAC)
            return (means, plane, context), mean, run(nets.scale, scales, plane, context, frac=MEAN_FRAC)
        nets = cast(AttendedNets, nets)
        attended = run(nets.mean_attention, means, plane, context)
        scale_attended = run(nets.scale_attention, scales, plane, context)
        low = () if number < self.coarse_steps else (cast(V, context.narrow(1, 0, self.low)),)
        mean = run(nets.mean, attended, frac=MEAN_FRAC)
        return (*low, attended), mean, run(nets.scale, scale_attended, frac=MEAN_FRAC)

    def correct(self, run: Runner[V], number: int, hidden: tuple[V, ...], known: V) -> V:
        nets = cast("SliceNets | AttendedNets", self.slices[number])
        return run(nets.lrp, *hidden, known, frac=CORRECTION_FRAC)


def _even(first: int, channels: int, slices: int) -> list[Step]:
    """Steps of equally many channels."""
    each = channels // slices
    return [Step(first + n * each, first + (n + 1) * each, None) for n in range(slices)]
