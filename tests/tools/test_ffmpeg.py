"""ffmpeg's failures are told in one line, and VVC streams come back."""

import numpy as np
import pytest

from vedette.errors import InputError, ToolError
from vedette.tools import ffmpeg

pytest.importorskip("imageio_ffmpeg", reason="needs the extra `anchors`")


def test_a_failing_command_is_named_with_its_exit_code_and_last_words():
    with pytest.raises(ToolError, match=r"ended with code \d+: .*no-such-file") as caught:
        ffmpeg.run(["-v", "error", "-i", "no-such-file", "-f", "null", "-"])
    assert "-i no-such-file" in caught.value.hint


def test_a_program_that_does_not_start_is_named(monkeypatch, tmp_path):
    broken = tmp_path / "ffmpeg"
    broken.write_text("not a program")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(ToolError, match="does not start"):
        ffmpeg.run(["-version"])


def test_a_program_that_takes_too_long_is_stopped():
    endless = ["-v", "error", "-re", "-f", "lavfi", "-i", "color=size=16x16", "-f", "null", "-"]
    with pytest.raises(ToolError, match=r"longer than 0\.5 s"):
        ffmpeg.run(endless, timeout_s=0.5)


def test_garbage_is_no_vvc_stream():
    with pytest.raises(ToolError):
        ffmpeg.vvc_decode(b"garbage" * 50)


@pytest.mark.parametrize(("qp", "preset"), [(-1, "faster"), (64, "faster"), (30, "best")])
def test_settings_that_vvenc_has_not_are_refused(qp, preset):
    with pytest.raises(InputError, match="QP"):
        ffmpeg.vvc_encode(np.zeros((3, 16, 16), dtype=np.uint8), qp, preset=preset)


def test_odd_sides_are_extended_by_their_last_row_and_column():
    image = np.random.default_rng(0).integers(90, 110, (3, 37, 41), dtype=np.uint8)
    decoded = ffmpeg.vvc_decode(ffmpeg.vvc_encode(image, 4, preset="faster"))
    assert decoded.shape == (3, 38, 42)
    assert np.abs(decoded[:, :37, :41].astype(int) - image).mean() < 6
