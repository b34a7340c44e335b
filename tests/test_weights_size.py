"""What ships stays small: 8 MB a weights file, 60 MB in all."""

from pathlib import Path

import vedette

FOLDER = Path(vedette.__file__).parent / "weights"
FILE_MOST = 8_000_000
ALL_MOST = 60_000_000


def sizes() -> dict[str, int]:
    """Bytes of each file under the weights folder, by its path there."""
    return {str(p.relative_to(FOLDER)): p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()}


def test_weights_ship():
    assert [name for name in sizes() if name.endswith(".safetensors")]


def test_no_weights_file_exceeds_its_limit():
    assert {name: size for name, size in sizes().items() if size > FILE_MOST} == {}


def test_all_weights_together_stay_within_the_limit():
    assert sum(sizes().values()) <= ALL_MOST
