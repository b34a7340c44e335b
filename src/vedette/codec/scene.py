"""A scene to a product and back, tile by tile: neither ever stands in memory whole.

Tiles are analyzed with a halo of real pixels and synthesized with a halo of decoded latents, so that
tile borders do not show; only entropy coding starts anew in each tile.
"""

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from vedette.bitstream import product
from vedette.bitstream.product import Chunk, Header, Product
from vedette.codec.codec import Codec
from vedette.codec.workers import Crew
from vedette.errors import CorruptProductError, InputError, WeightsMismatchError
from vedette.images import Geo, SceneWriter, Window, pad_to_multiple, windows

TILE = 512  # pixels
ONE_TILE_MOST = 1 << 20  # scenes up to so many pixels are one tile
Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@runtime_checkable
class Source(Protocol):
    """What a scene must offer; `vedette.images.Scene` does, and `ArrayScene`.

    `read` is never called by two threads at once.
    """

    height: int
    width: int
    bands: int
    dtype: type
    geo: Geo | None
    roles: tuple[str, ...]

    def read(self, window: Window) -> Shaped[np.ndarray, "bands h w"]: ...


class ArrayScene:
    """An image in memory as a scene.

    >>> ArrayScene(np.zeros((3, 4, 5), dtype=np.uint8)).roles
    ('red', 'green', 'blue')
    """

    def __init__(self, array: Shaped[np.ndarray, "bands h w"]) -> None:
        if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16) or 0 in array.shape:
            raise InputError(
                f"an array of shape {array.shape} and type {array.dtype}",
                hint="(bands, h, w) of uint8 or uint16 is needed",
            )
        self._array = array
        self.bands, self.height, self.width = array.shape
        self.dtype: type = array.dtype.type
        self.geo: Geo | None = None
        self.roles = (
            ("red", "green", "blue") if self.bands == 3 else tuple(f"band{b + 1}" for b in range(self.bands))
        )

    def read(self, window: Window) -> Shaped[np.ndarray, "bands h w"]:
        rows, cols = (
            slice(window.row, window.row + window.height),
            slice(window.col, window.col + window.width),
        )
        return self._array[:, rows, cols]


def band_groups(roles: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Red, green and blue are coded together, every other band alone.

    >>> band_groups(("red", "green", "blue", "nir"))
    ((0, 1, 2), (3,))
    """
    if roles[:3] == ("red", "green", "blue"):
        return ((0, 1, 2), *((band,) for band in range(3, len(roles))))
    return tuple((band,) for band in range(len(roles)))


class SceneEncoder:
    """Codes single tiles of one scene, at any quality; several threads may.

    Args:
        scene: where the pixels come from.
        codec: the weights.
        tile: side of a tile in pixels, a multiple of the codec's block; 0 for one tile; None chooses.

    Raises:
        InputError: a tile that blocks do not fill.
    """

    def __init__(self, scene: Source, codec: Codec, *, tile: int | None = None) -> None:
        if tile is None:
            tile = 0 if scene.height * scene.width <= ONE_TILE_MOST else TILE
        if tile % codec.block:
            raise InputError(
                f"tiles of {tile} pixels for {codec.name}",
                hint=f"use a multiple of {codec.block}, the side of its blocks",
            )
        self.scene, self.codec = scene, codec
        self._nodata = scene.geo.nodata if scene.geo else None
        sample = np.dtype(scene.dtype).name
        self.header = Header(
            width=scene.width,
            height=scene.height,
            bands=scene.bands,
            sample=sample,
            tile=tile,
            model=codec.name,
            weights_id=codec.weights_id,
            groups=band_groups(scene.roles),
            layers=codec.layers,
            ranges=_ranges(scene, tile, self._nodata) if sample == "uint16" else (),
        )
        self.windows = windows(scene.height, scene.width, tile)
        self.meta = _meta(scene)
        self.planes: dict[int, bytes] = {}
        self._reading = threading.Lock()

    def encode(self, tile: int, quality: float) -> list[Chunk]:
        """The chunks of tile number `tile`; the same bytes every time only inside an open `Crew`."""
        window = self.windows[tile]
        block, scene = self.codec.block, self.scene
        outer = window.grow(self.codec.halo[0] * block, scene.height, scene.width)
        with self._reading:
            pixels = scene.read(outer)
        valid = self._valid(pixels, tile, window, outer)
        unit = _to_unit(pixels, self.header)
        if valid is not None:
            unit = _fill(unit, valid)
        padded = torch.from_numpy(pad_to_multiple(unit, block))
        top, left = (window.row - outer.row) // block, (window.col - outer.col) // block
        rows, columns = -(-window.height // block), -(-window.width // block)
        chunks = []
        for number, group in enumerate(self.header.groups):
            image = padded[list(group)].expand(3, -1, -1)
            y = self.codec.analyze(image, quality)[:, :, top : top + rows, left : left + columns]
            streams, _ = self.codec.encode_latents(y, quality)
            chunks += [Chunk(tile, number, layer, stream) for layer, stream in enumerate(streams)]
        return chunks

    def encode_all(self, quality: float, crew: Crew, progress: Progress = _silent) -> dict[int, list[Chunk]]:
        """The chunks of every tile."""
        tiles, chunks = range(len(self.windows)), {}
        for tile, found in zip(tiles, crew.map(lambda t: self.encode(t, quality), tiles), strict=True):
            chunks[tile] = found
            progress(tile + 1, len(self.windows))
        return chunks

    def to_bytes(self, chunks: Mapping[int, list[Chunk]]) -> bytes:
        """The product made of every tile's chunks."""
        planes = [Chunk(tile, 0, 0, plane) for tile, plane in sorted(self.planes.items())]
        return product.write(
            self.header, [c for tile in sorted(chunks) for c in chunks[tile]], meta=self.meta, planes=planes
        )

    def _valid(
        self, pixels: Shaped[np.ndarray, "bands h w"], tile: int, window: Window, outer: Window
    ) -> Bool[np.ndarray, "h w"] | None:
        """Where the tile has data, noted as a lossless plane; None where no-data does not occur."""
        if self._nodata is None:
            return None
        valid: np.ndarray = ~(pixels == self._nodata).all(axis=0)
        top, left = window.row - outer.row, window.col - outer.col
        inner = valid[top : top + window.height, left : left + window.width]
        if not inner.all():
            self.planes[tile] = zlib.compress(np.packbits(inner).tobytes(), 9)
        return None if valid.all() else valid


def encode_scene(
    scene: Source, codec: Codec, *, quality: float, tile: int | None = None, progress: Progress = _silent
) -> bytes:
    """The product of `scene` at one quality, 1..64."""
    encoder = SceneEncoder(scene, codec, tile=tile)
    with Crew(items=len(encoder.windows)) as crew:
        return encoder.to_bytes(encoder.encode_all(quality, crew, progress))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What opening found: tiles of which nothing, or only the coarse layer, could be shown."""

    missing: tuple[int, ...]
    coarse: tuple[int, ...]
    damaged: tuple[str, ...]


class SceneDecoder:
    """Shows a product tile by tile.

    Raises:
        WeightsMismatchError: the product was made with other weights than `codec` has.
    """

    def __init__(self, file: Product, codec: Codec) -> None:
        header = file.header
        if header.weights_id != codec.weights_id:
            raise WeightsMismatchError(
                f"the product needs weights {header.weights_id.hex()} of {header.model!r}, these are "
                f"{codec.weights_id.hex()}",
                hint="install the version of vedette that made it, or pass its weights file with --model",
            )
        self.file, self.codec, self.header = file, codec, header
        self.windows = windows(header.height, header.width, header.tile)
        self._latents: dict[tuple[int, int], tuple[Tensor, float] | None] = {}
        self.missing: set[int] = set()
        self.coarse: set[int] = set()
        self.damaged = list(file.damaged)

    def tiles(self) -> Iterator[tuple[Window, Shaped[np.ndarray, "bands h w"]]]:
        """Every tile's window and samples, row by row; missing tiles are zeros (or no-data)."""
        _, columns = self.header.grid
        for tile, window in enumerate(self.windows):
            yield window, self.decode(tile)
            done = tile // columns - 1  # rows above the last one are no longer anybody's halo
            for key in [key for key in self._latents if key[0] // columns < done]:
                del self._latents[key]

    def decode(self, tile: int) -> Shaped[np.ndarray, "bands h w"]:
        """The samples of one tile."""
        window = self.windows[tile]
        unit = np.zeros((self.header.bands, window.height, window.width), dtype=np.float32)
        for number, group in enumerate(self.header.groups):
            own = self._tile(tile, number)
            if own is None:
                continue
            image = self._synthesize(tile, number, own[1])[:, : window.height, : window.width]
            unit[list(group)] = image if len(group) == 3 else image.mean(axis=0, keepdims=True)
        samples = _from_unit(unit, self.header)
        nodata = self.file.meta.get("nodata")
        fill = (
            int(nodata)
            if isinstance(nodata, int | float) and 0 <= nodata <= np.iinfo(samples.dtype).max
            else 0
        )
        if tile in self.missing:
            samples[:] = fill
        plane = self.file.planes.get(tile)
        valid = np.ones(samples.shape[1:], dtype=bool) if plane is None else _unpack(plane, window)
        samples[:, ~valid] = fill
        if nodata == fill and tile not in self.missing:  # what has data must not look as if it had none
            samples[0, valid & (samples == fill).all(axis=0)] = fill + 1 if fill == 0 else fill - 1
        return samples

    def report(self) -> Opened:
        """What was missing among the tiles decoded so far."""
        return Opened(
            missing=tuple(sorted(self.missing)),
            coarse=tuple(sorted(self.coarse - self.missing)),
            damaged=tuple(self.damaged),
        )

    def _tile(self, tile: int, group: int) -> tuple[Tensor, float] | None:
        """Latents and quality of a tile's group, decoded once; None where nothing usable arrived."""
        key = (tile, group)
        if key not in self._latents:
            self._latents[key] = self._decode_tile(tile, group)
        return self._latents[key]

    def _decode_tile(self, tile: int, group: int) -> tuple[Tensor, float] | None:
        window, block = self.windows[tile], self.codec.block
        height, width = -(-window.height // block), -(-window.width // block)
        streams = self.file.streams(tile, group)
        for arrived in (streams, [streams[0], *([None] * (len(streams) - 1))]):
            try:
                latents = self.codec.decode_latents(arrived, height, width)
            except CorruptProductError as error:
                if streams[0] is not None:
                    self.damaged.append(f"tile {tile}: {error}")
                continue
            if latents.layers < self.header.layers:
                self.coarse.add(tile)
            return latents.as_float(), latents.quality
        self.missing.add(tile)
        return None

    def _synthesize(self, tile: int, group: int, quality: float) -> Float[np.ndarray, "3 h w"]:
        window, block = self.windows[tile], self.codec.block
        grid_height, grid_width = -(-self.header.height // block), -(-self.header.width // block)
        inner = Window(
            window.row // block, window.col // block, -(-window.height // block), -(-window.width // block)
        )
        outer = inner.grow(self.codec.halo[1], grid_height, grid_width)
        y_hat: Tensor | None = None
        for neighbor in self._around(tile):
            other = self._tile(neighbor, group)
            if other is None:
                continue
            latents = other[0]
            if y_hat is None:
                y_hat = torch.zeros(1, latents.shape[1], outer.height, outer.width)
            place = self.windows[neighbor]
            row, col = place.row // block - outer.row, place.col // block - outer.col
            top, left = max(0, row), max(0, col)
            bottom = min(outer.height, row + latents.shape[2])
            right = min(outer.width, col + latents.shape[3])
            y_hat[..., top:bottom, left:right] = latents[
                ..., top - row : bottom - row, left - col : right - col
            ]
        assert y_hat is not None  # the tile itself is among its neighbors
        image = self.codec.synthesize(y_hat, quality)
        top, left = (inner.row - outer.row) * block, (inner.col - outer.col) * block
        return image[:, top : top + inner.height * block, left : left + inner.width * block].numpy()

    def _around(self, tile: int) -> list[int]:
        rows, columns = self.header.grid
        row, column = divmod(tile, columns)
        return [
            r * columns + c
            for r in range(max(0, row - 1), min(rows, row + 2))
            for c in range(max(0, column - 1), min(columns, column + 2))
        ]


def decode_array(data: bytes, codec: Codec) -> Shaped[np.ndarray, "bands h w"]:
    """A whole product as an array; tiles that did not arrive are zeros."""
    file = product.read(data)
    decoder = SceneDecoder(file, codec)
    header = file.header
    out = np.zeros((header.bands, header.height, header.width), dtype=header.sample)
    for window, samples in decoder.tiles():
        out[:, window.row : window.row + window.height, window.col : window.col + window.width] = samples
    return out


def open_to_file(file: Product, codec: Codec, writer: SceneWriter, *, progress: Progress = _silent) -> Opened:
    """Write every tile of a product; says what was missing."""
    decoder = SceneDecoder(file, codec)
    for number, (window, samples) in enumerate(decoder.tiles(), start=1):
        writer.write(window, samples)
        progress(number, len(decoder.windows))
    return decoder.report()


def geo_of(file: Product) -> Geo | None:
    """The geo-reference that the product carries; parts that make no sense are left out."""
    meta = file.meta
    if not any(key in meta for key in ("crs", "transform", "nodata")):
        return None
    crs, transform, nodata = meta.get("crs"), meta.get("transform"), meta.get("nodata")
    whole = isinstance(transform, list) and len(transform) == 6 and all(map(_is_number, transform))
    return Geo(
        crs=crs if isinstance(crs, str) else "",
        transform=tuple(transform or ()) if whole else (),
        nodata=nodata if _is_number(nodata) and 0 <= nodata <= np.iinfo(file.header.sample).max else None,
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _meta(scene: Source) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if scene.roles not in (("red", "green", "blue"), ("gray",)) and any(
        not r.startswith("band") for r in scene.roles
    ):
        meta["roles"] = list(scene.roles)
    if scene.geo is not None:
        if scene.geo.crs:
            meta["crs"] = scene.geo.crs
        if scene.geo.transform:
            meta["transform"] = list(scene.geo.transform)
        if scene.geo.nodata is not None:
            meta["nodata"] = scene.geo.nodata
    return meta


def _ranges(scene: Source, tile: int, nodata: float | None) -> tuple[tuple[float, float], ...]:
    """Smallest and largest value of each band, no-data left out."""
    low = np.full(scene.bands, np.inf)
    high = np.full(scene.bands, -np.inf)
    for window in windows(scene.height, scene.width, tile):
        pixels = scene.read(window).astype(np.float64)
        if nodata is not None:
            pixels[:, (pixels == nodata).all(axis=0)] = np.nan
        if np.isnan(pixels).all():
            continue
        low = np.fmin(low, np.nanmin(pixels, axis=(1, 2)))
        high = np.fmax(high, np.nanmax(pixels, axis=(1, 2)))
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    return tuple((a, b if b > a else a + 1) if np.isfinite(a) else (0.0, 1.0) for a, b in pairs)


def _scale(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Value of 0 and width of 0..1, for each band."""
    if header.sample == "uint8":
        return np.zeros((header.bands, 1, 1)), np.full((header.bands, 1, 1), 255.0)
    low, high = np.array(header.ranges).T
    return low[:, None, None], (high - low)[:, None, None]


def _to_unit(pixels: Shaped[np.ndarray, "bands h w"], header: Header) -> Float[np.ndarray, "bands h w"]:
    low, span = _scale(header)
    unit: np.ndarray = ((pixels - low) / span).astype(np.float32)
    return unit


def _from_unit(unit: Float[np.ndarray, "bands h w"], header: Header) -> Shaped[np.ndarray, "bands h w"]:
    low, span = _scale(header)
    most = np.iinfo(header.sample).max
    samples: np.ndarray = np.clip(np.rint(unit * span + low), 0, most).astype(header.sample)
    return samples


def _fill(
    unit: Float[np.ndarray, "bands h w"], valid: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "bands h w"]:
    """No-data pixels at the mean of the others, which costs the fewest bits of any constant."""
    mean = unit[:, valid].mean(axis=1) if valid.any() else np.full(len(unit), 0.5, dtype=np.float32)
    filled: np.ndarray = np.where(valid, unit, mean[:, None, None]).astype(np.float32)
    return filled


def _unpack(plane: bytes, window: Window) -> Bool[np.ndarray, "h w"]:
    """The lossless mask of a tile; all true where it does not unpack."""
    count = window.height * window.width
    try:
        data = zlib.decompressobj().decompress(plane, -(-count // 8))
    except zlib.error:
        data = b""
    if len(data) != -(-count // 8):
        return np.ones((window.height, window.width), dtype=bool)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count)
    return bits.reshape(window.height, window.width).astype(bool)


def encode_image(
    image: Shaped[np.ndarray, "bands h w"], codec: Codec, *, quality: float, tile: int | None = None
) -> bytes:
    """A product of an image in memory; `decode_array` opens it.

    >>> from vedette.codec.codec import load_codec
    >>> image = np.zeros((3, 20, 30), dtype=np.uint8)
    >>> decode_array(encode_image(image, load_codec(), quality=32), load_codec()).shape
    (3, 20, 30)
    """
    return encode_scene(ArrayScene(image), codec, quality=quality, tile=tile)
