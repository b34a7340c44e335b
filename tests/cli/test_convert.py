"""`codec encode` and `codec decode`, the worker count, and what a user may get wrong."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from vedette.cli import main, vedette
from vedette.samples import scene_path


@pytest.fixture
def folder(tmp_path, monkeypatch, sample_image):
    """The working folder of a user with one photo and many mistakes to make."""
    monkeypatch.chdir(tmp_path)
    photo = sample_image[:, :80, :100].transpose(1, 2, 0)
    Image.fromarray(photo).save("photo.png")
    Image.fromarray(photo[..., 0] > 99).save("bit.png")
    Image.fromarray(photo[..., 0] > 99).save("bit.tif")
    Image.fromarray(photo[..., 0].astype(np.float32)).save("float.tif")
    Image.fromarray(np.dstack([photo, photo[..., :1]])).save("alpha.png")
    frames = [Image.fromarray(photo[..., band]) for band in range(3)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save("pages.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(photo).convert("CMYK").save("print.jpg")
    (tmp_path / "cut.png").write_bytes((tmp_path / "photo.png").read_bytes()[:9000])
    for name in ("empty.png", "empty.vdt"):
        (tmp_path / name).touch()
    for name in ("text.png", "text.tif", "text.vdt", "text.safetensors"):
        (tmp_path / name).write_text("these are words")
    (tmp_path / "folder").mkdir()
    return tmp_path


def call(*words) -> str:
    result = CliRunner().invoke(vedette, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def pixels(name: str) -> np.ndarray:
    with Image.open(name) as image:
        return np.array(image).astype(int)


def names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_an_image_becomes_a_product_and_an_image_again(folder):
    row = json.loads(call("codec", "encode", "photo.png", "--quality", 50, "--json"))
    assert row["product"] == "photo.vdt" and row["bytes"] == (folder / "photo.vdt").stat().st_size
    row = json.loads(call("codec", "decode", "photo.vdt", "--json"))
    assert row["image"] == "photo.decoded.png" and row["missing_tiles"] == "none"
    before, after = map(pixels, ("photo.png", "photo.decoded.png"))
    assert before.shape == after.shape
    assert 10 * np.log10(255**2 / np.square(before - after).mean()) > 30


def test_encode_and_run_write_the_same_bytes(folder):
    call("codec", "encode", "photo.png", "-o", "a.vdt", "-m", "charm-lite", "--target-bpp", 1.5)
    call("run", "photo.png", "-o", "b.vdt", "--target-bpp", 1.5, "--workers", 3)
    assert (folder / "a.vdt").read_bytes() == (folder / "b.vdt").read_bytes()
    assert 0.97 * 1.5 <= (folder / "a.vdt").stat().st_size * 8 / 8000 <= 1.5


def test_workers_change_no_byte(tmp_path):
    for workers in (1, 2):
        call("run", scene_path(), "-o", tmp_path / f"{workers}.vdt", "--tile", 96, "--workers", workers)
    assert (tmp_path / "1.vdt").read_bytes() == (tmp_path / "2.vdt").read_bytes()


def test_a_one_bit_image_and_a_dotted_name_are_no_mistakes(folder):
    (folder / "bit.png").rename("one.bit.png")
    call("codec", "encode", "one.bit.png", "--quality", 60)
    call("codec", "decode", "one.bit.vdt")
    with Image.open("one.bit.decoded.png") as decoded:
        assert decoded.mode == "L"


NOWHERE = "x" * 300
MISTAKES = [
    ("run missing.png -o x.vdt", "there is no file missing.png", "check the path"),
    ("run folder -o x.vdt", "folder is a folder", "name one image"),
    ("run empty.png -o x.vdt", "empty.png is empty", "copy"),
    ("run text.png -o x.vdt", "text.png is not an image", "PNG, JPEG"),
    ("run text.tif -o x.vdt", "text.tif is not an image", "PNG, JPEG"),
    ("run cut.png -o x.vdt", "cut.png is damaged", "copy"),
    ("run alpha.png -o x.vdt", "alpha.png has an alpha channel", "flatten"),
    ("run float.tif -o x.vdt", "float.tif has samples of type float32", "uint8 or uint16"),
    ("run bit.tif -o x.vdt", "bit.tif has 1-bit samples", "uint8"),
    ("run moving.gif -o x.vdt", "moving.gif holds 3 images", "save the one"),
    ("run pages.tif -o x.vdt", "pages.tif holds 3 images", "save the one"),
    ("run print.jpg -o x.vdt", "print.jpg has pixels of mode CMYK", "convert"),
    (f"run {NOWHERE}.png -o x.vdt", "File name too long", "check the path"),
    ("run photo.png -o x.vdt --model charm-lit", "'charm-lit'", "did you mean 'charm-lite'?"),
    ("run photo.png -o x.vdt --model text.safetensors", "text.safetensors does not hold weights", "freeze"),
    ("run photo.png -o x.vdt --tile 7", "tiles of 7 pixels", "a multiple of 8"),
    ("run photo.png -o x.vdt --quality 0", "quality 0", "1 to 64"),
    ("run photo.png -o x.vdt --quality nan", "quality nan", "1 to 64"),
    ("run photo.png -o x.vdt --budget 10", "a budget of 10 bytes is too small", "the least that would do"),
    ("run photo.png -o x.vdt --target-bpp 0.0001", "is too small", "the least that would do"),
    ("run photo.png -o x.vdt --target-bpp inf", "a target of inf", "above 0"),
    ("run photo.png -o x.vdt --target-psnr nan", "a target of nan dB", "above 0"),
    ("run photo.png -o nowhere/x.vdt", "there is no folder nowhere", "make it first"),
    ("run photo.png -o text.png/x.vdt", "there is no folder text.png", "make it first"),
    ("run photo.png -o folder", "folder is a folder", "name the file"),
    ("run photo.png -o photo.png", "would be overwritten", "another name"),
    ("run photo.png -o x.vdt --report photo.png", "would be overwritten", "another name"),
    ("run photo.png -o x.vdt --report nowhere/r.html", "there is no folder nowhere", "make it first"),
    ("codec encode photo.png -o folder/../photo.png", "would be overwritten", "another name"),
    ("codec encode missing.png", "there is no file missing.png", "check the path"),
    ("codec decode missing.vdt", "there is no file missing.vdt", "check the path"),
    ("codec decode empty.vdt", "empty.vdt is empty", "copy"),
    ("codec decode photo.png", "not a Vedette product", "begin with"),
    ("open folder -o out", "folder is a folder", "name one product"),
    ("open text.vdt -o out", "not a Vedette product", "begin with"),
    ("inspect folder", "folder is a folder", "name one product"),
]


@pytest.mark.parametrize(("line", "message", "hint"), MISTAKES, ids=[m[0][:60] for m in MISTAKES])
def test_a_mistake_gives_one_line_a_hint_and_no_file(folder, monkeypatch, capfd, line, message, hint):
    before = names(folder)
    monkeypatch.setattr(sys, "argv", ["vedette", *line.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert caught.value.code == 1 and out == ""
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ") and message in lines[0]
    assert lines[1].startswith("hint: ") and hint in lines[1]
    assert names(folder) == before


@pytest.mark.parametrize(
    "line",
    [
        "run photo.png",
        "run photo.png -o x.vdt --quality 3 --budget 1kB",
        "run photo.png -o x.vdt --quality high",
        "run photo.png -o x.vdt --budget 10x",
        "run photo.png -o x.vdt --budget 99999999999999999999MB",
        "run photo.png -o x.vdt --rgb 1,2",
        "run photo.png -o x.vdt --workers 0",
        "codec encode",
    ],
)
def test_wrong_usage_exits_with_two_and_writes_nothing(folder, line):
    before = names(folder)
    result = CliRunner().invoke(vedette, line.split())
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert names(folder) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("open photo.vdt -o photo.vdt", "would be overwritten"),
        ("open photo.vdt -o out.jpg", "cannot write .jpg"),
        ("open photo.vdt -o text.png/out", "cannot make the folder"),
        ("open photo.vdt -o out --original bit.png", "80 pixels and 1 bands"),
        ("open photo.vdt -o out.tif --original missing.png", "there is no file missing.png"),
        ("open photo.vdt -o out.tif --model text.safetensors", "does not hold weights"),
    ],
)
def test_a_mistake_in_opening_writes_nothing(folder, monkeypatch, capfd, line, message):
    call("codec", "encode", "photo.png")
    before = names(folder)
    monkeypatch.setattr(sys, "argv", ["vedette", *line.split()])
    with pytest.raises(SystemExit):
        main()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and message in lines[0]
    assert names(folder) == before


def test_the_systems_refusal_is_one_line_too(monkeypatch, capsys, tmp_path):
    def closed(*args, **options):
        raise PermissionError(13, "Permission denied", "photo.png")

    monkeypatch.setattr("vedette.payload.onboard", closed)
    monkeypatch.setattr(sys, "argv", ["vedette", "run", "photo.png", "-o", str(tmp_path / "x.vdt")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.splitlines()[0] == "error: photo.png: Permission denied"


def test_an_output_folder_that_is_closed_is_refused_before_the_work(folder, monkeypatch):
    from vedette.errors import InputError
    from vedette.images import check_output

    monkeypatch.setattr("os.access", lambda path, mode: False)  # the superuser may write everywhere
    with pytest.raises(InputError, match="read-only"):
        check_output(folder / "x.vdt")


SLOW_READER = """
import sys
from pathlib import Path
from vedette.cli import main
from vedette.images import Scene
plain = Scene.read
def read(scene, window):
    Path("begun").touch()
    return plain(scene, window)
Scene.read = read
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_stops_promptly_and_leaves_no_file(tmp_path, workers):
    noise = np.random.default_rng(0).integers(0, 256, (4096, 4096, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", compress_level=1)
    words = ["run", "noise.png", "-o", "x.vdt", "--workers", str(workers)]
    running = subprocess.Popen(
        [sys.executable, "-c", SLOW_READER, *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    while not (tmp_path / "begun").exists():
        assert running.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    start = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert time.monotonic() - start < 10  # a 512-pixel tile in work is finished first
    assert running.returncode == 1 and "Traceback" not in err and "Aborted" in err
    assert names(tmp_path) == ["begun", "noise.png"]
