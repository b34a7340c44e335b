"""Charts: where the points fall, in SVG and in PNG, and what is refused."""

import io
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from vedette.errors import InputError
from vedette.report.chart import BOTTOM, COLORS, LEFT, RIGHT, TOP, Chart, Line, round_ticks

SVG = "{http://www.w3.org/2000/svg}"


def chart(*lines: Line, **more) -> Chart:
    return Chart(title="t", x_title="bpp", y_title="dB", lines=lines, width=400, height=300, **more)


def circles(drawn: Chart) -> list[tuple[float, float, str]]:
    root = ElementTree.fromstring(drawn.svg())
    found = root.iter(SVG + "circle")
    return [(float(c.get("cx")), float(c.get("cy")), c.get("fill")) for c in found]


def test_corners_of_the_data_fall_on_corners_of_the_plot():
    dots = circles(chart(Line("a", (0.0, 1.0), (20.0, 40.0))))
    assert dots == [(LEFT, 300 - BOTTOM, COLORS[0]), (400 - RIGHT, TOP, COLORS[0])]


def test_the_middle_of_the_data_is_the_middle_of_the_plot():
    x, y, _ = circles(chart(Line("a", (0.0, 0.5, 1.0), (20.0, 30.0, 40.0))))[1]
    assert (x, y) == ((LEFT + 400 - RIGHT) / 2, (TOP + 300 - BOTTOM) / 2)


def test_the_first_line_is_on_top_and_every_line_is_in_the_legend():
    drawn = chart(Line("first", (0.0, 1.0), (0.0, 1.0)), Line("second", (0.0, 1.0), (1.0, 0.0)))
    assert [color for *_, color in circles(drawn)] == [COLORS[1]] * 2 + [COLORS[0]] * 2
    assert re.findall(r">(first|second)<", drawn.svg()) == ["first", "second"]


def test_a_png_shows_each_line_where_the_svg_has_it():
    drawn = chart(Line("a", (0.0, 0.5, 1.0), (20.0, 30.0, 40.0)), Line("b", (0.2, 0.5), (20.0, 22.0)))
    pixels = np.asarray(Image.open(io.BytesIO(drawn.png(scale=3))))
    assert pixels.shape == (900, 1200, 3)
    for x, y, color in circles(drawn):
        assert tuple(pixels[round(3 * y), round(3 * x)]) == ImageColor.getrgb(color)


def test_points_beyond_the_limit_or_not_finite_are_left_out():
    line = Line("a", (0.1, 0.2, 0.3, 5.0), (30.0, math.inf, 34.0, 50.0))
    assert len(circles(chart(line, x_limit=1.0))) == 2


def test_a_single_point_is_drawn():
    assert len(circles(chart(Line("a", (0.3,), (31.0,))))) == 1
    assert chart(Line("a", (0.3,), (31.0,))).png().startswith(b"\x89PNG")


def test_text_from_outside_cannot_become_markup():
    drawn = chart(Line("<script>&", (0.0, 1.0), (0.0, 1.0)))
    assert "<script" not in drawn.svg()
    assert "<script>&" in [text.text for text in ElementTree.fromstring(drawn.svg()).iter(SVG + "text")]


def test_nothing_in_the_svg_is_fetched_from_elsewhere():
    svg = chart(Line("a", (0.0, 1.0), (0.0, 1.0))).svg()
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert "href" not in svg and "url(" not in svg


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_enclose_the_data_in_a_few_equal_round_steps(low, span):
    ticks = round_ticks(low, low + span)
    steps = np.diff(ticks)
    slack = 1e-8 * steps[0]
    assert ticks[0] <= low + slack and low + span <= ticks[-1] + slack
    assert 3 <= len(ticks) <= 9
    assert steps == pytest.approx(steps[0], rel=1e-6)


@pytest.mark.parametrize("lines", [[], [Line("a", (), ())], [Line("a", (math.nan,), (1.0,))]])
def test_a_chart_without_a_point_is_refused(lines):
    with pytest.raises(InputError, match="without a point"):
        chart(*lines)


def test_a_line_with_unequal_numbers_of_values_is_refused():
    with pytest.raises(InputError, match="'a' has 2 x and 1 y"):
        chart(Line("a", (1.0, 2.0), (1.0,)))
