"""Windows: rectangles of pixels, and how a scene is cut into them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped


@dataclass(frozen=True)
class Window:
    """`height` x `width` pixels whose top left one is (row, col)."""

    row: int
    col: int
    height: int
    width: int

    def grow(self, halo: int, height: int, width: int) -> "Window":
        """This window with `halo` pixels more on each side, clipped to a scene of height x width.

        >>> Window(8, 0, 8, 8).grow(4, 16, 16)
        Window(row=4, col=0, height=12, width=12)
        """
        row, col = max(0, self.row - halo), max(0, self.col - halo)
        bottom = min(height, self.row + self.height + halo)
        right = min(width, self.col + self.width + halo)
        return Window(row, col, bottom - row, right - col)


def windows(height: int, width: int, tile: int) -> list[Window]:
    """The tiles of a scene, row by row; tile 0 is one window.

    >>> len(windows(100, 130, 64))
    6
    """
    if not tile:
        return [Window(0, 0, height, width)]
    return [
        Window(row, col, min(tile, height - row), min(tile, width - col))
        for row in range(0, height, tile)
        for col in range(0, width, tile)
    ]


def pad_to_multiple(image: Shaped[np.ndarray, "c h w"], multiple: int) -> Shaped[np.ndarray, "c H W"]:
    """Repeat the right and bottom border until both sides are multiples.

    >>> pad_to_multiple(np.ones((1, 3, 8)), 8).shape
    (1, 8, 8)
    """
    down, right = -image.shape[1] % multiple, -image.shape[2] % multiple
    return np.pad(image, ((0, 0), (0, down), (0, right)), mode="edge")
