"""Benchmark circuits of ITC'99, where the data folder is: our rows and a simulator's, output by output."""

from pathlib import Path

import needs
import numpy as np
import pytest

from vedette.hardware import netlist
from vedette.softerror import engine, oracle
from vedette.softerror.lower import lower
from vedette.softerror.plan import renumbered
from vedette.softerror.population import Window, population
from vedette.softerror.stimulus import random_stimulus
from vedette.tools import yosys

CYCLES = 300


@pytest.mark.sim
@pytest.mark.parametrize(
    ("name", "step", "tool"),
    [
        pytest.param("b01", 1, "icarus", marks=needs.icarus),
        pytest.param("b02", 1, "icarus", marks=needs.icarus),
        pytest.param("b03", 3, "icarus", marks=needs.icarus),
        pytest.param("b01", 1, "verilator", marks=needs.verilator),
    ],
)
def test_a_simulator_agrees_on_every_output_of_upset_circuits(
    name: str, step: int, tool: str, data_folder: Path, tmp_path: Path
) -> None:
    yosys.synthesize([data_folder / "itc99" / "verilog" / f"{name}.v"], name, tmp_path / "netlist.json")
    design = lower(netlist.read(tmp_path / "netlist.json"))
    stimulus = random_stimulus(design, CYCLES, seed=1)
    these = population("init", design, Window(cycles=CYCLES))
    faults = renumbered(list(these.columns(np.arange(0, these.size, step))))
    rows, crcs = engine.run(design, stimulus, faults), engine.crcs(design, stimulus, faults)
    golden = oracle.crc(engine.stream(design, stimulus))
    found = oracle.check(design, stimulus, faults, rows, crcs, golden_crc=golden, tool=tool)
    assert found.exact, found.disagreements
    assert found.crcs > 10
