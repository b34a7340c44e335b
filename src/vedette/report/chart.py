"""Line charts of a few curves, as inline SVG for pages and as PNG; no torch, no plotting library."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vedette.errors import InputError
from vedette.report.shapes import Dot, Point, Shape, Stroke, Text, to_png, to_svg

# Okabe and Ito's eight colors, which color-blind readers tell apart; the first is for what the page is about.
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a7f00")
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 46  # pixels around the plot
TICKS = 6
GRID = "#dddddd"


@dataclass(frozen=True)
class Line:
    """One curve: points in drawing order, in the units of the chart's axes."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over two linear axes that cover all points.

    Args:
        title, x_title, y_title: with the unit where there is one.
        lines: the first is drawn thickest and on top.
        width, height: pixels.
        x_limit: points beyond it are left out; None for all.

    Raises:
        InputError: no point to draw, or a line with unequal numbers of x and y.
    """

    title: str
    x_title: str
    y_title: str
    lines: Sequence[Line]
    width: int = 720
    height: int = 440
    x_limit: float | None = None

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line.x) != len(line.y):
                raise InputError(
                    f"{line.label!r} has {len(line.x)} x and {len(line.y)} y values",
                    hint="give as many of each",
                )
        if not any(self._points(line) for line in self.lines):
            raise InputError(
                "a chart without a point", hint="give finite values, and an x_limit above the smallest"
            )

    def svg(self) -> str:
        """The chart as one <svg> element; every text is escaped, nothing outside it is referred to.

        >>> chart = Chart(title="a < b", x_title="bpp", y_title="dB", lines=[Line("one", (0, 1), (2, 3))])
        >>> chart.svg()[:4], "a &lt; b" in chart.svg()
        ('<svg', True)
        """
        return to_svg(self._shapes(), width=self.width, height=self.height, title=self.title)

    def png(self, *, scale: int = 2) -> bytes:
        """The same chart as the bytes of a PNG file, `scale` pixels for each of the SVG's."""
        return to_png(self._shapes(), width=self.width, height=self.height, scale=scale)

    def _shapes(self) -> Iterator[Shape]:
        """All that is drawn, from the bottom up, in pixels from the top left corner."""
        bottom, right = self.height - BOTTOM, self.width - RIGHT
        points = [point for line in self.lines for point in self._points(line)]
        x_ticks = round_ticks(min(x for x, _ in points), max(x for x, _ in points))
        y_ticks = round_ticks(min(y for _, y in points), max(y for _, y in points))

        def place(x: float, y: float) -> Point:
            across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
            up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
            return LEFT + across * (right - LEFT), bottom - up * (bottom - TOP)

        for tick in x_ticks:
            x, _ = place(tick, y_ticks[0])
            yield Stroke(((x, TOP), (x, bottom)), GRID, 1)
            yield Text((x, bottom + 12), _number(tick, x_ticks), "middle")
        for tick in y_ticks:
            _, y = place(x_ticks[0], tick)
            yield Stroke(((LEFT, y), (right, y)), GRID, 1)
            yield Text((LEFT - 6, y), _number(tick, y_ticks), "end")
        for index, line in reversed(list(enumerate(self.lines))):
            color, thick = _style(index)
            placed = tuple(place(x, y) for x, y in self._points(line))
            if len(placed) > 1:
                yield Stroke(placed, color, thick)
            yield from (Dot(at, color, thick + 1) for at in placed)
        for index, line in enumerate(self.lines):  # rate-distortion curves leave the lower right free
            y = bottom - 14 - 16 * (len(self.lines) - 1 - index)
            yield Stroke(((right - 24, y), (right - 6, y)), _style(index)[0], 3)
            yield Text((right - 30, y), line.label, "end")
        yield Text((self.width / 2, 12), self.title, "middle")
        yield Text(((LEFT + right) / 2, self.height - 12), self.x_title, "middle")
        yield Text((8, TOP - 12), self.y_title, "start")

    def _points(self, line: Line) -> list[Point]:
        limit = math.inf if self.x_limit is None else self.x_limit
        pairs = zip(line.x, line.y, strict=True)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y) and x <= limit]


def round_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose low..high; at most eight.

    >>> round_ticks(0.05, 1.4)
    [0.0, 0.5, 1.0, 1.5]
    >>> round_ticks(27.1, 41.9)
    [25.0, 30.0, 35.0, 40.0, 45.0]
    """
    if high <= low:
        low, high = low - 0.5, low + 0.5
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _number(value: float, ticks: Sequence[float]) -> str:
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return f"{value:.{decimals}f}"


def _style(index: int) -> tuple[str, float]:
    """Color and thickness, pixels, of line number `index`."""
    return COLORS[index % len(COLORS)], 2.6 if index == 0 else 1.4
