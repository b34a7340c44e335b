import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bitstream import sections
from vedette.bitstream.product import Chunk, Header, overhead_bytes, read, write
from vedette.errors import CorruptProductError, FormatVersionError, InputError, LimitError

WEIGHTS_ID = bytes(range(8))
GOLDEN = (
    "89564454 01"  # magic, version
    "01 15 1e 14 03 00 00 01 6d 0001020304050607 02 01 03000102 f98950f3"  # head
    "02 08 00 00 636f61727365 81148024"  # chunk of tile 0, group 0, layer 0: "coarse"
    "02 06 00 01 66696e65 104f5ae6"  # layer 1: "fine"
)


def head(**changes):
    values = {
        "width": 30,
        "height": 20,
        "bands": 3,
        "tile": 8,
        "model": "m",
        "weights_id": WEIGHTS_ID,
        "groups": ((0, 1, 2),),
    }
    return Header(**(values | changes))


def chunks_of(header, payload=b"payload"):
    return [
        Chunk(tile, group, layer, payload + bytes([tile % 256, group, layer]))
        for tile in range(header.tiles)
        for group in range(len(header.groups))
        for layer in range(header.layers)
    ]


payloads = st.binary(max_size=200)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 3), st.lists(payloads, min_size=1, max_size=4))
def test_read_returns_what_write_took(width, height, layers, contents):
    header = head(width=width, height=height, layers=layers, tile=16, bands=2, groups=((1,), (0,)))
    chunks = [
        Chunk(c.tile, c.group, c.layer, contents[i % len(contents)]) for i, c in enumerate(chunks_of(header))
    ]
    meta = {"crs": "EPSG:32632", "transform": [1.5, 0, 3], "nodata": None}
    file = read(write(header, reversed(chunks), meta=meta, planes=[Chunk(0, 0, 0, b"mask")]))
    assert file.header == header and file.meta == meta and file.planes == {0: b"mask"}
    assert file.chunks == {(c.tile, c.group, c.layer): c.payload for c in chunks}
    assert not file.damaged and not file.truncated and not file.missing() and not file.incomplete()


def test_the_bytes_of_format_1_never_change():
    data = write(head(tile=0), [Chunk(0, 0, 0, b"coarse"), Chunk(0, 0, 1, b"fine")])
    assert data == bytes.fromhex(GOLDEN)


def test_a_golden_file_of_format_1_still_opens():
    file = read(bytes.fromhex(GOLDEN))
    assert file.header == head(tile=0)
    assert file.streams(0, 0) == [b"coarse", b"fine"]


def test_chunks_stand_layer_by_layer():
    header = head()
    file = read(write(header, chunks_of(header)))
    first = [file.chunks[place][-1] for place in file.chunks]
    assert first == sorted(first)


@given(st.integers(1, 40), st.integers(0, 70_000), st.booleans())
def test_overhead_is_known_before_writing(width, length, with_meta):
    header, meta = head(width=width), {"crs": "x" * 50} if with_meta else None
    chunks = [Chunk(c.tile, c.group, c.layer, bytes(length)) for c in chunks_of(header)]
    lengths = {(c.tile, c.group, c.layer): length for c in chunks}
    assert overhead_bytes(header, lengths, meta=meta) == len(write(header, chunks, meta=meta)) - length * len(
        chunks
    )


def test_a_single_tile_costs_at_most_80_bytes_of_container():
    header = head(width=768, height=512, tile=0, model="charm-lite")
    assert overhead_bytes(header, {(0, 0, 0): 3000, (0, 0, 1): 40_000}) <= 80


def test_sixteen_bit_ranges_and_many_bands_are_kept():
    groups = ((2, 1, 0), *((band,) for band in range(3, 200)))
    ranges = tuple((-band / 3, band + 0.1) for band in range(200))
    header = head(bands=200, groups=groups, sample="uint16", ranges=ranges, tile=0)
    assert read(write(header, chunks_of(header))).header == header


def test_every_cut_of_a_file_opens_with_what_arrived():
    header = head(width=24, height=16)
    data = write(header, chunks_of(header), meta={"a": 1})
    head_end = read(data).sections[0]
    whole = read(data).chunks
    arrived = -1
    for length in range(head_end[1] + head_end[2], len(data)):
        file = read(data[:length])
        assert file.truncated
        assert file.chunks.items() <= whole.items()
        assert len(file.chunks) >= arrived
        arrived = len(file.chunks)
    assert arrived == len(whole) - 1


def test_a_cut_file_holds_every_coarse_layer_before_any_fine_one():
    header = head()
    data = write(header, chunks_of(header))
    fine = [s for s in read(data).sections if s[0] == "chunk"][header.tiles]
    file = read(data[: fine[1]])
    assert file.missing() == [] and file.incomplete() == list(range(header.tiles))


@pytest.mark.parametrize("number", range(12))
def test_a_damaged_chunk_costs_itself_only(number):
    header = head(width=24, height=16)
    data = write(header, chunks_of(header))
    chunks = [s for s in read(data).sections if s[0] == "chunk"]
    _, start, length, _ = chunks[number]
    for offset in range(length):  # kind, length, place, payload and checksum alike
        damaged = bytearray(data)
        damaged[start + offset] ^= 0x55
        file = read(bytes(damaged))
        assert len(file.chunks) == 11 and len(file.damaged) == 1
        assert not file.truncated
        assert f"byte {start}" in file.damaged[0]


def test_two_neighbors_damaged_are_counted_as_two():
    header = head(width=24, height=16)
    data = bytearray(write(header, chunks_of(header)))
    for _, start, _, _ in [s for s in read(bytes(data)).sections if s[0] == "chunk"][4:6]:
        data[start + 5] ^= 1
    file = read(bytes(data))
    assert len(file.damaged) == 2 and not file.truncated and len(file.incomplete()) == 2


def test_a_lost_length_is_found_again_without_an_index():
    data = bytearray(write(head(tile=0), [Chunk(0, 0, 0, b"coarse"), Chunk(0, 0, 1, b"fine")]))
    first = read(bytes(data)).sections[1][1]
    data[first + 1] = 0xFF
    file = read(bytes(data))
    assert file.streams(0, 0) == [None, b"fine"] and file.missing() == [0]


def test_lost_and_inserted_bytes_cost_the_chunk_they_are_in():
    header = head(width=24, height=16)
    data = write(header, chunks_of(header))
    start = [s for s in read(data).sections if s[0] == "chunk"][3][1]
    for damaged in (data[: start + 4] + data[start + 6 :], data[: start + 4] + b"xyz" + data[start + 4 :]):
        file = read(damaged)
        assert len(file.chunks) == 11 and len(file.damaged) == 1


def test_a_damaged_index_or_meta_costs_no_chunk():
    header = head(width=24, height=16)
    data = write(header, chunks_of(header), meta={"a": 1})
    for name in ("index", "meta"):
        start = next(s[1] for s in read(data).sections if s[0] == name)
        damaged = bytearray(data)
        damaged[start + 3] ^= 1
        file = read(bytes(damaged))
        assert len(file.chunks) == 12 and [text.split()[0] for text in file.damaged] == [name]


def test_a_damaged_head_is_refused_in_one_line():
    data = bytearray(write(head(), chunks_of(head())))
    data[8] ^= 1
    with pytest.raises(CorruptProductError, match="head is damaged"):
        read(bytes(data))


@pytest.mark.parametrize(
    "data", [b"", b"\x89VD", b"\x89PNG\r\n\x1a\n", b"\x89VDT", b"\x89VDT\x01", b"\x89VDT\x00"]
)
def test_what_is_no_product_is_refused(data):
    with pytest.raises(CorruptProductError):
        read(data)


def test_a_version_from_the_future_is_refused_with_a_hint():
    data = bytearray(write(head(), []))
    data[4] = 2
    with pytest.raises(FormatVersionError, match="format 2") as caught:
        read(bytes(data))
    assert "newer" in caught.value.hint


def test_old_readers_pass_over_sections_that_may_be_skipped_and_no_others():
    data = write(head(tile=0), [Chunk(0, 0, 0, b"coarse"), Chunk(0, 0, 1, b"fine")])
    file = read(data + sections.section_bytes(0xF0, b"later"))
    assert file.streams(0, 0) == [b"coarse", b"fine"] and not file.damaged
    with pytest.raises(FormatVersionError, match="kind 112"):
        read(data + sections.section_bytes(0x70, b"later"))


def test_a_head_from_a_later_version_may_be_longer():
    payload = head(tile=0).to_bytes() + b"more"
    assert read(b"\x89VDT\x01" + sections.section_bytes(sections.HEAD, payload)).header == head(tile=0)


def test_a_chunk_of_a_tile_that_does_not_exist_is_named():
    data = write(head(tile=0), [Chunk(0, 0, 0, b"coarse")])
    file = read(data + sections.section_bytes(sections.CHUNK, b"\x07\x00stray"))
    assert "no such tile" in file.damaged[0] and len(file.chunks) == 1


def test_meta_that_unpacks_to_more_than_a_mebibyte_is_left_out():
    bomb = sections.section_bytes(sections.META, zlib.compress(b'{"a":"' + b" " * (1 << 21) + b'"}'))
    file = read(write(head(tile=0), []) + bomb)
    assert file.meta == {} and "meta" in file.damaged[0]
    with pytest.raises(LimitError):
        write(head(), [], meta={"a": " " * (1 << 21)})


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"height": 1_000_001},
        {"bands": 257},
        {"tile": 12},
        {"tile": -8},
        {"tile": 0, "width": 20_000},
        {"tile": 8, "width": 1_000_000, "height": 1_000_000},
        {"groups": ((0, 1),)},
        {"groups": ((0,), (1,), (1,))},
        {"layers": 0},
        {"layers": 16},
        {"weights_id": b"short"},
        {"model": ""},
        {"model": "../escape"},
        {"model": "m" * 65},
        {"sample": "float32"},
        {"sample": "uint16"},
        {"sample": "uint16", "ranges": ((0.0, 0.0),) * 3},
        {"sample": "uint16", "ranges": ((0.0, float("inf")),) * 3},
    ],
)
def test_a_head_outside_the_limits_is_refused(changes):
    with pytest.raises(InputError):
        head(**changes)


def test_a_place_is_written_once_and_only_where_the_head_has_it():
    with pytest.raises(InputError, match="place"):
        write(head(tile=0), [Chunk(0, 0, 0, b"a"), Chunk(0, 0, 0, b"b")])
    with pytest.raises(InputError, match="place"):
        write(head(tile=0), [Chunk(1, 0, 0, b"a")])
    with pytest.raises(InputError, match="tile 9"):
        write(head(tile=0), [], planes=[Chunk(9, 0, 0, b"a")])
