"""From y to bytes and back, step by step: the part of a codec that must be exact.

A tile becomes two streams, coarse before fine, so that a file that stops early still shows every
tile: stream 0 holds z and the model's first `coarse_steps` steps, stream 1 the others. Each begins
with the quality as an unsigned 16-bit integer, little-endian, in 1/256.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vedette.bitstream import rans
from vedette.bitstream.tables import Tables
from vedette.codec.latents import integer
from vedette.codec.latents.integer import IntegerEntropy
from vedette.codec.models.sliced import KNOWN_MAX, MEAN_FRAC, QUALITY_MAX, QUALITY_MIN, Step, checkerboard
from vedette.errors import CorruptProductError
from vedette.nn.priors import cheaper_symbols

LAYERS = 2
SYMBOL_LIMIT = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Latents:
    """Decoded latents of a tile: integers with 16 fractional bits, and the quality they carry."""

    values: Int[Tensor, "1 c h w"]
    code: int  # quality in 1/256
    layers: int  # how many of its streams arrived

    @property
    def quality(self) -> float:
        return self.code / 2**integer.QUALITY_FRAC

    def as_float(self) -> Float[Tensor, "1 c h w"]:
        return self.values.float() * 2.0**-integer.LATENT_FRAC


class LatentCoder:
    """Codes y with exact integer networks and tables; z's tables follow y's 64 in `tables`."""

    def __init__(self, entropy: IntegerEntropy, tables: Tables) -> None:
        self.entropy = entropy
        self.tables = tables
        self.model = entropy.model
        sigmas = [integer.scale_of_level(level) for level in range(integer.SCALE_LEVELS)]
        self._sigmas = torch.tensor(sigmas, dtype=torch.float64)

    @torch.inference_mode()
    def encode(
        self, y: Float[Tensor, "1 c h w"], z: Float[Tensor, "1 d a b"], code: int
    ) -> tuple[list[bytes], Latents]:
        """The two streams of a tile, and what the decoder will reconstruct.

        Args:
            y, z: what analysis and hyper analysis gave, in floats: only the encoder sees them.
            code: quality in 1/256 (`integer.quality_code`).
        """
        symbols_z = z.round().clamp(-integer.Z_MAX, integer.Z_MAX)
        parts = [[(symbols_z.int().flatten().numpy(), self._z_tables(symbols_z.shape))], []]
        walk = _Walk(self.entropy, symbols_z, code, y.shape[2], y.shape[3])
        flat = y[0].flatten(1)
        for number, step in enumerate(self.model.steps):
            ahead = walk.predict(number)
            wanted = ahead.at(flat[step.low : step.high]).double() - ahead.mean * 2.0**-MEAN_FRAC
            gain = 2.0**integer.LATENT_FRAC / ahead.inverse_gain
            here, quality = slice(step.low, step.high), code / 2**integer.QUALITY_FRAC
            symbols = self._choose(wanted * gain, ahead.levels, gain, here, quality)
            symbols = symbols.clamp_(-SYMBOL_LIMIT, SYMBOL_LIMIT)
            part = parts[0] if number < self.model.coarse_steps else parts[1]
            part.append((symbols.int().flatten().numpy(), ahead.levels.int().flatten().numpy()))
            walk.advance(number, ahead, symbols)
        head = struct.pack("<H", code)
        streams = [
            head
            + rans.encode(
                np.concatenate([s for s, _ in part]), np.concatenate([t for _, t in part]), self.tables
            )
            for part in parts
        ]
        return streams, walk.result(LAYERS)

    @torch.inference_mode()
    def decode(self, streams: Sequence[bytes | None], height: int, width: int) -> Latents:
        """The latents of a tile from its streams; without stream 1 the fine slices are their means.

        Raises:
            CorruptProductError: the coarse stream is missing, or a stream is damaged.
        """
        if not streams or streams[0] is None:
            raise CorruptProductError("a tile's coarse stream is missing")
        code, decoder = self._open(streams[0])
        shape = (1, self.z_channels, -(-height // self.model.z_block), -(-width // self.model.z_block))
        decoded = decoder.decode(self._z_tables(shape))
        symbols_z = torch.from_numpy(decoded.astype(np.float32)).reshape(shape)
        walk = _Walk(self.entropy, symbols_z.clamp(-integer.Z_MAX, integer.Z_MAX), code, height, width)
        fine = streams[1] if len(streams) > 1 else None
        for number in range(len(self.model.steps)):
            if number == self.model.coarse_steps:
                decoder.finish()
                if fine is not None:
                    again, decoder = self._open(fine)
                    if again != code:
                        raise CorruptProductError("the two streams of a tile differ in quality")
            ahead = walk.predict(number)
            if number < self.model.coarse_steps or fine is not None:
                values = decoder.decode(ahead.levels.int().flatten().numpy())
                symbols = torch.from_numpy(values.astype(np.float64)).reshape(ahead.levels.shape)
            else:
                symbols = torch.zeros_like(ahead.levels)
            walk.advance(number, ahead, symbols)
        if fine is not None:
            decoder.finish()
        return walk.result(LAYERS if fine is not None else 1)

    def _choose(
        self,
        wanted: Float[Tensor, "c n"],
        levels: Float[Tensor, "c n"],
        gain: Float[Tensor, "c 1"],
        channels: slice,
        quality: float,
    ) -> Float[Tensor, "c n"]:
        """Symbols for values in quantization steps: only the encoder's business, so floats may decide."""
        price = self.model.price(torch.tensor([quality]), gain[None, :, :, None], channels)
        if price is None:
            return wanted.round()
        return cheaper_symbols(wanted, self._sigmas[levels.long()], price[0, :, :, 0])

    @property
    def z_channels(self) -> int:
        return len(self.tables) - integer.SCALE_LEVELS

    def _z_tables(self, shape: Sequence[int]) -> np.ndarray:
        ids = integer.SCALE_LEVELS + np.arange(self.z_channels, dtype=np.int32)
        return np.repeat(ids, shape[2] * shape[3])

    def _open(self, stream: bytes) -> tuple[int, rans.Decoder]:
        if len(stream) < 2:
            raise CorruptProductError("a tile's stream is empty")
        (code,) = struct.unpack_from("<H", stream)
        if not QUALITY_MIN <= code / 2**integer.QUALITY_FRAC <= QUALITY_MAX:
            raise CorruptProductError(f"a tile's quality is {code / 256:g}, outside 1..64")
        return code, rans.Decoder(stream[2:], self.tables)


class _Ahead(NamedTuple):
    """What is known of a step before its symbols: (c, n) each, n positions in raster order."""

    hidden: tuple[Tensor, ...]
    mean: Tensor
    levels: Tensor
    inverse_gain: Tensor
    positions: Tensor | None  # of a checkerboard step, flat; None for all

    def at(self, values: Float[Tensor, "c hw"]) -> Float[Tensor, "c n"]:
        """`values` where the step has symbols."""
        return values if self.positions is None else values.index_select(1, self.positions)


class _Walk:
    """The state that encoder and decoder share while they go through the steps."""

    def __init__(self, entropy: IntegerEntropy, z: Tensor, code: int, height: int, width: int) -> None:
        self.run, self.model, self.code = entropy.run, entropy.model, code
        self.size = (height, width)
        log2, inverse = integer.gains(entropy.log2_gain, code)
        self.log2_gain = torch.from_numpy(log2)[:, None].float()
        self.inverse_gain = torch.from_numpy(inverse)[:, None].double()
        self.features = entropy.features(z, height, width)
        self.plane = integer.quality_plane(code, height, width)
        channels = self.model.latents
        self.latents = torch.zeros(channels, height * width, dtype=torch.float64)
        self.context = torch.zeros(channels, height * width)
        self.positions = {
            parity: checkerboard(height, width, parity).flatten().nonzero()[:, 0] for parity in (0, 1)
        }

    def predict(self, number: int) -> _Ahead:
        step = self.model.steps[number]
        known = self.context[: step.context].reshape(1, step.context, *self.size)
        hidden, mean, log2_scale = self.model.predict(self.run, number, self.features, self.plane, known)
        positions = None if step.parity is None else self.positions[step.parity]
        ahead = _Ahead(hidden, mean, log2_scale, self.inverse_gain[step.low : step.high], positions)
        levels = integer.scale_levels(
            ahead.at(log2_scale[0].flatten(1)), self.log2_gain[step.low : step.high]
        )
        return ahead._replace(mean=ahead.at(mean[0].flatten(1)), levels=levels)

    def advance(self, number: int, ahead: _Ahead, symbols: Float[Tensor, "c n"]) -> None:
        step = self.model.steps[number]
        known = symbols.clamp(-KNOWN_MAX, KNOWN_MAX).float()
        correction = self.model.correct(self.run, number, ahead.hidden, self._spread(step, ahead, known))
        decoded = integer.reconstruct(
            ahead.mean, symbols, ahead.at(correction[0].flatten(1)), ahead.inverse_gain
        )
        context = integer.as_context(decoded, self.model.context_frac)
        here = slice(step.low, step.high)
        if ahead.positions is None:
            self.latents[here], self.context[here] = decoded, context
        else:
            self.latents[here].index_copy_(1, ahead.positions, decoded)
            self.context[here].index_copy_(1, ahead.positions, context)

    def result(self, layers: int) -> Latents:
        return Latents(self.latents.long().reshape(1, -1, *self.size), self.code, layers)

    def _spread(self, step: Step, ahead: _Ahead, values: Float[Tensor, "c n"]) -> Float[Tensor, "1 c h w"]:
        """Values at the step's positions, zeros elsewhere."""
        if ahead.positions is not None:
            whole = torch.zeros(step.high - step.low, self.size[0] * self.size[1])
            values = whole.index_copy_(1, ahead.positions, values)
        return values.reshape(1, step.high - step.low, *self.size)
