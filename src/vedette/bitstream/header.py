"""What a product says about itself before its chunks: geometry, bands, model. The HEAD section."""

import math
import re
import struct
from dataclasses import dataclass

from vedette.bitstream.leb128 import put_number, take_number
from vedette.errors import CorruptProductError, InputError, LimitError

SAMPLES = ("uint8", "uint16")
SIDE_MOST = 1_000_000  # pixels
ONE_TILE_SIDE_MOST = 16_384  # pixels, of a scene that is one tile, and of a tile
BANDS_MOST = 256
LAYERS_MOST = 15
TILES_MOST = 1 << 20
CHUNKS_MOST = 1 << 22
TILE_STEP = 8  # tile sides are multiples of it
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a product holds.

    Args:
        width, height: pixels, 1..1,000,000.
        bands: 1..256.
        sample: "uint8" or "uint16".
        tile: side of a tile in pixels, a multiple of 8, at most 16,384; 0 where the scene is one tile.
        model: name of the weights, 1..64 of the characters A-Z a-z 0-9 . _ -
        weights_id: the first 8 bytes of the SHA-256 of the weights.
        groups: band numbers coded together, 1 or 3 a group; every band once.
        layers: streams of a tile, 1..15.
        ranges: value of 0 and of 1 for each band, for uint16; empty for uint8.

    Raises:
        LimitError: larger than a product may be.
        InputError: any other value that a product cannot hold.

    >>> model = {"model": "charm-lite", "weights_id": bytes(8)}
    >>> header = Header(width=1000, height=600, bands=1, tile=512, groups=((0,),), **model)
    >>> header.grid, header.tiles
    ((2, 2), 4)
    """

    width: int
    height: int
    bands: int
    sample: str = "uint8"
    tile: int = 0
    model: str
    weights_id: bytes
    groups: tuple[tuple[int, ...], ...]
    layers: int = 2
    ranges: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        self._check_limits()
        if self.sample not in SAMPLES:
            raise InputError(f"samples of type {self.sample!r}", hint=f"{' or '.join(SAMPLES)} is needed")
        if sorted(band for group in self.groups for band in group) != list(range(self.bands)):
            raise InputError("the band groups do not hold every band once")
        if any(len(group) not in (1, 3) for group in self.groups):
            raise InputError("a band group must hold 1 or 3 bands")
        if not _MODEL.fullmatch(self.model):
            raise InputError(
                f"a model called {self.model!r}", hint="1 to 64 letters, digits, . _ or - are possible"
            )
        if len(self.weights_id) != 8:
            raise InputError(f"a weights id of {len(self.weights_id)} bytes", hint="8 are needed")
        if len(self.ranges) != (self.bands if self.sample == "uint16" else 0):
            raise InputError(f"{len(self.ranges)} value ranges", hint="one a band for uint16, none for uint8")
        if not all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in self.ranges):
            raise InputError("a value range must be finite and rise")

    def _check_limits(self) -> None:
        if not (1 <= self.width <= SIDE_MOST and 1 <= self.height <= SIDE_MOST):
            raise LimitError(
                f"a scene of {self.width} x {self.height} pixels", hint=f"sides are 1..{SIDE_MOST:,}"
            )
        if not 1 <= self.bands <= BANDS_MOST:
            raise LimitError(f"a scene of {self.bands} bands", hint=f"1..{BANDS_MOST} bands are possible")
        if self.tile % TILE_STEP or not 0 <= self.tile <= ONE_TILE_SIDE_MOST:
            raise InputError(
                f"tiles of {self.tile} pixels", hint=f"a multiple of 8 up to {ONE_TILE_SIDE_MOST:,}"
            )
        if not self.tile and max(self.width, self.height) > ONE_TILE_SIDE_MOST:
            raise LimitError(f"one tile of {self.width} x {self.height} pixels", hint="set a tile size")
        if not 1 <= self.layers <= LAYERS_MOST:
            raise LimitError(f"{self.layers} layers", hint=f"1..{LAYERS_MOST} are possible")
        if self.tiles > TILES_MOST or self.tiles * len(self.groups) * self.layers > CHUNKS_MOST:
            raise LimitError(f"a scene of {self.tiles:,} tiles", hint="use larger tiles")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        if not self.tile:
            return 1, 1
        return -(-self.height // self.tile), -(-self.width // self.tile)

    @property
    def tiles(self) -> int:
        rows, columns = self.grid
        return rows * columns

    def to_bytes(self) -> bytes:
        """The payload of the HEAD section."""
        name = self.model.encode()
        out = put_number(self.width) + put_number(self.height) + put_number(self.bands)
        out += bytes([SAMPLES.index(self.sample)]) + put_number(self.tile // TILE_STEP)
        out += (
            bytes([len(name)]) + name + self.weights_id + bytes([self.layers]) + put_number(len(self.groups))
        )
        for group in self.groups:
            out += bytes([len(group)]) + b"".join(put_number(band) for band in group)
        return out + b"".join(struct.pack("<dd", low, high) for low, high in self.ranges)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Header":
        """The header in a HEAD payload; bytes that follow it are a later version's and are passed over.

        Raises:
            CorruptProductError: the bytes do not hold a header, or one outside the limits.
        """
        fields = _Fields(data)
        try:
            width, height, bands = fields.number(), fields.number(), fields.number()
            sample, tile = fields.byte(), TILE_STEP * fields.number()
            model, weights_id = fields.take(fields.byte()).decode("ascii"), fields.take(8)
            layers, count = fields.byte(), fields.number()
            if bands > BANDS_MOST or count > bands or sample >= len(SAMPLES):
                raise CorruptProductError("the product's head holds impossible values")
            groups = tuple(tuple(fields.number() for _ in range(fields.byte())) for _ in range(count))
            pairs = bands if SAMPLES[sample] == "uint16" else 0
            ranges = tuple(struct.unpack("<dd", fields.take(16)) for _ in range(pairs))
            return cls(
                width=width,
                height=height,
                bands=bands,
                sample=SAMPLES[sample],
                tile=tile,
                model=model,
                weights_id=weights_id,
                groups=groups,
                layers=layers,
                ranges=ranges,
            )
        except (InputError, UnicodeDecodeError) as error:
            raise CorruptProductError(f"the product's head is not valid: {error}") from error


class _Fields:
    """Takes a payload's fields in order; its end is a CorruptProductError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise CorruptProductError("the product's head is too short")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value, self._at = take_number(self._data, self._at)
        return value
