"""Scenes through the codec: sizes, bands, tiles, damage and rate control."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.bitstream import product
from vedette.codec import decode_array, encode_image, load
from vedette.codec.rate import encode_at, encode_at_psnr, encode_within
from vedette.codec.scene import ArrayScene, SceneDecoder, geo_of
from vedette.errors import BudgetError, InputError, WeightsMismatchError
from vedette.images import Geo


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 8), (31, 33), (100, 65)])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_any_size_and_band_count_comes_back(size, bands):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (bands, *size)).astype(np.uint8)
    smooth = np.broadcast_to(image.mean(axis=(1, 2), keepdims=True), image.shape).astype(np.uint8)
    decoded = decode_array(encode_image(smooth, load(), quality=50), load())
    assert decoded.shape == smooth.shape and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - smooth).max() <= 12


def test_quality_buys_psnr_and_costs_bytes(sample_image):
    sizes, scores = [], []
    for quality in (4, 24, 44, 64):
        data = encode_image(sample_image, load(), quality=quality)
        sizes.append(len(data))
        scores.append(psnr_db(decode_array(data, load()), sample_image))
    assert sizes == sorted(sizes) and scores == sorted(scores)
    assert scores[-1] > 38


def test_16_bit_values_keep_their_range():
    ramp = np.linspace(1200, 9000, 64 * 64).reshape(1, 64, 64).astype(np.uint16)
    decoded = decode_array(encode_image(ramp, load(), quality=60), load())
    assert decoded.dtype == np.uint16
    assert np.abs(decoded.astype(int) - ramp).mean() < 0.01 * (9000 - 1200)


def test_tiles_synthesized_apart_equal_the_whole(sample_image):
    """The same latents, shown tile by tile and at once, differ by at most one gray level."""
    import torch

    codec = load()
    data = encode_image(sample_image, codec, quality=32, tile=128)
    decoder = SceneDecoder(product.read(data), codec)
    tiles = [decoder._tile(tile, 0) for tile in range(4)]
    rows = [torch.cat([tiles[r * 2][0], tiles[r * 2 + 1][0]], dim=3) for r in (0, 1)]
    whole = codec.synthesize(torch.cat(rows, dim=2), tiles[0][1]).numpy()
    whole = np.rint(whole * 255).astype(int)
    assert np.abs(whole - decode_array(data, codec)).max() <= 1


@pytest.mark.parametrize("nodata", [0, 255])
def test_data_never_comes_back_as_no_data(nodata):
    """Valid pixels beside the no-data value decode near it, never onto it; the mask comes back exactly."""
    image = np.full((2, 40, 48), 1 if nodata == 0 else 254, dtype=np.uint8)
    image[:, 5:30, 8:20] = nodata
    scene = ArrayScene(image)
    scene.geo = Geo(nodata=nodata)
    decoded = decode_array(encode_at(scene, load(), 20).data, load())
    assert np.array_equal((decoded == nodata).all(axis=0), (image == nodata).all(axis=0))


def test_a_damaged_tile_costs_only_itself(sample_image):
    data = bytearray(encode_image(sample_image, load(), quality=32, tile=128))
    clean = decode_array(bytes(data), load())
    section = [s for s in product.read(bytes(data)).sections if s[0] == "chunk"][1]
    data[section[1] + section[2] // 2] ^= 0x55
    decoder = SceneDecoder(product.read(bytes(data)), load())
    for _ in decoder.tiles():
        pass
    assert decoder.report().missing == (1,)
    decoded = decode_array(bytes(data), load())
    assert np.array_equal(decoded[:, 192:, :64], clean[:, 192:, :64])


def test_a_truncated_file_shows_what_arrived(sample_image):
    data = encode_image(sample_image, load(), quality=32, tile=128)
    whole = psnr_db(decode_array(data, load()), sample_image)
    sections = [s for s in product.read(data).sections if s[0] == "chunk"]
    half = data[: sections[4][1]]  # every coarse chunk, no fine one
    file = product.read(half)
    decoder = SceneDecoder(file, load())
    for _ in decoder.tiles():
        pass
    assert file.truncated and decoder.report().coarse == (0, 1, 2, 3)
    assert 15 < psnr_db(decode_array(half, load()), sample_image) < whole


@pytest.mark.parametrize("budget", [6_000, 20_000, 40_000])
def test_a_budget_is_kept_and_used(sample_image, budget):
    rated = encode_within(ArrayScene(sample_image), load(), budget)
    assert len(rated.data) <= budget
    assert len(rated.data) >= 0.97 * budget or rated.best


def test_a_tiled_budget_is_kept_and_used(sample_image):
    rated = encode_within(ArrayScene(sample_image), load(), 25_000, tile=64)
    assert 0.97 * 25_000 <= len(rated.data) <= 25_000


def test_a_budget_too_small_names_the_least(sample_image):
    with pytest.raises(BudgetError) as caught:
        encode_within(ArrayScene(sample_image), load(), 100)
    least = int("".join(c for c in caught.value.hint if c.isdigit()))
    assert len(encode_within(ArrayScene(sample_image), load(), least).data) <= least


def test_a_target_psnr_is_reached(sample_image):
    rated = encode_at_psnr(ArrayScene(sample_image), load(), 30.0)
    assert 30.0 <= psnr_db(decode_array(rated.data, load()), sample_image) < 30.5


def test_other_weights_are_refused(sample_image):
    header = product.read(encode_image(sample_image[:, :8, :8], load(), quality=9)).header
    import dataclasses

    other = dataclasses.replace(header, weights_id=bytes(8))
    with pytest.raises(WeightsMismatchError):
        decode_array(product.write(other, []), load())


def test_a_quality_outside_the_scale_is_refused(sample_image):
    with pytest.raises(InputError):
        encode_at(ArrayScene(sample_image), load(), 65)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, None),
        ({"crs": "EPSG:32633", "nodata": 0}, Geo(crs="EPSG:32633", nodata=0)),
        ({"crs": 5, "transform": [1, 2], "nodata": "none"}, Geo()),
        ({"transform": [1, 0, 0, 0, -1, 0], "nodata": 1e9}, Geo(transform=(1, 0, 0, 0, -1, 0))),
    ],
)
def test_a_place_that_makes_no_sense_is_left_out(meta, expected):
    header = product.read(SMALL).header
    assert geo_of(product.read(product.write(header, [], meta=meta))) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_products_never_crash(data):
    """A changed or shortened file decodes, or raises an error of ours."""
    from vedette.errors import VedetteError

    original = SMALL
    mutated = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    mutated = mutated[: data.draw(st.integers(0, len(mutated)))]
    try:
        decoded = decode_array(bytes(mutated), load())
    except VedetteError:
        return
    assert decoded.nbytes <= 1 << 24


def small_product() -> bytes:
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(128, 40, (3, 48, 48)), 0, 255).astype(np.uint8)
    return encode_image(image, load(), quality=20, tile=24)


SMALL = small_product()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_mutated_products_never_crash():
    from vedette.errors import VedetteError

    rng = np.random.default_rng(7)
    kinds = {"decoded": 0, "refused": 0}
    for _ in range(10_000):
        mutated = bytearray(SMALL)
        for position in rng.integers(0, len(mutated), rng.integers(1, 8)):
            mutated[position] ^= int(rng.integers(1, 256))
        if rng.integers(3) == 0:
            mutated = mutated[: rng.integers(0, len(mutated))]
        try:
            file = product.read(bytes(mutated))
            if file.header.width * file.header.height > 1 << 20:
                continue
            decode_array(bytes(mutated), load())
            kinds["decoded"] += 1
        except VedetteError:
            kinds["refused"] += 1
    assert kinds["decoded"] > 100 and kinds["refused"] > 100
