"""The product container, format 1: docs/concepts/product-format.md says what each byte is.

Magic and version, then sections: kind, length, payload, CRC-32. A chunk belongs to one tile, one band
group and one layer; chunks stand layer by layer, so that a file cut short still holds every tile's
coarse layer. A damaged chunk is left out and named; the others are read.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.errors import CorruptProductError, FormatVersionError, InputError, LimitError

MAGIC = b"\x89VDT"
VERSION = 1
HEAD, CHUNK, META, INDEX, PLANE = 0x01, 0x02, 0x81, 0x82, 0x83
KNOWN = {HEAD: "head", CHUNK: "chunk", META: "meta", INDEX: "index", PLANE: "plane"}
MAY_SKIP = 0x80  # kinds with this bit set are passed over by readers that do not know them
SAMPLES = ("uint8", "uint16")
SIDE_MOST, BANDS_MOST, META_MOST = 1_000_000, 256, 1 << 20
INDEX_FROM = 3  # fewer chunks than this need no index


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a product holds.

    Args:
        width, height: pixels, 1..1,000,000.
        bands: 1..256.
        sample: "uint8" or "uint16".
        tile: side of a tile in pixels, a multiple of 8; 0 where the scene is one tile.
        model: name of the weights; weights_id: the first 8 bytes of their SHA-256.
        groups: band numbers coded together, 1 or 3 a group; every band once.
        layers: streams of a tile, 1..15.
        ranges: value of 0 and of 1 for each band, for uint16; empty for uint8.
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
        if not (1 <= self.width <= SIDE_MOST and 1 <= self.height <= SIDE_MOST):
            raise LimitError(
                f"a scene of {self.width} x {self.height} pixels", hint=f"sides are 1..{SIDE_MOST:,}"
            )
        if not 1 <= self.bands <= BANDS_MOST:
            raise LimitError(f"a scene of {self.bands} bands", hint=f"1..{BANDS_MOST} bands are possible")
        if self.sample not in SAMPLES:
            raise InputError(f"samples of type {self.sample!r}", hint=f"{' or '.join(SAMPLES)} is needed")
        if self.tile % 8 or self.tile > SIDE_MOST or self.tile < 0:
            raise InputError(f"tiles of {self.tile} pixels", hint="a multiple of 8 is needed")
        if sorted(band for group in self.groups for band in group) != list(range(self.bands)):
            raise InputError("the band groups do not hold every band once")
        if any(len(group) not in (1, 3) for group in self.groups):
            raise InputError("a band group must hold 1 or 3 bands")
        if not 1 <= self.layers <= 15 or len(self.weights_id) != 8 or len(self.model.encode()) > 255:
            raise InputError("layers, weights id or model name out of range")
        if len(self.ranges) != (self.bands if self.sample == "uint16" else 0):
            raise InputError("value ranges are for each band of uint16 samples")

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
        out = _number(self.width) + _number(self.height) + _number(self.bands)
        out += bytes([SAMPLES.index(self.sample)]) + _number(self.tile // 8) + bytes([len(name)]) + name
        out += self.weights_id + bytes([self.layers]) + _number(len(self.groups))
        for group in self.groups:
            out += bytes([len(group)]) + b"".join(_number(band) for band in group)
        return out + b"".join(struct.pack("<dd", low, high) for low, high in self.ranges)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Header":
        """The header in a HEAD payload; unknown bytes at its end are passed over."""
        reader = _Reader(data)
        width, height, bands = reader.number(), reader.number(), reader.number()
        sample, tile = reader.byte(), 8 * reader.number()
        model = reader.take(reader.byte())
        weights_id, layers, count = reader.take(8), reader.byte(), reader.number()
        if bands > BANDS_MOST or count > bands or sample >= len(SAMPLES):
            raise CorruptProductError("the product's head holds impossible values")
        groups = tuple(tuple(reader.number() for _ in range(reader.byte())) for _ in range(count))
        pairs = bands if SAMPLES[sample] == "uint16" else 0
        ranges = tuple(struct.unpack("<dd", reader.take(16)) for _ in range(pairs))
        try:
            return cls(
                width=width,
                height=height,
                bands=bands,
                sample=SAMPLES[sample],
                tile=tile,
                model=model.decode(),
                weights_id=weights_id,
                groups=groups,
                layers=layers,
                ranges=ranges,
            )
        except (InputError, UnicodeDecodeError) as error:
            raise CorruptProductError(f"the product's head is not valid: {error}") from error


@dataclass(frozen=True)
class Chunk:
    """The bytes of one tile, band group and layer."""

    tile: int
    group: int
    layer: int
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class Product:
    """What could be read of a file.

    Args:
        chunks: payloads by (tile, group, layer).
        planes: lossless planes by tile.
        damaged: what failed its checksum, in words.
        truncated: the file ends inside a section, or before the sections its index promises.
        sections: (kind, offset, bytes, intact) of every section found.
    """

    header: Header
    meta: dict[str, Any]
    chunks: dict[tuple[int, int, int], bytes]
    planes: dict[int, bytes]
    damaged: list[str]
    truncated: bool
    sections: list[tuple[str, int, int, bool]]

    def streams(self, tile: int, group: int) -> list[bytes | None]:
        """A tile's payloads, layer by layer; None for what did not arrive."""
        return [self.chunks.get((tile, group, layer)) for layer in range(self.header.layers)]

    def missing(self) -> list[int]:
        """Tiles of which some group's first layer did not arrive."""
        groups = range(len(self.header.groups))
        return [t for t in range(self.header.tiles) if any((t, g, 0) not in self.chunks for g in groups)]


def write(
    header: Header,
    chunks: Iterable[Chunk],
    *,
    meta: Mapping[str, Any] | None = None,
    planes: Iterable[Chunk] = (),
) -> bytes:
    """The file's bytes; the same input gives the same bytes.

    >>> header = Header(width=8, height=8, bands=1, model="m", weights_id=bytes(8), groups=((0,),))
    >>> data = write(header, [Chunk(0, 0, 0, b"coarse"), Chunk(0, 0, 1, b"fine")])
    >>> read(data).streams(0, 0), len(data) - 10
    ([b'coarse', b'fine'], 46)
    """
    ordered = sorted(chunks, key=lambda chunk: (chunk.layer, chunk.tile, chunk.group))
    out = bytearray(MAGIC + bytes([VERSION]))
    out += _section(HEAD, header.to_bytes())
    if meta:
        out += _section(
            META, zlib.compress(json.dumps(meta, sort_keys=True, separators=(",", ":")).encode(), 9)
        )
    out += b"".join(_section(PLANE, _number(plane.tile) + plane.payload) for plane in planes)
    sections = [_section(CHUNK, _place(chunk) + chunk.payload) for chunk in ordered]
    if len(sections) >= INDEX_FROM:
        out += _section(INDEX, b"".join(_number(len(section)) for section in sections))
    return bytes(out) + b"".join(sections)


def container_bytes(
    header: Header, lengths: Mapping[tuple[int, int, int], int], *, meta: Mapping[str, Any] | None = None
) -> int:
    """Bytes of the file beside its chunks' payloads, for payloads of `lengths` by (tile, group, layer)."""
    empty = [Chunk(*place, bytes(length)) for place, length in lengths.items()]
    return len(write(header, empty, meta=meta)) - sum(lengths.values())


def read(data: bytes) -> Product:
    """All that can be read of a file, whatever happened to it after its head.

    Raises:
        CorruptProductError: not a product, or its head is damaged.
        FormatVersionError: a later version, or a section that may not be passed over.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise CorruptProductError(
            "this is not a Vedette product", hint="products begin with the bytes 89 56 44 54"
        )
    if len(data) < 5:
        raise CorruptProductError("the product ends inside its first bytes")
    if data[4] > VERSION:
        raise FormatVersionError(
            f"the product has format {data[4]}, this reader knows up to {VERSION}",
            hint="install a newer vedette",
        )
    header: Header | None = None
    meta: dict[str, Any] = {}
    chunks: dict[tuple[int, int, int], bytes] = {}
    planes: dict[int, bytes] = {}
    damaged: list[str] = []
    sections: list[tuple[str, int, int, bool]] = []
    expected: list[int] | None = None
    at, found, truncated = 5, 0, False
    while at < len(data):
        start, kind = at, data[at]
        try:
            reader = _Reader(data, at + 1)
            length = reader.number()
            payload = reader.take(length)
            intact = struct.unpack("<I", reader.take(4))[0] == zlib.crc32(data[start : reader.at - 4])
            at = reader.at
        except CorruptProductError:
            at, payload, intact = len(data), b"", False
            truncated = True
        promised = expected[found] if expected is not None and found < len(expected) else None
        if not intact and promised is not None:  # its length may be what was damaged: go by the index
            truncated = start + promised > len(data)
            kind, at = CHUNK, min(len(data), start + promised)
        sections.append((KNOWN.get(kind, f"kind {kind:#04x}"), start, at - start, intact))
        if kind == CHUNK:
            found += 1
        if header is None and (kind != HEAD or not intact):
            raise CorruptProductError("the product's head is damaged", hint="ask for the file again")
        if not intact:
            damaged.append(f"{sections[-1][0]} at byte {start}")
            continue
        if kind == HEAD:
            header = Header.from_bytes(payload)
        elif kind == META:
            meta = _meta(payload, damaged)
        elif kind == INDEX:
            expected = _numbers(payload)
        elif kind == PLANE:
            reader = _Reader(payload)
            planes[reader.number()] = payload[reader.at :]
        elif kind == CHUNK:
            assert header is not None
            reader = _Reader(payload)
            tile, both = reader.number(), reader.number()
            group, layer = divmod(both, 16)
            if tile < header.tiles and group < len(header.groups) and layer < header.layers:
                chunks.setdefault((tile, group, layer), payload[reader.at :])
            else:
                damaged.append(f"chunk at byte {start}: no such tile")
        elif not kind & MAY_SKIP:
            raise FormatVersionError(f"a section of unknown kind {kind}", hint="install a newer vedette")
    if header is None:
        raise CorruptProductError("the product holds no head", hint="ask for the file again")
    if expected is not None and found < len(expected):
        truncated = True
    return Product(
        header=header,
        meta=meta,
        chunks=chunks,
        planes=planes,
        damaged=damaged,
        truncated=truncated or len(chunks) + len(damaged) < header.tiles * len(header.groups) * header.layers,
        sections=sections,
    )


def _meta(payload: bytes, damaged: list[str]) -> dict[str, Any]:
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(payload, META_MOST)
        value = json.loads(text)
        return value if isinstance(value, dict) else {}
    except (zlib.error, ValueError, RecursionError):
        damaged.append("meta does not unpack")
        return {}


def _section(kind: int, payload: bytes) -> bytes:
    body = bytes([kind]) + _number(len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def _place(chunk: Chunk) -> bytes:
    return _number(chunk.tile) + _number(chunk.group * 16 + chunk.layer)


def _number(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _numbers(payload: bytes) -> list[int]:
    reader, values = _Reader(payload), []
    while reader.at < len(payload):
        values.append(reader.number())
    return values


class _Reader:
    """Takes bytes in order; the end of the data is a CorruptProductError."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise CorruptProductError("the product ends inside a section")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise CorruptProductError("a number in the product is too long")
