"""Rates and safety metrics against sums done by hand."""

import numpy as np
import pytest

from vedette.errors import InputError, UnknownNameError
from vedette.softerror.fit import (
    PRESETS,
    SCOPE,
    BitRate,
    Fit,
    ModuleFit,
    fit,
    from_cross_section,
    from_fit_per_mbit,
    preset,
    safety,
)
from vedette.softerror.outcomes import Outcomes

ONE = BitRate(fit_per_bit=1.0, source="a test")


def rows(**columns: list[int]) -> Outcomes:
    count = len(columns["mismatches"])
    given = {name: np.full(count, -1, np.int32) for name in ("first", "last", "activated", "alarmed")}
    given |= {name: np.array(values, np.int32) for name, values in columns.items()}
    return Outcomes(10, **given)


def test_a_cross_section_times_a_flux_is_a_rate():
    assert from_cross_section(1e-14, 10.0, source="x").fit_per_bit == pytest.approx(1e-14 * 10 * 1e9)
    assert from_fit_per_mbit(100.0, source="x").fit_per_bit * 2**20 == pytest.approx(100.0)


def test_modules_are_summed_and_the_scope_is_printed():
    outcomes = rows(mismatches=[0, 5, 10, 1], first=[-1, 0, 0, 0])
    table = fit(outcomes, ["a", "a", "b", "b"], ONE)
    assert [(row.module, row.bits, row.any_fit, row.time_fit) for row in table.modules] == [
        ("b", 2, 2.0, pytest.approx(1.1)),
        ("a", 2, 1.0, pytest.approx(0.5)),
    ]
    assert table.total.time_fit == pytest.approx(1.6) and table.total.upsets_fit == 4
    assert SCOPE in str(table) and "a test" in str(table)


def test_a_sample_stands_for_its_module():
    table = fit(rows(mismatches=[10, 0], first=[0, -1]), ["a", "a"], ONE, population={"a": 200})
    assert table.total.upsets_fit == 200 and table.total.any_fit == 100
    with pytest.raises(InputError, match="'b'"):
        fit(rows(mismatches=[1], first=[0]), ["a"], ONE, population={"a": 5, "b": 7})


def test_the_safety_metrics_are_those_of_the_standard():
    outcomes = rows(
        mismatches=[1, 1, 1, 0, 0, 0],
        first=[2, 2, 2, -1, -1, -1],
        alarmed=[3, 9, -1, 4, -1, -1],
        activated=[1, 1, 1, 1, 1, -1],
    )
    table = safety(outcomes, ONE)
    assert (table.detected_fit, table.residual_fit, table.perceived_fit) == (2, 1, 1)
    assert (table.latent_fit, table.safe_fit) == (1, 1)
    assert table.diagnostic_coverage == pytest.approx(2 / 3)
    assert table.spfm == pytest.approx(1 - 1 / 6) and table.lfm == pytest.approx(1 - 1 / 5)
    assert table.asil() == ""
    slow = safety(outcomes, ONE, tolerated_cycles=5)
    assert slow.late == 1 and slow.residual_fit == 2
    assert SCOPE in str(slow)


def test_levels_need_both_metrics():
    good = rows(mismatches=[1] * 100, first=[0] * 100, alarmed=[0] * 100, activated=[0] * 100)
    assert safety(good, ONE).asil() == "D"
    latent = rows(mismatches=[0] * 100, activated=[0] * 100)
    assert safety(latent, ONE).asil() == ""


def test_every_rate_names_its_source_and_nonsense_is_refused():
    assert all(rate.source and not rate.verified for rate in PRESETS.values())
    found = preset("7-series-new-york")
    assert found.fit_per_bit == pytest.approx(9.087e-5) and not found.verified
    assert from_fit_per_mbit(1, source="us").verified
    table = str(Fit((), ModuleFit("", 1, 1.0, 1.0, 1.0), found))
    assert "\nUNVERIFIED: " in table
    with pytest.raises(UnknownNameError):
        preset("8-series")
    with pytest.raises(InputError):
        BitRate(fit_per_bit=1.0, source="")
    with pytest.raises(InputError):
        from_cross_section(-1.0, 1.0, source="x")
    with pytest.raises(InputError):
        fit(rows(mismatches=[1]), ["a", "b"], ONE)
