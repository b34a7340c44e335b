"""Label files and images as every reader takes them: what is wrong is named by file and line."""

import json
import math
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vedette.data.folders import SUFFIXES
from vedette.errors import ImageReadError, InputError, LimitError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def bad_line(path: Path, line: int, got: str, need: str) -> InputError:
    """The error of a line that cannot be understood.

    >>> print(bad_line(Path("labels/7.txt"), 3, "1 2 x", "4 numbers"))
    7.txt, line 3: got '1 2 x', 4 numbers needed
    """
    shown = got if len(got) <= 60 else f"{got[:57]}..."
    return InputError(
        f"{path.name}, line {line}: got {shown!r}, {need} needed", hint="mend or remove the line"
    )


def read_text(path: Path) -> str:
    """A text file of UTF-8, with or without its mark.

    Raises:
        InputError: no such file, one that may not be read, or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint="check the path") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="check its rights") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no text", hint="a text file of UTF-8 is needed") from error


def lines_of(path: Path) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    numbered = enumerate(read_text(path).splitlines(), start=1)
    return [(number, line.strip()) for number, line in numbered if line.strip()]


def numbers(fields: Sequence[str], path: Path, line: int, need: str) -> list[float]:
    """`fields` as finite numbers."""
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise bad_line(path, line, " ".join(fields), need)
    return values


def integer(field: str, path: Path, line: int, need: str) -> int:
    """`field` as an integer; "3" and "3.0" are the same."""
    value = numbers([field], path, line, need)[0]
    if value != int(value):
        raise bad_line(path, line, field, need)
    return int(value)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object."""
    try:
        data = json.loads(read_text(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not JSON: {error}", hint="copy the file again") from error
    if not isinstance(data, dict):
        raise InputError(f"{path.name} holds no JSON object", hint="copy the file again")
    return data


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's head alone.

    Raises:
        ImageReadError: not an image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.width, image.height
    except Image.DecompressionBombError as error:
        with path.open(
            "rb"
        ) as stream:  # scenes of DOTA are larger than Pillow opens; nothing is decoded here
            head = stream.read(24)
        if not head.startswith(PNG_MAGIC):
            raise LimitError(f"{path.name} has too many pixels", hint="cut it into tiles") from error
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageReadError(f"{path} cannot be read as an image", hint="copy the file again") from error


def images_in(folder: Path) -> dict[str, Path]:
    """Images directly in `folder`, by name without ending, sorted.

    Raises:
        InputError: two that differ only in their ending, so that a label file would fit both.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            if path.stem in found:
                raise InputError(
                    f"{path.name} and {found[path.stem].name} in {folder} share a name", hint="remove one"
                )
            found[path.stem] = path
    return found


def labels_in(folder: Path, suffix: str = ".txt") -> dict[str, Path]:
    """Label files directly in `folder`, by name without ending, sorted."""
    return {path.stem: path for path in sorted(folder.glob(f"*{suffix}"))}
