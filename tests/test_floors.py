"""The import floors hold, and each contract catches a violation that is planted in a copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "vedette"
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of `root`'s pyproject.toml over `root`'s sources."""
    program = f"import sys; sys.path.insert(0, {str(root / 'src')!r})\n{LINT}"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120
    )


def test_no_floor_imports_from_above():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "text", "broken"),
    [
        ("numerics/planted.py", "import vedette.codec.rate\n", "floors BROKEN"),
        ("newcomer/__init__.py", "", "floors BROKEN"),
        ("report/planted.py", "import torch\n", "no torch below the networks BROKEN"),
        ("errors.py", "import vedette.images.window\n", "no rings BROKEN"),
    ],
    ids=["upward", "a folder without a floor", "torch", "ring"],
)
def test_a_planted_violation_is_caught(tmp_path, file, text, broken):
    copy = tmp_path / "src" / "vedette"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("*.safetensors", "*.tif", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = copy / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text + (planted.read_text() if planted.exists() else ""))
    done = lint(tmp_path)
    assert done.returncode == 1
    assert broken in done.stdout
