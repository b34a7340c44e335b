"""Every fault of a list simulated against the fault-free run: one call for all back ends.

Faults that the run never activates are answered without simulation, the others are sorted by their
activation and simulated from there, 512 to 4,096 at once. Rows are exact: the same with every back end,
with and without pruning, whatever the number of threads.
"""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np
from jaxtyping import Int64, UInt8

from vedette.errors import InputError, UnknownNameError
from vedette.softerror import generated, lanes, native
from vedette.softerror.batch import Batch, make_batch
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.golden import Activation, Golden, check_stimulus
from vedette.softerror.lanes import Answer, Question
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.program import Program, compile_design

BACKENDS = ("auto", "numpy", "native", "generated")
CACHE_BYTES = 1 << 20  # the nets of a batch should stay within a core's second cache
WORDS_LEAST, WORDS_MOST = 8, 64
GENERATED_WORDS = 8  # one vector of AVX-512 a row, or two of AVX2

Runner = Callable[[Batch, bool], Answer]


def run(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    *,
    backend: str = "auto",
    prune: bool = True,
    threads: int = 1,
    compare: Sequence[int] | None = None,
    enable: int = -1,
    alarms: Sequence[int] = (),
    words: int | None = None,
) -> Outcomes:
    """Rows of the faults, in their order.

    Args:
        backend: "numpy", the reference; "native", the compiled interpreter; "generated", C compiled for
            this design; "auto": native where it is there.
        prune: leave out what cannot matter; the rows are the same.
        threads: batches at once.
        compare: bits of which a difference is a mismatch; None: every output that is no alarm.
        enable: a bit; only cycles count in which it is 1 in the fault-free run. -1: all do.
        alarms: bits whose first difference is kept.
        words: lane words of 64 faults a batch; None chooses. Compiled back ends take multiples of 4.

    Raises:
        UnknownNameError: no such back end.
        InputError: a stimulus of another width, or a fault that the design cannot have.
        ToolError, MissingExtraError: "generated" without a C compiler.
    """
    stimulus, program, golden = _begin(design, stimulus, faults, backend)
    question = ask(design, golden, stimulus, compare=compare, enable=enable, alarms=alarms)
    activated = Activation(design, golden)
    first = np.array([activated.of(fault) for fault in faults], np.int32).reshape(-1)
    active = np.flatnonzero(first >= 0) if prune else np.arange(len(faults))
    if prune:
        active = active[np.argsort(first[active], kind="stable")]
    stop = np.zeros(1, np.int32)
    size = 64 * (
        words or (GENERATED_WORDS if backend == "generated" else choose_words(len(active), program.rows))
    )
    runner = _runner(program, golden, question, backend, stop, size // 64)
    rows = np.zeros((4, len(faults)), np.int32)
    rows[1:] = -1

    def one(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = golden.start_for(int(first[indices[0]])) if prune else 0
        indices = np.sort(indices)  # faults of one table share its marks
        batch = make_batch(
            faults,
            indices.tolist(),
            activated.users,
            program.flip_flops,
            words=size // 64,
            start=start,
            cycles=golden.cycles,
        )
        return indices, runner(batch, False)[0]

    parts = [active[i : i + size] for i in range(0, len(active), size)]
    for indices, counts in _in_threads(one, parts, threads, stop):
        rows[:, indices] = counts[:, : len(indices)]
    return Outcomes(golden.cycles, rows[0], rows[1], rows[2], first, rows[3])


def streams(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    *,
    backend: str = "auto",
) -> UInt8[np.ndarray, "faults cycles outputs"]:
    """Outputs of every faulty machine in every cycle; of a list that fits memory."""
    stimulus, program, golden = _begin(design, stimulus, faults, backend)
    question = ask(design, golden, stimulus, compare=None, enable=-1, alarms=())
    words = WORDS_LEAST
    runner = _runner(program, golden, question, backend, np.zeros(1, np.int32), words)
    users = Activation(design, golden).users
    result = np.zeros((len(faults), golden.cycles, len(program.outputs)), np.uint8)
    for begin in range(0, len(faults), 64 * words):
        indices = list(range(begin, min(begin + 64 * words, len(faults))))
        batch = make_batch(
            faults, indices, users, program.flip_flops, words=words, start=0, cycles=golden.cycles
        )
        rows = runner(batch, True)[1]
        for lane, index in enumerate(indices):
            result[index] = (rows[:, :, lane // 64] >> np.uint64(lane % 64)).astype(np.uint8) & 1
    return result


def stream(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    fault: Fault | None = None,
    *,
    backend: str = "auto",
) -> UInt8[np.ndarray, "cycles outputs"]:
    """Outputs of the design with one fault, or of the fault-free one."""
    if fault is not None:
        return streams(design, stimulus, [fault], backend=backend)[0]
    return _begin(design, stimulus, (), backend)[2].bits(design.output_bits)


def crcs(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    *,
    backend: str = "auto",
) -> Int64[np.ndarray, " faults"]:
    """CRC-32 of each faulty machine's whole output stream.

    The stream has ceil(outputs / 8) bytes a cycle, output 0 in the lowest bit, as the oracle's.
    """
    found = []
    for begin in range(0, len(faults), 512):
        part = streams(design, stimulus, faults[begin : begin + 512], backend=backend)
        found += [zlib.crc32(np.packbits(one, axis=1, bitorder="little").tobytes()) for one in part]
    return np.array(found, np.int64)


def ask(
    design: Design,
    golden: Golden,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    *,
    compare: Sequence[int] | None,
    enable: int,
    alarms: Sequence[int],
) -> Question:
    """What to compare, with the fault-free values.

    Raises:
        InputError: a bit that the design has not.
    """
    if compare is None:
        compare = [bit for bit in design.output_bits if bit not in set(alarms)]
    for bit in (*compare, *alarms, *((enable,) if enable >= 0 else ())):
        if not 0 <= bit < design.bits:
            raise InputError(f"bit {bit} is none of {design.name}", hint=f"bits are 0..{design.bits - 1}")
    counted = golden.bit(enable) if enable >= 0 else np.ones(golden.cycles, np.uint8)
    return Question(
        stimulus,
        np.array(compare, np.int32),
        np.array(alarms, np.int32),
        golden.bits(compare),
        golden.bits(alarms),
        np.ascontiguousarray(counted),
    )


def choose_words(faults: int, rows: int) -> int:
    """Lane words: enough for the faults, but no more than keep all nets in a core's cache."""
    words = WORDS_LEAST
    while words < WORDS_MOST and 64 * words < faults and rows * words * 16 <= CACHE_BYTES:
        words *= 2
    return words


def _begin(
    design: Design, stimulus: np.ndarray, faults: Sequence[Fault], backend: str
) -> tuple[np.ndarray, Program, Golden]:
    """What every run starts from: its arguments checked, the design compiled, the fault-free run."""
    if backend not in BACKENDS:
        raise UnknownNameError("back end", backend, BACKENDS)
    _check_faults(design, faults)
    stimulus = check_stimulus(design, stimulus)
    program = compile_design(design)
    return stimulus, program, _golden(program, stimulus, backend)


def _golden(program: Program, stimulus: np.ndarray, backend: str) -> Golden:
    if backend == "numpy":
        from vedette.softerror.golden import run_reference

        return run_reference(program, stimulus)
    return native.run_golden(program, stimulus)


def _runner(
    program: Program, golden: Golden, question: Question, backend: str, stop: np.ndarray, words: int
) -> Runner:
    """What runs a batch of so many words."""
    if backend == "numpy" or native.kernel() is None:
        return lambda batch, keep: lanes.run_reference(program, batch, golden, question, keep_outputs=keep)
    parts = generated.functions(program, words) if backend == "generated" else (0, 0)

    def compiled(batch: Batch, keep: bool) -> Answer:
        return native.run_lanes(program, batch, golden, question, stop, keep_outputs=keep, generated=parts)

    return compiled


def _in_threads(
    work: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    parts: Sequence[np.ndarray],
    threads: int,
    stop: np.ndarray,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Results of all parts; an interruption ends the running ones within some cycles."""
    with ThreadPoolExecutor(max(1, threads)) as pool:
        jobs = [pool.submit(work, part) for part in parts]
        try:
            waiting = set(jobs)
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for job in done:
                    job.result()
        except BaseException:
            stop[0] = 1
            for job in jobs:
                job.cancel()
            raise
        return [job.result() for job in jobs]


def _check_faults(design: Design, faults: Sequence[Fault]) -> None:
    """Refuse what points outside the design."""
    for fault in faults:
        if fault.kind is FaultKind.PIN:
            good = 0 <= fault.operation < len(design.operations)
            good = good and 0 <= fault.pin < len(design.operations[fault.operation].inputs)
            good = good and 0 <= fault.source < design.bits
        elif fault.kind is FaultKind.CONFIGURATION:
            good = bool(fault.bits) and min(fault.bits) >= 0
        else:
            good = 0 <= fault.flip_flop < len(design.flip_flops)
        if not good:
            raise InputError(f"fault {fault.number} points outside {design.name}: {fault}")
