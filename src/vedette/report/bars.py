"""Histograms as inline SVG and as PNG: one bar a bin, its count above it; no torch, no plotting library."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vedette.errors import InputError
from vedette.report.chart import COLORS, GRID, round_ticks
from vedette.report.shapes import FONT_PX, Box, Shape, Stroke, Text, to_png, to_svg

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
        return to_svg(self._shapes(), width=self.width, height=self.height, title=self.title)

    def png(self, *, scale: int = 2) -> bytes:
        """The same as the bytes of a PNG file, `scale` pixels for each of the SVG's."""
        return to_png(self._shapes(), width=self.width, height=self.height, scale=scale)

    def _shapes(self) -> Iterator[Shape]:
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        rest = max(self.values[self.apart :], default=0) or max(self.values)
        tall = max(self.values)
        top = rest if tall > 3 * rest else tall
        ticks = round_ticks(0, top or 1)
        step = (right - LEFT) / len(self.values)
        for tick in ticks:
            y = bottom - (bottom - TOP) * tick / ticks[-1]
            yield Stroke(((LEFT, y), (right, y)), GRID, 1)
            yield Text((LEFT - 6, y), f"{tick:g}", "end")
        small = FONT_PX - 2
        for place, (label, value) in enumerate(zip(self.labels, self.values, strict=True)):
            height = (bottom - TOP) * min(value / ticks[-1], 1.0)
            color = "#8a8f94" if place < self.apart else COLORS[1]
            corner = (LEFT + step * (place + GAP / 2), bottom - height)
            yield Box(corner, step * (1 - GAP), height, color)
            middle = LEFT + step * (place + 0.5)
            cut = " (cut)" if value > ticks[-1] else ""
            if value:
                yield Text((middle, bottom - height - 8), f"{value:,g}{cut}", "middle", small)
            yield Text((middle, bottom + 12), label, "middle", small)
        yield Text((self.width / 2, 12), self.title, "middle", small)
        yield Text(((LEFT + right) / 2, self.height - 12), self.x_title, "middle", small)
        yield Text((8, TOP - 12), self.y_title, "start")
