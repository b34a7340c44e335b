"""The report of where operators go: all of a network that fits, and every reason of one that does not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hardware.networks import random_deit

from vedette.cli import vedette
from vedette.errors import InputError
from vedette.hardware.devices import device
from vedette.hardware.engine import SIZES
from vedette.hardware.mapping import MADE, NOT_REACHED, REFUSED
from vedette.hardware.network import Operator, save_network
from vedette.hardware.program import Program, engine_for
from vedette.hardware.report import COLUMNS, report, write_report
from vedette.hardware.vit import deit, shaped


def with_weights(network, **changes):
    """The network with other tensors, named with _ for dots."""
    named = {name.replace(".", "_"): name for name in network.weights}
    return replace(network, weights={**network.weights, **{named[k]: v for k, v in changes.items()}})


@pytest.mark.parametrize("multipliers", SIZES)
def test_every_operator_of_a_network_that_fits_has_a_place_and_all_cycles_are_told(multipliers):
    network = random_deit(1, depth=2, patches=9)
    found = report(network, device=device("zcu102"), multipliers=multipliers)
    assert [place.value for place in found.places] == [step.output for step in network.operators]
    assert {place.state for place in found.places} == {MADE} and found.caveats == []
    told = found.figures["cycles_of_the_input"] + found.figures["cycles_of_operators"]
    assert told == found.figures["cycles"] - 9  # the last descriptor
    program = Program(network, engine_for(network, tokens=SIZES[multipliers][0], terms=SIZES[multipliers][1]))
    units = {unit: count for unit, count, _ in found.units().rows}
    assert units["layer norm"] == 5 and units["softmax"] == 2
    of = {place.value: place for place in found.places}
    assert of["stream1"].engine == f"sum with the stream, with operator {of['b0_o_acc'].number}"
    assert of["stream1"].memory == "wide" and of["b0_k_flat"].memory == "second"
    assert of["logits"].memory == "output port" and of["b0_q_acc"].memory == ""
    made = {step.value for step in program.steps}
    assert made - {"patches"} <= {place.value for place in found.places if place.memory}


def test_ranges_hold_what_the_golden_network_holds(data_folder):
    folder = data_folder / "deit-tiny-w3a3"
    network = deit(dict(np.load(folder / "weights.npz")))
    found = report(network)
    vectors = np.load(folder / "vectors.npz")
    seen = 0
    for place in found.places:
        if place.value in vectors:
            value = vectors[place.value]
            assert place.low <= value.min() and value.max() <= place.high, place.value
            seen += 1
    assert seen > 20
    assert found.figures["on_the_engine"] == 270 and found.figures["refused"] == 0
    assert {place.weights for place in found.places} == {
        *("", "192 rows of 8 bits", "1000 rows of 8 bits", "192 rows of 4 bits", "768 rows of 4 bits"),
    }


def test_every_reason_is_told_not_the_first_alone():
    network = random_deit(1)
    broken = with_weights(
        network,
        b0_q_acc_weight=np.full((64, 64), 300, np.int16),
        b0_fc1_acc_weight=np.full((48, 64), -129, np.int16),
        b0_ln2_gamma=np.full(64, 1 << 21, np.int32),
    )
    found = report(broken, device=device("zcu102"))
    reasons = {place.value: place.engine for place in found.places if place.state == REFUSED}
    assert list(reasons) == ["b0_q_acc", "b0_ln2", "b0_fc1_acc"]
    assert "300" in reasons["b0_q_acc"] and "8 bits" in reasons["b0_q_acc"]
    assert "20 bits" in reasons["b0_ln2"]
    assert sum("Engine, " in caveat for caveat in found.caveats) == 3
    assert "images_a_second" not in found.figures
    assert all(place.onnx and "refused" not in place.onnx for place in found.places)


def test_what_follows_a_refused_operator_is_not_reached():
    network = random_deit(1)
    steps = [step for step in network.operators if step.output != "b0_gelu"]
    at = {step.output: n for n, step in enumerate(steps)}
    steps[at["b0_fc2_acc"]] = replace(steps[at["b0_fc2_acc"]], inputs=("b0_fc1_acc",))
    found = report(replace(network, operators=tuple(steps)))
    places = {place.value: place for place in found.places}
    assert places["b0_fc1_acc"].state == REFUSED and "linear after a linear" in places["b0_fc1_acc"].engine
    later = [place for place in found.places if place.number > places["b0_fc1_acc"].number]
    assert {place.state for place in later} == {NOT_REACHED}
    assert "'b0_fc1_acc'" in places["b0_fc2_acc"].engine and "'stream2'" in places["class_token_out"].engine
    assert all(place.low is not None for place in later)  # ONNX takes it


def test_unknown_operators_and_missing_numbers_are_reasons_too():
    network = random_deit(1)
    steps = list(network.operators)
    at = {step.output: n for n, step in enumerate(steps)}
    steps[at["b0_ln1"]] = Operator("batch_norm", ("stream0",), "b0_ln1")
    found = report(replace(network, operators=tuple(steps)))
    place = found.places[at["b0_ln1"]]
    assert place.state == REFUSED and "batch_norm" in place.engine and "refused" in place.onnx
    assert found.places[at["logits"]].state == NOT_REACHED
    assert found.places[at["logits"]].onnx == NOT_REACHED
    assert any(caveat.startswith("ONNX, batch_norm") for caveat in found.caveats)
    steps = list(network.operators)
    steps[at["b0_ln1"]] = replace(steps[at["b0_ln1"]], numbers={"bits": 4})
    place = report(replace(network, operators=tuple(steps))).places[at["b0_ln1"]]
    assert place.state == REFUSED and "mean_multiplier" in place.engine and "mean_multiplier" in place.onnx


def test_sums_that_could_leave_the_engines_32_bits_are_told():
    network = random_deit(1)
    found = report(with_weights(network, logits_bias=np.full(10, (1 << 31) - 1, np.int32)))
    assert found.caveats == ["Engine, linear to logits: a sum could exceed 32 bits."]
    assert found.places[-1].carrier == "float64"


def test_a_shape_without_weights_says_that_its_ranges_are_none():
    assert "zeros" in report(shaped("deit-tiny")).caveats[0]


def test_reports_are_whole_tables_and_escape_names(tmp_path):
    network = replace(random_deit(1), name="<b>|a")
    found = report(network, device=device("kv260"))
    write_report(found, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert sum(line.count(" | ") == len(COLUMNS) - 1 for line in rows) == len(network.operators) + 1
    assert "\\|a" in text
    write_report(found, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "<b>" not in page and "http" not in page.split("<body>")[1]
    assert all(place.value in page for place in found.places)
    with pytest.raises(InputError, match=r"r\.pdf"):
        write_report(found, tmp_path / "r.pdf")
    with pytest.raises(InputError, match="no folder"):
        write_report(found, tmp_path / "no" / "r.md")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.md"]


def test_the_command_prints_a_table_a_file_or_json(tmp_path):
    save_network(random_deit(1), tmp_path / "net")
    run = CliRunner().invoke
    plain = run(vedette, ["hardware", "report", str(tmp_path / "net")])
    assert plain.exit_code == 0 and "b0_scores" in plain.stdout and "images a second" in plain.stdout
    written = run(vedette, ["hardware", "report", str(tmp_path / "net"), "-o", str(tmp_path / "r.html")])
    assert written.exit_code == 0 and "b0_scores" not in written.stdout
    assert "b0_scores" in (tmp_path / "r.html").read_text()
    found = json.loads(run(vedette, ["hardware", "report", str(tmp_path / "net"), "--json"]).stdout)
    assert found["refused"] == 0 and found["places"][0]["op"] == "linear"
    refused = run(vedette, ["hardware", "report", str(tmp_path / "net"), "-o", "r.pdf"])
    assert refused.exit_code == 1 and "r.pdf" in str(refused.exception)
