"""charm: the residual trunk with GDN, a hyperprior and channel-wise slices, at the size papers use.

    image (3, H, W) --g_a--> y (320, H/16, W/16) --h_a--> z (192, H/64, W/64)
    z --h_mean_s, h_scale_s--> 320 channels each; slice i of y from these and the slices before it
    y_hat --g_s--> image

The trunk is that of specification section 0.1 (residual blocks, strided ones with GDN), the slices
those of Minnen and Singh, arXiv 2007.08982, with parameter networks of 224 and 128 channels (section
0.1): 60.2 M parameters. The table of HPCM counts 58.5 M for its own implementation of CHARM.
PROPOSED (ours): one model for all rates, by gain vectors and a plane that tells the quality; the
correction is predicted in quantization steps.
"""

from collections.abc import Sequence
from typing import Literal, cast

from jaxtyping import Float
from torch import Tensor, nn

from vedette.codec.models.sliced import (
    CORRECTION_FRAC,
    MEAN_FRAC,
    HalfTanh,
    Runner,
    SlicedCodec,
    Step,
    V,
)
from vedette.nn.layers import ResidualBlock, ResidualDown, ResidualUp, subpel
from vedette.nn.priors import FactorizedPrior
from vedette.nn.weconv import LAYERS, WeConvDown, WeConvUp

STEP_AT_UNIT_LAMBDA = 0.1  # of y's range: at lambda 0.01 a step is 1


class SliceNets(nn.Module):
    """Mean, log2 scale and correction of one slice, each by its own network."""

    def __init__(self, hyper: int, context: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.mean = parameter_net(hyper + 1 + context, outputs, widths)
        self.scale = parameter_net(hyper + 1 + context, outputs, widths)
        self.lrp = nn.Sequential(*parameter_net(hyper + 1 + context + outputs, outputs, widths), HalfTanh())


class Charm(SlicedCodec):
    """The whole codec as one trainable network; `quality` picks the rate, one value per image.

    Args:
        width: channels of the trunk (N).
        latents: channels of y (M), a multiple of `slices`.
        hyper: channels of z.
        blocks: residual blocks of each stage.
        parameter_widths: hidden channels of the parameter networks, two.
        conv: what changes the resolution of the trunk: "residual" blocks with a stride, or the layers of
            WeConvene ("weconv") or 3DM-WeConvene ("weconv3d").

    >>> import torch
    >>> model = Charm(width=16, latents=32, hyper=16, slices=2, blocks=1, parameter_widths=(24, 16))
    >>> model(torch.rand(1, 3, 64, 128), torch.tensor([32.0])).image.shape
    torch.Size([1, 3, 64, 128])
    """

    name = "charm"
    paper_size = True
    block = 16
    z_block = 4
    context_frac = 3
    coarse_steps = 1
    halo = (8, 8)

    def __init__(
        self,
        *,
        width: int = 128,
        latents: int = 320,
        hyper: int = 192,
        slices: int = 10,
        blocks: int = 3,
        parameter_widths: Sequence[int] = (224, 128),
        conv: Literal["residual", "weconv", "weconv3d"] = "residual",
    ) -> None:
        super().__init__(
            latents,
            {
                "width": width,
                "latents": latents,
                "hyper": hyper,
                "slices": slices,
                "blocks": blocks,
                "parameter_widths": list(parameter_widths),
                "conv": conv,
            },
        )
        if conv == "weconv3d":
            self.halo = (20, 22)
        each = latents // slices
        self.steps = tuple(Step(n * each, (n + 1) * each, None) for n in range(slices))

        def stage() -> list[nn.Module]:
            return [ResidualBlock(width, width) for _ in range(blocks)]

        def down(inputs: int, outputs: int) -> nn.Module:
            return (
                ResidualDown(inputs, outputs)
                if conv == "residual"
                else WeConvDown(inputs, outputs, LAYERS[conv])
            )

        def up(inputs: int, outputs: int) -> nn.Module:
            return (
                ResidualUp(inputs, outputs) if conv == "residual" else WeConvUp(inputs, outputs, LAYERS[conv])
            )

        self.g_a = nn.Sequential(
            down(3, width),
            *stage(),
            down(width, width),
            *stage(),
            down(width, width),
            *stage(),
            nn.Conv2d(width, latents, 3, stride=2, padding=1),
        )
        self.g_s = nn.Sequential(
            up(latents, width),
            *stage(),
            up(width, width),
            *stage(),
            up(width, width),
            *stage(),
            subpel(width, 3, 2),
        )
        self.h_a = nn.Sequential(
            ResidualDown(latents, width), *stage(), nn.Conv2d(width, hyper, 3, stride=2, padding=1)
        )
        self.h_mean_s = nn.Sequential(ResidualUp(hyper, width), *stage(), subpel(width, latents, 2))
        self.h_scale_s = nn.Sequential(ResidualUp(hyper, width), *stage(), subpel(width, latents, 2))
        self.prior_z = FactorizedPrior(hyper)
        self.slices = nn.ModuleList(SliceNets(latents, s.low, each, parameter_widths) for s in self.steps)
        self.start_gains(STEP_AT_UNIT_LAMBDA)

    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        return cast(Tensor, self.g_a(image - 0.5)).float()

    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        return cast(Tensor, self.g_s(y_hat)).float() + 0.5

    def hyper(self, run: Runner[V], z: V) -> tuple[V, ...]:
        return run(self.h_mean_s, z), run(self.h_scale_s, z)

    def predict(
        self, run: Runner[V], number: int, features: tuple[V, ...], plane: V, context: V
    ) -> tuple[tuple[V, ...], V, V]:
        nets, (means, scales) = cast(SliceNets, self.slices[number]), features
        mean = run(nets.mean, means, plane, context, frac=MEAN_FRAC)
        log2_scale = run(nets.scale, scales, plane, context, frac=MEAN_FRAC)
        return (means, plane, context), mean, log2_scale

    def correct(self, run: Runner[V], number: int, hidden: tuple[V, ...], known: V) -> V:
        return run(cast(SliceNets, self.slices[number]).lrp, *hidden, known, frac=CORRECTION_FRAC)


def parameter_net(inputs: int, outputs: int, widths: Sequence[int]) -> nn.Sequential:
    """Three 3x3 convolutions with GELU between them ("ParamNet")."""
    return nn.Sequential(
        nn.Conv2d(inputs, widths[0], 3, padding=1),
        nn.GELU(),
        nn.Conv2d(widths[0], widths[1], 3, padding=1),
        nn.GELU(),
        nn.Conv2d(widths[1], outputs, 3, padding=1),
    )
