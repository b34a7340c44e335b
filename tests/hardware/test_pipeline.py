"""The closed form against published simulations."""

import csv

import pytest

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.devices import DEVICES, Device, device
from vedette.hardware.pipeline import LoopNest, deit_stages, frames_per_second


def test_the_closed_form_gives_all_26_published_stage_intervals(data_folder):
    with (data_folder / "deit-tiny-w3a3" / "stages.csv").open() as file:
        rows = list(csv.DictReader(file))
    key = next(name for name in rows[0] if "simulated" in name or "interval" in name)
    published = sorted(int(row[key]) for row in rows)
    assert sorted(stage.interval_cycles for stage in deit_stages()) == published and len(published) == 26


def test_the_intervals_are_bound_by_what_does_not_multiply():
    stages = deit_stages()
    assert [stage.bound.name for stage in stages[1:3]] == ["softmax", "layer norm"]
    products = max(op.trips for op in stages[1].operators if "GEMM" in op.name)
    assert products == 50176  # a model that counts multiply-adds alone is 13 % too fast


def test_the_published_frame_rate_is_96_percent_of_the_closed_form():
    assert 7118 / frames_per_second(deit_stages(), 425) == pytest.approx(0.965, abs=0.001)


def test_odd_folds_round_up_and_nothing_is_taken_zero_at_a_time():
    assert LoopNest(name="x", tokens=(5, 2), inputs=(7, 3), outputs=(2, 2)).trips == 9
    with pytest.raises(InputError, match="at a time"):
        LoopNest(name="x", tokens=(5, 0))
    with pytest.raises(InputError, match="without stages"):
        frames_per_second([], 100)


def test_every_device_has_a_source_and_unknown_ones_are_named():
    assert all(d.source and d.name == name for name, d in DEVICES.items())
    assert DEVICES["zcu102"].roof_gmac_s(clock_mhz=150) == pytest.approx(756)
    with pytest.raises(UnknownNameError) as caught:
        device("zcu12")
    assert "zcu102" in caught.value.hint
    with pytest.raises(InputError, match="clock"):
        Device(**{**vars(DEVICES["zcu102"]), "clock_mhz": 0})
