"""The engine in Verilator: a program runs cycle by cycle, every operator is compared with the executor."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette.hardware.engine import Engine
from vedette.hardware.executor import execute
from vedette.hardware.program import Program
from vedette.hardware.rtl.simulate import FOLDER, TIMEOUT_S, library
from vedette.tools import process, verilator

UNITS = ("window", "gemm", "dot", "memory", "lookup", "softmax", "layer_norm", "slots", "select")
SOURCES = ("engine.sv", *(f"{unit}.sv" for unit in UNITS))
RECORD = np.dtype(
    [
        ("cycle", "<u4"),
        ("number", "<u2"),
        ("kind", "u1"),
        ("pad", "u1"),
        ("row", "<u2"),
        ("tile", "<u2"),
        ("data", "u1", 64),
    ]
)
BEGINS = 16  # the record of a step's first cycle
KINDS = {"bytes": (1, 2), "wide": (4,), "out": (8,)}

BENCH = """#include "Vtop.h"
#include <cstdio>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>
static void record(FILE* out, uint32_t cycle, uint16_t number, uint8_t kind, uint16_t row, uint16_t tile,
                   const void* data, size_t size) {
    uint8_t bytes[76] = {};
    std::memcpy(bytes, &cycle, 4);
    std::memcpy(bytes + 4, &number, 2);
    bytes[6] = kind;
    std::memcpy(bytes + 8, &row, 2);
    std::memcpy(bytes + 10, &tile, 2);
    if (size) std::memcpy(bytes + 12, data, size);
    std::fwrite(bytes, 1, sizeof bytes, out);
}
int main(int argc, char** argv) {
    std::vector<uint8_t> stream;
    FILE* in = std::fopen(argv[1], "rb");
    uint8_t buffer[65536];
    for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, in)) > 0;)
        stream.insert(stream.end(), buffer, buffer + got);
    std::fclose(in);
    const size_t bytes = stream.size();
    stream.resize((stream.size() + 31) / 32 * 32);
    FILE* out = std::fopen(argv[2], "wb");
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vtop>(context.get());
    size_t at = 0;
    top->clk = 0;
    top->reset = 1;
    top->eval(); top->clk = 1; top->eval(); top->clk = 0;
    top->reset = 0;
    top->start = 1;
    auto feed = [&] {
        top->word_valid = at < stream.size();
        if (top->word_valid) std::memcpy(&top->word[0], &stream[at], 32);
        top->eval();
        if (top->word_valid && top->word_ready) at += 32;
    };
    feed();
    top->clk = 1; top->eval(); top->clk = 0;
    top->start = 0;
    uint32_t cycle = 0;
    int running = -1;
    const uint32_t most = 400000000u;
    do {
        feed();
        if (running != top->operator_number) {
            running = top->operator_number;
            record(out, cycle, running, 16, 0, 0, nullptr, 0);
        }
        unsigned kind = top->first_we | top->second_we << 1 | top->wide_we << 2 | top->out_we << 3;
        if (kind) {
            const void* data = kind < 4    ? &top->write_bytes[0]
                               : kind == 4 ? &top->write_wide[0]
                                           : &top->write_out[0];
            record(out, cycle, top->operator_number, kind, top->write_row, top->write_tile, data,
                   kind < 4 ? 16 : kind == 4 ? 32 : 64);
        }
        if (top->chances_we)
            record(out, cycle, top->chances_number, 1, top->chances_row, top->chances_tile,
                   &top->chances_bytes[0], 16);
        top->clk = 1; top->eval(); top->clk = 0;
        ++cycle;
    } while (top->busy && cycle < most);
    std::fclose(out);
    top->final();
    std::printf("%u %zu\\n", cycle, at < bytes ? at : bytes);
    return 0;
}
"""


@dataclass(frozen=True)
class Simulated:
    """What a run gave.

    Args:
        cycles: from start to end; `beats` of the stream that were taken.
        values: of every step.
        step_cycles: of every step, from its descriptor's first beat to the next one's.
    """

    cycles: int
    beats: int
    seconds: float
    values: list[np.ndarray]
    step_cycles: list[int]


class EngineModel:
    """An engine compiled once; its folder goes with it. A context manager.

    Args:
        sources: folder of the SystemVerilog.

    Raises:
        ToolError, MissingExtraError: no Verilator or C++ compiler, or it refuses the text.
    """

    def __init__(self, engine: Engine, sources: Path = FOLDER) -> None:
        self.engine = engine
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        tool = verilator.find()
        parameters = {
            "TOKENS": engine.tokens,
            "TERMS": engine.terms,
            "FIRST": engine.first,
            "SECOND": engine.second,
            "CHANCES": engine.chances,
            "WIDE": engine.wide,
            "CHUNKS_MOST": engine.chunks_most,
            "WORDS_MOST": engine.words_most,
            "ROWS_MOST": engine.rows_most,
            "PACKED": int(engine.packed),
        }
        tool.translate(
            [sources / name for name in SOURCES], "engine", folder / "model", parameters=parameters
        )
        bench = folder / "bench.cpp"
        bench.write_text(BENCH)
        self._program = folder / "run"
        tool.compile(folder / "model", bench, self._program, library())

    def run(self, program: Program, inputs: Mapping[str, np.ndarray]) -> Simulated:
        """Run a program to its end."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "stream.bin").write_bytes(program.data(inputs).tobytes())
            start = time.perf_counter()
            command = [str(self._program), str(folder / "stream.bin"), str(folder / "writes.bin")]
            said = process.run(command, timeout_s=TIMEOUT_S, name="simulation").text.split()
            seconds = time.perf_counter() - start
            records = np.fromfile(folder / "writes.bin", dtype=RECORD)
        begins = records["cycle"][records["kind"] == BEGINS].astype(np.int64).tolist()
        values = []
        for number, step in enumerate(program.steps):
            mine = records[(records["number"] == number) & np.isin(records["kind"], KINDS[step.kind])]
            kind, lanes = {"bytes": ("<i1", 16), "wide": ("<i2", 16), "out": ("<i4", 16)}[step.kind]
            tiles = -(-step.columns // 16)
            rows = int(mine["row"].max(initial=0)) + 1 if step.rows_vary else step.rows
            value = np.zeros((rows, tiles, lanes), dtype=np.int64)
            size = lanes * np.dtype(kind).itemsize
            data = np.ascontiguousarray(mine["data"][:, :size]).view(kind).astype(np.int64)
            value[mine["row"], mine["tile"]] = data
            values.append(value.reshape(rows, -1)[:, : step.columns])
        return Simulated(int(said[0]), int(said[1]), seconds, values, np.diff(begins).tolist())

    def __enter__(self) -> "EngineModel":
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


def differences(program: Program, simulated: Simulated, inputs: Mapping[str, np.ndarray]) -> list[str]:
    """The steps whose value is not the executor's, in words."""
    names = {step.value for step in program.steps if step.value not in program.network.inputs}
    reference = execute(program.network, inputs, keep=names)
    said = []
    for step, value in zip(program.steps, simulated.values, strict=True):
        if step.value in program.network.inputs:
            continue
        wanted = reference[step.value]
        if step.head is not None:
            wanted = (
                wanted[step.head]
                if wanted.ndim == 3
                else wanted[:, step.head * step.columns :][:, : step.columns]
            )
        if step.live:  # columns that count tokens are filled up to a whole word
            value = value[:, : wanted.shape[1]]
        if value.shape != wanted.shape:
            said.append(f"{step.value}, head {step.head}: {value.shape} values for {wanted.shape}")
            continue
        wrong = int((wanted != value).sum())
        if wrong:
            said.append(f"{step.value}, head {step.head}: {wrong} of {wanted.size} differ")
    return said
