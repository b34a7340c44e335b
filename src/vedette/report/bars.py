"""Histograms as inline SVG: one bar a bin, its count above it; no torch, no plotting library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from vedette.errors import InputError
from vedette.report.chart import COLORS, FONT_PX, GRID, round_ticks

LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 46  # pixels around the plot
GAP = 0.18  # of a bar's place that stays empty


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Counts of named bins, left to right.

    Args:
        title, x_title, y_title: with the unit where there is one.
        labels: of the bins.
        values: counts, none negative.
        apart: how many bins at the left are another kind of thing, such as an exact zero: in gray, and left
            out of the scale where they tower above the rest by more than three times.
        width, height: pixels.

    Raises:
        InputError: no bin, unequal numbers of labels and values, or a negative or infinite value.
    """

    title: str
    x_title: str
    y_title: str
    labels: Sequence[str]
    values: Sequence[float]
    apart: int = 0
    width: int = 560
    height: int = 300

    def __post_init__(self) -> None:
        if not self.values or len(self.labels) != len(self.values):
            raise InputError(
                f"{len(self.labels)} labels for {len(self.values)} bars", hint="give one or more of each"
            )
        if any(value < 0 or not math.isfinite(value) for value in self.values):
            raise InputError("a bar is negative or not finite", hint="give counts")

    def svg(self) -> str:
        """The chart as one <svg> element; every text is escaped, nothing outside it is referred to.

        >>> bars = Bars(title="<t>", x_title="score", y_title="faults", labels=["0", "1"], values=[3, 4])
        >>> bars.svg().count("<rect"), "&lt;t&gt;" in bars.svg()
        (3, True)
        """
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        rest = max(self.values[self.apart :], default=0) or max(self.values)
        tall = max(self.values)
        top = rest if tall > 3 * rest else tall
        ticks = round_ticks(0, top or 1)
        step = (right - LEFT) / len(self.values)
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
        ]
        for tick in ticks:
            y = bottom - (bottom - TOP) * tick / ticks[-1]
            out.append(f'<polyline points="{LEFT},{y:.1f} {right},{y:.1f}" stroke="{GRID}"/>')
            out.append(_text(LEFT - 6, y, f"{tick:g}", "end"))
        for place, (label, value) in enumerate(zip(self.labels, self.values, strict=True)):
            x = LEFT + step * (place + GAP / 2)
            height = (bottom - TOP) * min(value / ticks[-1], 1.0)
            color = "#8a8f94" if place < self.apart else COLORS[1]
            out.append(
                f'<rect x="{x:.1f}" y="{bottom - height:.1f}" width="{step * (1 - GAP):.1f}" '
                f'height="{height:.1f}" fill="{color}"/>'
            )
            middle = LEFT + step * (place + 0.5)
            cut = " (cut)" if value > ticks[-1] else ""
            if value:
                out.append(_text(middle, bottom - height - 8, f"{value:,g}{cut}", "middle"))
            out.append(_text(middle, bottom + 12, label, "middle"))
        out.append(_text(self.width / 2, 12, self.title, "middle"))
        out.append(_text((LEFT + right) / 2, self.height - 12, self.x_title, "middle"))
        out.append(_text(8, TOP - 12, self.y_title, "start"))
        return "\n".join([*out, "</svg>"])


def _text(x: float, y: float, value: str, side: str) -> str:
    size = FONT_PX - 2 if side == "middle" else FONT_PX
    where = f'x="{x:.1f}" y="{y + FONT_PX / 3:.1f}"'
    return f'<text {where} font-size="{size}" text-anchor="{side}">{escape(value)}</text>'
