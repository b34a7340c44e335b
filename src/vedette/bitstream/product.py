"""The product container, format 1: docs/concepts/product-format.md says what each byte is.

Magic and version, then sections (`vedette.bitstream.sections`). A chunk belongs to one tile, one band
group and one layer; chunks stand layer by layer, so that a file cut short still holds every tile's
coarse layer. A damaged chunk is left out and named; the others are read.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.bitstream.header import CHUNKS_MOST, LAYERS_MOST, TILES_MOST, Header
from vedette.bitstream.leb128 import put_number, take_number
from vedette.bitstream.sections import (
    CHUNK,
    HEAD,
    INDEX,
    MAY_SKIP,
    META,
    PLANE,
    Section,
    section_bytes,
    section_length,
    walk,
)
from vedette.errors import CorruptProductError, FormatVersionError, InputError, LimitError

__all__ = ["Chunk", "Header", "Product", "overhead_bytes", "read", "write"]

MAGIC = b"\x89VDT"
VERSION = 1
META_MOST = 1 << 20  # bytes, unpacked
INDEX_FROM = 3  # fewer chunks than this need no index
SECTIONS_MOST = CHUNKS_MOST + TILES_MOST + 4096  # that a reader goes through


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
        planes: lossless planes by tile, packed as `write` got them.
        damaged: what failed its checksum or makes no sense, in words.
        truncated: the file ends inside a section, or before the chunks that it promises.
        sections: (name, offset, bytes, intact) of every section found.
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
        return self._without(layers=1)

    def incomplete(self) -> list[int]:
        """Tiles of which any chunk did not arrive, the missing ones included."""
        return self._without(layers=self.header.layers)

    def _without(self, *, layers: int) -> list[int]:
        places = [(group, layer) for group in range(len(self.header.groups)) for layer in range(layers)]
        return [
            t for t in range(self.header.tiles) if any((t, *place) not in self.chunks for place in places)
        ]


def write(
    header: Header,
    chunks: Iterable[Chunk],
    *,
    meta: Mapping[str, Any] | None = None,
    planes: Iterable[Chunk] = (),
) -> bytes:
    """The file's bytes; the same input gives the same bytes.

    Args:
        chunks: in any order, each place once.
        meta: anything that JSON can hold, up to 1 MiB.
        planes: lossless planes, already packed, one a tile; `group` and `layer` are not used.

    Raises:
        InputError: a chunk or plane whose place the header does not have, or a second one in a place.
        LimitError: more meta than a reader accepts.

    >>> header = Header(width=8, height=8, bands=1, model="m", weights_id=bytes(8), groups=((0,),))
    >>> data = write(header, [Chunk(0, 0, 0, b"coarse"), Chunk(0, 0, 1, b"fine")])
    >>> read(data).streams(0, 0), len(data) - 10
    ([b'coarse', b'fine'], 46)
    """
    ordered = sorted(chunks, key=lambda chunk: (chunk.layer, chunk.tile, chunk.group))
    places = [(chunk.tile, chunk.group, chunk.layer) for chunk in ordered]
    if not all(_has(header, *place) for place in places) or len(set(places)) < len(places):
        raise InputError("a chunk's place is not in the header, or is taken twice")
    out = [MAGIC, bytes([VERSION]), section_bytes(HEAD, header.to_bytes()), _meta_section(meta)]
    seen: set[int] = set()
    for plane in sorted(planes, key=lambda plane: plane.tile):
        if not 0 <= plane.tile < header.tiles or plane.tile in seen:
            raise InputError(f"tile {plane.tile} of a lossless plane is not in the header, or comes twice")
        seen.add(plane.tile)
        out.append(section_bytes(PLANE, put_number(plane.tile) + plane.payload))
    sections = [
        section_bytes(CHUNK, _place(*place) + chunk.payload)
        for place, chunk in zip(places, ordered, strict=True)
    ]
    if len(sections) >= INDEX_FROM:
        out.append(section_bytes(INDEX, b"".join(put_number(len(section)) for section in sections)))
    return b"".join(out + sections)


def overhead_bytes(
    header: Header, lengths: Mapping[tuple[int, int, int], int], *, meta: Mapping[str, Any] | None = None
) -> int:
    """Bytes of the file beside its chunks' payloads and its planes.

    Args:
        lengths: of the payloads, by (tile, group, layer).

    >>> model = {"model": "charm-lite", "weights_id": bytes(8)}
    >>> header = Header(width=512, height=512, bands=3, groups=((0, 1, 2),), **model)
    >>> overhead_bytes(header, {(0, 0, 0): 900, (0, 0, 1): 4000})
    61
    """
    sections = [section_length(len(_place(*place)) + length) for place, length in lengths.items()]
    total = len(MAGIC) + 1 + section_length(len(header.to_bytes())) + len(_meta_section(meta)) + sum(sections)
    if len(sections) >= INDEX_FROM:
        total += section_length(sum(len(put_number(length)) for length in sections))
    return total - sum(lengths.values())


def read(data: bytes) -> Product:
    """All that can be read of a file, whatever happened to it after its head.

    Raises:
        CorruptProductError: not a product, or its head is damaged.
        FormatVersionError: a later version, or a section that may not be passed over.
    """
    _check_start(data)
    header: Header | None = None
    reading = _Reading()
    for section in walk(data, len(MAGIC) + 1):
        if header is None:
            if section.kind != HEAD or not section.intact:
                raise CorruptProductError("the product's head is damaged", hint="ask for the file again")
            header = Header.from_bytes(section.payload)
            reading.note(section)
        else:
            reading.take(section, header)
    if header is None:
        raise CorruptProductError("the product holds no head", hint="ask for the file again")
    every = header.tiles * len(header.groups) * header.layers
    promised = every if reading.promised is None else reading.promised
    return Product(
        header=header,
        meta=reading.meta,
        chunks=reading.chunks,
        planes=reading.planes,
        damaged=reading.damaged,
        truncated=reading.cut or reading.found < promised,
        sections=reading.sections,
    )


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.chunks: dict[tuple[int, int, int], bytes] = {}
        self.planes: dict[int, bytes] = {}
        self.damaged: list[str] = []
        self.sections: list[tuple[str, int, int, bool]] = []
        self.promised: int | None = None  # chunks, where an index says so
        self.found = 0  # chunks, damaged ones included
        self.cut = False

    def note(self, section: Section) -> None:
        if len(self.sections) == SECTIONS_MOST:
            raise CorruptProductError("the product has more sections than any product may have")
        self.sections.append((section.name, section.start, section.end - section.start, section.intact))
        self.found += section.kind == CHUNK
        self.cut |= section.cut

    def take(self, section: Section, header: Header) -> None:
        self.note(section)
        problem = "its checksum does not agree"
        if section.cut:
            problem = "the file ends inside it"
        elif section.intact:
            try:
                self._use(section, header)
                return
            except CorruptProductError as error:
                problem = str(error)
        self.damaged.append(f"{section.name} at byte {section.start}: {problem}")

    def _use(self, section: Section, header: Header) -> None:
        if section.kind == CHUNK:
            tile, at = take_number(section.payload, 0)
            both, at = take_number(section.payload, at)
            group, layer = divmod(both, LAYERS_MOST + 1)
            if not _has(header, tile, group, layer):
                raise CorruptProductError("the product has no such tile, group or layer")
            self.chunks.setdefault((tile, group, layer), section.payload[at:])
        elif section.kind == PLANE:
            tile, at = take_number(section.payload, 0)
            if tile >= header.tiles:
                raise CorruptProductError("the product has no such tile")
            self.planes.setdefault(tile, section.payload[at:])
        elif section.kind == META:
            self.meta = self.meta or _meta(section.payload)
        elif section.kind == INDEX:
            if self.promised is None:
                self.promised = sum(byte < 0x80 for byte in section.payload)
        elif section.kind == HEAD:
            raise CorruptProductError("a product has one head")
        elif not section.kind & MAY_SKIP:
            raise FormatVersionError(
                f"a section of unknown kind {section.kind}", hint="install a newer vedette"
            )


def _check_start(data: bytes) -> None:
    if data[: len(MAGIC)] != MAGIC:
        raise CorruptProductError(
            "this is not a Vedette product", hint="products begin with the bytes 89 56 44 54"
        )
    if len(data) <= len(MAGIC):
        raise CorruptProductError("the product ends inside its first bytes", hint="ask for the file again")
    version = data[len(MAGIC)]
    if version == 0:
        raise CorruptProductError("the product has format 0, which does not exist")
    if version > VERSION:
        raise FormatVersionError(
            f"the product has format {version}, this reader knows up to {VERSION}",
            hint="install a newer vedette",
        )


def _has(header: Header, tile: int, group: int, layer: int) -> bool:
    return 0 <= tile < header.tiles and 0 <= group < len(header.groups) and 0 <= layer < header.layers


def _place(tile: int, group: int, layer: int) -> bytes:
    return put_number(tile) + put_number(group * (LAYERS_MOST + 1) + layer)


def _meta_section(meta: Mapping[str, Any] | None) -> bytes:
    if not meta:
        return b""
    text = json.dumps(dict(meta), sort_keys=True, separators=(",", ":")).encode()
    if len(text) > META_MOST:
        raise LimitError(f"{len(text):,} bytes of metadata", hint=f"{META_MOST:,} at most")
    return section_bytes(META, zlib.compress(text, 9))


def _meta(payload: bytes) -> dict[str, Any]:
    try:
        text = zlib.decompressobj().decompress(payload, META_MOST + 1)
        value = json.loads(text) if len(text) <= META_MOST else None
        if isinstance(value, dict):
            return value
    except (zlib.error, ValueError, RecursionError):
        pass
    raise CorruptProductError("it does not unpack")
