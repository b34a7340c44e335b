"""BD-rate: known answers, published figures, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.codec.anchors import published
from vedette.errors import InputError
from vedette.metrics import bd_rate
from vedette.metrics.bd import pchip

BPP = [0.1, 0.19, 0.4, 0.73, 1.5]
PSNR = [28.0, 30.7, 33.1, 36.0, 40.2]


def test_a_curve_against_itself_is_exactly_0():
    assert bd_rate(BPP, PSNR, BPP, PSNR) == 0


@given(factor=st.floats(0.2, 5.0))
def test_a_rate_scaled_by_a_factor_is_that_many_percent_away(factor):
    scaled = [factor * rate for rate in BPP]
    assert bd_rate(scaled, PSNR, BPP, PSNR) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_only_the_quality_that_both_curves_cover_counts():
    # The anchor doubles every 2 dB; ours is 1.1 times that up to 36 dB and absurd beyond, where no anchor is.
    quality = [32.0, 33.0, 34.0, 35.0, 36.0, 38.0, 40.0]
    rates = [1.1 * 2 ** ((q - 30) / 2) for q in quality[:5]] + [90.0, 900.0]
    anchor = [30.0, 32.0, 34.0, 35.0]
    anchor_rates = [2 ** ((q - 30) / 2) for q in anchor]
    assert bd_rate(rates, quality, anchor_rates, anchor) == pytest.approx(10)


def test_the_order_of_points_does_not_matter():
    order = [3, 0, 4, 2, 1]
    shuffled = [BPP[i] for i in order], [PSNR[i] for i in order]
    assert bd_rate(*shuffled, BPP, PSNR) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 1000))
def test_exchanging_the_curves_inverts_the_ratio(seed):
    rng = np.random.default_rng(seed)
    a = np.cumsum(rng.uniform(0.05, 1, 5)).tolist(), (27 + np.cumsum(rng.uniform(1, 4, 5))).tolist()
    b = np.cumsum(rng.uniform(0.05, 1, 5)).tolist(), (27 + np.cumsum(rng.uniform(1, 4, 5))).tolist()
    there, back = bd_rate(*a, *b), bd_rate(*b, *a)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_pchip_passes_through_its_points_and_never_overshoots_a_flat_stretch():
    x, y = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    assert pchip(x, y, x).tolist() == y.tolist()
    between = pchip(x, y, np.linspace(0, 4, 401))
    assert between.min() >= 0 and between.max() <= 1


def test_pchip_of_three_points_is_the_hand_calculation():
    # Slopes 1 and 3. Inside: weights 3 and 3, so 6 / (3/1 + 3/3) = 1.5. Left end: (3*1 - 3) / 2 = 0.
    # At x = 0.5: 0.5 * 0 + 0.5 * 1 + 0.125 * 0 - 0.125 * 1.5 = 0.3125.
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0])
    assert pchip(x, y, np.array([0.5]))[0] == pytest.approx(0.3125)


@pytest.mark.parametrize(
    ("file", "percent"),
    [
        ("measured-kodak/webp-m6.json", 78.0),
        ("measured-kodak/jpeg-420.json", 190.9),
        ("measured-kodak/avif-444-s2.json", 31.3),
        ("measured-kodak-ffmpeg/vvenc420-medium.json", 10.3),
        ("compressai/kodak/paper-elic2022_mse.json", -7.0),
    ],
)
def test_figures_known_against_vtm_on_kodak_come_out(data_folder: Path, file: str, percent: float):
    results = json.loads((data_folder / "rd-curves" / file).read_text())["results"]
    psnr = results["psnr-rgb"] if "psnr-rgb" in results else results["psnr"]
    anchor = published("kodak").curve
    assert bd_rate(results["bpp"], psnr, anchor.bpp, anchor.psnr_db) == pytest.approx(percent, abs=0.1)


@pytest.mark.parametrize(
    ("bpp", "quality", "says"),
    [
        ([0.1, 0.2], [30.0, 31.0], "2 rates"),
        ([0.1, 0.2, 0.3], [30.0, 31.0], "2 qualities"),
        ([0.1, 0.2, 0.3], [30.0, 31.0, 31.0], "one quality"),
        ([0.0, 0.2, 0.3], [30.0, 31.0, 32.0], "rate of 0"),
        ([0.1, 0.2, 0.3], [30.0, 31.0, np.inf], "not finite"),
        ([0.1, 0.2, 0.3], [50.0, 51.0, 52.0], "share no quality"),
    ],
)
def test_a_curve_that_cannot_be_compared_is_refused_with_its_reason(bpp, quality, says):
    with pytest.raises(InputError, match=says):
        bd_rate(bpp, quality, BPP, PSNR)
