"""From y to bytes and back, slice by slice: the part of a codec that must be exact.

A tile becomes two streams, coarse before fine, so that a file that stops early still shows every
tile: stream 0 holds z and the first `COARSE_STEPS` steps, stream 1 the others. Each begins with the
quality as an unsigned 16-bit integer, little-endian, in 1/256.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vedette.bitstream import rans
from vedette.bitstream.tables import Tables
from vedette.codec.latents import integer
from vedette.codec.latents.integer import IntegerEntropy
from vedette.codec.models.lite import LATENTS, QUALITY_MAX, QUALITY_MIN, STEPS, Step, checkerboard
from vedette.errors import CorruptProductError

COARSE_STEPS = 4  # steps in stream 0
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

    @torch.inference_mode()
    def encode(
        self, y: Float[Tensor, "1 c h w"], z: Float[Tensor, "1 d a b"], code: int
    ) -> tuple[list[bytes], Latents]:
        """The two streams of a tile, and what the decoder will reconstruct.

        Args:
            y, z: what analysis and hyper analysis gave, in floats: only the encoder sees them.
            code: quality in 1/256 (`integer.quality_code`).
        """
        symbols_z = z.round().clamp(-integer.Z_MAX, integer.Z_MAX).int()
        parts = [[(symbols_z.flatten().numpy(), self._z_tables(symbols_z.shape))], []]
        walk = _Walk(self.entropy, symbols_z, code, y.shape[2], y.shape[3])
        for number in range(len(STEPS)):
            step, mean, levels, mask = walk.predict(number)
            residual = (y[:, step.low : step.high].double() - mean.double() * 2.0**-integer.MEAN_FRAC) * (
                2.0**integer.LATENT_FRAC
            )
            symbols = (residual / walk.inverse_gain[:, step.low : step.high]).round()
            symbols = symbols.clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT).int() * mask
            part = parts[0] if number < COARSE_STEPS else parts[1]
            part.append((symbols[0][:, mask].flatten().numpy(), levels[0][:, mask].flatten().numpy()))
            walk.advance(number, symbols)
        head = struct.pack("<H", code)
        streams = [
            head
            + rans.encode(
                np.concatenate([s for s, _ in part]).astype(np.int32),
                np.concatenate([t for _, t in part]).astype(np.int32),
                self.tables,
            )
            for part in parts
        ]
        return streams, Latents(walk.latents, code, LAYERS)

    @torch.inference_mode()
    def decode(self, streams: Sequence[bytes | None], height: int, width: int) -> Latents:
        """The latents of a tile from its streams; without stream 1 the fine slices are their means.

        Raises:
            CorruptProductError: the coarse stream is missing, or a stream is damaged.
        """
        if not streams or streams[0] is None:
            raise CorruptProductError("a tile's coarse stream is missing")
        code, decoder = self._open(streams[0])
        shape = (1, self.z_channels, -(-height // 4), -(-width // 4))
        decoded = decoder.decode(self._z_tables(shape))
        symbols_z = torch.from_numpy(decoded.astype(np.int32)).reshape(shape)
        walk = _Walk(self.entropy, symbols_z.clamp(-integer.Z_MAX, integer.Z_MAX), code, height, width)
        fine = streams[1] if len(streams) > 1 else None
        for number in range(len(STEPS)):
            if number == COARSE_STEPS:
                decoder.finish()
                if fine is not None:
                    again, decoder = self._open(fine)
                    if again != code:
                        raise CorruptProductError("the two streams of a tile differ in quality")
            step, _, levels, mask = walk.predict(number)
            symbols = torch.zeros(1, step.high - step.low, height, width, dtype=torch.int32)
            if number < COARSE_STEPS or fine is not None:
                wanted = levels[0][:, mask]
                values = decoder.decode(wanted.flatten().numpy().astype(np.int32))
                symbols[0][:, mask] = torch.from_numpy(values.astype(np.int32)).reshape(wanted.shape)
            walk.advance(number, symbols)
        if fine is not None:
            decoder.finish()
        return Latents(walk.latents, code, LAYERS if fine is not None else 1)

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


class _Walk:
    """The state that encoder and decoder share while they go through the steps."""

    def __init__(self, entropy: IntegerEntropy, z: Tensor, code: int, height: int, width: int) -> None:
        self.entropy = entropy
        log2, inverse = integer.gains(entropy.log2_gain, code)
        self.log2_gain = torch.from_numpy(log2)[None, :, None, None]
        self.inverse_gain = torch.from_numpy(inverse)[None, :, None, None]
        self.base = entropy.features(z, code, height, width)
        self.latents = torch.zeros(1, LATENTS, height, width, dtype=torch.int64)
        self.context = torch.zeros(1, LATENTS, height, width)
        self._hidden = self._mean = torch.empty(0)

    def predict(self, number: int) -> tuple[Step, Tensor, Tensor, Tensor]:
        step = STEPS[number]
        self._hidden, self._mean, log2_scale = self.entropy.predict(
            number, self.base, self.context[:, : step.context]
        )
        levels = integer.scale_levels(log2_scale, self.log2_gain[:, step.low : step.high])
        mask = checkerboard(self.base.shape[2], self.base.shape[3], step.parity)
        return step, self._mean, levels, mask

    def advance(self, number: int, symbols: Tensor) -> None:
        step = STEPS[number]
        correction = self.entropy.correct(number, self._hidden, symbols)
        here = slice(step.low, step.high)
        decoded = integer.reconstruct(self._mean, symbols, correction, self.inverse_gain[:, here])
        mask = checkerboard(self.base.shape[2], self.base.shape[3], step.parity)
        self.latents[:, here] = torch.where(mask, decoded, self.latents[:, here])
        self.context[:, here] = torch.where(mask, integer.as_context(decoded), self.context[:, here])
