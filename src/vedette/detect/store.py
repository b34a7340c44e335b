"""Images of a set as arrays, read once and kept while memory allows."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from vedette.data.boxes import BoxImage
from vedette.detect.bands import BandGroup, Sensors
from vedette.errors import InputError, LimitError

BYTES_MOST = 3 << 30  # of all images kept


class Store:
    """Reads the bands of images; the least recently used ones are forgotten beyond `BYTES_MOST`.

    Args:
        groups: bands to read.
        peak: the sample value that becomes 1.0.

    Raises:
        InputError: a file whose size is not what the set says.
    """

    def __init__(self, groups: Sequence[BandGroup], peak: float) -> None:
        self.groups, self.peak = tuple(groups), peak
        self.counts = tuple(len(group.bands) for group in groups)
        self.planes = sum(self.counts)
        self._kept: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._bytes = 0

    def read(self, image: BoxImage) -> Shaped[np.ndarray, "c h w"]:
        """All samples of an image; not to be changed."""
        if image.path in self._kept:
            self._kept.move_to_end(image.path)
            return self._kept[image.path]
        with Sensors(image.paths, self.groups, self.counts) as sensors:
            if (sensors.height, sensors.width) != (image.height, image.width):
                raise InputError(
                    f"{image.path.name} is {sensors.width} x {sensors.height} pixels, its labels are for "
                    f"{image.width} x {image.height}",
                    hint="convert the set again",
                )
            size = sensors.planes * image.height * image.width * np.dtype(sensors.dtype).itemsize
            if size > BYTES_MOST:
                raise LimitError(
                    f"{image.path.name} takes {size / 1e9:.1f} GB", hint="cut it into smaller images"
                )
            samples = sensors.whole()
        while self._bytes + size > BYTES_MOST:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.nbytes
        self._kept[image.path] = samples
        self._bytes += size
        return samples
