import itertools
import logging

import needs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.bitstream import rans
from vedette.bitstream.tables import TOTAL, Tables, gaussian_tables, join, tables_from_pmf
from vedette.errors import CorruptProductError, InputError

SCALES = np.array([0.11, 0.4, 1.0, 3.0, 20.0])
TABLES = join(gaussian_tables(SCALES), tables_from_pmf([np.array([0.7, 0.2, 0.1])], [-1]))
# Written out as integers, so that no float decides the golden bytes: symbols 0..2 and -2..0, then the escape.
GOLDEN_TABLES = Tables(
    np.array([0, 40000, 60000, 65535, 65536, 0, 10, 30000, 65000, 65536], dtype=np.int32),
    np.array([0, 5, 10], dtype=np.int32),
    np.array([0, -2], dtype=np.int32),
)
GOLDEN_SYMBOLS = np.array([0, -1, -2, 5, 1000, -1, 0, -(2**31), 2, 2**31 - 1, 0], dtype=np.int32)
GOLDEN_IDS = np.array([0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0], dtype=np.int32)
words32 = st.integers(-(2**31), 2**31 - 1)
streams = st.lists(
    st.tuples(st.one_of(st.integers(-30, 30), words32), st.integers(0, len(TABLES) - 1)), max_size=300
)
needs_native = needs.native(rans.native_available() or None)


def arrays(pairs):
    return (np.array([pair[i] for pair in pairs], dtype=np.int32) for i in (0, 1))


def gaussian(count, seed=0):
    random = np.random.default_rng(seed)
    ids = random.integers(0, len(SCALES), count).astype(np.int32)
    return np.rint(random.normal(size=count) * SCALES[ids]).astype(np.int32), ids


@pytest.fixture(params=["native", "reference"])
def coder(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setattr(rans, "_kernel", lambda: None)
    elif not rans.native_available():
        pytest.skip("the compiled module is missing")
    return rans


@given(streams, st.sampled_from([None, 1, 2, 8, 128]))
def test_decode_returns_what_encode_took(pairs, lanes):
    symbols, ids = arrays(pairs)
    decoder = rans.Decoder(rans.encode(symbols, ids, TABLES, lanes=lanes), TABLES)
    assert decoder.decode(ids).tolist() == symbols.tolist()
    decoder.finish()


@needs_native
@settings(max_examples=50)
@given(streams, st.sampled_from([None, 1, 4, 8]))
def test_the_compiled_coder_writes_the_bytes_of_the_reference(pairs, lanes):
    symbols, ids = arrays(pairs)
    with pytest.MonkeyPatch.context() as patch:
        compiled = rans.encode(symbols, ids, TABLES, lanes=lanes)
        patch.setattr(rans, "_kernel", lambda: None)
        assert rans.encode(symbols, ids, TABLES, lanes=lanes) == compiled
        assert rans.Decoder(compiled, TABLES).decode(ids).tolist() == symbols.tolist()


@given(streams, st.lists(st.integers(0, 300), max_size=6))
def test_a_stream_may_be_read_in_any_pieces(pairs, cuts):
    symbols, ids = arrays(pairs)
    decoder = rans.Decoder(rans.encode(symbols, ids, TABLES, lanes=8), TABLES)
    edges = sorted({0, len(ids), *(min(cut, len(ids)) for cut in cuts)})
    got = [decoder.decode(ids[a:b]) for a, b in itertools.pairwise(edges)]
    assert (np.concatenate(got) if got else symbols).tolist() == symbols.tolist()
    decoder.finish()


@pytest.mark.parametrize("lanes", [1, 8])
def test_size_is_within_a_thousandth_of_what_the_tables_say(lanes):
    symbols, ids = gaussian(200_000)
    starts = TABLES.starts[ids] + symbols - TABLES.firsts[ids]
    inside = (starts >= TABLES.starts[ids]) & (starts < TABLES.starts[ids + 1] - 2)
    symbols, ids, starts = symbols[inside], ids[inside], starts[inside]
    ideal = -np.log2((TABLES.cdf[starts + 1] - TABLES.cdf[starts]) / TOTAL).sum() / 8
    assert ideal <= len(rans.encode(symbols, ids, TABLES, lanes=lanes)) <= 1.001 * ideal + 2 + 4 * lanes


def test_the_bytes_of_format_1_never_change(coder):
    data = coder.encode(GOLDEN_SYMBOLS, GOLDEN_IDS, GOLDEN_TABLES)
    lane_and_escapes = "01040ad00fffffffff0ffeffffff0f"  # 5, 1000, -2^31, 2^31 - 1
    assert data.hex() == lane_and_escapes + "f18296b502ffffbafeb0f9"


def test_the_eight_lane_bytes_of_format_1_never_change(coder):
    data = coder.encode(GOLDEN_SYMBOLS, GOLDEN_IDS, GOLDEN_TABLES, lanes=8)
    assert data.hex() == (
        "08040ad00fffffffff0ffeffffff0f174f6713007266300b01000020ed29"
        "ffff00010088ff447a0010322f02004043a3010088ff447a000000"
    )


def test_an_empty_stream_is_seven_bytes(coder):
    data = coder.encode(np.array([], dtype=np.int32), np.array([], dtype=np.int32), TABLES)
    assert data.hex() == "01000000000100"  # one lane, no escape, the first state 2^24
    coder.Decoder(data, TABLES).finish()


def test_an_escape_costs_its_table_entry_and_its_number():
    # 2 lanes x 5 bytes of states, the numbers 600 and 601 as two bytes each, 2 words of escape.
    data = rans.encode(np.array([300, -301]), np.array([0, 0], dtype=np.int32), TABLES, lanes=2)
    assert data[:6].hex() == "0202d804d904"


def test_long_streams_get_four_lanes_and_short_ones_one():
    symbols, ids = gaussian(100_000)
    assert rans.encode(symbols, ids, TABLES)[0] == 4
    assert rans.encode(symbols[:100], ids[:100], TABLES)[0] == 1


def test_the_reference_says_once_that_it_serves(monkeypatch, caplog):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(rans.importlib, "import_module", absent)
    rans._kernel.cache_clear()
    with caplog.at_level(logging.WARNING):
        rans.encode(GOLDEN_SYMBOLS, GOLDEN_IDS, GOLDEN_TABLES)
        rans.encode(GOLDEN_SYMBOLS, GOLDEN_IDS, GOLDEN_TABLES)
    rans._kernel.cache_clear()
    assert [record.message for record in caplog.records if "slower" in record.message] == [
        "the compiled module is missing; the slower reference serves, with the same bytes"
    ]


def test_finish_notices_a_stream_that_is_not_used_up(coder):
    symbols, ids = gaussian(500)
    decoder = coder.Decoder(coder.encode(symbols, ids, TABLES), TABLES)
    decoder.decode(ids[:-1])
    with pytest.raises(CorruptProductError):
        decoder.finish()


def test_reading_beyond_the_end_is_an_error_and_not_a_crash(coder):
    symbols, ids = gaussian(500)
    data = coder.encode(symbols, ids, TABLES)
    decoder = coder.Decoder(data, TABLES)
    decoder.decode(ids)
    with pytest.raises(CorruptProductError):
        decoder.decode(np.full(10_000, 4, dtype=np.int32))


@settings(max_examples=200)
@given(st.binary(max_size=80), st.sampled_from([1, 8, 128]))
def test_any_bytes_decode_alike_or_fail_alike_in_both_coders(tail, lanes):
    data, ids = bytes([lanes]) + tail, np.arange(200, dtype=np.int32) % len(TABLES)

    def outcome():
        try:
            decoder = rans.Decoder(data, TABLES)
            return decoder.decode(ids).tolist()
        except CorruptProductError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        first = outcome()
        patch.setattr(rans, "_kernel", lambda: None)
        assert outcome() == first


def test_a_flipped_bit_is_noticed_or_gives_symbols_but_nothing_worse(coder):
    symbols, ids = gaussian(3000)
    data = coder.encode(symbols, ids, TABLES, lanes=8)
    random = np.random.default_rng(5)
    for _ in range(100):
        damaged = bytearray(data)
        damaged[random.integers(len(data))] ^= 1 << int(random.integers(8))
        try:
            decoder = coder.Decoder(bytes(damaged), TABLES)
            assert len(decoder.decode(ids)) == len(ids)
            decoder.finish()
        except CorruptProductError:
            continue
        pytest.fail("a flipped bit left no trace")  # states, words and escapes all reach the end


@pytest.mark.parametrize("table", [-1, len(TABLES)])
def test_unknown_tables_are_refused_both_ways(coder, table):
    ids = np.array([table], dtype=np.int32)
    with pytest.raises(InputError, match="table id"):
        coder.encode(np.array([0]), ids, TABLES)
    data = coder.encode(np.array([0]), np.array([0]), TABLES)
    with pytest.raises(InputError, match="table id"):
        coder.Decoder(data, TABLES).decode(ids)


@pytest.mark.parametrize("lanes", [0, 3, 256, -8])
def test_impossible_lane_counts_are_refused(lanes):
    with pytest.raises(InputError, match="lanes"):
        rans.encode(GOLDEN_SYMBOLS, GOLDEN_IDS, GOLDEN_TABLES, lanes=lanes)


def test_values_beyond_32_bits_are_refused_and_not_wrapped():
    with pytest.raises(InputError, match="32 bits"):
        rans.encode(np.array([2**31]), np.array([0]), TABLES)


@needs_native
def test_the_compiled_module_refuses_buffers_that_do_not_fit():
    kernel = rans._kernel()
    tables = TABLES.cdf, TABLES.starts, TABLES.firsts, TABLES.buckets
    ids, out = np.zeros(4, dtype=np.int32), np.zeros(4, dtype=np.int32)
    states, words = np.full(8, 1 << 24, dtype=np.uint64), np.zeros(0, dtype=np.uint16)
    escapes, cursor = np.zeros(0, dtype=np.int32), np.zeros(4, dtype=np.int64)
    with pytest.raises(ValueError, match="length"):
        kernel.rans_decode(out[:3], ids, *tables, states, words, escapes, cursor)
    with pytest.raises(TypeError, match="bytes"):
        kernel.rans_decode(out.astype(np.int64), ids, *tables, states, words, escapes, cursor)
    with pytest.raises(ValueError, match="power of two"):
        kernel.rans_decode(out, ids, *tables, states[:3], words, escapes, cursor)
    backward = np.array([0, 9, 4, 9, 9, 9, len(TABLES.cdf)], dtype=np.int32)
    with pytest.raises(ValueError, match="rise"):
        kernel.rans_decode(out, ids, tables[0], backward, *tables[2:], states, words, escapes, cursor)
    with pytest.raises((BufferError, ValueError)):
        locked = out.copy()
        locked.setflags(write=False)
        kernel.rans_decode(locked, ids, *tables, states, words, escapes, cursor)
