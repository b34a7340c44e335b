"""Scenes larger than the images at hand: mirrored copies, which join without an edge."""

from pathlib import Path

import numpy as np

from vedette.errors import InputError
from vedette.images import Window, open_scene

SUFFIXES = {".png", ".webp", ".tif", ".tiff"}  # of lossless files: JPEG's traces would be coded too


def photographs(folder: Path) -> list[np.ndarray]:
    """The first three bands of the 8-bit images in a folder, (3, h, w), by name.

    Raises:
        InputError: none that has three.
    """
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        with open_scene(path) as scene:
            if scene.dtype is np.uint8 and scene.bands >= 3:
                found.append(scene.read(Window(0, 0, scene.height, scene.width))[:3])
    if not found:
        raise InputError(f"no 8-bit RGB image in {folder}", hint=f"read are {', '.join(sorted(SUFFIXES))}")
    return found


def mirrored(image: np.ndarray, height: int, width: int, *, row: int = 0, col: int = 0) -> np.ndarray:
    """`height` x `width` pixels, from (row, col) on, of the plane that an image and its mirror images fill.

    >>> mirrored(np.array([[[1, 2, 3]]]), 1, 8).tolist()
    [[[1, 2, 3, 3, 2, 1, 1, 2]]]
    """
    rows, cols = (
        _folded(np.arange(start, start + count), side)
        for start, count, side in ((row, height, image.shape[1]), (col, width, image.shape[2]))
    )
    return image[:, rows[:, None], cols[None]]


def mosaic(images: list[np.ndarray], window: Window, cell: int) -> np.ndarray:
    """A window of an endless scene: square cells, each a mirrored image, the images in turn.

    With one image the whole plane joins without an edge; between cells of different images there is one.
    """
    out = np.empty((3, window.height, window.width), dtype=np.uint8)
    top, left = window.row // cell, window.col // cell
    for i in range(top, (window.row + window.height - 1) // cell + 1):
        for j in range(left, (window.col + window.width - 1) // cell + 1):
            row, col = max(window.row, i * cell), max(window.col, j * cell)
            bottom = min(window.row + window.height, (i + 1) * cell)
            right = min(window.col + window.width, (j + 1) * cell)
            image = images[(j + 3 * i) % len(images)]
            out[:, row - window.row : bottom - window.row, col - window.col : right - window.col] = mirrored(
                image, bottom - row, right - col, row=row, col=col
            )
    return out


def _folded(positions: np.ndarray, side: int) -> np.ndarray:
    turned: np.ndarray = positions % (2 * side)
    return np.minimum(turned, 2 * side - 1 - turned)
