"""Mutated products: whatever the bytes, reading ends soon with a product or with one of our errors."""

import time
import tracemalloc

import numpy as np
import pytest

from vedette.bitstream import rans, sections
from vedette.bitstream.product import Chunk, Header, read, write
from vedette.bitstream.tables import gaussian_tables
from vedette.errors import CorruptProductError, FormatVersionError

TABLES = gaussian_tables(np.array([0.5, 2.0, 9.0]))
SYMBOLS = 400  # of a chunk
IDS = (np.arange(SYMBOLS) % 3).astype(np.int32)
SECONDS_MOST = 2.0  # for one small file; all take milliseconds


def product(random):
    header = Header(
        width=int(random.integers(1, 24)),
        height=int(random.integers(1, 24)),
        bands=4,
        tile=int(random.choice([0, 8, 16])),
        model="charm-lite",
        weights_id=bytes(8),
        groups=((0, 1, 2), (3,)),
    )
    chunks = []
    for place in np.ndindex(header.tiles, 2, 2):
        symbols = np.rint(random.normal(size=SYMBOLS) * 3).astype(np.int32)
        chunks.append(Chunk(*place, rans.encode(symbols, IDS, TABLES)))
    return write(header, chunks, meta={"crs": "EPSG:4326"}, planes=[Chunk(0, 0, 0, b"mask")])


def mutate(data, random):
    out = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        if not out:  # an earlier cut took it all
            break
        at, kind = int(random.integers(len(out))), random.integers(6)
        if kind == 0:
            out[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            out[at] = int(random.integers(256))
        elif kind == 2:
            del out[at : at + int(random.integers(1, 20))]
        elif kind == 3:
            out[at:at] = random.bytes(int(random.integers(1, 20)))
        elif kind == 4:
            out[at : at + 9] = b"\xff" * 9
        else:
            del out[max(at, 6) :]
    return bytes(out) or b"\x89"


def resealed(data, random):
    """Mutate a payload and mend its checksum, so that the damage reaches what lies behind."""
    found = list(sections.walk(data, 5))
    chosen = int(random.integers(len(found)))
    parts = [data[:5]]
    for number, section in enumerate(found):
        payload = mutate(section.payload, random) if number == chosen and section.payload else section.payload
        parts.append(sections.section_bytes(section.kind, payload))
    return b"".join(parts)


def open_fully(data):
    """Read a file and every stream in it; the kinds of failure that occurred."""
    try:
        file = read(data)
    except (CorruptProductError, FormatVersionError) as error:
        return {type(error).__name__}
    outcomes = {"read"}
    assert len(file.missing()) <= file.header.tiles
    for payload in file.chunks.values():
        try:
            decoder = rans.Decoder(payload, TABLES)
            assert len(decoder.decode(IDS)) == SYMBOLS
            decoder.finish()
        except CorruptProductError:
            outcomes.add("stream")
    return outcomes


def run(count, seed):
    random = np.random.default_rng(seed)
    outcomes, slowest = set(), 0.0
    for number in range(count):
        if number % 20 == 0:
            data = product(random)
        began = time.process_time()
        outcomes |= open_fully((mutate if number % 2 else resealed)(data, random))
        slowest = max(slowest, time.process_time() - began)
    assert slowest < SECONDS_MOST
    return outcomes


def test_300_mutated_products_neither_crash_nor_hang():
    assert {"read", "stream", "CorruptProductError"} <= run(300, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_10000_mutated_products_neither_crash_nor_hang():
    assert {"read", "stream", "CorruptProductError", "FormatVersionError"} <= run(10_000, seed=2)


def test_a_megabyte_of_noise_after_the_head_is_gone_through_in_seconds():
    random = np.random.default_rng(3)
    header = Header(width=8, height=8, bands=1, model="m", weights_id=bytes(8), groups=((0,),))
    began = time.process_time()
    file = read(write(header, []) + random.bytes(1 << 20))
    assert time.process_time() - began < 5 and file.chunks == {} and file.damaged


def test_an_index_full_of_wrong_places_does_not_make_reading_quadratic():
    header = Header(width=8, height=8, bands=1, model="m", weights_id=bytes(8), groups=((0,),))
    index = sections.section_bytes(sections.INDEX, b"\x01" * 6_000)
    began = time.process_time()
    file = read(write(header, []) + index + b"\x02\x00bad!" * 900)
    assert time.process_time() - began < 10 and file.truncated and not file.chunks


def test_a_small_file_cannot_claim_much_memory():
    header = Header(
        width=1_000_000, height=1_000_000, bands=1, tile=1024, model="m", weights_id=bytes(8), groups=((0,),)
    )
    claim = bytes([sections.CHUNK]) + b"\xff" * 8 + b"\x7f"
    escapes = b"\x01" + b"\xff" * 8 + b"\x7f"
    tracemalloc.start()
    read(write(header, [Chunk(0, 0, 0, escapes)]) + claim)
    with pytest.raises(CorruptProductError):
        rans.Decoder(escapes, TABLES)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20
