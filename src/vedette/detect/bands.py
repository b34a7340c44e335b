"""Groups of bands, such as RGB and infrared, that lie in one file or in two registered ones; no torch."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Shaped

from vedette.errors import InputError
from vedette.images import Geo, Scene, Window, open_scene

PLACE_TOLERANCE = 0.01  # pixels that the corners of two registered files may lie apart


@dataclass(frozen=True)
class BandGroup:
    """Bands that belong to one sensor.

    Args:
        name: such as "rgb", "ir", "nir".
        bands: their numbers in the file, from 1, in the order that the network sees; () where the group is
            absent and the network is to do without.
        second: they lie in the second file of a pair.
    """

    name: str
    bands: tuple[int, ...]
    second: bool = False


def parse_group(text: str) -> BandGroup:
    """A group as it is typed: NAME=1,2,3, or NAME=second:1 for bands of the second file.

    Raises:
        InputError: anything else.

    >>> parse_group("ir=second:1")
    BandGroup(name='ir', bands=(1,), second=True)
    """
    name, _, numbers = text.partition("=")
    place, _, after = numbers.rpartition(":")
    try:
        bands = tuple(int(number) for number in after.split(","))
        if not name or place not in ("", "second") or min(bands) < 1:
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"bands {text!r}", hint="write rgb=1,2,3 or nir=4, or ir=second:1 for a second file"
        ) from error
    return BandGroup(name, bands, place == "second")


class Sensors:
    """One open scene, or two registered ones, whose groups of bands are read together. A context manager.

    Args:
        paths: one file, or two of the same size and place.
        groups: what to read, in the order that the network sees.
        counts: bands of each group as the network wants them; an absent group is that many planes of zeros.

    Raises:
        InputError: files that do not lie on one another, of different kinds, or no group at all.
    """

    def __init__(self, paths: Sequence[Path], groups: Sequence[BandGroup], counts: Sequence[int]) -> None:
        if not any(group.bands for group in groups):
            raise InputError("no group of bands is given", hint="name at least one, e.g. rgb=1,2,3")
        self.groups, self.counts = tuple(groups), tuple(counts)
        for group, count in zip(groups, counts, strict=True):
            if group.bands and len(group.bands) != count:
                raise InputError(f"{len(group.bands)} bands for {group.name}", hint=f"{count} are needed")
            if group.bands and group.second and len(paths) < 2:
                raise InputError(f"{group.name} lies in a second file", hint="give that file too")
        self._stack = ExitStack()
        self._scenes: list[tuple[int, int, Scene]] = []  # first plane, planes, where from
        try:
            first = 0
            for group, count in zip(groups, counts, strict=True):
                if group.bands:
                    scene = open_scene(paths[int(group.second)], bands=group.bands)
                    self._scenes.append((first, count, self._stack.enter_context(scene)))
                first += count
            scenes = [scene for _, _, scene in self._scenes]
            for other in scenes[1:]:
                _check_registered(scenes[0], other)
        except BaseException:
            self._stack.close()
            raise
        self.planes = first
        self.height, self.width, self.dtype = scenes[0].height, scenes[0].width, scenes[0].dtype
        self.geo: Geo | None = next((scene.geo for scene in scenes if scene.geo), None)

    def read(self, window: Window) -> Shaped[np.ndarray, "planes h w"]:
        """The window's samples, group after group."""
        samples: np.ndarray = np.zeros((self.planes, window.height, window.width), dtype=self.dtype)
        for first, count, scene in self._scenes:
            samples[first : first + count] = scene.read(window)
        return samples

    def whole(self) -> Shaped[np.ndarray, "planes h w"]:
        """All samples."""
        return self.read(Window(0, 0, self.height, self.width))

    def __enter__(self) -> "Sensors":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _check_registered(a: Scene, b: Scene) -> None:
    if (a.height, a.width) != (b.height, b.width):
        raise InputError(
            f"{a.path.name} is {a.width} x {a.height} pixels, {b.path.name} {b.width} x {b.height}",
            hint="resample one to the grid of the other first",
        )
    if a.dtype is not b.dtype:
        kinds = f"{np.dtype(a.dtype).name} and {np.dtype(b.dtype).name}"
        raise InputError(f"{a.path.name} and {b.path.name} hold {kinds}", hint="bring both to one type")
    if a.geo and b.geo and a.geo.transform and b.geo.transform:
        apart = np.abs(np.subtract(a.geo.transform, b.geo.transform))
        pixel = max(abs(a.geo.transform[0]), abs(a.geo.transform[1]), 1e-12)
        moved = max(apart[2], apart[5]) / pixel
        grown = max(apart[0], apart[1], apart[3], apart[4]) * max(a.height, a.width) / pixel
        if a.geo.crs != b.geo.crs or max(moved, grown) > PLACE_TOLERANCE:
            raise InputError(
                f"{a.path.name} and {b.path.name} lie at different places",
                hint="warp one to the grid of the other first",
            )
