"""A block in Verilator: what goes in before every rise of the clock, and what stands at its outputs then."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt32

from vedette.errors import InputError
from vedette.tools import process, verilator

FOLDER = Path(__file__).parent
TIMEOUT_S = 1800.0


@cache
def library() -> Path:
    """Where the objects of Verilator's run-time library are kept, as long as this process runs."""
    folder = tempfile.mkdtemp(prefix="vedette-verilator-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True)
class Port:
    """A port of the top module, in bits."""

    name: str
    width: int

    @property
    def words(self) -> int:
        """32-bit words that hold it."""
        return -(-self.width // 32)


class Model:
    """A module compiled once; runs any number of times. A context manager: its folder goes with it.

    Args:
        top: the module; `clk` is driven here.
        sources: files beside this one.
        parameters: of the module.
        inputs, outputs: its ports but the clock.

    Raises:
        ToolError, MissingExtraError: no Verilator, or it refuses the text.
    """

    def __init__(
        self,
        top: str,
        sources: tuple[str, ...],
        parameters: Mapping[str, int],
        inputs: tuple[Port, ...],
        outputs: tuple[Port, ...],
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        tool = verilator.find()
        tool.translate([FOLDER / name for name in sources], top, folder / "model", parameters=parameters)
        bench = folder / "bench.cpp"
        bench.write_text(_bench(inputs, outputs))
        self._program = folder / "run"
        tool.compile(folder / "model", bench, self._program, library(), optimize="-O1")

    def run(self, cycles: int, **driven: UInt32[np.ndarray, "cycles _"]) -> dict[str, np.ndarray]:
        """Values of every output in each cycle, uint32 words, lowest first, before the clock rises.

        Args:
            driven: words of inputs in each cycle; others are 0.

        Raises:
            InputError: an unknown port, or words that are not its width's.
        """
        known = {port.name: port for port in self.inputs}
        for name, words in driven.items():
            if name not in known or words.shape != (cycles, known[name].words):
                raise InputError(
                    f"words {words.shape} for {name!r}", hint="one row a cycle, its width's words"
                )
        rows = [
            driven.get(port.name, np.zeros((cycles, port.words), dtype=np.uint32)) for port in self.inputs
        ]
        data = np.concatenate(rows, axis=1).astype("<u4").tobytes()
        said = process.run([str(self._program)], timeout_s=TIMEOUT_S, name="simulation", data=data)
        table = np.frombuffer(said.data, dtype="<u4").reshape(cycles, -1)
        ends = np.cumsum([port.words for port in self.outputs])[:-1]
        return {
            port.name: part for port, part in zip(self.outputs, np.split(table, ends, axis=1), strict=True)
        }

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


def words_of(values: np.ndarray, bits: int) -> UInt32[np.ndarray, "cycles words"]:
    """Lanes of `bits` bits, (cycles, lanes), lowest first, as 32-bit words.

    >>> words_of(np.array([[1, -1]]), 16).tolist() == [[0xFFFF0001]]
    True
    """
    cycles, lanes = values.shape
    masked = values.astype(np.int64) & ((1 << bits) - 1 if bits < 64 else -1)
    each = (masked[..., None] >> np.arange(bits)) & 1
    flat = each.reshape(cycles, lanes * bits).astype(np.uint8)
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 32)))
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def lanes_of(
    words: UInt32[np.ndarray, "cycles words"], bits: int, lanes: int, *, signed: bool = True
) -> np.ndarray:
    """The inverse of `words_of`: (cycles, lanes), int64.

    >>> lanes_of(words_of(np.array([[5, -7]]), 12), 12, 2).tolist()
    [[5, -7]]
    """
    flat = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    each = flat[:, : bits * lanes].reshape(len(words), lanes, bits).astype(np.int64)
    values = (each << np.arange(bits)).sum(axis=2)
    return values - ((values >> (bits - 1)) << bits) if signed else values


def _bench(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> str:
    """C++ that reads a row of words a cycle and writes one."""
    read = "\n".join(_assign(port) for port in inputs)
    write = "\n".join(_take(port) for port in outputs)
    taken, given = sum(p.words for p in inputs), sum(p.words for p in outputs)
    return f"""#include <cstdio>
#include <cstdint>
#include <memory>
int main() {{
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vtop>(context.get());
    uint32_t in[{taken}], out[{given}];
    top->clk = 0;
    while (std::fread(in, 4, {taken}, stdin) == {taken}) {{
        int at = 0;
{read}
        top->eval();
        at = 0;
{write}
        std::fwrite(out, 4, {given}, stdout);
        top->clk = 1;
        top->eval();
        top->clk = 0;
    }}
    top->final();
    return 0;
}}
"""


def _assign(port: Port) -> str:
    if port.width <= 32:
        return f"        top->{port.name} = in[at++];"
    if port.width <= 64:
        low, high = "in[at]", "uint64_t(in[at + 1])"
        return f"        top->{port.name} = {low} | {high} << 32; at += 2;"
    return f"        for (int i = 0; i < {port.words}; ++i) top->{port.name}[i] = in[at++];"


def _take(port: Port) -> str:
    if port.width <= 32:
        return f"        out[at++] = top->{port.name};"
    if port.width <= 64:
        return (
            f"        out[at++] = uint32_t(top->{port.name}); out[at++] = uint32_t(top->{port.name} >> 32);"
        )
    return f"        for (int i = 0; i < {port.words}; ++i) out[at++] = top->{port.name}[i];"
