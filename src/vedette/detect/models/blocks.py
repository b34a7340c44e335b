"""The convolutional blocks of the YOLOv5 family, as SuperYOLO uses them (specification section 1)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class CBS(nn.Module):
    """Convolution without bias, batch normalization, SiLU; `stride` divides the sides.

    >>> CBS(3, 8, 3, stride=2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return functional.silu(self.norm(self.conv(x)))

    @torch.no_grad()
    def fuse(self) -> None:
        """Let the convolution do what the normalization does at inference; the same function, fewer steps."""
        if not isinstance(self.norm, nn.BatchNorm2d):
            return
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None and variance is not None
        scale = self.norm.weight / torch.sqrt(variance + self.norm.eps)
        old, kernel = self.conv, self.conv.kernel_size[0]
        self.conv = nn.Conv2d(old.in_channels, old.out_channels, kernel, old.stride[0], kernel // 2)
        self.conv.weight.copy_(old.weight * scale[:, None, None, None])
        assert self.conv.bias is not None
        self.conv.bias.copy_(self.norm.bias - mean * scale)
        self.norm = nn.Identity()


class Bottleneck(nn.Module):
    """1x1 then 3x3 at the same width, plus the input where `shortcut`."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.reduce = CBS(channels, channels)
        self.conv = CBS(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        inner: Tensor = self.conv(self.reduce(x))
        return x + inner if self.shortcut else inner


class C3(nn.Module):
    """Two 1x1 branches of half the outputs, bottlenecks on one, joined by a third 1x1.

    >>> C3(8, 16, blocks=2)(torch.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 16, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, *, blocks: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = outputs // 2
        self.deep = CBS(inputs, hidden)
        self.flat = CBS(inputs, hidden)
        self.blocks = nn.Sequential(*(Bottleneck(hidden, shortcut=shortcut) for _ in range(blocks)))
        self.join = CBS(2 * hidden, outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return self.join(torch.cat([self.blocks(self.deep(x)), self.flat(x)], dim=1))


class SPP(nn.Module):
    """Spatial pyramid pooling: the map beside its maxima over 5, 9 and 13 pixels.

    Maxima of maxima: three pools of 5 in a row are pools of 5, 9 and 13, to the bit.

    >>> SPP(8)(torch.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = CBS(channels, channels // 2)
        self.join = CBS(channels // 2 * 4, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        parts = [self.reduce(x)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, stride=1, padding=2))
        return self.join(torch.cat(parts, dim=1))


class Focus(nn.Module):
    """Every second pixel in four phases as channels, then CBS 3x3: half the sides, what SuperYOLO leaves out.

    >>> Focus(3, 8)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = CBS(4 * inputs, outputs, 3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.conv(functional.pixel_unshuffle(x, 2))


class SqueezeExcite(nn.Module):
    """Channels scaled by a gate that sees their means; `reduction` divides the gate's hidden width.

    >>> SqueezeExcite(8, reduction=4)(torch.ones(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]
