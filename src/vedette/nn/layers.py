"""The convolutional layers that the codecs share (specification section 0.1)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """conv3x3, LeakyReLU, conv3x3, LeakyReLU, plus the input (through a 1x1 where widths differ).

    >>> ResidualBlock(4, 6)(torch.zeros(1, 4, 5, 5)).shape
    torch.Size([1, 6, 5, 5])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.activation = nn.LeakyReLU(inplace=True)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        inner: Tensor = self.activation(self.conv2(self.activation(self.conv1(x))))
        return inner + self.skip(x)


class GDN(nn.Module):
    """Generalized divisive normalization: x_i / sqrt(beta_i + sum_j gamma_ij x_j^2); inverse multiplies.

    Balle et al., arXiv 1511.06281. Parameters are kept as square roots above a pedestal of 2^-36,
    beta not below 1e-6; they start at beta 1 and gamma 0.1 on the diagonal.

    >>> round(GDN(1)(torch.ones(1, 1, 1, 1)).item(), 4)
    0.9535
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.pedestal = 2.0**-36
        self.beta = nn.Parameter((torch.ones(channels) + self.pedestal).sqrt())
        self.gamma = nn.Parameter((0.1 * torch.eye(channels) + self.pedestal).sqrt())

    def effective(self) -> tuple[Float[Tensor, " c"], Float[Tensor, "c c"]]:
        """beta and gamma as the layer applies them."""
        beta = self.beta.clamp(min=(1e-6 + self.pedestal) ** 0.5).square() - self.pedestal
        return beta, self.gamma.clamp(min=self.pedestal**0.5).square() - self.pedestal

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        beta, gamma = self.effective()
        norm = nn.functional.conv2d(x.square(), gamma[:, :, None, None], beta).sqrt()
        return x * norm if self.inverse else x / norm


def subpel(inputs: int, outputs: int, factor: int) -> nn.Sequential:
    """conv3x3 to factor^2 as many channels, then pixel shuffle."""
    return nn.Sequential(nn.Conv2d(inputs, outputs * factor**2, 3, padding=1), nn.PixelShuffle(factor))


class ResidualDown(nn.Module):
    """conv3x3 of stride s, LeakyReLU, conv3x3, GDN, plus a strided 1x1 skip ("RBWithStride").

    >>> ResidualDown(3, 8)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.gdn = GDN(outputs)
        self.activation = nn.LeakyReLU(inplace=True)
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Tensor:
        inner: Tensor = self.gdn(self.conv2(self.activation(self.conv1(x))))
        return inner + self.skip(x)


class ResidualUp(nn.Module):
    """subpel3x3, LeakyReLU, conv3x3, inverse GDN, plus a subpel3x3 skip ("RBUpsample").

    >>> ResidualUp(4, 8)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, factor: int = 2) -> None:
        super().__init__()
        self.subpel = subpel(inputs, outputs, factor)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.igdn = GDN(outputs, inverse=True)
        self.activation = nn.LeakyReLU(inplace=True)
        self.skip = subpel(inputs, outputs, factor)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Tensor:
        inner: Tensor = self.igdn(self.conv(self.activation(self.subpel(x))))
        return inner + self.skip(x)


class ResidualUnit(nn.Module):
    """1x1 to half the channels, ReLU, 3x3, ReLU, 1x1 back, plus the input, ReLU.

    >>> ResidualUnit(4)(torch.zeros(1, 4, 5, 5)).shape
    torch.Size([1, 4, 5, 5])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.inner = nn.Sequential(
            nn.Conv2d(channels, half, 1),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return torch.relu(self.inner(x) + x)


class GatedAttention(nn.Module):
    """x --1x1--> u; u + a(u) * sigmoid(b(u)) --1x1--> result, of `width` channels inside.

    a is three residual units; b is two residual blocks, three residual units and a 1x1 convolution
    (specification section 0.1; "SWAtten" in the released code of WeConvene, without a transformer in it).

    >>> GatedAttention(6, 4, width=8)(torch.zeros(1, 6, 5, 5)).shape
    torch.Size([1, 4, 5, 5])
    """

    def __init__(self, inputs: int, outputs: int, width: int = 128) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 1)
        self.value = nn.Sequential(*(ResidualUnit(width) for _ in range(3)))
        self.gate = nn.Sequential(
            ResidualBlock(width, width),
            ResidualBlock(width, width),
            *(ResidualUnit(width) for _ in range(3)),
            nn.Conv2d(width, width, 1),
        )
        self.leave = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        u = self.enter(x)
        gated: Tensor = self.leave(self.value(u) * torch.sigmoid(self.gate(u)) + u)
        return gated
