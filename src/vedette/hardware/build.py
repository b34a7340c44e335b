"""An accelerator as a folder: SystemVerilog, a network's stream, and a bench that runs it in Verilator."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vedette.errors import InputError
from vedette.hardware.cycles import program_cycles, total_cycles
from vedette.hardware.engine import LOAD, SELECT, SIZES, Engine
from vedette.hardware.executor import execute
from vedette.hardware.network import Network, load_network, save_network
from vedette.hardware.program import Program, engine_for
from vedette.hardware.rtl.engine import BENCH, SOURCES, EngineModel, differences
from vedette.hardware.rtl.simulate import FOLDER
from vedette.images import write_atomically

ENGINE_NAME, STREAM_NAME, NETWORK_NAME = "engine.json", "stream.bin", "network"


def build(network: Network, output: Path, *, multipliers: int = 1024, packed: bool = True) -> dict[str, Any]:
    """Write the folder `output`: *.sv, engine.json, stream.bin, bench.cpp and the network; what it holds.

    engine.json comes last: a folder that has it is whole. In stream.bin the input is zeros; engine.json says
    at which byte it begins.

    Raises:
        InputError: a network that the engine has no way for.
    """
    tokens, terms = SIZES[multipliers]
    engine = engine_for(network, tokens=tokens, terms=terms, packed=packed)
    program = Program(network, engine)
    save_network(network, output / NETWORK_NAME)
    for name in SOURCES:
        write_atomically(output / name, (FOLDER / name).read_bytes())
    write_atomically(output / "bench.cpp", BENCH.encode())
    zeros = {name: np.zeros(shape, dtype=np.int8) for name, shape in network.inputs.items()}
    stream = program.data(zeros).tobytes()
    write_atomically(output / STREAM_NAME, stream)
    cycles = program_cycles(program)
    load = next(step for step in program.steps if step.op == LOAD)
    skipped = load.rows - network.inputs[load.value][0]
    row_bytes = load.header[2] * 16
    description = {
        "network": network.name,
        "parameters": asdict(engine),
        "stream_bytes": len(stream),
        "input": {"name": load.value, "first_byte": 128 + skipped * row_bytes, "row_bytes": row_bytes},
        "cycles_predicted": total_cycles(program),
        "steps": [
            {"makes": step.value, "head": step.head, "cycles": count.total}
            for step, count in zip(program.steps, cycles, strict=True)
        ],
    }
    write_atomically(output / ENGINE_NAME, json.dumps(description, indent=1).encode())
    return description


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a simulation showed; `different` names the steps whose values are not the executor's."""

    steps: int
    different: list[str]
    cycles: int
    cycles_predicted: int
    seconds: float
    outputs: dict[str, np.ndarray]


def simulate(folder: Path, inputs: Mapping[str, np.ndarray]) -> Checked:
    """Run what `build` wrote in Verilator and compare every step with the integer reference, bit for bit.

    Raises:
        InputError: a folder that `build` did not write.
        ToolError, MissingExtraError: no Verilator or C++ compiler.
    """
    path = folder / ENGINE_NAME
    if not path.is_file():
        raise InputError(f"{folder} holds no {ENGINE_NAME}", hint="make it with `vedette hardware build`")
    network = load_network(folder / NETWORK_NAME)
    try:
        found = json.loads(path.read_text())
        engine = Engine(**found["parameters"])
        predicted = int(found["cycles_predicted"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{ENGINE_NAME} is damaged: {error}", hint="build the folder again") from error
    program = Program(network, engine)
    with EngineModel(engine, folder) as model:
        done = model.run(program, inputs)
    if any(
        step.op == SELECT for step in program.steps
    ):  # fewer tokens, fewer cycles: engine.json has the most
        selections = [step.value for step in program.steps if step.op == SELECT]
        values = execute(network, inputs, keep=selections)
        predicted = total_cycles(program, [len(values[name]) for name in selections])
    outputs = {
        step.value: value
        for step, value in zip(program.steps, done.values, strict=True)
        if step.value in network.outputs
    }
    return Checked(
        steps=sum(step.op != LOAD for step in program.steps),
        different=differences(program, done, inputs),
        cycles=done.cycles,
        cycles_predicted=predicted,
        seconds=done.seconds,
        outputs=outputs,
    )
