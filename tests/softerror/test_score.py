"""Scores: sums that can be done by hand, bins whose edges are where they should be, proofs that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softerror.naive import Naive, counter, random_bits, trace

from vedette.errors import InputError
from vedette.softerror import score
from vedette.softerror.campaign import run_campaign
from vedette.softerror.design import Design, Kind, Operation, Port, Table
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.page import page, text
from vedette.softerror.plan import Plan
from vedette.softerror.population import Place
from vedette.softerror.rows import COLUMNS, Rows, Verdict, outcomes_of, read_csv, rows_of, to_csv
from vedette.softerror.unreachable import unreachable_addresses, unreachable_bits

PLACES = (
    Place("a.x", "a.v:1.1-1.9", "0"),
    Place("a.x", "a.v:1.1-1.9", "1"),
    Place("a.y", "a.v:2.1-2.9", "0"),
    Place("z", "", "0"),
)


def rows(count=(5, 0, 10, 0), first=(2, -1, 0, -1), activated=(1, 3, 0, -1), alarmed=None) -> Rows:
    last = [9 if n else -1 for n in count]
    columns = (np.array(c, np.int32) for c in (count, first, last, activated, alarmed or [-1] * 4))
    return rows_of(
        Outcomes(10, *columns),
        numbers=range(4),
        places=PLACES,
        kinds=["init"] * 4,
        unreachable=[False] * 4,
        alarms=alarmed is not None,
    )


def test_groups_add_up_by_hand():
    cells = {group.name: group for group in score.by_cell(rows())}
    assert (cells["a.x"].total, cells["a.x"].mean, cells["a.x"].most) == (0.5, 0.25, 0.5)
    assert (cells["a.x"].faults, cells["a.x"].propagated) == (2, 1)
    assert [(g.name, g.total) for g in score.by_module(rows())] == [("a", 1.5), ("", 0.0)]
    assert [g.name for g in score.by_source_line(rows())] == ["a.v:2", "a.v:1", ""]
    assert [g.name for g in score.ranking(rows(), most=1)] == ["a.y"]


def test_latency_counts_from_activation():
    assert score.latencies(rows()).tolist() == [1, 0]


def test_shares_of_shorter_runs_follow_from_the_rows():
    assert score.propagated_by(rows(), [1, 2, 3, 10]) == [(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.75, 0.5)]


@given(st.integers(1, 10_000), st.data())
def test_a_score_lies_in_the_bin_that_its_whole_numbers_say(cycles, data):
    count = data.draw(st.integers(0, cycles))
    found = score.histogram(np.array([count / cycles]))
    expected = -(-count * 10 // cycles)  # ceil of ten times the score, in integers
    assert (found.zero, *found.bins).index(1) == expected


def test_the_histogram_file_counts_every_row_once():
    lines = [line.split(",") for line in score.histogram_csv(rows()).splitlines()]
    assert lines[0] == ["score", "faults", "cells", "modules"] and len(lines) == 12
    assert [sum(int(line[column]) for line in lines[1:]) for column in (1, 2, 3)] == [4, 3, 2]
    assert lines[1] == ["0", "2", "1", "1"]


def test_verdicts_without_and_with_alarms():
    assert score.verdicts(rows()) == {"unreachable": 0, "not_activated": 1, "masked": 1, "propagated": 2}
    with_alarms = rows(alarmed=[4, 5, -1, -1])
    assert score.verdicts(with_alarms) == {
        "unreachable": 0,
        "not_activated": 1,
        "detected": 1,
        "undetected": 1,
        "latent": 0,
        "alarm_only": 1,
    }


def test_outcomes_come_back_from_rows():
    found = outcomes_of(rows(alarmed=[4, -1, -1, -1]), np.array([2, 0]))
    assert (found.mismatches.tolist(), found.first.tolist(), found.alarmed.tolist()) == (
        [10, 5],
        [0, 2],
        [-1, 4],
    )
    assert outcomes_of(rows()).alarmed.tolist() == [-1] * 4


def test_rows_survive_the_file(tmp_path):
    for made in (rows(), rows(alarmed=[4, 5, -1, -1])):
        path = tmp_path / "faults.csv"
        path.write_text(to_csv(made))
        again = read_csv(path, cycles=10)
        assert to_csv(again) == to_csv(made)
        assert path.read_text().splitlines()[0].startswith(",".join((*COLUMNS, "score")))
        assert (
            again.is_(Verdict.PROPAGATED, Verdict.DETECTED, Verdict.UNDETECTED).tolist() == [True, False] * 2
        )


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-9], lambda t: t.replace("init", "in,it"), lambda t: "x\n", lambda t: ""]
)
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "faults.csv"
    path.write_text(damage(to_csv(rows())))
    with pytest.raises(InputError, match=r"faults\.csv"):
        read_csv(path, cycles=10)


def test_what_is_proved_and_what_is_seen_may_not_disagree():
    one = np.array([1], np.int32)
    with pytest.raises(AssertionError, match="proved unreachable"):
        rows_of(
            Outcomes(10, one, one, one, one, one),
            numbers=[7],
            places=PLACES[:1],
            kinds=["init"],
            unreachable=[True],
        )


@st.composite
def networks(draw) -> list[tuple]:
    """Small nets of tables with constant and repeated pins, muxes, inverters; no state.

    Described, not built: the type checks of the tests draw random entries, which a strategy must not.
    """
    cells, bits = [], 5
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from([Kind.TABLE, Kind.TABLE, Kind.NOT, Kind.XOR, Kind.MUX]))
        width = {Kind.NOT: 1, Kind.XOR: 2, Kind.MUX: 3}.get(kind) or draw(st.integers(1, 4))
        pins = tuple(draw(st.lists(st.integers(0, bits - 1), min_size=width, max_size=width)))
        content = draw(st.integers(0, 2**2**width - 1)) if kind is Kind.TABLE else 0
        cells.append((kind, pins, content))
        bits += 1
    return cells


def built(cells: list[tuple]) -> Design:
    operations, tables, offset = [], [], 0
    for bit, (kind, pins, content) in enumerate(cells, start=5):
        if kind is Kind.TABLE:
            tables.append(Table(f"t{len(tables)}", f"LUT{len(pins)}", content, len(pins), offset))
            offset += 2 ** len(pins)
        operations.append(Operation(kind, bit, pins, len(tables) - 1 if kind is Kind.TABLE else -1))
    ports = tuple(Port(name, (2 + i,)) for i, name in enumerate("abc"))
    last = 4 + len(cells)
    return Design(
        "net", last + 1, ports, (Port("y", (last,)),), tuple(operations), tuple(tables), (), (), offset
    )


def addresses_seen(design: Design) -> dict[int, set[int]]:
    """By trying every input."""
    seen: dict[int, set[int]] = {}
    for number in range(8):
        value = [0, 1, number & 1, number >> 1 & 1, number >> 2 & 1, *([0] * (design.bits - 5))]
        for operation in design.operations:
            pins = [value[pin] for pin in operation.inputs]
            address = sum(bit << weight for weight, bit in enumerate(pins))
            if operation.kind is Kind.TABLE:
                seen.setdefault(operation.table, set()).add(address)
                result = design.tables[operation.table].content >> address & 1
            elif operation.kind is Kind.MUX:
                result = pins[2] if pins[0] else pins[1]
            else:
                result = sum(pins) & 1 if operation.kind is Kind.XOR else 1 - pins[0]
            value[operation.out] = result
    return seen


@given(networks())
def test_unreachable_is_exactly_what_no_input_makes(cells):
    design = built(cells)
    seen = addresses_seen(design)
    for table, proved in unreachable_addresses(design).items():
        assert proved == set(range(2 ** design.tables[table].width)) - seen[table]


@given(networks(), st.integers(1, 3))
def test_fewer_leaves_prove_less_and_never_wrongly(cells, leaves):
    design = built(cells)
    whole = unreachable_addresses(design)
    for table, proved in unreachable_addresses(design, leaves=leaves).items():
        assert proved <= whole[table]


def test_a_shared_bit_is_unreachable_only_where_no_table_reads_it():
    operations = (Operation(Kind.TABLE, 3, (2, 0), 0), Operation(Kind.TABLE, 4, (2,), 1))
    tables = (Table("o6", "LUT6_2", 0, 2, 0), Table("o5", "LUT6_2", 0, 1, 2))
    design = Design("d", 5, (Port("a", (2,)),), (Port("y", (3, 4)),), operations, tables, (), (), 4)
    assert sorted(unreachable_addresses(design)[0]) == [2, 3]
    assert unreachable_bits(design, range(4)) == frozenset()
    assert unreachable_bits(design, [0, 1]) == frozenset()


def test_the_counter_sees_what_the_proof_allows():
    design = counter()
    _, _, visits = trace(design, random_bits(design, 500), None)
    assert not unreachable_bits(design, range(16)) & visits.keys()
    assert unreachable_bits(design, range(16)) == {13, 14}


def test_the_page_of_a_campaign_says_what_the_rows_say(tmp_path):
    design = counter()
    plan = Plan(faults=("init", "state"), draw=50, alarms=("odd",), scrub_cycles=40)
    others = [random_bits(design, 200, seed=2)]
    campaign = run_campaign(design, random_bits(design, 200), plan, tmp_path, Naive(), repeats=others)
    html = page(campaign, title="counter <1>", commands=["vedette softerror report out/"])
    for word in ("counter &lt;1&gt;", "undetected", "about 9 %", "2303.12269", "low.lut", "c.v:6", "SPFM"):
        assert word in html
    assert "vedette softerror report out/" in html and html.count("<svg") == 5
    short = text(campaign)
    assert "configuration bits" in short and "0.9-1" in short and "low.lut" in short


def test_a_campaign_in_which_nothing_happens_has_a_page(tmp_path):
    design = counter()
    campaign = run_campaign(
        design, np.zeros((1, 2), np.uint8), Plan(faults=("pairs",), draw=1), tmp_path, Naive()
    )
    assert "No fault propagated" in page(campaign, title="t")
