"""Every back end against one naive machine at a time, on random designs with every kind of fault."""

import logging
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import needs
import numpy as np
import pytest
from softerror import random_designs

from vedette.errors import InputError, UnknownNameError
from vedette.softerror import engine, generated, golden, native, oracle, ternary
from vedette.softerror.activation import Users
from vedette.softerror.batch import make_batches
from vedette.softerror.design import Design, Kind, Operation, Port, Table
from vedette.softerror.faults import Fault, FaultColumns, FaultKind
from vedette.softerror.lanes import ternary as apply
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.program import Code, compile_design
from vedette.softerror.reference import simulate
from vedette.tools import compiler

needs_native = needs.native(native.kernel())
COLUMNS = ("mismatches", "first", "last", "alarmed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_CACHE", str(tmp_path_factory.getbasetemp() / "libraries"))


def naive(design: Design, stimulus: np.ndarray, faults: list[Fault]) -> dict[str, list[int]]:
    """Rows by the scalar simulator: outputs 0, 1 are compared where output 3 is 1; output 2 is an alarm."""
    right = simulate(design, stimulus)
    rows: dict[str, list[int]] = {name: [] for name in COLUMNS}
    for fault in faults:
        wrong = simulate(design, stimulus, fault) != right
        cycles = np.flatnonzero(wrong[:, :2].any(axis=1) & (right[:, 3] == 1)).tolist()
        alarms = np.flatnonzero(wrong[:, 2]).tolist()
        rows["mismatches"].append(len(cycles))
        rows["first"].append(cycles[0] if cycles else -1)
        rows["last"].append(cycles[-1] if cycles else -1)
        rows["alarmed"].append(alarms[0] if alarms else -1)
    return rows


@cache
def known(seed: int) -> tuple[Design, np.ndarray, list[Fault], dict[str, list[int]]]:
    """A random design, a run, some faults of every kind, and their rows; the scalar simulator is slow."""
    design = random_designs.design(seed, memories=seed % 3)
    cycles = 70 if seed % 2 else 40  # more and fewer than a word of cycles
    stimulus, faults = (
        random_designs.stimulus(cycles, seed),
        random_designs.faults(design, cycles, seed)[:120],
    )
    return design, stimulus, faults, naive(design, stimulus, faults)


def run(design: Design, stimulus: np.ndarray, faults: list[Fault], **options: object) -> Outcomes:
    o = design.output_bits
    return engine.run(design, stimulus, faults, compare=o[:2], alarms=o[2:3], enable=o[3], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("native", marks=needs_native), pytest.param("generated", marks=needs_native)],
)
def test_rows_are_those_of_one_naive_machine_each(backend: str, seed: int) -> None:
    if backend == "generated" and not compiler.available():
        pytest.skip("no C compiler")
    design, stimulus, faults, wanted = known(seed)
    for prune in (False, True):
        for words, threads in ((1, 1), (8, 2)) if backend == "numpy" else ((4, 2), (8, 1), (64, 1)):
            if backend == "generated" and words == 64:
                continue
            found = run(design, stimulus, faults, backend=backend, prune=prune, words=words, threads=threads)
            for name in COLUMNS:
                assert getattr(found, name).tolist() == wanted[name], (name, prune, words)


@needs_native
@pytest.mark.parametrize("target", range(3))
def test_every_instruction_set_gives_the_reference_rows(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if target >= len(native.targets()):
        pytest.skip("this processor has no such instructions")
    original = native.run_lanes
    monkeypatch.setattr(
        native, "run_lanes", lambda *a, **k: original(*a, **k, target=native.targets()[target])
    )
    design = random_designs.design(20, nodes=30, flip_flops=9)
    stimulus, faults = random_designs.stimulus(130, 20), random_designs.faults(design, 130, 20)[:250]
    wanted = run(design, stimulus, faults, backend="numpy", words=4)
    found = run(design, stimulus, faults, backend="native")
    for name in (*COLUMNS, "activated"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name


@needs_native
def test_the_fault_free_run_is_the_reference() -> None:
    for seed in range(2):
        design = random_designs.design(seed, nodes=20)
        program, stimulus = compile_design(design), random_designs.stimulus(130, seed)
        wanted, found = golden.run_reference(program, stimulus), native.run_golden(program, stimulus)
        for name in ("trace", "state", "memory", "visits"):
            assert np.array_equal(getattr(wanted, name), getattr(found, name)), name
        assert np.array_equal(found.bits(design.output_bits), simulate(design, stimulus))


def test_a_fault_that_is_not_activated_changes_no_output() -> None:
    design = random_designs.design(3)
    stimulus, faults = random_designs.stimulus(60, 3), random_designs.faults(design, 60, 3)[:60]
    activated = run(design, stimulus, faults, backend="auto").activated
    right = simulate(design, stimulus)
    assert (activated < 0).any()
    for fault, first in zip(faults, activated.tolist(), strict=True):
        differs = np.flatnonzero((simulate(design, stimulus, fault) != right).any(axis=1))
        assert len(differs) == 0 or 0 <= first <= differs[0]


def test_streams_and_checksums_are_of_the_faulty_machine() -> None:
    design = random_designs.design(5)
    stimulus, faults = random_designs.stimulus(50, 5), random_designs.faults(design, 50, 5)[:66]
    outputs = engine.streams(design, stimulus, faults)
    for fault, output in zip(faults, outputs, strict=True):
        assert np.array_equal(output, simulate(design, stimulus, fault))
    assert np.array_equal(engine.stream(design, stimulus, faults[3]), outputs[3])
    assert np.array_equal(engine.stream(design, stimulus), simulate(design, stimulus))
    assert engine.crcs(design, stimulus, faults).tolist() == [oracle.crc(output) for output in outputs]


def test_the_four_faults_of_an_and_gate_score_how_often_their_address_occurs() -> None:
    gate = Operation(Kind.TABLE, 4, (2, 3), 0)
    ports = (Port("a", (2,)), Port("b", (3,))), (Port("y", (4,)),)
    design = Design("gate", 5, *ports, (gate,), (Table("g", "LUT2", 0x8, 2, 0),), (), (), 4)
    stimulus = (np.random.default_rng(1).random((500, 2)) < (0.3, 0.8)).astype(np.uint8)
    faults = [Fault(i, FaultKind.CONFIGURATION, bits=(i,)) for i in range(4)]
    frequency = np.bincount(stimulus[:, 0] + 2 * stimulus[:, 1], minlength=4)
    assert engine.run(design, stimulus, faults).mismatches.tolist() == frequency.tolist()


@needs_native
def test_an_interruption_ends_a_run() -> None:
    design = random_designs.design(1)
    stimulus, faults = random_designs.stimulus(500, 1), random_designs.faults(design, 500, 1)
    program = compile_design(design)
    free = native.run_golden(program, stimulus)
    question = engine.ask(design, free, stimulus, compare=None, enable=-1, alarms=())
    (batch,) = make_batches(
        FaultColumns.of(faults),
        np.arange(100),
        Users.of(design),
        program.flip_flops,
        words=8,
        starts=[0],
        cycles=500,
    )
    counts, _ = native.run_lanes(program, batch, free, question, np.ones(1, np.int32))
    assert not counts[0].any()


@needs_native
def test_numbers_that_point_outside_are_refused() -> None:
    design = random_designs.design(1)
    stimulus = random_designs.stimulus(20, 1)
    program = compile_design(design)
    stream = program.stream.copy()
    stream[int(np.flatnonzero(stream[:, 0] < 256)[0]), 1] = program.rows
    with pytest.raises(ValueError, match="points outside"):
        native.run_golden(replace(program, stream=stream), stimulus)


def test_what_a_run_cannot_be_asked() -> None:
    design = random_designs.design(2)
    stimulus = random_designs.stimulus(20, 2)
    with pytest.raises(UnknownNameError, match="back end"):
        engine.run(design, stimulus, [], backend="cuda")
    with pytest.raises(InputError, match="stimulus of shape"):
        engine.run(design, stimulus[:, :3], [])
    with pytest.raises(InputError, match="beside 0 and 1"):
        engine.run(design, stimulus + np.uint8(2), [])
    with pytest.raises(InputError, match="points outside"):
        engine.run(design, stimulus, [Fault(0, FaultKind.STATE, flip_flop=99)])
    with pytest.raises(InputError, match="none of random"):
        engine.run(design, stimulus, [], compare=[design.bits])
    assert len(engine.run(design, stimulus, []).first) == 0


def test_without_the_compiled_module_the_reference_serves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    design = random_designs.design(4)
    stimulus, faults = random_designs.stimulus(30, 4), random_designs.faults(design, 30, 4)
    wanted = run(design, stimulus, faults)
    monkeypatch.setattr(native.importlib, "import_module", missing)
    native.kernel.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            found = run(design, stimulus, faults)
    finally:
        native.kernel.cache_clear()
    assert [record.message.split(";")[0] for record in caplog.records] == ["the compiled module is missing"]
    assert np.array_equal(found.mismatches, wanted.mismatches)


@pytest.mark.parametrize("width", range(7))
def test_a_decomposed_table_is_the_table(width: int) -> None:
    draw = random.Random(width)
    for _ in range(20):
        content = draw.getrandbits(1 << width)
        values = [np.array([address >> i & 1 for address in range(1 << width)]) for i in range(width)]
        wide = [np.where(value, 255, 0).astype(np.uint8) for value in values] or [np.zeros(1, np.uint8)]
        for truth, a, b, c in ternary.decompose(content, width):
            wide.append(apply(truth, wide[a], wide[b], wide[c]))
        assert [int(value) & 1 for value in wide[-1]] == [content >> i & 1 for i in range(1 << width)]


def test_generated_code_is_compiled_once(tmp_path: Path) -> None:
    if not compiler.available():
        pytest.skip("no C compiler")
    program = compile_design(random_designs.design(1))
    library = generated.build(program, 4, tmp_path)
    written = library.stat().st_mtime_ns
    assert generated.build(program, 4, tmp_path) == library
    assert library.stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == [library.name]


def test_a_stream_settles_before_it_compares() -> None:
    stream = compile_design(random_designs.design(1)).stream[:, 0].tolist()
    assert stream.count(Code.COMPARE) == 1
    assert Code.NODE not in stream[stream.index(Code.COMPARE) :]
