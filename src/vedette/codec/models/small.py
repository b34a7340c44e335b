"""Parts of the codecs that are small enough for a small computer, and start where a transform codec ends."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from vedette.codec.models.sliced import CORRECTION_FRAC, MEAN_FRAC, Runner, SlicedCodec, V


class SliceNet(nn.Module):
    """Mean and log2 scale of one step's channels; `lrp` predicts what rounding took away.

    Args:
        reach_first: the 3x3 convolution sees all inputs; else a 1x1 narrows them to `width` first, which
            takes a fraction of the weights where inputs are many.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 80, *, reach_first: bool = True) -> None:
        super().__init__()
        reach = nn.Conv2d(inputs if reach_first else width, width, 3, padding=1)
        mix = nn.Conv2d(width if reach_first else inputs, width, 1)
        first, second = (reach, mix) if reach_first else (mix, reach)
        self.trunk = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        self.head = nn.Conv2d(width, 2 * outputs, 1)
        last = nn.Conv2d(64, outputs, 1)
        self.lrp = nn.Sequential(nn.Conv2d(width + outputs, 64, 1), nn.ReLU(), last, nn.Hardtanh(-0.5, 0.5))
        zero_start(last)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.head.bias))


class SmallCodec(SlicedCodec):
    """A codec with one hyper synthesis, `h_s`, and a `SliceNet` for each step."""

    h_s: nn.Module

    def hyper(self, run: Runner[V], z: V) -> tuple[V, ...]:
        return (run(self.h_s, z),)

    def predict(
        self, run: Runner[V], number: int, features: tuple[V, ...], plane: V, context: V
    ) -> tuple[tuple[V, ...], V, V]:
        net = cast(SliceNet, self.slices[number])
        hidden = run(net.trunk, *features, plane, context)
        mean, log2_scale = cast(tuple[V, V], run(net.head, hidden, frac=MEAN_FRAC).chunk(2, 1))
        return (hidden,), mean, log2_scale

    def correct(self, run: Runner[V], number: int, hidden: tuple[V, ...], known: V) -> V:
        return run(cast(SliceNet, self.slices[number]).lrp, *hidden, known, frac=CORRECTION_FRAC)


def zero_start(conv: nn.Conv2d) -> nn.Conv2d:
    """`conv`, made to give zeros until it learns.

    >>> int(zero_start(nn.Conv2d(2, 3, 1)).weight.count_nonzero())
    0
    """
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


def residual_network(latents: int, blocks: Sequence[nn.Module]) -> nn.Sequential:
    """y and the quality to a change of y that is zero at the start.

    Args:
        blocks: layers that keep their number of channels, which the first one tells.
    """
    width = next(m.in_channels for m in blocks[0].modules() if isinstance(m, nn.Conv2d))
    return nn.Sequential(nn.Conv2d(latents + 1, width, 1), *blocks, zero_start(nn.Conv2d(width, latents, 1)))
