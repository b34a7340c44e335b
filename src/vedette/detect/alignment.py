"""Do two sensors see the same place? The shift between images, by phase correlation of edges; no torch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from vedette.errors import InputError

SIDE_LEAST = 32  # pixels
SIDE_MOST = 1024
SURE_LEAST = 6.0  # standard deviations of the correlation by which its peak stands out


@dataclass(frozen=True)
class Shift:
    """How far the second image lies from the first, pixels, right and down; `sure`: the peak's height in
    standard deviations, below 6 there is no telling.
    """

    right: float
    down: float
    sure: float

    @property
    def pixels(self) -> float:
        """Length of the shift."""
        return float(np.hypot(self.right, self.down))

    @property
    def known(self) -> bool:
        """Whether the peak stands out."""
        return self.sure >= SURE_LEAST


def shift_between(first: Shaped[np.ndarray, "a h w"], second: Shaped[np.ndarray, "b h2 w2"]) -> Shift:
    """The shift between two images of one size, each the mean of its bands; of the middle 1024 pixels.

    Sensors differ in what is bright, not in where edges are: magnitudes of gradients are compared.

    Raises:
        InputError: images of different or too small sizes.

    >>> scene = np.random.default_rng(0).random((1, 80, 80)).cumsum(1).cumsum(2)
    >>> moved = shift_between(scene[:, 8:72, 8:72], scene[:, 6:70, 5:69])
    >>> round(moved.right), round(moved.down)
    (3, 2)
    """
    if first.shape[1:] != second.shape[1:] or min(first.shape[1:]) < SIDE_LEAST:
        raise InputError(
            f"images of {first.shape[1:]} and {second.shape[1:]} pixels",
            hint=f"one size of at least {SIDE_LEAST} pixels a side is needed",
        )
    a, b = (_edges(image) for image in (first, second))
    cross = np.fft.rfft2(b) * np.conj(np.fft.rfft2(a))
    size = np.abs(cross)
    surface = np.fft.irfft2(cross / (size + 1e-3 * size.mean() + 1e-12), s=a.shape)
    surface = _smooth(surface)
    row, col = np.unravel_index(int(surface.argmax()), surface.shape)
    down = _peak(surface[:, col], int(row))
    right = _peak(surface[row], int(col))
    return Shift(right, down, float((surface.max() - surface.mean()) / max(surface.std(), 1e-12)))


def _edges(image: Shaped[np.ndarray, "c h w"]) -> Float[np.ndarray, "rows cols"]:
    """Magnitudes of gradients, without their mean, fading out to the border."""
    h, w = (min(side, SIDE_MOST) for side in image.shape[1:])
    top, left = (image.shape[1] - h) // 2, (image.shape[2] - w) // 2
    gray = image[:, top : top + h, left : left + w].mean(axis=0, dtype=np.float64)
    size = np.hypot(*np.gradient(gray))
    size = np.log1p(size / max(size.mean(), 1e-12))
    return (size - size.mean()) * np.outer(np.hanning(h), np.hanning(w))


def _smooth(surface: np.ndarray) -> np.ndarray:
    """Three by three means on the ring: a peak between pixels stays one peak."""
    for axis in (0, 1):
        surface = (np.roll(surface, 1, axis) + 2 * surface + np.roll(surface, -1, axis)) / 4
    return surface


def _peak(values: Float[np.ndarray, " n"], at: int) -> float:
    """Where the parabola through the peak and its neighbors on the ring is highest, from -n/2 to n/2."""
    before, here, after = values[at - 1], values[at], values[(at + 1) % len(values)]
    curve = before - 2 * here + after
    place = at + (0.5 * (before - after) / curve if curve < 0 else 0.0)
    return float(place - len(values) if place > len(values) / 2 else place)
