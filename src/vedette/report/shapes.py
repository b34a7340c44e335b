"""What charts are drawn of: strokes, dots, boxes and texts, as one <svg> element or as a PNG file."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

FONT_PX = 12
Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """A line through points."""

    points: tuple[Point, ...]
    color: str
    thick: float


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    at: Point
    color: str
    radius: float


@dataclass(frozen=True)
class Box:
    """A filled rectangle, from its top left corner."""

    at: Point
    width: float
    height: float
    color: str


@dataclass(frozen=True)
class Text:
    """A word or more; `at` is the middle of its height, `side` which part of it stands there."""

    at: Point
    value: str
    side: str  # "start", "middle" or "end"
    font_px: int = FONT_PX


Shape = Stroke | Dot | Box | Text


def to_svg(shapes: Iterable[Shape], *, width: int, height: int, title: str) -> str:
    """The shapes, from the bottom up, as one <svg> element; every text is escaped.

    >>> to_svg([Box((0, 0), 2, 3, "#000000")], width=4, height=4, title="<t>").count("<rect")
    2
    """
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">'
    paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *map(_svg, shapes), "</svg>"])


def to_png(shapes: Iterable[Shape], *, width: int, height: int, scale: int = 2) -> bytes:
    """The bytes of a PNG file, `scale` pixels for each of the SVG's."""
    image = Image.new("RGB", (width * scale, height * scale), "#ffffff")
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        _draw(draw, shape, scale)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _svg(shape: Shape) -> str:
    match shape:
        case Stroke(points, color, thick):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{thick}"/>'
        case Dot((x, y), color, radius):
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{color}"/>'
        case Box((x, y), width, height, color):
            size = f'width="{width:.1f}" height="{height:.1f}"'
            return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{color}"/>'
        case Text((x, y), value, side, font_px):
            where = f'x="{x:.1f}" y="{y + font_px / 3:.1f}"'
            return f'<text {where} font-size="{font_px}" text-anchor="{side}">{escape(value)}</text>'


def _draw(draw: ImageDraw.ImageDraw, shape: Shape, scale: int) -> None:
    match shape:
        case Stroke(points, color, thick):
            scaled = [(x * scale, y * scale) for x, y in points]
            draw.line(scaled, fill=color, width=max(1, round(thick * scale)), joint="curve")
        case Dot((x, y), color, radius):
            box = ((x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale)
            draw.ellipse(box, fill=color)
        case Box((x, y), width, height, color):
            if height > 0:
                corner = ((x + width) * scale - 1, (y + height) * scale - 1)
                draw.rectangle(
                    (x * scale, y * scale, max(x * scale, corner[0]), max(y * scale, corner[1])), color
                )
        case Text((x, y), value, side, font_px):
            anchor = {"start": "lm", "middle": "mm", "end": "rm"}[side]
            font = ImageFont.load_default(font_px * scale)
            draw.text((x * scale, y * scale), value, fill="#000000", font=font, anchor=anchor)
