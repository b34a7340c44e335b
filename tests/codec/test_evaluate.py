"""Evaluation with codecs whose rate and quality are known beforehand."""

import json
import math
import time
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from vedette.codec import evaluate as module
from vedette.codec.anchors import coder, published
from vedette.codec.evaluate import Evaluation, chart, evaluate_coders, image_paths, read_evaluation, table
from vedette.codec.measure import as_coder, measure
from vedette.errors import InputError, UnknownNameError, VedetteError
from vedette.metrics import Curve


@dataclass
class Offset:
    """Costs `size * quality` bytes, and returns the image `step / quality` gray levels brighter."""

    size: int = 100
    step: int = 16
    seconds: float = 0.0

    def encode_image(self, image: np.ndarray, quality: float) -> bytes:
        time.sleep(self.seconds)
        head = bytes([int(quality), *image.shape[1:]])
        return head + image.tobytes() + bytes(int(self.size * quality))

    def decode_image(self, data: bytes) -> np.ndarray:
        quality, height, width = data[:3]
        pixels = np.frombuffer(data, np.uint8, 3 * height * width, 3).reshape(3, height, width)
        return pixels + np.uint8(self.step // quality)


def gray(level: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((3, height, width), level, dtype=np.uint8)


def texture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 200, (3, 24, 32), dtype=np.uint8)


def offset(name: str, size: int = 100, qualities: tuple[float, ...] = (1.0, 2.0, 4.0)):
    return as_coder(Offset(size=size), name, f"offset {size}", qualities=qualities)


def test_rate_counts_every_byte_and_quality_is_the_mean_of_the_images():
    curve = measure([gray(9), gray(200, 10, 15)], offset("ours"))
    sizes = [3 + 3 * 600 + 100, 3 + 3 * 150 + 100]
    assert curve.bpp[0] == pytest.approx((8 * sizes[0] / 600 + 8 * sizes[1] / 150) / 2)
    assert curve.psnr_db == pytest.approx([20 * math.log10(255 / error) for error in (16, 8, 4)])


def test_psnr_is_averaged_over_images_and_not_their_errors():
    class Uneven(Offset):
        def decode_image(self, data: bytes) -> np.ndarray:
            pixels = super().decode_image(data)
            return pixels + np.uint8(12 if pixels[0, 0, 0] > 100 else 0)

    coder_ = as_coder(Uneven(), "uneven", "", qualities=(4.0,))
    assert measure([gray(0), gray(150)], coder_).psnr_db[0] == pytest.approx(
        (20 * math.log10(255 / 4) + 20 * math.log10(255 / 16)) / 2
    )


def test_seconds_are_those_of_the_encoder():
    slow = as_coder(Offset(seconds=0.02), "slow", "", qualities=(1.0, 2.0, 4.0))
    curve = measure([gray(1)], slow)
    assert min(curve.encode_s) >= 0.02 > max(curve.decode_s)


def test_gray_images_are_coded_as_color_and_small_ones_have_no_ms_ssim():
    curve = measure([np.full((1, 8, 9), 7, dtype=np.uint8)], offset("ours"))
    assert curve.ms_ssim == () and curve.ms_ssim_db == ()
    assert curve.psnr_db[0] == pytest.approx(20 * math.log10(255 / 16))


def test_a_codec_that_returns_another_size_is_caught():
    class Cropped(Offset):
        def decode_image(self, data: bytes) -> np.ndarray:
            return super().decode_image(data)[:, 1:]

    with pytest.raises(VedetteError, match="cropped made"):
        measure([gray(1)], as_coder(Cropped(), "cropped", ""))


def test_an_image_of_16_bit_is_refused():
    with pytest.raises(InputError, match="uint16"):
        measure([np.zeros((3, 20, 20), dtype=np.uint16)], offset("ours"))


def run(**more) -> Evaluation:
    known = Curve(name="known", label="from a paper", bpp=(20.0, 40.0, 80.0), psnr_db=(24.0, 30.0, 36.0))
    coders = [offset("ours", 100), offset("theirs", 300)]
    return evaluate_coders(
        [texture(1), texture(2)], coders, dataset="noise", of=["ours"], more=[known], **more
    )


def test_ours_is_compared_with_every_other_codec_and_with_known_points():
    calls = []
    result = run(progress=lambda *call: calls.append(call))
    assert [(row.codec, row.anchor) for row in result.comparisons] == [("ours", "theirs"), ("ours", "known")]
    assert result.comparisons[0].psnr_percent < 0 and result.comparisons[0].ms_ssim_percent < 0
    assert result.comparisons[1].ms_ssim_percent is None
    assert calls == [(name, done, 2) for name in ("ours", "theirs") for done in (1, 2)]


def test_what_is_written_is_read_again(tmp_path):
    result = run()
    result.write(tmp_path / "result.json")
    assert read_evaluation(tmp_path / "result.json") == result
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_lossless_setting_is_null_in_json_and_infinite_in_python(tmp_path):
    exact = as_coder(Offset(step=1), "exact", "", qualities=(1.0, 2.0, 4.0))
    result = evaluate_coders([texture(1)], [exact], dataset="noise")
    result.write(tmp_path / "result.json")
    data = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert data["curves"][0]["psnr_db"][1:] == [None, None]
    assert read_evaluation(tmp_path / "result.json").curves[0].psnr_db[1:] == (math.inf, math.inf)


@pytest.mark.parametrize("text", ["", "[]", '{"curves": [{}]}', '{"dataset": "x"}'])
def test_another_file_is_no_evaluation(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(InputError, match="holds no evaluation"):
        read_evaluation(tmp_path / "other.json")


def test_the_table_names_the_anchors_and_what_they_are():
    text = table(run())
    assert "ours    theirs" in text and "from a paper" in text
    assert text.count(" dB") == 2


def test_a_chart_by_ms_ssim_leaves_out_who_has_none():
    assert [line.label for line in chart(run(), "ms_ssim").lines] == ["ours", "theirs"]
    assert [line.label for line in chart(run()).lines] == ["ours", "theirs", "known"]
    with pytest.raises(UnknownNameError):
        chart(run(), "ssim")


def test_one_name_for_two_codecs_is_refused():
    with pytest.raises(InputError, match="codecs a, a"):
        evaluate_coders([gray(1)], [offset("a"), offset("a")], dataset="x")


def folder_of(tmp_path, count: int = 2):
    for number in range(count):
        Image.fromarray(texture(number).transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_is_evaluated_with_a_real_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "shipped", lambda model, qualities: offset(model, qualities=(1.0, 2.0, 4.0)))
    result = module.evaluate(folder_of(tmp_path), model="ours", against=["jpeg"], most=1)
    assert [curve.name for curve in result.curves] == ["ours", "jpeg"]
    assert result.images == 1 and len(result.curves[1].bpp) == len(coder("jpeg").settings)


def test_published_points_need_the_whole_set(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "shipped", lambda model, qualities: offset(model))
    with pytest.raises(InputError, match="means of 24 images, these are 2"):
        module.evaluate(folder_of(tmp_path), model="ours", against=[], anchor="kodak")
    assert published("kodak").images == 24


def test_only_images_of_a_folder_are_taken_and_none_is_an_error(tmp_path):
    assert [path.name for path in image_paths(folder_of(tmp_path, 3))] == ["0.png", "1.png", "2.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        image_paths(tmp_path / "empty")
    with pytest.raises(InputError, match="not a folder"):
        image_paths(tmp_path / "0.png")
