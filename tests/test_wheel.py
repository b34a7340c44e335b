"""The wheel: with a compiler and without one it installs, says what serves, and decodes the same latents."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
PACKED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")
# as tests/codec/test_exact.py hashes, by whatever vedette the interpreter finds
PROGRAM = """
import hashlib, json, sys
from pathlib import Path
import vedette
from vedette.bitstream import product
from vedette.codec import load
from vedette.codec.scene import SceneDecoder
decoder = SceneDecoder(product.read(Path(sys.argv[1]).read_bytes()), load())
digest = hashlib.sha256()
for tile in range(decoder.header.tiles):
    digest.update(decoder._tile(tile, 0)[0].numpy().tobytes())
print(json.dumps({"latents": digest.hexdigest(), "from": vedette.__file__}))
"""

pytestmark = pytest.mark.slow


def output(command: list[str | Path], **options) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def bare(**more: str) -> dict[str, str]:
    """An environment in which only an installed package is found."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | more


@pytest.fixture(scope="module", params=["compiler", "no compiler"])
def installed(request, tmp_path_factory):
    """(name of the case, wheel, the `bin` of a fresh environment with that wheel)."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in PACKED:
        shutil.copy(ROOT / name, source)
    leave = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=leave)
    tools = {} if request.param == "compiler" else {"CC": "/bin/false", "CXX": "/bin/false"}
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    output(build, env=bare(**tools), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    output([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    output([*pip, "install", "--no-deps", "--no-index", wheel], env=bare())
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # a path in a .pth brings the packages of the folder but not the .pth files in it, so no editable vedette
    (site / "dependencies.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return request.param, wheel, python.parent


def test_the_wheel_holds_the_module_only_where_it_was_compiled(installed):
    case, wheel, _ = installed
    names = zipfile.ZipFile(wheel).namelist()
    modules = [name for name in names if name.endswith(".so")]
    assert modules == (["vedette/_native.abi3.so"] if case == "compiler" else [])
    assert "cp311-abi3" in wheel.name
    assert {"vedette/weights/charm-lite.safetensors", "vedette/samples/scene.tif", "vedette/py.typed"} <= set(
        names
    )
    assert not any(name.startswith("tests") for name in names)


def test_doctor_says_which_kernel_serves(installed, tmp_path):
    case, _, scripts = installed
    row = json.loads(output([scripts / "vedette", "doctor", "--json"], env=bare(), cwd=tmp_path))
    assert row["native_module"].startswith("compiled" if case == "compiler" else "missing")


def test_the_golden_product_decodes_to_the_same_latents(installed, tmp_path):
    _, _, scripts = installed
    shutil.copy(GOLDEN / "scene-format1.vdt", tmp_path)
    command = [scripts / "python", "-c", PROGRAM, "scene-format1.vdt"]
    found = json.loads(output(command, env=bare(), cwd=tmp_path))
    assert Path(found["from"]).is_relative_to(scripts.parent)
    assert found["latents"] == json.loads((GOLDEN / "scene-format1.json").read_text())["latents_sha256"]


def test_the_installed_command_opens_the_golden_product(installed, tmp_path):
    _, _, scripts = installed
    shutil.copy(GOLDEN / "scene-format1.vdt", tmp_path)
    command = [scripts / "vedette", "codec", "decode", "scene-format1.vdt", "-o", "image.tif", "--json"]
    row = json.loads(output(command, env=bare(), cwd=tmp_path))
    assert row["missing_tiles"] == "none" and (tmp_path / "image.tif").exists()
