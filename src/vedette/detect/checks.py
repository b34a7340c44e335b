"""Before a number is believed: leaks between parts, sensors that lie apart, sizes that do not fit."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from vedette.data.boxes import BoxSet
from vedette.detect.alignment import Shift, shift_between
from vedette.detect.anchors import best_recall, sides
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.leaks import Leak, leaks
from vedette.detect.models.head import ANCHORS

PAIRS_MOST = 16


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was seen of a training and a test part; `shifts` of up to 16 registered pairs."""

    leaks: list[Leak]
    shifts: list[Shift]
    test_images: int
    anchors_fit: float
    median_side: float

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        kinds = Counter(leak.kind for leak in self.leaks)
        touched = len({leak.second for leak in self.leaks})
        row: dict[str, object] = {
            "leaks": ", ".join(f"{count} by {kind}" for kind, count in kinds.items()) or "none found",
            "test_images_touched": f"{touched} of {self.test_images}",
            "median_side": f"{self.median_side:.1f} pixels",
            "anchors_fit": f"{100 * self.anchors_fit:.1f} % of the training objects (one scale, stride 4)",
        }
        known = [shift.pixels for shift in self.shifts if shift.known]
        if self.shifts:
            row["sensors_apart"] = (
                f"median {median(known):.2f}, at most {max(known):.2f} pixels in {len(known)} pairs"
                if known
                else "no telling"
            )
        return row

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def check(
    training: BoxSet, test: BoxSet, progress: Callable[[int, int], None] = lambda done, total: None
) -> Checked:
    """Compare the parts and the sensors of registered pairs.

    Raises:
        InputError: a part without images, or images that cannot be read.
    """
    paired = [image for image in training.images if image.path_ir is not None]
    shifts = []
    for image in paired[:: max(1, len(paired) // PAIRS_MOST)][:PAIRS_MOST]:
        groups = (BandGroup("first", (1,)), BandGroup("second", (1,), second=True))
        with Sensors(image.paths, groups, (1, 1)) as sensors:
            samples = sensors.whole()
            shifts.append(shift_between(samples[:1], samples[1:]))
    wh = sides(training, 1)
    return Checked(
        leaks=leaks(training, test, progress),
        shifts=shifts,
        test_images=len(test.images),
        anchors_fit=best_recall(wh, np.array(ANCHORS[:1])),
        median_side=float(np.median(np.sqrt(wh.prod(axis=1)))) if len(wh) else 0.0,
    )
