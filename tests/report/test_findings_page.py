"""Pages of findings: they nest, fetch nothing, escape what is foreign; bars are as high as counts."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from vedette.errors import InputError
from vedette.report.bars import BOTTOM, TOP, Bars
from vedette.report.chart import Chart, Line
from vedette.report.findings_page import Heat, Section, Table, findings_report, text_table

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '</title></td></code><script>alert(1)</script> {{ 7*7 }} "&'


class Parsed(HTMLParser):
    """Open tags at the end, and the texts by tag; complains where tags do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in {"meta", "rect", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"rect", "circle", "polyline"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data))

    def words(self, tag: str) -> list[str]:
        return [data for name, data in self.text if name == tag and data.strip()]


def bars(**changes) -> Bars:
    values = {"title": "t", "x_title": "x", "y_title": "y", "labels": ["0", "1", "2"], "values": [9, 10, 5]}
    return Bars(**(values | {"height": 280} | changes))


def heights(drawn: Bars) -> list[float]:
    _paper, *rects = ElementTree.fromstring(drawn.svg()).iter(SVG + "rect")
    return [float(rect.get("height")) for rect in rects]


def test_a_bar_is_as_high_as_its_count():
    assert heights(bars()) == [180.0, 200.0, 100.0]  # 280 - 34 - 46 = 200 for the ten at the top
    assert 280 - TOP - BOTTOM == 200


def test_a_bin_apart_does_not_hide_the_others():
    drawn = bars(values=[1000, 10, 5], apart=1)
    assert heights(drawn) == [200.0, 200.0, 100.0]
    assert "1,000 (cut)" in drawn.svg()
    assert heights(bars(values=[20, 10, 5], apart=1)) == [200.0, 100.0, 50.0]


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 0, 7], [1e9, 0, 0]])
def test_any_counts_can_be_drawn(values):
    assert all(0 <= height <= 200 for height in heights(bars(values=values, apart=1)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": [1, 2]}, "3 labels for 2 bars"),
        ({"values": [1, -2, 3]}, "negative"),
        ({"labels": [], "values": []}, "0 labels"),
    ],
)
def test_bars_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        bars(**changes)


def page(**changes) -> str:
    sections = [
        Section(
            "Words",
            "Some.",
            [Table(["name", "n"], [["a", 1234567], ["b", 0.123456], ["c", None]])],
            code="ls",
        ),
        Section(
            "Shapes",
            parts=[bars(), Chart(title="c", x_title="x", y_title="y", lines=[Line("l", (0, 1), (2, 3))])],
        ),
        Section(
            "Heat", parts=[Heat(["module", "mean", "sum"], ["u", "v"], [0.5, 2.0], [[3], [4]])], wide=True
        ),
    ]
    return findings_report(**({"sections": sections, "title": "T", "caveats": ["Beware."]} | changes))


def test_the_page_nests_and_holds_everything():
    parsed = Parsed(page())
    assert parsed.open == []
    assert parsed.tags.count("svg") == 2 and parsed.tags.count("table") == 2
    assert parsed.words("td") == ["a", "1,234,567", "b", "0.1235", "c", "-", "u", "3", "v", "4"]
    assert parsed.words("code") == ["ls"]
    assert "Beware." in parsed.words("p")


def test_nothing_is_fetched():
    text = page().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|src=|href=|@import|url\(", text)
    assert "default-src 'none'" in text


def test_foreign_words_stay_words():
    sections = [
        Section(
            EVIL,
            EVIL,
            [Table([EVIL], [[EVIL]]), Heat([EVIL, "m"], [EVIL], [1.0]), bars(title=EVIL)],
            code=EVIL,
        )
    ]
    parsed = Parsed(page(sections=sections, title=EVIL, caveats=[EVIL]))
    assert parsed.open == [] and "script" not in parsed.tags
    assert EVIL in "".join(parsed.words("h2")) and EVIL in "".join(parsed.words("code"))


def test_heat_widths_follow_values_and_end_at_the_end():
    widths = re.findall(r"width: ([0-9.]+)%; background", page())
    assert widths == ["50.0", "100.0"]


@pytest.mark.parametrize(
    "part", [Table(["a"], [[1, 2]]), Heat(["a", "b"], ["x"], []), Heat(["a", "b"], ["x"], [1.0], [[1]])]
)
def test_rows_of_another_width_are_refused(part):
    with pytest.raises(InputError):
        page(sections=[Section("s", parts=[part])])


def test_a_table_on_a_terminal_is_aligned():
    lines = text_table(Table(["cell", "score"], [["a.b.c", 0.5], ["d", 1000]])).splitlines()
    assert lines == ["cell   score", "a.b.c    0.5", "d      1,000"]
