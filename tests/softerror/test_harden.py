"""Triplication proved by the campaign, and advice that keeps its budget and its word."""

import numpy as np
import pytest
from softerror.naive import counter
from softerror.scalar import every_bit, outputs, random_design, stimulus

from vedette.errors import InputError
from vedette.softerror import engine
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.harden import advise, curve_csv, same_outputs, table_scores
from vedette.softerror.samples import sample
from vedette.softerror.triplicate import (
    COPIES,
    EXPOSED,
    Choice,
    Hardened,
    Role,
    everything,
    excluded,
    triplicate,
)


def scores(design: Design, bits: np.ndarray) -> np.ndarray:
    faults = every_bit(design)
    return engine.run(design, bits, faults, backend="numpy").mismatches / len(bits)


def some(design: Design, seed: int) -> Choice:
    draw = np.random.default_rng(seed)
    pick = [frozenset(np.flatnonzero(draw.random(n) < 0.5).tolist()) for n in sizes(design)]
    return Choice(*pick)


def sizes(design: Design) -> tuple[int, int, int]:
    return len(design.operations), len(design.flip_flops), len(design.memories)


@pytest.mark.parametrize("seed", range(3))
def test_triplication_of_any_part_changes_no_output_and_hides_copies_and_voters(seed):
    design = random_design(seed)
    bits = stimulus(design, 40)
    golden = outputs(design, bits)
    for choice in (None, some(design, seed)):
        hardened = triplicate(design, choice, state_voters=seed != 1)
        assert np.array_equal(outputs(hardened.design, bits), golden)
        assert same_outputs(design, hardened.design, bits)
        score = scores(hardened.design, bits)
        assert score[list(hardened.bits(Role.COPY, Role.VOTER))].sum() == 0
        every = set(hardened.bits(*Role))
        assert every == set(range(hardened.design.configuration_bits))


def test_all_of_a_sample_leaves_one_per_output_bit():
    design = sample("fsm")
    bits = stimulus(design, 60)
    hardened = triplicate(design)
    score = scores(hardened.design, bits)
    voters = [
        t for t, role in zip(hardened.design.tables, hardened.roles, strict=True) if role is Role.OUTPUT
    ]
    assert len(voters) == len(design.output_bits)
    for table in voters:
        of_bits = score[table.first_bit : table.first_bit + 8]
        assert of_bits.sum() == pytest.approx(1.0)  # in each cycle one of 000 and 111 is read
        assert of_bits[1:7].sum() == 0
    assert score.sum() == pytest.approx(len(voters))


def test_counts_names_and_numbers_of_a_counter():
    hardened = triplicate(counter())
    roles = hardened.roles
    assert [roles.count(role) for role in Role] == [0, 9, 6, 0, 3]
    assert hardened.luts_after == 18 and hardened.overhead == 5.0
    assert hardened.design.configuration_bits == COPIES * 16 + 9 * 8
    assert {table.name for table in hardened.design.tables} >= {"low.lut_tmr2", "low.q_vote0", "q_1_out"}
    assert [hardened.origins[i] for i in range(len(roles)) if roles[i] is Role.VOTER] == [-1] * 6


def test_one_upset_of_a_state_is_outvoted_with_and_without_state_voters():
    design, upset = sample("counter"), Fault(0, FaultKind.STATE, flip_flop=0, start=10, stop=11)
    bits = stimulus(design, 30)
    for voters in (True, False):
        hardened = triplicate(design, state_voters=voters)
        assert np.array_equal(outputs(hardened.design, bits, upset), outputs(design, bits))
    assert triplicate(design, state_voters=False).roles.count(Role.VOTER) == 0


def test_what_is_excluded_stays_single():
    design = counter()
    out = excluded(design, ["high.*"])
    assert out == Choice(frozenset({1}), frozenset({1}))
    hardened = triplicate(design, everything(design, exclude=["high.*"]))
    names = {ff.name for ff in hardened.design.flip_flops}
    assert "high.q" in names and "low.q_tmr0" in names
    assert hardened.roles.count(Role.BOUNDARY) == 1  # low.q, which high.lut reads
    with pytest.raises(InputError, match="hihg"):
        excluded(design, ["hihg.*"])


def measured(design: Design, hardened: Hardened, bits: np.ndarray) -> float:
    assert same_outputs(design, hardened.design, bits)
    return float(scores(hardened.design, bits).sum())


@pytest.mark.parametrize("name", ["fsm", "crc"])
def test_advice_keeps_its_budget_and_what_remains_is_near_the_estimate(name):
    design = sample(name)
    bits = stimulus(design, 60)
    faults = every_bit(design)
    rows = engine.run(design, bits, faults, backend="numpy")
    of_tables = table_scores(design, [fault.bits[0] for fault in faults], rows)
    assert of_tables.sum() == pytest.approx(rows.mismatches.sum() / len(bits))
    advice = advise(design, of_tables, 1.5)
    overheads = [step.overhead for step in advice.curve]
    assert overheads == sorted(overheads) and overheads[-1] <= 1.5
    hardened = advice.harden(design)
    assert hardened.overhead == pytest.approx(advice.best.overhead)
    share = measured(design, hardened, bits) / of_tables.sum()
    assert share <= 1.0
    assert abs(share - advice.best.remaining) < 0.25  # an estimate; the measured figure is what counts
    assert curve_csv(advice).count("\n") == len(advice.curve) + 1


def test_no_budget_changes_nothing_and_a_full_one_is_worth_it():
    design = sample("fsm")
    bits = stimulus(design, 60)
    faults = every_bit(design)
    rows = engine.run(design, bits, faults, backend="numpy")
    of_tables = table_scores(design, [fault.bits[0] for fault in faults], rows)
    none = advise(design, of_tables, 0.0)
    assert none.cells == () and none.best.remaining == 1.0
    assert none.harden(design).luts_after == none.harden(design).luts_before
    with pytest.raises(InputError, match="budget"):
        advise(design, of_tables, -0.1)
    with pytest.raises(InputError, match="scores"):
        advise(design, of_tables[1:], 0.1)
    assert Role.COPY not in EXPOSED and Role.VOTER not in EXPOSED
