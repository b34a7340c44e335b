"""The report of a product: whole, closed, safe, small; its maps say what the numbers say."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from vedette.errors import InputError, VedetteError
from vedette.report.maps import bits_map, error_map, ramp, rounded_up
from vedette.report.page import write_report
from vedette.report.product_page import product_picture, product_report

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Parsed(HTMLParser):
    """Tags in order, text by tag; complains where tags do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data))

    def words(self, tag: str) -> str:
        return "".join(data for name, data in self.text if name == tag)


def scene(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)


def report(**changes: object) -> str:
    arguments: dict[str, object] = {
        "original": scene(),
        "decoded": scene(seed=1),
        "tile_bits": np.array([[100.0, 200.0], [50.0, 80.0]]),
        "tile": 32,
        "table": {"bytes": "1,234", "PSNR, dB": "31.20"},
        "command": "vedette run scene.tif -o scene.vdt --budget 100kB",
        "title": "scene.vdt",
    }
    return product_report(**(arguments | changes))


def test_the_page_nests_and_holds_scene_table_command_and_version():
    from vedette import __version__

    page = Parsed(report())
    assert page.open == []
    assert sum(tag == "img" for tag, _ in page.tags) == 6  # scene, decoded, two maps, two legends
    assert page.words("td") == "1,23431.20"
    assert page.words("code") == "vedette run scene.tif -o scene.vdt --budget 100kB"
    assert page.words("footer").strip() == f"Vedette {__version__}"


def test_nothing_is_fetched():
    text = report()
    page = Parsed(text)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    addresses = [
        value for _, a in page.tags for name, value in a.items() if name in {"src", "href", "srcset"}
    ]
    assert len(addresses) == 6
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
    )


def test_hostile_words_stay_words():
    evil = "</title></code><script>alert(1)</script><img src=x onerror='a'> {{ 7*7 }} \"&"
    page = Parsed(report(title=evil, command=evil, table=[(evil, evil)]))
    assert page.open == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert sum(tag == "img" for tag, _ in page.tags) == 6
    for tag in ("title", "h1", "code", "th", "td"):
        assert page.words(tag) == evil


def test_a_map_of_one_tile_is_left_out():
    text = report(tile_bits=np.array([[100.0]]), tile=0)
    assert "Bits of each tile" in report() and "Bits of each tile" not in text
    assert sum(tag == "img" for tag, _ in Parsed(text).tags) == 4


def test_the_page_says_the_psnr_of_what_it_shows():
    flat = np.full((3, 40, 56), 100, np.uint8)
    assert "PSNR 28.13 dB" in report(original=flat, decoded=flat + np.uint8(10))  # 20 log10(255 / 10)
    assert "no error" in report(original=flat, decoded=flat)


def test_whole_numbers_are_grouped_by_thousands_and_words_left_alone():
    page = Parsed(report(table={"bytes": 1234567, "bpp": 2.42, "scene": "2048 x 2048"}))
    assert page.words("td") == "1,234,5672.422048 x 2048"


def test_a_large_scene_is_shown_small_and_the_page_says_so():
    large = scene(1500, 2000)
    text = report(original=large, decoded=scene(1500, 2000, 1), tile_bits=np.ones((3, 4)), tile=512)
    assert "Shown at 1024 x 768 of 2000 x 1500 pixels." in text
    assert len(text) < 11_000_000  # noise, the worst for PNG: 2 x 24-bit, 2 x 8-bit pictures in base64
    assert "Shown at" not in report()


def test_missing_tiles_are_named():
    assert "2 of 4 tiles could not be decoded: 1, 3" in report(missing_tiles=[3, 1])
    assert "could not be decoded" not in report()


def test_the_error_map_shows_the_mean_absolute_error():
    original = np.zeros((3, 4, 4), np.uint8)
    decoded = original.copy()
    decoded[:, :, 2:] = np.array([3, 6, 9], np.uint8)[:, None, None]  # mean 6
    picture, limit = error_map(original, decoded, 16)
    assert limit == 8
    assert np.asarray(picture).tolist() == [[0, 0, 191, 191]] * 4  # round(255 * 6 / 8)
    swapped, _ = error_map(decoded, original, 16)
    assert np.array_equal(np.asarray(swapped), np.asarray(picture))


def test_the_bits_map_divides_by_the_pixels_a_tile_has():
    bits = np.array([[64.0, 32.0]])  # an 8 x 8 tile and one cut to 8 x 4: both 1 bit per pixel
    picture, limit = bits_map(bits, tile=8, height=8, width=12, missing=(), side_most=64)
    colors = np.asarray(picture)
    assert limit == 1.0
    assert (colors == ramp("bits")[255]).all()


def test_a_missing_tile_has_no_color_of_the_ramp():
    bits = np.array([[64.0, 1e9]])
    picture, limit = bits_map(bits, tile=8, height=8, width=16, missing=[1], side_most=64)
    colors = np.asarray(picture)
    assert limit == 1.0
    assert (colors[:, :8] == ramp("bits")[255]).all()
    assert set(map(tuple, colors[:, 8:].reshape(-1, 3).tolist())) == {(128, 128, 128), (255, 255, 255)}


@pytest.mark.parametrize("name", ["error", "bits"])
def test_a_larger_value_is_never_darker(name):
    coded = ramp(name) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.002).all()  # one step of 8-bit rounding
    assert (luminance[8:] > luminance[:-8]).all()
    assert luminance[-1] - luminance[0] > 0.7


@pytest.mark.parametrize("value", [1e-7, 0.0123, 0.99, 1.0, 1.01, 9.99, 123456.0])
def test_the_end_of_a_legend_covers_the_values_without_waste(value):
    assert value <= rounded_up(value) <= 1.7 * value


def test_the_picture_has_the_declared_size_and_shows_the_scene():
    image = np.full((1, 30, 60), 200, np.uint8)
    picture = product_picture(original=image, decoded=image, tile_bits=np.array([[5.0]]), tile=0, panel=100)
    assert picture.size == (4 * 100 + 5 * 16, 16 + 50 + 64 + 16)
    assert picture.getpixel((16 + 50, 16 + 25)) == (200, 200, 200)
    assert picture.getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoded": scene(40, 55)}, "shape"),
        ({"tile_bits": np.ones((1, 2))}, "grid"),
        ({"tile_bits": np.array([[1.0, np.nan], [1, 1]])}, "finite"),
        ({"tile_bits": np.array([[1.0, -1.0], [1, 1]])}, "negative"),
        ({"missing_tiles": [4]}, "no tile 4"),
        ({"original": scene()[:2], "decoded": scene()[:2]}, "cannot be shown"),
        ({"tile": -1}, "grid"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        report(**changes)
    assert caught.value.hint


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3000, 2)])
def test_any_size_makes_a_page(size):
    image = scene(*size)
    grid = np.ones((-(-size[0] // 512), -(-size[1] // 512)))
    assert Parsed(report(original=image, decoded=image, tile_bits=grid, tile=512)).open == []
    picture = product_picture(original=image, decoded=image, tile_bits=grid, tile=512, panel=64)
    assert picture.width == 4 * 64 + 5 * 16
    assert picture.height <= 3 * 64 + 2 * 16 + 64


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    write_report(tmp_path / "a.html", "é")
    assert (tmp_path / "a.html").read_bytes() == b"\xc3\xa9"
    with pytest.raises(VedetteError):
        write_report(tmp_path / "none" / "a.html", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html"]


def test_the_pictures_in_the_page_are_the_images():
    from base64 import b64decode
    from io import BytesIO

    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', report())
    shown = [np.asarray(Image.open(BytesIO(b64decode(source)))) for source in sources[:2]]
    assert np.array_equal(shown[0], scene().transpose(1, 2, 0))
    assert np.array_equal(shown[1], scene(seed=1).transpose(1, 2, 0))
