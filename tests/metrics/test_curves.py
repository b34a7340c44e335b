"""Curves that real encoders make, which do not always rise."""

import math

from vedette.metrics import Curve, compare
from vedette.metrics.curves import rising


def curve(name: str, factor: float = 1.0, **more: tuple[float, ...]) -> Curve:
    rates = tuple(factor * rate for rate in (0.1, 0.2, 0.4))
    return Curve(name=name, label="", bpp=rates, psnr_db=(30.0, 33.0, 36.0), **more)


def test_points_that_cost_more_for_no_more_quality_are_left_out():
    assert rising((0.1, 0.2, 0.3, 0.4), (30.0, 32.0, 32.0, 34.0)) == ([0.1, 0.2, 0.4], [30.0, 32.0, 34.0])


def test_a_lossless_point_is_left_out():
    assert rising((0.1, 0.2), (30.0, math.inf)) == ([0.1], [30.0])


def test_ms_ssim_is_compared_in_decibels():
    similar = {"ms_ssim": (0.9, 0.95, 0.98)}
    row = compare(curve("a", 1.25, **similar), curve("b", **similar))
    assert round(row.ms_ssim_percent, 6) == 25
    assert row.psnr_overlap_db == (30.0, 36.0)


def test_what_cannot_be_compared_is_none_and_not_a_number():
    far = Curve(name="far", label="", bpp=(1.0, 2.0, 3.0), psnr_db=(50.0, 51.0, 52.0))
    row = compare(curve("a"), far)
    assert (row.psnr_percent, row.ms_ssim_percent, row.psnr_overlap_db) == (None, None, None)
