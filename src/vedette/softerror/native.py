"""The compiled engines: `vedette._native` does what `lanes` and `golden` define, with the same rows.

The interpreter of `src/native/lanes.cpp` takes AVX-512, AVX2 or plain words, as the processor has them.
Where the module is missing the NumPy reference serves and says so once.
"""

import importlib
import logging
from functools import cache
from typing import Any

import numpy as np

from vedette.softerror import golden as golden_reference
from vedette.softerror.batch import Batch
from vedette.softerror.golden import Golden
from vedette.softerror.lanes import Answer, Question
from vedette.softerror.program import Program

VECTOR_WORDS = 4  # W is a multiple of it
_logger = logging.getLogger(__name__)


@cache
def kernel() -> Any:
    """The compiled module, or None; says once that it is missing."""
    try:
        module = importlib.import_module("vedette._native")
    except ImportError:
        module = None
    if module is None or not hasattr(module, "lanes_run"):
        _logger.warning("the compiled module is missing; the slower reference serves, with the same rows")
        return None
    return module


def targets() -> list[str]:
    """What the interpreter can use on this processor, the fastest last."""
    return list(kernel().lanes_targets()) if kernel() is not None else []


def run_golden(program: Program, stimulus: np.ndarray) -> Golden:
    """The fault-free run; by the reference where the module is missing."""
    module = kernel()
    if module is None:
        return golden_reference.run_reference(program, stimulus)
    design, cycles = program.design, len(stimulus)
    words = (cycles + 63) // 64
    every = golden_reference.checkpoint_distance(program.memory_bits, cycles)
    trace = np.zeros((design.bits, words), np.uint64)
    state = np.zeros((len(design.flip_flops), words), np.uint64)
    memory = np.zeros(((cycles + every - 1) // every, program.memory_bits), np.uint8)
    visits = np.full((len(design.operations), 64), -1, np.int32)
    initial = np.array([f.initial for f in design.flip_flops], np.uint8)
    contents = np.array([m.initial >> i & 1 for m in design.memories for i in range(m.depth)], np.uint8)
    sizes = np.array([program.rows, design.bits, cycles, every], np.int64)
    module.lanes_golden(*_arrays(program), sizes, stimulus, initial, contents, trace, state, memory, visits)
    return Golden(cycles, trace, state, memory, every, visits)


def run_lanes(
    program: Program,
    batch: Batch,
    golden: Golden,
    question: Question,
    stop: np.ndarray,
    *,
    keep_outputs: bool = False,
    target: str = "",
    generated: tuple[int, int] = (0, 0),
) -> Answer:
    """Run a batch to the end, or until `stop` is not 0; other threads run meanwhile.

    Args:
        stop: one int32.
        target: one of `targets`; "" is the fastest.
        generated: addresses of two functions that `generated` compiled; 0: interpret.
    """
    module = kernel()
    counts = np.zeros((4, 64 * batch.words), np.int32)
    counts[1:] = -1
    kept = golden.cycles if keep_outputs else 0
    outputs = np.zeros((kept, len(program.outputs), batch.words), np.uint64)
    contents = golden.memory_at(batch.start) if program.memory_bits else np.zeros(0, np.uint8)
    sizes = np.array([program.rows, program.design.bits, golden.cycles, batch.start, batch.words], np.int64)
    module.lanes_run(
        *_arrays(program),
        sizes,
        question.stimulus,
        golden.state_at(batch.start),
        contents,
        batch.marks.copy(),
        batch.toggles,
        batch.flips,
        question.compare,
        question.alarms,
        question.right,
        question.quiet,
        question.counted,
        counts,
        outputs,
        stop,
        targets().index(target) if target else -1,
        *generated,
    )
    return counts, outputs


def _arrays(program: Program) -> tuple[np.ndarray, ...]:
    """What the kernel knows of a design, in its order."""
    return (
        program.stream,
        program.nodes,
        program.contents,
        program.node_inputs,
        program.groups,
        program.members,
        program.memories,
        program.writes,
        program.write_addresses,
        program.flip_flops,
        program.inputs,
        program.outputs,
    )
