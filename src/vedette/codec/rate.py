"""Rate control: the quality that meets a budget, a rate or a PSNR.

Rate rises with quality, so the quality for a size is found by interpolating the logarithm of the size;
on a large scene on a sample of tiles. The whole is then coded, and what is over or under is mended tile
by tile with a quality a little lower or higher, which no one sees and which lands within 3 % of the budget.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from vedette.bitstream import product
from vedette.bitstream.product import Chunk
from vedette.codec.codec import Codec
from vedette.codec.scene import Progress, SceneDecoder, SceneEncoder, Source, _silent
from vedette.codec.workers import Crew
from vedette.errors import BudgetError, InputError

QUALITY_LOW, QUALITY_HIGH = 1.0, 64.0
ENOUGH = 0.985  # share of a budget at which mending stops
STEP_LEAST = 0.004  # about one 1/256, the grid of qualities
SAMPLE_TILES = 12
SEARCHES, MENDS = 9, 8


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A product, its mean quality, bytes of each tile; `best`: quality 64 came before the budget."""

    data: bytes
    quality: float
    tile_bytes: tuple[int, ...]
    best: bool = False


def encode_at(
    scene: Source,
    codec: Codec,
    quality: float,
    *,
    tile: int | None = None,
    workers: int | None = None,
    progress: Progress = _silent,
) -> Rated:
    """The product at one quality, 1..64.

    Raises:
        InputError: another quality.
    """
    if not QUALITY_LOW <= quality <= QUALITY_HIGH:
        raise InputError(f"quality {quality:g}", hint="choose one from 1 to 64")
    encoder = SceneEncoder(scene, codec, tile=tile)
    with Crew(workers, items=len(encoder.windows)) as crew:
        return _at(encoder, quality, crew, progress)


def encode_within(
    scene: Source,
    codec: Codec,
    budget_bytes: int,
    *,
    tile: int | None = None,
    workers: int | None = None,
    progress: Progress = _silent,
) -> Rated:
    """The best product of at most `budget_bytes`, container included.

    Raises:
        BudgetError: even quality 1 is larger; the message names the least that would do.
    """
    if budget_bytes < 1:
        raise InputError(f"a budget of {budget_bytes} bytes", hint="at least 1 byte is needed")
    encoder = SceneEncoder(scene, codec, tile=tile)
    with Crew(workers, items=len(encoder.windows)) as crew:
        return _within(encoder, budget_bytes, crew, progress)


def _within(encoder: SceneEncoder, budget_bytes: int, crew: Crew, progress: Progress) -> Rated:
    count = len(encoder.windows)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLE_TILES)).round().astype(int)).tolist()
    fixed = len(encoder.to_bytes({}))

    def sampled(quality: float) -> float:
        found = _encode(encoder, crew, [(tile, quality) for tile in chosen])
        size = sum(_size(chunk) for chunks in found for chunk in chunks)
        return fixed + size * count / len(chosen)

    quality = _solve(sampled, budget_bytes * 0.99, QUALITY_LOW, QUALITY_HIGH)
    chunks = encoder.encode_all(quality, crew, progress)
    qualities = dict.fromkeys(range(count), quality)
    best: tuple[bytes, dict[int, float], tuple[int, ...]] | None = None
    step = 1.0
    for attempt in range(MENDS + 1):
        data = encoder.to_bytes(chunks)
        over = len(data) > budget_bytes
        if not over and (best is None or len(data) > len(best[0])):
            best = data, dict(qualities), _tile_bytes(chunks)
        done = not over and (len(data) >= ENOUGH * budget_bytes or min(qualities.values()) >= QUALITY_HIGH)
        if done or attempt == MENDS or (over and max(qualities.values()) <= QUALITY_LOW):
            break
        step = max(STEP_LEAST, step / 2 if best is not None and over else step)
        signed = -step if over else step
        if not _mend(encoder, crew, chunks, qualities, budget_bytes, step=signed, total=len(data)):
            step /= 2
    while best is None:  # the mends did not get under: step down together
        data = encoder.to_bytes(chunks)
        if len(data) <= budget_bytes:
            best = data, qualities, _tile_bytes(chunks)
        elif max(qualities.values()) <= QUALITY_LOW:
            raise BudgetError(
                f"a budget of {budget_bytes:,} bytes is too small for this scene",
                hint=f"the least that would do is {len(data):,} bytes",
            )
        else:
            qualities = {tile: max(QUALITY_LOW, q - 2) for tile, q in qualities.items()}
            chunks = dict(zip(qualities, _encode(encoder, crew, qualities.items()), strict=True))
    data, qualities, tile_bytes = best
    return Rated(
        data=data,
        quality=float(np.mean(list(qualities.values()))),
        tile_bytes=tile_bytes,
        best=min(qualities.values()) >= QUALITY_HIGH,
    )


def encode_at_psnr(
    scene: Source,
    codec: Codec,
    psnr_db: float,
    *,
    tile: int | None = None,
    workers: int | None = None,
    progress: Progress = _silent,
) -> Rated:
    """The smallest product whose decoded image has at least `psnr_db` (8-bit or 16-bit peak), within 0.05 dB.

    Raises:
        InputError: quality 64 does not reach it; the message says what it reaches.
    """
    encoder = SceneEncoder(scene, codec, tile=tile)
    low, high = QUALITY_LOW, QUALITY_HIGH
    with Crew(workers, items=len(encoder.windows)) as crew:
        rated = _at(encoder, high, crew, progress)
        most = _psnr_db(rated.data, scene, codec)
        if not most >= psnr_db:
            raise InputError(
                f"a PSNR of {psnr_db:g} dB is out of reach", hint=f"quality 64 gives {most:.2f} dB here"
            )
        for _ in range(12):
            middle = (low + high) / 2
            candidate = _at(encoder, middle, crew, progress)
            got = _psnr_db(candidate.data, scene, codec)
            if got < psnr_db:
                low = middle
            else:
                high, rated = middle, candidate
                if got < psnr_db + 0.05:
                    break
    return rated


def _at(encoder: SceneEncoder, quality: float, crew: Crew, progress: Progress) -> Rated:
    chunks = encoder.encode_all(quality, crew, progress)
    return Rated(data=encoder.to_bytes(chunks), quality=quality, tile_bytes=_tile_bytes(chunks))


def _psnr_db(data: bytes, scene: Source, codec: Codec) -> float:
    """PSNR of a product, tile by tile: the image never stands in memory whole."""
    decoder = SceneDecoder(product.read(data), codec)
    squares = sum(
        float(np.square(samples.astype(np.float64) - scene.read(window)).sum())
        for window, samples in decoder.tiles()
    )
    mse = squares / (scene.bands * scene.height * scene.width)
    return float(10 * np.log10(float(np.iinfo(scene.dtype).max) ** 2 / max(mse, 1e-12)))


def _solve(size: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The quality at which `size` meets `target`, by regula falsi on the logarithm (Illinois)."""
    at_low, at_high = np.log(size(low) / target), np.log(size(high) / target)
    if at_low >= 0:
        return low
    if at_high <= 0:
        return high
    side = 0
    for _ in range(SEARCHES):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = np.log(size(middle) / target)
        if abs(value) < 0.004:
            return float(middle)
        if value > 0:
            high, at_high = middle, value
            at_low = at_low / 2 if side == 1 else at_low
            side = 1
        else:
            low, at_low = middle, value
            at_high = at_high / 2 if side == -1 else at_high
            side = -1
    return float(low)


def _encode(
    encoder: SceneEncoder, crew: Crew, jobs: Iterable[tuple[int, float]]
) -> Generator[list[Chunk], None, None]:
    """The chunks of each tile at its quality, in the order of `jobs`."""
    return crew.map(lambda job: encoder.encode(*job), jobs)


def _mend(
    encoder: SceneEncoder,
    crew: Crew,
    chunks: dict[int, list[Chunk]],
    qualities: dict[int, float],
    budget: int,
    *,
    step: float,
    total: int,
) -> bool:
    """Move tiles by `step` until the budget is met (down) or would be passed (up); whether any moved."""
    changed = False
    order = sorted(qualities, key=lambda t: (qualities[t] * np.sign(-step), t))
    jobs = [(tile, min(QUALITY_HIGH, max(QUALITY_LOW, qualities[tile] + step))) for tile in order]
    with closing(_encode(encoder, crew, jobs)) as found:
        for (tile, moved), again in zip(jobs, found, strict=True):
            change = sum(map(_size, again)) - sum(map(_size, chunks[tile]))
            if step > 0 and total + change > budget - 4:
                continue
            chunks[tile], qualities[tile] = again, moved
            total += change
            changed = True
            if step < 0 and total <= budget - 4:
                break
    return changed


def _size(chunk: Chunk) -> int:
    return len(chunk.payload) + 12


def _tile_bytes(chunks: dict[int, list[Chunk]]) -> tuple[int, ...]:
    return tuple(sum(len(c.payload) for c in chunks[tile]) for tile in sorted(chunks))
