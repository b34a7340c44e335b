"""What the hyperprior codecs with channel-wise slices have in common: gains, coding steps, training forward.

The networks between the bitstream and the tables are described once, by `hyper`, `predict` and
`correct`, over a `Runner`: in training it runs them in floats, at freezing on number formats, in a
product's encoder and decoder on integers (`codec.latents.network`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.nn.priors import FactorizedPrior, cheaper_symbols, gaussian_bits, round_ste

QUALITY_MIN, QUALITY_MAX = 1.0, 64.0
ANCHOR_QUALITIES = 8  # gain vectors; between them the logarithm is interpolated
NOISY_SHARE = 0.25
RDOQ_SHARE = 0.45  # tried once on crops of four Kodak images: 0.3 to 0.6 saved 3 % rate, 0.9 saved 2 %
KNOWN_MAX = 4  # symbols are clamped to it where a network sees them


class Step(NamedTuple):
    """One coding step: the channels low..high, on all positions or on one checkerboard color."""

    low: int
    high: int
    parity: int | None

    @property
    def context(self) -> int:
        """How many leading channels are known when the step is coded."""
        return self.high if self.parity == 1 else self.low


@runtime_checkable
class Value(Protocol):
    """What flows through a network: a tensor of floats or integers, or a number format."""

    def chunk(self, chunks: int, dim: int) -> "tuple[Value, ...]": ...
    def narrow(self, dim: int, start: int, length: int) -> "Value": ...


V = TypeVar("V", bound=Value)


@runtime_checkable
class Runner(Protocol[V]):
    """Runs `net` on its inputs, joined along the channels.

    `frac` marks a result that leaves the networks: its fractional bits where integers run.
    """

    def __call__(self, net: nn.Module, *inputs: V, frac: int | None = None) -> V: ...


MEAN_FRAC, CORRECTION_FRAC = 10, 6  # fractional bits of means and log2 scales, and of corrections


def run_floats(net: nn.Module, *inputs: Tensor, frac: int | None = None) -> Tensor:
    """The runner of training; what leaves the networks is float32, whatever ran inside."""
    result: Tensor = net(torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0])
    return result if frac is None else result.float()


class HalfTanh(nn.Module):
    """tanh(x) / 2: a correction of at most half a step."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) / 2


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
    bits_coarse: Float[Tensor, " b"]  # of y's first `coarse_steps` steps: the low bands of a wavelet codec
    bits_fine: Float[Tensor, " b"]  # of the others
    bits_z: Float[Tensor, " b"]

    @property
    def bits_y(self) -> Float[Tensor, " b"]:
        """All of y."""
        return self.bits_coarse + self.bits_fine

    @property
    def bits(self) -> Float[Tensor, " b"]:
        """All there is to code."""
        return self.bits_y + self.bits_z


class SlicedCodec(nn.Module, ABC):
    """A trainable codec whose y is coded in steps, each predicted from a hyperprior and the steps before.

    A subclass sets the class variables, `h_a`, `prior_z` and `slices` (one entry a step), and writes
    `analyze`, `synthesize`, `hyper`, `predict` and `correct`.
    """

    name: str
    block: int  # pixels per position of y
    z_block: int  # positions of y per position of z
    context_frac: int  # fractional bits of decoded latents where a network sees them
    coarse_steps: int  # steps in a product's first layer
    halo: tuple[int, int]  # positions of y that analysis and synthesis of a pixel can reach
    paper_size = False  # analysis and synthesis take seconds an image on a processor
    steps: tuple[Step, ...]
    h_a: nn.Module
    prior_z: FactorizedPrior
    slices: nn.ModuleList

    def __init__(self, latents: int, configuration: dict[str, Any]) -> None:
        super().__init__()
        self.configuration = configuration
        self.log2_gain = nn.Parameter(torch.zeros(ANCHOR_QUALITIES, latents))

    @property
    def latents(self) -> int:
        """Channels of y."""
        return self.log2_gain.shape[1]

    @property
    def z_channels(self) -> int:
        """Channels of z."""
        return self.prior_z.channels

    @property
    def stride(self) -> int:
        """Pixels per position of z: training crops are multiples of it."""
        return self.block * self.z_block

    @abstractmethod
    def analyze(self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]) -> Tensor:
        """Image, 0..1, to y."""

    @abstractmethod
    def synthesize(self, y_hat: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]) -> Tensor:
        """y_hat to image; not clamped."""

    @abstractmethod
    def hyper(self, run: Runner[V], z: V) -> tuple[V, ...]:
        """What z tells about y, at y's resolution."""

    @abstractmethod
    def predict(
        self, run: Runner[V], number: int, features: tuple[V, ...], plane: V, context: V
    ) -> tuple[tuple[V, ...], V, V]:
        """(what `correct` needs, mean, log2 scale) of step `number`, in y's units."""

    @abstractmethod
    def correct(self, run: Runner[V], number: int, hidden: tuple[V, ...], known: V) -> V:
        """The latent residual prediction, at most half a quantization step, from the clamped symbols."""

    def energy(self) -> Float[Tensor, " c"] | None:
        """Squared error of the image per squared error of y, by channel; None where it is not known."""
        return None

    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """What a start wants to know of the data; nothing, by default."""

    @torch.no_grad()
    def start_gains(self, step_at_unit_lambda: float | Tensor) -> None:
        """Gains of the step that each lambda wants: step = step_at_unit_lambda / sqrt(lambda)."""
        anchors = torch.linspace(QUALITY_MIN, QUALITY_MAX, ANCHOR_QUALITIES)
        step = torch.as_tensor(step_at_unit_lambda) / lmbda(anchors).sqrt()[:, None]
        self.log2_gain.copy_(-torch.log2(step).expand_as(self.log2_gain))

    def gain(self, quality: Float[Tensor, " b"]) -> Float[Tensor, "b c 1 1"]:
        """Quantization steps per unit of y, interpolated geometrically between the anchors."""
        position = (quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN) * (ANCHOR_QUALITIES - 1)
        low = position.floor().clamp(0, ANCHOR_QUALITIES - 2).long()
        weight = (position - low)[:, None]
        log2 = self.log2_gain[low] * (1 - weight) + self.log2_gain[low + 1] * weight
        return torch.exp2(log2)[:, :, None, None]

    def price(
        self, quality: Float[Tensor, " b"], gain: Float[Tensor, "b c 1 1"], channels: slice
    ) -> Float[Tensor, "b c 1 1"] | None:
        """Bits that a squared error of one quantization step is worth; None where `energy` is not known.

        The loss counts the squared error of 8-bit values, as the mean over three bands. Only `RDOQ_SHARE`
        of the bits a symbol saves is believed, since it also makes its neighbors' predictions worse.
        """
        energy = self.energy()
        if energy is None:
            return None
        weight = lmbda(quality)[:, None, None, None] * (255**2 / 3 / RDOQ_SHARE)
        return weight * energy[channels][None, :, None, None] / gain.square()

    def forward(
        self, image: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"], *, rdoq: bool = False
    ) -> Coded:
        """The codec as training sees it; with `rdoq` symbols are chosen as the encoder chooses them."""
        y = self.analyze(image, quality)
        z = cast(Tensor, self.h_a(y)).float()
        bits_z = self.prior_z.bits(z + torch.rand_like(z) - 0.5).sum(dim=(1, 2, 3))
        features = self.hyper(run_floats, round_ste(z))
        plane = quality_plane(quality, y)
        gain = self.gain(quality)
        # Noise overstates the rate of nearly certain symbols, of which a full-rank latent is full (here
        # by 0.5 bpp); rounding gives no gradient to shrink them. A quarter of the crops see noise (ours).
        noisy = (torch.rand(len(y), device=y.device) < NOISY_SHARE)[:, None, None, None] & self.training
        y_hat = torch.zeros_like(y[:, :0])
        bits_by_step = []
        for number, step in enumerate(self.steps):
            here = slice(step.low, step.high)
            hidden, mean, log2_scale = self.predict(
                run_floats, number, features, plane, y_hat[:, : step.context]
            )
            residual = (y[:, here] - mean) * gain[:, here]
            scale = torch.exp2(log2_scale) * gain[:, here]
            price = self.price(quality, gain[:, here], here) if rdoq else None
            if price is None:
                symbols = round_ste(residual)
            else:
                symbols = residual + (cheaper_symbols(residual, scale, price) - residual).detach()
            counted = torch.where(noisy, residual + torch.rand_like(residual) - 0.5, symbols)
            bits = gaussian_bits(counted, scale)
            correction = self.correct(run_floats, number, hidden, symbols.clamp(-KNOWN_MAX, KNOWN_MAX))
            decoded = mean + (symbols + correction) / gain[:, here]
            mask = checkerboard(y.shape[2], y.shape[3], step.parity).to(y.device)
            bits_by_step.append((bits * mask).sum(dim=(1, 2, 3)))
            if step.parity == 0:
                y_hat = torch.cat([y_hat, decoded * mask], dim=1)
            elif step.parity == 1:
                y_hat = torch.cat([y_hat[:, : step.low], y_hat[:, here] + decoded * mask], dim=1)
            else:
                y_hat = torch.cat([y_hat, decoded], dim=1)
        bits_y = torch.stack(bits_by_step)
        return Coded(
            image=self.synthesize(y_hat, quality),
            bits_coarse=bits_y[: self.coarse_steps].sum(dim=0),
            bits_fine=bits_y[self.coarse_steps :].sum(dim=0),
            bits_z=bits_z,
        )
