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

from vedette.errors import InputError
from vedette.softerror import generated, lanes, native, prepared
from vedette.softerror.activation import first_activations
from vedette.softerror.batch import Batch, make_batches
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultColumns
from vedette.softerror.golden import Golden
from vedette.softerror.lanes import Answer, Question
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.prepared import Bench
from vedette.softerror.program import Program
from vedette.tools import compiler

WORDS_MOST = 64  # 4,096 lanes; half as many were a tenth to a quarter slower, on designs of any size
BYTES_MOST = 1 << 29  # of a batch, and so of each thread
FIRST_CACHE_BYTES = 1 << 15
STARTS = 16  # parts of a run at which batches start
BUILD_S = 5e-4  # CPU seconds that generated C costs to build, for each operation of a cycle
NATIVE_RATE = 2.5e11  # operations times lanes that the interpreter does in a second, about
WORTH = 6  # generated C is built where interpreting takes so many times longer than building

Runner = Callable[[Batch, bool], Answer]


def run(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault] | FaultColumns,
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
            this design; "auto": native where it is there, or generated where there is a compiler too and
            so much work that building pays.
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
    bench = prepared.begin(design, stimulus, faults, backend)
    golden, columns = bench.golden, bench.faults
    question = ask(design, golden, bench.stimulus, compare=compare, enable=enable, alarms=alarms)
    first = first_activations(design, golden, bench.users, columns)
    active = np.flatnonzero(first >= 0) if prune else np.arange(len(columns))
    if prune:
        # those that can start late together; of these, faults of one table, which share their marks
        active = active[np.argsort(first[active] // -(-golden.cycles // STARTS), kind="stable")]
    if backend == "auto":
        backend = _best(bench.program, len(active) * golden.cycles)
    if words is None:
        rows = bench.program.rows
        bits = rows + bench.program.memory_bits
        words = generated_words(rows) if backend == "generated" else choose_words(len(active), bits, threads)
    stop = np.zeros(1, np.int32)
    runner = _runner(bench, question, backend, stop, words)
    size = 64 * words
    parts = [active[i : i + size] for i in range(0, len(active), size)]
    batches = make_batches(
        columns,
        np.concatenate([np.sort(part) for part in parts])
        if parts
        else active,  # one table's faults share marks
        bench.users,
        bench.program.flip_flops,
        words=words,
        starts=[golden.start_for(int(first[part].min())) if prune else 0 for part in parts],
        cycles=golden.cycles,
    )
    found = np.zeros((4, len(columns)), np.int32)
    found[1:] = -1
    answers = _in_threads(lambda batch: runner(batch, False)[0], batches, threads, stop)
    for batch, counts in zip(batches, answers, strict=True):
        found[:, batch.lanes] = counts[:, : len(batch.lanes)]
    return Outcomes(golden.cycles, found[0], found[1], found[2], first, found[3])


def streams(
    design: Design,
    stimulus: UInt8[np.ndarray, "cycles inputs"],
    faults: Sequence[Fault],
    *,
    backend: str = "auto",
) -> UInt8[np.ndarray, "faults cycles outputs"]:
    """Outputs of every faulty machine in every cycle; of a list that fits memory."""
    bench = prepared.begin(design, stimulus, faults, backend)
    question = ask(design, bench.golden, bench.stimulus, compare=None, enable=-1, alarms=())
    words = 8
    runner = _runner(bench, question, backend, np.zeros(1, np.int32), words)
    result = np.zeros((len(faults), bench.golden.cycles, len(bench.program.outputs)), np.uint8)
    batches = make_batches(
        bench.faults,
        np.arange(len(faults)),
        bench.users,
        bench.program.flip_flops,
        words=words,
        starts=[0] * -(-len(faults) // (64 * words)),
        cycles=bench.golden.cycles,
    )
    for batch in batches:
        rows = runner(batch, True)[1]
        for lane, index in enumerate(batch.lanes.tolist()):
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
    return prepared.begin(design, stimulus, (), backend).golden.bits(design.output_bits)


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


def choose_words(faults: int, bits: int, threads: int = 1) -> int:
    """Lane words for the interpreter: many, since each operation is looked up once for all of them.

    Each thread gets as many batches, and batches about as many faults each, in a multiple of 4 words; fewer
    where the nets and memories of a design, `bits` for each lane, would take more than `BYTES_MOST`.
    """
    most = WORDS_MOST
    while most > 4 and 8 * bits * most > BYTES_MOST:
        most //= 2
    batches = threads * max(1, -(-faults // (64 * most * threads)))
    return max(1, -(-faults // (256 * batches))) * 4


def generated_words(rows: int) -> int:
    """Lane words of generated C: 8, a vector of AVX-512; 4 where the first cache holds all nets only so."""
    return 4 if 32 * rows <= FIRST_CACHE_BYTES < 64 * rows else 8


def _best(program: Program, work: int) -> str:
    """The quickest back end for so many fault-cycles."""
    if native.kernel() is None:
        return "numpy"
    operations = max(1, program.word_operations)
    pays = work * operations / NATIVE_RATE > WORTH * BUILD_S * operations
    return "generated" if pays and compiler.available() else "native"


def _runner(bench: Bench, question: Question, backend: str, stop: np.ndarray, words: int) -> Runner:
    """What runs a batch of so many words."""
    program, golden = bench.program, bench.golden
    if backend == "numpy" or native.kernel() is None:
        return lambda batch, keep: lanes.run_reference(program, batch, golden, question, keep_outputs=keep)
    parts = generated.functions(program, words) if backend == "generated" else (0, 0)

    def compiled(batch: Batch, keep: bool) -> Answer:
        return native.run_lanes(program, batch, golden, question, stop, keep_outputs=keep, generated=parts)

    return compiled


def _in_threads(
    work: Callable[[Batch], np.ndarray], batches: Sequence[Batch], threads: int, stop: np.ndarray
) -> list[np.ndarray]:
    """Results of all batches; an interruption ends the running ones within some cycles."""
    results: list[np.ndarray] = [np.zeros(0)] * len(batches)
    numbers = iter(range(len(batches)))

    def several() -> None:
        for number in numbers:  # each thread takes the next one
            if stop[0]:
                return
            results[number] = work(batches[number])

    with ThreadPoolExecutor(max(1, threads)) as pool:
        jobs = [pool.submit(several) for _ in range(max(1, threads))]
        try:
            waiting = set(jobs)
            while waiting:  # in short waits, so that the main thread hears an interruption
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for job in done:
                    job.result()
        except BaseException:
            stop[0] = 1
            raise
    return results
