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

UNITS = ("gemm", "dot", "memory", "lookup", "softmax", "layer_norm", "slots")
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
int main(int argc, char** argv) {
    std::vector<uint8_t> stream;
    FILE* in = std::fopen(argv[1], "rb");
    uint8_t buffer[65536];
    for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, in)) > 0;)
        stream.insert(stream.end(), buffer, buffer + got);
    std::fclose(in);
    FILE* out = std::fopen(argv[2], "wb");
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vtop>(context.get());
    size_t at = 0;
    top->clk = 0;
    top->reset = 1;
    top->eval(); top->clk = 1; top->eval(); top->clk = 0;
    top->reset = 0;
    top->start = 1;
    top->eval(); top->clk = 1; top->eval(); top->clk = 0;
    top->start = 0;
    uint32_t cycle = 0;
    int running = -1;
    const uint32_t most = 400000000u;
    do {
        top->beat_valid = at + 16 <= stream.size();
        if (top->beat_valid) std::memcpy(&top->beat[0], &stream[at], 16);
        top->eval();
        if (top->beat_valid && top->beat_ready) at += 16;
        if (running != top->operator_number) {
            running = top->operator_number;
            uint8_t record[76] = {};
            uint16_t number = running;
            std::memcpy(record, &cycle, 4);
            std::memcpy(record + 4, &number, 2);
            record[6] = 16;
            std::fwrite(record, 1, sizeof record, out);
        }
        unsigned kind = top->first_we | top->second_we << 1 | top->wide_we << 2 | top->out_we << 3;
        if (kind) {
            uint8_t record[76] = {};
            uint16_t number = top->operator_number, row = top->write_row, tile = top->write_tile;
            std::memcpy(record, &cycle, 4);
            std::memcpy(record + 4, &number, 2);
            record[6] = kind;
            std::memcpy(record + 8, &row, 2);
            std::memcpy(record + 10, &tile, 2);
            if (kind < 4) std::memcpy(record + 12, &top->write_bytes[0], 16);
            else if (kind == 4) std::memcpy(record + 12, &top->write_wide[0], 32);
            else std::memcpy(record + 12, &top->write_out[0], 64);
            std::fwrite(record, 1, sizeof record, out);
        }
        top->clk = 1; top->eval(); top->clk = 0;
        ++cycle;
    } while (top->busy && cycle < most);
    std::fclose(out);
    top->final();
    std::printf("%u %zu\\n", cycle, at);
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
            "FIRST": engine.first,
            "SECOND": engine.second,
            "WIDE": engine.wide,
            "CHUNKS_MOST": engine.chunks_most,
            "WORDS_MOST": engine.words_most,
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
            value = np.zeros((step.rows, tiles, lanes), dtype=np.int64)
            size = lanes * np.dtype(kind).itemsize
            data = np.ascontiguousarray(mine["data"][:, :size]).view(kind).astype(np.int64)
            value[mine["row"], mine["tile"]] = data
            values.append(value.reshape(step.rows, -1)[:, : step.columns])
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
        wrong = int((wanted != value).sum())
        if wrong:
            said.append(f"{step.value}, head {step.head}: {wrong} of {wanted.size} differ")
    return said
