"""The frame of a product file: sections with a length and a checksum, and the way back after damage.

A section is kind u8, length LEB128, payload, CRC-32 u32 (little-endian) of all before it. `walk` goes
through a file; where a section does not check, it finds the next one that does: at a place the index
promises, else where the damaged section says that it ends, else by trying every byte.
"""

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from vedette.bitstream.header import CHUNKS_MOST
from vedette.bitstream.leb128 import put_number, take_number
from vedette.errors import CorruptProductError

HEAD, CHUNK, META, INDEX, PLANE = 0x01, 0x02, 0x81, 0x82, 0x83
NAMES = {HEAD: "head", CHUNK: "chunk", META: "meta", INDEX: "index", PLANE: "plane"}
MAY_SKIP = 0x80  # kinds with this bit are passed over by readers that do not know them
CRC_BYTES = 4
_KIND = re.compile(b"[%s]" % b"".join(b"\\x%02x" % kind for kind in NAMES))
_WORK_LEAST = 1 << 26  # bytes of checksums spent on finding sections in a damaged file, at least
_WORK_TIMES = 64  # and in file lengths
_TRY_BYTES = 1024  # what trying a place costs beside its checksum


@dataclass(frozen=True)
class Section:
    """A section as found in a file.

    Args:
        kind: its first byte; 0 where nothing could be recognized.
        start, end: bytes of the file.
        payload: empty where not intact.
        intact: whether its checksum agrees.
        cut: whether the file ends inside it.
    """

    kind: int
    start: int
    end: int
    payload: bytes
    intact: bool
    cut: bool = False

    @property
    def name(self) -> str:
        return NAMES.get(self.kind, f"kind {self.kind:#04x}")


def section_bytes(kind: int, payload: bytes) -> bytes:
    """A section's bytes.

    >>> section_bytes(2, b"abc").hex()
    '020361626343933264'
    """
    body = bytes([kind]) + put_number(len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def section_length(payload_length: int) -> int:
    """Bytes of a section whose payload has `payload_length`."""
    return 1 + len(put_number(payload_length)) + payload_length + CRC_BYTES


def walk(data: bytes, at: int) -> Iterator[Section]:
    """The sections of `data` from byte `at` to its end, damaged ones included.

    An intact INDEX guides the search in what follows it. The time spent on searching is limited to
    checksums over 64 times the file (64 MiB at least), the memory to the file and one payload.
    """
    work = max(_WORK_LEAST, _WORK_TIMES * len(data))
    promised: list[int] = []  # starts of sections, from an index, ascending
    while at < len(data):
        section = _section_at(data, at)
        if not section.intact:
            work -= section.end - at
            first = bisect_right(promised, at)
            expected = first > 0 and promised[first - 1] == at and first < len(promised)
            end, work = _next_section(data, at, promised, first, section, work)
            pieces = promised[first : bisect_right(promised, end)] if expected else []
            if pieces and pieces[-1] == end:  # the index says how many are damaged
                for piece in pieces[:-1]:
                    yield Section(CHUNK, at, piece, b"", intact=False)
                    at = piece
            # Where the index names an end, a section's own length may be what was damaged.
            cut = promised[first] > len(data) if expected else section.cut and end == len(data)
            section = Section(CHUNK if expected else section.kind, at, end, b"", intact=False, cut=cut)
        elif section.kind == INDEX and not promised:
            promised = _places(section)
        yield section
        at = section.end


def _section_at(data: bytes, at: int) -> Section:
    kind = data[at]
    try:
        length, begin = take_number(data, at + 1)
    except CorruptProductError:
        return Section(kind, at, len(data), b"", intact=False, cut=at + 10 > len(data))
    end = begin + length + CRC_BYTES
    if end > len(data):
        return Section(kind, at, len(data), b"", intact=False, cut=True)
    view = memoryview(data)
    if struct.unpack_from("<I", data, end - CRC_BYTES)[0] != zlib.crc32(view[at : end - CRC_BYTES]):
        return Section(kind, at, end, b"", intact=False)
    return Section(kind, at, end, data[begin : end - CRC_BYTES], intact=True)


def _places(index: Section) -> list[int]:
    """Where the sections begin whose lengths an index holds, and where the last one ends."""
    places, at = [index.end], 0
    try:
        while at < len(index.payload) and len(places) <= CHUNKS_MOST:
            length, at = take_number(index.payload, at)
            places.append(places[-1] + max(1, length))
    except CorruptProductError:
        return []
    return places


def _next_section(
    data: bytes, at: int, promised: list[int], first: int, section: Section, work: int
) -> tuple[int, int]:
    """(where the next intact section begins or the file ends, the work left)."""
    places = chain(islice(promised, first, None), [] if section.cut else [section.end])
    for place in places:
        work -= _TRY_BYTES
        if place == len(data) or work <= 0:
            return len(data), work
        if place < len(data):
            found = _section_at(data, place)
            work -= 0 if found.cut else found.end - place
            if found.intact:
                return place, work
    for match in _KIND.finditer(data, at + 1):
        work -= _TRY_BYTES
        if work <= 0:
            break
        found = _section_at(data, match.start())
        work -= 0 if found.cut else found.end - match.start()
        if found.intact:
            return match.start(), work
    return len(data), work
