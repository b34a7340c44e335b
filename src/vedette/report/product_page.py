"""The report of one product: scene, decoded image, error and bits of each tile, table and command."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from vedette.errors import InputError
from vedette.report.maps import bits_map, error_map, legend, photograph, shrink
from vedette.report.page import SIDE_MOST, data_uri, render

GAP = 16  # pixels between the panels of the picture
CAPTION = 26  # pixels of a line of text
BAR = 12  # pixels of a legend's height
PANEL_TALLEST = 3  # heights over width of a panel of the picture
TILES_NAMED = 20

Rows = Mapping[str, object] | Sequence[tuple[str, object]]

_STYLE = """
.cards { display: grid; gap: 1.25rem; margin-bottom: 1.25rem; }
.cards > section { margin: 0; min-width: 0; }
@media (min-width: 52rem) {
  .cards { grid-template-columns: 1fr 1fr; }
  .cards > :last-child:nth-child(odd) { grid-column: 1 / -1; }
}
.framed { max-width: min(100%, calc(80vh * var(--shape))); margin: 0 auto; }
.compare { touch-action: pan-y; position: relative; overflow: hidden; border-radius: .3rem; --cut: 50%; }
.compare .top { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--cut)); }
.compare .top img { height: 100%; }
.compare .edge { position: absolute; top: 0; bottom: 0; left: var(--cut); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 3px rgba(0, 0, 0, .8); pointer-events: none; }
.compare .tag { position: absolute; top: .6rem; padding: .05rem .5rem; border-radius: .3rem;
  background: rgba(0, 0, 0, .6); color: #fff; font-size: .82rem; pointer-events: none; }
.compare .tag.left { left: .6rem; } .compare .tag.right { right: .6rem; }
input[type=range] { width: 100%; margin: .8rem 0 0; accent-color: var(--accent); }
.legend img { height: .8rem; margin-top: .7rem; object-fit: fill; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
.legend div { display: flex; justify-content: space-between; color: var(--soft); font-size: .85rem; }
.legend div > * { flex: 1 1 0; } .legend div > :nth-child(2) { text-align: center; }
.legend div > :last-child { text-align: right; }
.note { margin: .7rem 0 0; font-size: .85rem; }
h2.later { margin-top: 1.25rem; }
.warn { padding: .7rem 1rem; border-radius: .4rem; background: var(--warn-paper); color: var(--warn); }
.map { image-rendering: pixelated; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .2rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
th { padding-right: 1rem; font-weight: normal; color: var(--soft); }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
@media print {
  .cards { display: block; }
  .cards > section { margin-bottom: 1.25rem; }
  .framed { max-width: min(100%, calc(11cm * var(--shape))); }
  .compare { display: grid; grid-template-columns: 1fr 1fr; gap: 3mm; overflow: visible; }
  .compare .top { position: static; clip-path: none; }
  .compare .edge, input[type=range] { display: none; }
  .compare .tag.right { right: auto; left: calc(50% + 1.5mm + .6rem); }
}
"""

_TEMPLATE = """{% extends "frame" %}
{% block content %}
{% if missing %}
<p class="warn" role="alert"><strong>{{ missing }}</strong></p>
{% endif %}
<div class="cards" style="--shape: {{ width / height }}">
<section>
<h2>Scene and decoded image</h2>
<p>Left of the line the scene, right the product.</p>
<div class="framed">
<div class="compare" id="compare">
<img src="{{ original }}" alt="The scene" width="{{ width }}" height="{{ height }}">
<div class="top">
<img src="{{ decoded }}" alt="The decoded image" width="{{ width }}" height="{{ height }}">
</div>
<div class="edge"></div>
<span class="tag left">scene</span><span class="tag right">decoded</span>
</div>
<input type="range" id="cut" min="0" max="100" step="0.5" value="50"
  aria-label="Where the decoded image begins">
</div>
{% if shrunk %}<p class="note">{{ shrunk }}</p>{% endif %}
</section>
<section>
<h2>Error</h2>
<p>Absolute, mean over the bands shown; {{ psnr }}.</p>
<div class="framed">
<img class="map" src="{{ error }}" alt="Map of the absolute error" width="{{ width }}" height="{{ height }}">
<div class="legend"><img src="{{ error_bar }}" alt="" width="256" height="12">
<div><span>0</span><span>gray levels</span><span>{{ error_end }}</span></div></div>
</div>
</section>
{% if tiles %}
<section>
<h2>Bits of each tile</h2>
<p>{{ tiles }}; {{ spread }}.</p>
<div class="framed">
<img class="map" src="{{ bits }}" alt="Map of bits per tile" width="{{ width }}" height="{{ height }}">
<div class="legend"><img src="{{ bits_bar }}" alt="" width="256" height="12">
<div><span>0</span><span>bits per pixel</span><span>{{ bits_end }}</span></div></div>
</div>
</section>
{% endif %}
<section>
<h2>Numbers</h2>
<table>
{% for name, value in table %}
<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</table>
<h2 class="later">Made by</h2>
<pre><code>{{ command }}</code></pre>
</section>
</div>
<script>
const cut = document.getElementById("cut");
const compare = document.getElementById("compare");
const move = () => compare.style.setProperty("--cut", cut.value + "%");
cut.addEventListener("input", move);
compare.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && !event.buttons) return;
  const box = compare.getBoundingClientRect();
  cut.value = 100 * (event.clientX - box.left) / box.width;
  move();
});
compare.addEventListener("dragstart", (event) => event.preventDefault());
move();
</script>
{% endblock %}
"""


def product_report(
    *,
    original: UInt8[np.ndarray, "c h w"],
    decoded: UInt8[np.ndarray, "_ _ _"],
    tile_bits: Float[np.ndarray, "rows cols"],
    tile: int,
    table: Rows,
    command: str,
    title: str,
    missing_tiles: Sequence[int] = (),
) -> str:
    """One HTML page that needs nothing else; pictures above 1024 pixels a side are shown smaller.

    The map of bits is left out where there is one tile.

    Args:
        original, decoded: 1 or 3 bands of one size.
        tile_bits: bits of each tile, both layers and all bands together, where the tile stands.
        tile: its side, pixels; 0 where the scene is one tile.
        table: names and values in the order shown, such as bytes, bpp, PSNR; units in the names.
        command: what made the product, as typed.
        missing_tiles: numbers of tiles that were not decoded, row by row from 0.

    Raises:
        InputError: shapes that do not belong together, bits that are negative or not finite, or a
            missing tile outside the grid.

    >>> scene = np.full((3, 8, 8), 100, np.uint8)
    >>> page = product_report(original=scene, decoded=scene, tile_bits=np.array([[90.0]]), tile=0,
    ...                       table={"bytes": 40}, command="vedette run a.tif -o a.vdt", title="a")
    >>> page.startswith("<!DOCTYPE html>"), "vedette run a.tif" in page
    (True, True)
    """
    tile = _checked(original, decoded, tile_bits, tile, missing_tiles)
    height, width = original.shape[1:]
    error, error_end = error_map(original, decoded, SIDE_MOST)
    bits, bits_end = bits_map(
        tile_bits, tile=tile, height=height, width=width, missing=missing_tiles, side_most=SIDE_MOST
    )
    scene = shrink(photograph(original), SIDE_MOST)
    shown = f"{scene.width} x {scene.height}"
    return render(
        _TEMPLATE,
        style=_STYLE,
        title=title,
        missing=_missing_words(missing_tiles, tile_bits.size),
        original=data_uri(scene),
        decoded=data_uri(shrink(photograph(decoded), SIDE_MOST)),
        width=scene.width,
        height=scene.height,
        shrunk=f"Shown at {shown} of {width} x {height} pixels." if scene.size != (width, height) else "",
        error=data_uri(error),
        error_bar=data_uri(legend("error", 256, 1)),
        error_end=_error_end(error_end),
        psnr=_psnr(original, decoded),
        bits=data_uri(bits),
        bits_bar=data_uri(legend("bits", 256, 1)),
        bits_end=f"{bits_end:g}",
        tiles=f"{tile_bits.shape[0]} x {tile_bits.shape[1]} tiles" if tile_bits.size > 1 else "",
        spread=_spread(tile_bits, missing_tiles),
        table=_rows(table),
        command=command,
    )


def product_picture(
    *,
    original: UInt8[np.ndarray, "c h w"],
    decoded: UInt8[np.ndarray, "_ _ _"],
    tile_bits: Float[np.ndarray, "rows cols"],
    tile: int,
    missing_tiles: Sequence[int] = (),
    panel: int = 256,
) -> Image.Image:
    """Scene, decoded image, error and bits of each tile in one row, on white, with legends.

    Each is `panel` pixels wide; the error, absolute, is averaged over squares of at least 2 x 2 of these.

    Arguments and errors are those of `product_report`; `panel` is at least 64.

    >>> scene = np.full((3, 8, 16), 100, np.uint8)
    >>> product_picture(original=scene, decoded=scene, tile_bits=np.array([[90.0]]), tile=0, panel=64).size
    (336, 128)
    """
    if panel < 64:
        raise InputError(f"a panel of {panel} pixels", hint="64 or more")
    tile = _checked(original, decoded, tile_bits, tile, missing_tiles)
    height, width = original.shape[1:]
    scale = min(panel / width, PANEL_TALLEST * panel / height)  # a very tall scene gets a narrower picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    error, error_end = error_map(original, decoded, max(1, max(size) // 2))  # noise of single pixels hides it
    averaged = max(height, width) / max(error.size)
    bits, bits_end = bits_map(
        tile_bits, tile=tile, height=height, width=width, missing=missing_tiles, side_most=SIDE_MOST
    )
    panels = [
        ("scene", photograph(original), Image.Resampling.LANCZOS, None),
        ("decoded", photograph(decoded), Image.Resampling.LANCZOS, None),
        ("error", error.convert("RGB"), Image.Resampling.NEAREST, f"{_error_end(error_end)} gray levels"),
        ("bits", bits, Image.Resampling.NEAREST, f"{bits_end:g} bits per pixel"),
    ]
    foot = CAPTION + BAR + CAPTION
    sheet = Image.new("RGB", (4 * panel + 5 * GAP, GAP + size[1] + foot + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, (name, picture, filter_, end) in enumerate(panels):
        left, below = GAP + number * (panel + GAP), GAP + size[1]
        sheet.paste(picture.resize(size, filter_), (left, GAP))
        caption = {
            "scene": f"scene, {width} x {height} pixels",
            "decoded": f"decoded, {_psnr(original, decoded)}",
            "error": f"error, mean of {averaged:.3g} x {averaged:.3g} pixels" if averaged > 1 else "error",
            "bits": "bits of each tile",
        }
        draw.text((left, below + CAPTION / 2), caption[name], fill="#1d2329", font=font, anchor="lm")
        if end is None:
            continue
        sheet.paste(legend(name, panel, BAR).convert("RGB"), (left, below + CAPTION))
        middle = below + CAPTION + BAR + CAPTION / 2
        draw.text((left, middle), "0", fill="#59636e", font=font, anchor="lm")
        draw.text((left + panel, middle), end, fill="#59636e", font=font, anchor="rm")
    return sheet


def _checked(
    original: UInt8[np.ndarray, "c h w"],
    decoded: UInt8[np.ndarray, "_ _ _"],
    tile_bits: Float[np.ndarray, "rows cols"],
    tile: int,
    missing: Sequence[int],
) -> int:
    """The tile's side in pixels, after the checks that both entrances share."""
    if original.shape != decoded.shape:
        raise InputError(
            f"a scene of shape {original.shape} and a decoded image of {decoded.shape}",
            hint="compare images of one size",
        )
    height, width = original.shape[1:]
    side = tile or max(height, width)
    grid = (-(-height // side), -(-width // side)) if side > 0 else (0, 0)
    if tile_bits.shape != grid or tile_bits.size == 0:
        raise InputError(
            f"bits of {tile_bits.shape} tiles for a grid of {grid}", hint="give one number for each tile"
        )
    if not np.isfinite(tile_bits).all() or (tile_bits < 0).any():
        raise InputError("bits of a tile are negative or not finite", hint="a missing tile has 0 bits")
    wrong = [number for number in missing if not 0 <= number < tile_bits.size]
    if wrong:
        raise InputError(f"there is no tile {wrong[0]}", hint=f"tiles are 0 to {tile_bits.size - 1}")
    return side


def _rows(table: Rows) -> list[tuple[str, object]]:
    """Names and values; whole numbers with a comma at each thousand."""
    rows = table.items() if isinstance(table, Mapping) else table
    return [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in rows]


def _psnr(original: UInt8[np.ndarray, "c h w"], decoded: UInt8[np.ndarray, "c h w"]) -> str:
    """PSNR of the bands shown, in words."""
    mse = float(np.square(original.astype(np.float32) - decoded).mean(dtype=np.float64))
    return f"PSNR {10 * math.log10(255**2 / mse):.2f} dB" if mse else "no error"


def _error_end(limit: int) -> str:
    return str(limit) if limit == 255 else f"{limit} or more"


def _spread(tile_bits: Float[np.ndarray, "rows cols"], missing: Sequence[int]) -> str:
    """The bytes of the smallest and the largest tile that arrived."""
    sizes = np.delete(tile_bits.reshape(-1), list(missing)) / 8
    if sizes.size == 0:
        return "none arrived"
    low, high = f"{sizes.min():,.0f}", f"{sizes.max():,.0f}"
    return f"{high} bytes" if low == high else f"{low} to {high} bytes a tile"


def _missing_words(missing: Sequence[int], tiles: int) -> str:
    if not missing:
        return ""
    named = ", ".join(str(number) for number in sorted(missing)[:TILES_NAMED])
    more = f" and {len(missing) - TILES_NAMED} more" if len(missing) > TILES_NAMED else ""
    return f"{len(missing)} of {tiles} tiles could not be decoded: {named}{more}"
