"""Campaigns: every fault once, equal bytes for equal input, stopped ones go on, samples keep promises."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softerror.naive import Naive, and_gate, counter, random_bits

from vedette.errors import InputError
from vedette.softerror.campaign import load_campaign, plan_of, run_campaign
from vedette.softerror.confidence import draw_order, proportional, sample_size, wilson
from vedette.softerror.design import ONE, ZERO
from vedette.softerror.faults import FaultKind
from vedette.softerror.plan import Plan, drawn_faults, faults_of_ids
from vedette.softerror.population import CLASSES, Window, population

CYCLES = 200


def test_the_scores_of_an_and_gate_are_the_frequencies_of_its_addresses(tmp_path):
    design = and_gate()
    stimulus = random_bits(design, CYCLES)
    rows = run_campaign(design, stimulus, Plan(), tmp_path / "out", Naive()).rows
    address = stimulus[:, 0] + 2 * stimulus[:, 1]
    assert rows.count.tolist() == np.bincount(address, minlength=4).tolist()
    assert rows.bit == ("0", "1", "2", "3")
    assert rows.first.tolist() == [np.flatnonzero(address == a)[0] for a in range(4)]


def test_every_class_is_counted_and_every_fault_is_itself():
    design = counter()
    window = Window(CYCLES)
    sizes = {name: population(name, design, window).size for name in CLASSES}
    assert sizes == {"init": 16, "state": 400, "attributes": 4, "pins": 3 * 7, "pairs": 3 + 7 + 3}
    for name, size in sizes.items():
        these = population(name, design, window)
        assert len({these.fault(0, index) for index in range(size)}) == size - (name == "pins") * 0
        assert len({these.place(index) for index in range(size)}) == size


def test_pairs_stay_in_one_table_and_stuck_pins_read_constants():
    design, window = counter(), Window(CYCLES)
    pairs = population("pairs", design, window)
    owner = {bit: t.name for t in design.tables for bit in range(t.first_bit, t.first_bit + 2**t.width)}
    for index in range(pairs.size):
        low, high = pairs.fault(index, index).bits
        assert high == low + 1 and owner[low] == owner[high]
    pins = population("pins", design, window)
    sources = [pins.fault(0, index).source for index in range(pins.size)]
    assert set(sources[::3]) == {ZERO} and set(sources[1::3]) == {ONE}


def test_a_rewired_pin_never_closes_a_loop():
    design, window = counter(), Window(CYCLES)
    late = {operation.out: i for i, operation in enumerate(design.operations)}
    pins = population("pins", design, window)
    for index in range(2, pins.size, 3):
        fault = pins.fault(0, index)
        assert late.get(fault.source, -1) < fault.operation
        assert fault.source != design.operations[fault.operation].inputs[fault.pin]


def test_windows_say_when_a_fault_acts():
    assert Window(10).of(3) == (0, None)
    assert Window(10, 4, 3).of(3) == (4, 7)
    assert Window(10, 8, 5).of(3) == (8, 10)
    drawn = [Window(1000, None, seed=2).of(index)[0] for index in range(50)]
    assert len(set(drawn)) > 30 and drawn == [Window(1000, None, seed=2).of(i)[0] for i in range(50)]


def test_equal_input_gives_equal_bytes_whatever_the_parts(tmp_path, monkeypatch):
    design = counter()
    plan = Plan(faults=tuple(CLASSES), draw=30)
    run_campaign(design, random_bits(design, CYCLES), plan, tmp_path / "a", Naive())
    monkeypatch.setattr("vedette.softerror.campaign.PART_LEAST", 7)
    monkeypatch.setattr("vedette.softerror.campaign.PART_WORK", 1)
    run_campaign(design, random_bits(design, CYCLES), plan, tmp_path / "b", Naive())
    for name in ("faults.csv", "summary.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    written = sorted(p.name for p in (tmp_path / "b").iterdir())
    assert written == [
        "campaign.json", "faults.csv", "histogram.csv", "histogram.png", "histogram.svg", "summary.json"
    ]  # fmt: skip


def test_a_stopped_campaign_goes_on_with_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("vedette.softerror.campaign.PART_LEAST", 5)
    monkeypatch.setattr("vedette.softerror.campaign.PART_WORK", 1)
    design = counter()
    stimulus = random_bits(design, CYCLES)
    whole = run_campaign(design, stimulus, Plan(), tmp_path / "whole", Naive())

    def stop(done: int, total: int) -> None:
        assert total == 16
        if done == 10:
            raise KeyboardInterrupt

    first, second = Naive(), Naive()
    with pytest.raises(KeyboardInterrupt):
        run_campaign(design, stimulus, Plan(), tmp_path / "two", first, progress=stop)
    assert first.faults == 10
    with pytest.raises(InputError, match="no finished campaign") as caught:
        load_campaign(tmp_path / "two")
    assert "goes on" in caught.value.hint
    (tmp_path / "two/parts/init-000001.csv").write_text("torn")  # as a crash of the machine may leave it
    run_campaign(design, stimulus, Plan(), tmp_path / "two", second)
    extra = len(whole.rows) + int((whole.rows.count > 0).sum()) * 2 + 16  # outputs, one shorter run
    assert second.faults <= extra - 5
    assert (tmp_path / "two/faults.csv").read_bytes() == (tmp_path / "whole/faults.csv").read_bytes()


def test_another_campaign_in_the_folder_is_refused(tmp_path):
    design = counter()
    run_campaign(design, random_bits(design, CYCLES), Plan(), tmp_path, Naive())
    with pytest.raises(InputError, match="stimulus_sha256 differs"):
        run_campaign(design, random_bits(design, CYCLES, seed=2), Plan(), tmp_path, Naive())
    with pytest.raises(InputError, match="plan differs"):
        run_campaign(design, random_bits(design, CYCLES), Plan(faults=("state",)), tmp_path, Naive())


def test_a_summary_gives_back_plan_and_rows(tmp_path):
    design, plan = counter(), Plan(faults=("pins", "init"), scrub_cycles=20, start=None)
    campaign = run_campaign(design, random_bits(design, CYCLES), plan, tmp_path, Naive())
    again = load_campaign(tmp_path)
    assert plan_of(again.summary) == plan
    assert again.summary == json.loads(json.dumps(campaign.summary))
    assert again.rows.number.tolist() == list(range(21 + 16))
    (fault,) = faults_of_ids(design, plan, CYCLES, [21 + 5])
    assert fault.kind is FaultKind.CONFIGURATION and fault.bits == (5,)
    with pytest.raises(InputError, match="no fault 37"):
        faults_of_ids(design, plan, CYCLES, [37])


def test_scrubbing_can_only_help_a_design_without_memory(tmp_path):
    design = and_gate()
    stimulus = random_bits(design, CYCLES)
    long = run_campaign(design, stimulus, Plan(), tmp_path / "a", Naive()).rows
    short = run_campaign(design, stimulus, Plan(scrub_cycles=50), tmp_path / "b", Naive()).rows
    assert (short.count <= long.count).all() and (short.last < 50).all()


def test_a_sample_is_a_subset_of_the_whole_with_the_same_rows(tmp_path):
    design = counter()
    stimulus = random_bits(design, CYCLES)
    whole = run_campaign(design, stimulus, Plan(faults=("state",), draw=400), tmp_path / "a", Naive())
    part = run_campaign(design, stimulus, Plan(faults=("state",), draw=40), tmp_path / "b", Naive())
    assert len(whole.rows) == 400 and len(part.rows) == 40
    text = (tmp_path / "a/faults.csv").read_text().splitlines()
    assert set((tmp_path / "b/faults.csv").read_text().splitlines()) <= set(text)
    low, high = part.summary["faults"]["state"]["interval_95"]
    assert low <= whole.summary["faults"]["state"]["share"] <= high
    assert whole.summary["faults"]["state"]["interval_95"] == [whole.summary["faults"]["state"]["share"]] * 2


def test_until_interval_stops_early_and_says_what_it_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("vedette.softerror.campaign.PART_LEAST", 20)
    design = counter()
    plan = Plan(faults=("state",), until=0.05)
    campaign = run_campaign(design, random_bits(design, CYCLES), plan, tmp_path, Naive())
    found = campaign.summary["faults"]["state"]
    low, high = found["interval_95"]
    assert (high - low) / 2 <= 0.05
    assert found["run"] <= sample_size(400, error=0.05) < 400


def test_a_sample_by_module_is_proportional_from_its_beginning():
    design = counter()
    (drawn,) = drawn_faults(design, Plan(faults=("state",), draw=100, by_module=True), CYCLES)
    modules = [drawn.source.place(index).module for index in drawn.indices.tolist()]
    for n in (10, 50, 100):
        assert modules[:n].count("low") == n // 2


def test_repeats_say_how_far_scores_spread(tmp_path):
    design = counter()
    others = [random_bits(design, CYCLES, seed) for seed in (2, 3)]
    campaign = run_campaign(design, random_bits(design, CYCLES), Plan(), tmp_path, Naive(), repeats=others)
    spread = campaign.summary["spread"]
    assert spread["runs"] == 3 and len(spread["mean_score"]) == 3
    assert spread["mean_score"][0] == campaign.summary["mean_score"]
    assert all(0.5 < value <= 1 for value in spread["rank_correlation"])


def test_unreachable_bits_are_told_from_bits_that_were_not_tried(tmp_path):
    design = counter()
    idle = np.zeros((50, 2), np.uint8)  # never enabled, never reset
    rows = run_campaign(design, idle, Plan(), tmp_path, Naive()).rows
    verdict = dict(zip(zip(rows.cell, rows.bit, strict=True), rows.verdict.tolist(), strict=True))
    assert [verdict["tied", bit] for bit in "0123"] == [3, 0, 0, 1]
    assert verdict["low.lut", "3"] == 1


def test_alarms_split_what_propagates(tmp_path):
    design = counter()
    plan = Plan(faults=("init", "state"), draw=60, alarms=("odd",))
    campaign = run_campaign(design, random_bits(design, CYCLES), plan, tmp_path, Naive())
    classes = campaign.summary["classes"]
    assert classes["detected"] > 0 and classes["undetected"] > 0 and classes["alarm_only"] > 0
    assert sum(classes.values()) == len(campaign.rows)
    assert 0 < campaign.summary["coverage"]["diagnostic_coverage"] < 1
    assert load_campaign(tmp_path).rows.alarmed is not None


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"faults": ("inits",)}, "no fault class is called 'inits'"),
        ({"faults": ()}, "fault classes"),
        ({"until": 2.0}, "interval of 2.0"),
        ({"draw": 0}, "sample of 0"),
        ({"compare": ("Q",)}, "no output port is called 'Q'"),
        ({"enable": "valid"}, "no port is called 'valid'"),
        ({"alarms": ("q", "odd")}, "no output to compare"),
        ({"start": 200}, "cycle 200 of 200"),
        ({"scrub_cycles": 0}, "scrubbed after 0"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(tmp_path, plan, message):
    design = counter()
    with pytest.raises(InputError, match=message) as caught:
        run_campaign(design, random_bits(design, CYCLES), Plan(**plan), tmp_path, Naive())
    assert caught.value.hint


def test_sample_sizes_of_the_published_formula():
    # Leveugle et al. 2009: 9,604 for an infinite population at 1 % and 95 %, 384 at 5 %
    assert sample_size(10**12, error=0.01) in (9604, 9605)
    assert sample_size(10**12, error=0.05) in (384, 385)
    assert sample_size(50, error=0.01) == 50


@given(st.integers(1, 400), st.data())
def test_intervals_hold_the_share_and_close_as_the_population_is_used_up(drawn, data):
    hits = data.draw(st.integers(0, drawn))
    low, high = wilson(hits, drawn, 10**9)
    finite_low, finite_high = wilson(hits, drawn, drawn + 50)
    assert 0 <= low <= hits / drawn <= high <= 1
    assert finite_high - finite_low <= high - low + 1e-12
    assert wilson(hits, drawn, drawn) == (hits / drawn, hits / drawn)


def test_nineteen_of_twenty_intervals_hold_the_true_share():
    truth = np.random.default_rng(0).random(3000) < 0.12
    held = 0
    for seed in range(400):
        hits = int(truth[draw_order(3000, seed=seed, most=300)].sum())
        low, high = wilson(hits, 300, 3000)
        held += low <= truth.mean() <= high
    assert 0.92 <= held / 400 <= 0.98


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.integers(0, 5000))
def test_proportional_shares_add_up_and_never_exceed_a_stratum(sizes, drawn):
    shares = proportional(sizes, drawn)
    assert sum(shares) == min(drawn, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


def test_large_populations_are_drawn_without_repeats():
    drawn = draw_order(10**9, seed=3, most=10_000)
    assert len(set(drawn.tolist())) == 10_000 and drawn.max() < 10**9
    assert draw_order(10**9, seed=3, most=100).tolist() == drawn[:100].tolist()
