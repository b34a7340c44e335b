"""The commands as a user types them, in process; each error is one line and a hint."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image

from vedette.bitstream import product
from vedette.cli import main, vedette
from vedette.codec.codec import WEIGHTS
from vedette.errors import VedetteError
from vedette.samples import scene_path


def call(*words) -> str:
    result = CliRunner().invoke(vedette, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words) -> VedetteError:
    with pytest.raises(VedetteError) as caught:
        CliRunner().invoke(vedette, [str(word) for word in words], catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "scene.vdt"
    row = json.loads(call("run", scene_path(), "-o", path, "--nir", 4, "--budget", "20kB", "--json"))
    return path, row


def test_a_scene_goes_in_and_one_file_comes_out(packed):
    path, row = packed
    assert 0.97 * 20_000 <= path.stat().st_size <= 20_000
    assert row["bytes"] == path.stat().st_size


def test_the_ground_opens_it_with_its_place(packed, tmp_path):
    path, _ = packed
    row = json.loads(call("open", path, "-o", tmp_path, "--original", scene_path(), "--json"))
    assert row["PSNR_dB"] > 26 and row["missing_tiles"] == "none"
    with rasterio.open(tmp_path / "scene.tif") as decoded, rasterio.open(scene_path()) as original:
        assert decoded.crs == original.crs and decoded.transform == original.transform
        assert decoded.count == original.count == 4


def test_inspect_prints_the_structure(packed):
    path, _ = packed
    text = call("inspect", path)
    assert "256 x 256" in text and "chunk" in text
    assert json.loads(call("inspect", path, "--json"))["sections"][0]["kind"] == "head"


def test_missing_tiles_are_named(tmp_path):
    path = tmp_path / "tiled.vdt"
    call("run", scene_path(), "-o", path, "--quality", 20, "--tile", 128)
    data = bytearray(path.read_bytes())
    chunk = next(s for s in product.read(bytes(data)).sections if s[0] == "chunk")
    data[chunk[1] + chunk[2] - 10] ^= 1
    path.write_bytes(data)
    assert "missing tiles   0" in call("open", path, "-o", tmp_path / "out.tif")


def test_help_is_quick_and_loads_no_torch():
    program = "import sys; sys.argv = ['vedette', '--help']\nfrom vedette.cli import vedette\n"
    program += "try:\n    vedette()\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules\n"
    program += "assert 'numpy' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_doctor_names_what_serves():
    row = json.loads(call("doctor", "--json"))
    assert {"vedette", "native_module", "cpu_path"} <= set(row)


def test_what_is_not_an_image_is_refused(tmp_path):
    for name, content in (("text.png", b"no picture"), ("empty.tif", b""), ("text.tif", b"no picture")):
        (tmp_path / name).write_bytes(content)
        assert refused("run", tmp_path / name, "-o", tmp_path / "x.vdt").hint
    assert refused("run", tmp_path / "absent.png", "-o", tmp_path / "x.vdt").hint
    assert not (tmp_path / "x.vdt").exists()


def test_alpha_and_wrong_bands_are_refused(tmp_path):
    Image.fromarray(np.zeros((8, 8, 4), dtype=np.uint8)).save(tmp_path / "alpha.png")
    assert "alpha" in str(refused("run", tmp_path / "alpha.png", "-o", tmp_path / "x.vdt"))
    error = refused("run", scene_path(), "-o", tmp_path / "x.vdt", "--rgb", "1,2,9")
    assert "from 1 to 4" in error.hint


def test_a_band_that_the_user_names_is_no_alpha(tmp_path):
    """Common tools flag the fourth band of any GeoTIFF as alpha."""
    profile = {"driver": "GTiff", "width": 32, "height": 24, "count": 4, "dtype": "uint8"}
    profile["transform"] = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(tmp_path / "four.tif", "w", photometric="RGB", alpha="YES", **profile) as file:
        file.write(np.arange(4 * 24 * 32, dtype=np.uint8).reshape(4, 24, 32))
    refusal = refused("run", tmp_path / "four.tif", "-o", tmp_path / "x.vdt")
    assert "alpha" in str(refusal)
    assert "--nir 4" in refusal.hint
    call("run", tmp_path / "four.tif", "-o", tmp_path / "x.vdt", "--nir", 4)


def test_a_product_of_other_weights_asks_for_them(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes((WEIGHTS / "charm-lite.safetensors").read_bytes())
    made = tmp_path / "x.vdt"
    call("run", scene_path(), "-o", made, "-m", tmp_path / "mine.safetensors")
    refusal = refused("open", made, "-o", tmp_path / "out")
    assert "mine" in str(refusal)
    assert "--model" in refusal.hint


def test_a_budget_too_small_and_an_unknown_model_are_refused(tmp_path):
    assert "least" in refused("run", scene_path(), "-o", tmp_path / "x.vdt", "--budget", "200B").hint
    assert (
        "did you mean" in refused("run", scene_path(), "-o", tmp_path / "x.vdt", "--model", "charm-lit").hint
    )
    assert list(tmp_path.iterdir()) == []


def test_zero_is_not_taken_for_nothing_given(tmp_path):
    assert "1 to 64" in refused("run", scene_path(), "-o", tmp_path / "x.vdt", "--quality", 0).hint
    assert "from 1 to 4" in refused("run", scene_path(), "-o", tmp_path / "x.vdt", "--nir", 0).hint


def test_a_version_from_the_future_and_damage_are_refused(packed, tmp_path):
    data = bytearray(packed[0].read_bytes())
    data[4] = 9
    (tmp_path / "future.vdt").write_bytes(data)
    assert "newer" in refused("open", tmp_path / "future.vdt", "-o", tmp_path / "out").hint
    data[4], data[10] = 1, data[10] ^ 0xFF
    (tmp_path / "damaged.vdt").write_bytes(data)
    assert "damaged" in str(refused("open", tmp_path / "damaged.vdt", "-o", tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


def test_errors_print_one_line_and_a_hint(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vedette", "inspect", str(tmp_path / "absent.vdt")])
    with pytest.raises(SystemExit) as caught:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert caught.value.code == 1
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
