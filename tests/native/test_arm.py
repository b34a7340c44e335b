"""The computer that flies is ARM: the rANS kernels, compiled for it, give the same bytes under qemu-user."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vedette.bitstream import rans
from vedette.bitstream.tables import Tables, gaussian_tables
from vedette.errors import CorruptProductError

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "native"
COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (COMPILER and EMULATOR),
        reason="apt-get install g++-aarch64-linux-gnu qemu-user: the ARM tests need them",
    ),
]
TABLES = gaussian_tables(np.array([0.11, 0.5, 2.0, 17.0]))
OUTPUTS = (np.int64, np.int32, np.uint64, np.uint16, np.int32, np.int64)


class ArmKernel:
    """What `vedette._native` offers, each call one run of the ARM program."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder, self.calls = program, folder, 0

    def _run(self, mode: str, arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        given, result = self.folder / "given", self.folder / "result"
        blocks = [np.int64(a.nbytes).tobytes() + np.ascontiguousarray(a).tobytes() for a in arrays]
        given.write_bytes(b"".join(blocks))
        subprocess.run([EMULATOR, self.program, mode, given, result], check=True, timeout=120)
        self.calls += 1
        data, at, outputs = result.read_bytes(), 0, []
        for dtype in OUTPUTS:
            size = int(np.frombuffer(data, np.int64, 1, at)[0])
            outputs.append(np.frombuffer(data[at + 8 : at + 8 + size], dtype))
            at += 8 + size
        assert at == len(data)
        return outputs

    def rans_encode(self, symbols, ids, cdf, starts, firsts, buckets, states, words, escapes):
        given = (symbols, ids, cdf, starts, firsts, buckets, states, words, escapes, np.zeros(4, np.int64))
        status, _, states[:], words[:], escapes[:], _ = self._run("encode", given)
        return int(status[0]), int(status[1])

    def rans_decode(self, symbols, ids, cdf, starts, firsts, buckets, states, words, escapes, cursor):
        given = (symbols, ids, cdf, starts, firsts, buckets, states, words, escapes, cursor)
        status, symbols[:], states[:], _, _, cursor[:] = self._run("decode", given)
        return int(status[0])


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("arm") / "rans_main"
    sources = [HERE / "rans_main.cpp", NATIVE / "rans.cpp"]
    flags = ["-O3", "-std=c++17", "-Wall", "-Werror", "-static", f"-I{NATIVE}"]
    subprocess.run([COMPILER, *flags, *sources, "-o", path], check=True, timeout=200)
    return path


@pytest.fixture
def arm(program, tmp_path):
    return ArmKernel(program, tmp_path)


def source(count):
    random = np.random.default_rng(9)
    ids = random.integers(0, len(TABLES), count).astype(np.int32)
    symbols = np.rint(random.normal(size=count) * np.array([0.11, 0.5, 2, 17])[ids]).astype(np.int32)
    symbols[::997] = random.integers(-(2**31), 2**31, len(symbols[::997]))  # escapes
    return symbols, ids


def test_the_program_is_for_arm(program):
    header = program.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == 183  # EM_AARCH64


@pytest.mark.parametrize("lanes", [1, 4, 128])
def test_arm_writes_the_bytes_of_the_reference_and_reads_them(arm, lanes, monkeypatch):
    symbols, ids = source(20_000)
    monkeypatch.setattr(rans, "_kernel", lambda: None)
    expected = rans.encode(symbols, ids, TABLES, lanes=lanes)
    monkeypatch.setattr(rans, "_kernel", lambda: arm)
    assert rans.encode(symbols, ids, TABLES, lanes=lanes) == expected
    decoder = rans.Decoder(expected, TABLES)
    parts = [decoder.decode(ids[:777]), decoder.decode(ids[777:])]
    decoder.finish()
    assert np.array_equal(np.concatenate(parts), symbols)
    assert arm.calls == 3


def test_arm_writes_the_golden_bytes(arm, monkeypatch):
    """Tables and bytes written out: the golden stream of tests/bitstream/test_rans.py."""
    cdf = np.array([0, 40000, 60000, 65535, 65536, 0, 10, 30000, 65000, 65536], dtype=np.int32)
    tables = Tables(cdf, np.array([0, 5, 10], dtype=np.int32), np.array([0, -2], dtype=np.int32))
    symbols = np.array([0, -1, -2, 5, 1000, -1, 0, -(2**31), 2, 2**31 - 1, 0], dtype=np.int32)
    ids = np.array([0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0], dtype=np.int32)
    monkeypatch.setattr(rans, "_kernel", lambda: arm)
    assert rans.encode(symbols, ids, tables, lanes=8).hex() == (
        "08040ad00fffffffff0ffeffffff0f174f6713007266300b01000020ed29"
        "ffff00010088ff447a0010322f02004043a3010088ff447a000000"
    )


def test_arm_refuses_a_damaged_stream(arm, monkeypatch):
    symbols, ids = source(3000)
    data = rans.encode(symbols, ids, TABLES, lanes=4)
    monkeypatch.setattr(rans, "_kernel", lambda: arm)
    with pytest.raises(CorruptProductError, match="ends before"):
        rans.Decoder(data[:-200], TABLES).decode(ids)
