"""The report of an analysis: sections of words, charts, tables, heat lists and commands, one page."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vedette.errors import InputError
from vedette.report.bars import Bars
from vedette.report.chart import Chart
from vedette.report.maps import ramp
from vedette.report.page import render

COLOR_FIRST, COLOR_LAST = 60, 235  # of the 256 of a ramp: neither black nor white


@dataclass(frozen=True)
class Table:
    """Columns and rows of words and numbers; numbers stand right, whole ones with a comma at thousands."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Heat:
    """Things in a list, each with a value 0 to 1 as a bar whose color also says it, and more columns.

    Attributes:
        columns: names of the first column, of the value, and of those of `rest`.
        names, values: one a row.
        rest: the further columns of each row; () where there are none.
        end: the value at which bar and color ramp end.
    """

    columns: Sequence[str]
    names: Sequence[str]
    values: Sequence[float]
    rest: Sequence[Sequence[object]] = ()
    end: float = 1.0


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        words: a paragraph under it.
        parts: what it shows, in order.
        code: lines to type, shown as they stand.
        wide: as broad as the page, instead of half of it.
    """

    title: str
    words: str = ""
    parts: Sequence[Bars | Chart | Table | Heat] = field(default_factory=tuple)
    code: str = ""
    wide: bool = False


_STYLE = """
.cards { display: grid; gap: 1.25rem; margin-bottom: 1.25rem; }
.cards > section { margin: 0; min-width: 0; }
@media (min-width: 60rem) {
  .cards { grid-template-columns: 1fr 1fr; } .cards > .wide { grid-column: 1 / -1; }
}
.scroll { overflow-x: auto; margin-bottom: .8rem; }
svg { display: block; width: 100%; height: auto; margin-bottom: .8rem; border-radius: .3rem; }
.warn { padding: .7rem 1rem; border-radius: .4rem; background: var(--warn-paper); color: var(--warn); }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .5rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; }
th { font-weight: normal; color: var(--soft); }
td { font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
.heat { width: 34%; min-width: 7rem; }
.heat div { height: .8rem; min-width: 1px; border-radius: .15rem; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
@media print { .cards { display: block; } .cards > section { margin-bottom: 1.25rem; } }
"""

_TEMPLATE = """{% extends "frame" %}
{% macro cells(values) %}
{% for value, number in values %}
<td{% if number %} class="number"{% endif %}>{{ value }}</td>
{% endfor %}
{% endmacro %}
{% block content %}
{% for caveat in caveats %}<p class="warn" role="note">{{ caveat }}</p>{% endfor %}
<div class="cards">
{% for section in sections %}
<section{% if section.wide %} class="wide"{% endif %}>
<h2>{{ section.title }}</h2>
{% if section.words %}<p>{{ section.words }}</p>{% endif %}
{% for part in section.parts %}
{% if part.svg %}
{{ part.svg }}
{% else %}
<div class="scroll"><table>
<tr>{% for name, number in part.columns %}\
<th scope="col"{% if number %} class="number"{% endif %}>{{ name }}</th>{% endfor %}</tr>
{% for row in part.rows %}
<tr>{% if part.heat %}<td>{{ row.name }}</td><td class="heat"><div style="width: {{ row.width }}%; \
background: {{ row.color }}"></div></td>{% endif %}{{ cells(row.cells) }}</tr>
{% endfor %}
</table></div>
{% endif %}
{% endfor %}
{% if section.code %}<pre><code>{{ section.code }}</code></pre>{% endif %}
</section>
{% endfor %}
</div>
{% endblock %}
"""


def findings_report(sections: Sequence[Section], *, title: str, caveats: Sequence[str] = ()) -> str:
    """One HTML page that needs nothing else.

    Args:
        sections: in the order shown.
        title: heading of the page.
        caveats: what must not be overlooked, on top.

    Raises:
        InputError: rows of a table or a heat list that have not as many entries as it has columns.

    >>> page = findings_report([Section("A", parts=[Table(["n"], [[12345]])])], title="T", caveats=["<!>"])
    >>> page.startswith("<!DOCTYPE html>"), "12,345" in page, "&lt;!&gt;" in page
    (True, True, True)
    """
    return render(
        _TEMPLATE,
        style=_STYLE,
        title=title,
        caveats=list(caveats),
        sections=[
            {
                "title": section.title,
                "words": section.words,
                "code": section.code,
                "wide": section.wide,
                "parts": [_part(part) for part in section.parts],
            }
            for section in sections
        ],
    )


def text_table(table: Table) -> str:
    """The table for a terminal, columns aligned.

    >>> print(text_table(Table(["cell", "score"], [["a", 0.25], ["long", 1]])))
    cell  score
    a      0.25
    long      1
    """
    cells = [[value for value, _ in _cells(row)] for row in table.rows]
    right = [number for _, number in _heads(table.columns, table.rows)]
    width = [max(map(len, column)) for column in zip(table.columns, *cells, strict=True)]
    lines = [
        "  ".join(
            f"{word:>{w}}" if r else f"{word:<{w}}" for word, w, r in zip(row, width, right, strict=True)
        )
        for row in [list(table.columns), *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _part(part: Bars | Chart | Table | Heat) -> dict[str, object]:
    match part:
        case Table(columns, rows):
            _check_width(columns, rows)
            return {
                "svg": "",
                "heat": False,
                "columns": _heads(columns, rows),
                "rows": [{"cells": _cells(row)} for row in rows],
            }
        case Heat(columns, names, values, rest, end):
            rest = rest or [()] * len(names)
            if not len(names) == len(values) == len(rest) or end <= 0:
                raise InputError("a heat list of unequal columns", hint="give a value for each name")
            _check_width(columns[2:], rest)
            heat = [
                {
                    "name": name,
                    "color": _color(value / end),
                    "width": round(100 * _share(value / end), 1),
                    "cells": _cells(more),
                }
                for name, value, more in zip(names, values, rest, strict=True)
            ]
            heads = [*((name, False) for name in columns[:2]), *_heads(columns[2:], rest)]
            return {"svg": "", "heat": True, "columns": heads, "rows": heat}
        case _:
            return {"svg": Safe(part.svg()), "heat": False, "columns": (), "rows": ()}


class Safe(str):
    """Markup of our own, in which every foreign text was escaped already."""

    def __html__(self) -> str:
        return self


def _check_width(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if any(len(row) != len(columns) for row in rows):
        raise InputError(f"a row that has not {len(columns)} entries", hint="give one for each column")


def _cells(row: Sequence[object]) -> list[tuple[str, bool]]:
    """Each entry as words, and whether it is a number."""
    return [(_words(value), _is_number(value)) for value in row]


def _words(value: object) -> str:
    match value:
        case bool() | None:
            return "-" if value is None else "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def _heads(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[tuple[str, bool]]:
    """Each column's name, and whether all below it are numbers."""
    return [(name, bool(rows) and all(_is_number(row[i]) for row in rows)) for i, name in enumerate(columns)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _color(value: float) -> str:
    place = COLOR_FIRST + round((COLOR_LAST - COLOR_FIRST) * _share(value))
    red, green, blue = ramp("error")[place].tolist()
    return f"rgb({red}, {green}, {blue})"
