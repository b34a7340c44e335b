"""Probability models of integers: the factorized prior of z and the Gaussian of y."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SCALE_MIN = 0.11  # in quantization steps; below it a symbol is almost surely zero
LIKELIHOOD_MIN = 1e-9
SQRT_2_PI = math.sqrt(2 * math.pi)
LN_2 = math.log(2)


class LowerBound(torch.autograd.Function):
    """max(x, bound), whose gradient still pulls values below the bound back up."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)  # type: ignore[attr-defined]  # torch leaves ctx untyped
        ctx.bound = bound  # type: ignore[attr-defined]
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        (gradient,) = gradients
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None  # type: ignore[attr-defined]


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """max(x, bound) with a gradient that can raise what lies below.

    >>> lower_bound(torch.tensor([0.0, 2.0]), 1.0)
    tensor([1., 2.])
    """
    return LowerBound.apply(x, bound)  # type: ignore[no-any-return,no-untyped-call]


def round_ste(x: Tensor) -> Tensor:
    """Round to nearest; the gradient passes as if nothing had happened."""
    return x + (x.round() - x).detach()


class GaussianBits(torch.autograd.Function):
    """-log2 of a Gaussian's mass in one quantization step, with its gradient in closed form.

    Far out, where the mass underflows, value and gradient are those of the tail's asymptote, so that
    a symbol the model thought impossible still teaches it.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, residual: Tensor, scale: Tensor) -> Tensor:
        near, far = (residual.abs() - 0.5) / scale, (residual.abs() + 0.5) / scale
        mass = (torch.special.erfc(near * 2**-0.5) - torch.special.erfc(far * 2**-0.5)) / 2
        in_tail = mass < LIKELIHOOD_MIN
        tail_bits = (near.square() / 2 + torch.log(near.clamp(min=1) * SQRT_2_PI)) / LN_2
        bits = torch.where(in_tail, tail_bits, -torch.log2(mass.clamp(min=LIKELIHOOD_MIN)))
        factor = 1 / (scale * mass.clamp(min=LIKELIHOOD_MIN) * SQRT_2_PI * LN_2)
        density_near, density_far = torch.exp(-near.square() / 2), torch.exp(-far.square() / 2)
        slope = torch.where(in_tail, near / (scale * LN_2), (density_near - density_far) * factor)
        by_scale = (density_far * far - density_near * near) * factor
        by_scale = torch.where(in_tail, -near.square() / (scale * LN_2), by_scale)
        ctx.save_for_backward(slope * residual.sign(), by_scale)  # type: ignore[attr-defined]
        return bits

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        by_residual, by_scale = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * by_residual, gradients[0] * by_scale


def cheaper_symbols(residual: Tensor, scale: Tensor, price: Tensor) -> Tensor:
    """Rounded residuals, each one nearer to zero where that costs less in bits + price * squared error.

    Rate-distortion optimized quantization of one symbol at a time, as video encoders do it. The result
    carries no gradient.

    Args:
        residual: value minus mean, in quantization steps.
        scale: standard deviation of the Gaussian that codes it, in steps.
        price: bits that a squared error of one step is worth.

    >>> cheaper_symbols(torch.tensor([0.55, 0.95]), torch.tensor(0.2), torch.tensor(20.0))
    tensor([0., 1.])
    """
    with torch.no_grad():
        rounded = residual.round()
        chosen = rounded.flatten().clone()
        at = chosen.nonzero()[:, 0]
        exact, symbol = residual.flatten()[at], chosen[at]
        sigma, worth = (part.expand_as(residual).flatten()[at] for part in (scale, price))
        nearer = symbol - symbol.sign()
        saved = gaussian_bits(symbol, sigma) - gaussian_bits(nearer, sigma)
        cost = ((exact - nearer).square() - (exact - symbol).square()) * worth
        chosen[at] = torch.where(saved > cost, nearer, symbol)
        return chosen.reshape(residual.shape)


def gaussian_bits(residual: Tensor, scale: Tensor) -> Tensor:
    """Bits of each residual under a zero-mean Gaussian integrated over one step.

    Args:
        residual: value minus mean, in quantization steps.
        scale: standard deviation, in quantization steps; raised to 0.11.

    >>> gaussian_bits(torch.zeros(1), torch.tensor([0.2])).item() < 0.02
    True
    """
    return GaussianBits.apply(residual, lower_bound(scale, SCALE_MIN))  # type: ignore[no-any-return,no-untyped-call]


class FactorizedPrior(nn.Module):
    """One learned density per channel, the same at every position.

    The cumulative is a monotone network of four layers (widths 3, 3, 3) on one number: Balle et
    al., arXiv 1802.01436, appendix 6.1.

    >>> FactorizedPrior(4).bits(torch.zeros(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = (3, 3, 3), init_scale: float = 10.0) -> None:
        super().__init__()
        self.channels = channels
        sizes = (1, *widths, 1)
        scale = init_scale ** (1 / (len(widths) + 1))
        self.matrices, self.biases, self.factors = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in itertools.pairwise(sizes):
            start = math.log(math.expm1(1 / scale / fan_out))
            self.matrices.append(nn.Parameter(torch.full((channels, fan_out, fan_in), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, fan_out, 1) - 0.5))
            if len(self.matrices) <= len(widths):  # the last layer is affine
                self.factors.append(nn.Parameter(torch.zeros(channels, fan_out, 1)))

    def logits(self, values: Float[Tensor, "c 1 n"]) -> Float[Tensor, "c 1 n"]:
        """Logit of the cumulative at `values`, channel by channel."""
        for number, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            values = functional.softplus(matrix) @ values + bias
            if number < len(self.factors):
                values = values + torch.tanh(self.factors[number]) * torch.tanh(values)
        return values

    def pmf(self, values: Float[Tensor, "c 1 n"]) -> Float[Tensor, "c 1 n"]:
        """Probability of the unit interval centered on each value."""
        low, high = self.logits(values - 0.5), self.logits(values + 0.5)
        sign = -torch.sign(low + high).detach()
        return (torch.sigmoid(sign * high) - torch.sigmoid(sign * low)).abs()

    def bits(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Bits of each value."""
        by_channel = z.transpose(0, 1)
        with torch.autocast(z.device.type, enabled=False):
            pmf = self.pmf(by_channel.reshape(z.shape[1], 1, -1)).reshape(by_channel.shape)
        return -torch.log2(lower_bound(pmf, LIKELIHOOD_MIN)).transpose(0, 1)
