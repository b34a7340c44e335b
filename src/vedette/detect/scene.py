"""Detection in scenes of any size: window by window, each object once; no torch.

Windows overlap and stand on a grid of the network's own stride, so that a convolution meets the same
pixels at the same phase whether the scene is cut or not; what is left of a cut are zeros beyond the
overlap, and global means where a network has them. An object belongs to the window whose core holds its
center; doubles at the seams are suppressed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vedette.detect.bands import Sensors
from vedette.detect.detections import Detections, candidates, joined
from vedette.detect.spec import DetectorSpec
from vedette.detect.suppress import Measure, merge, merge_redundant, nms, soft_nms
from vedette.errors import InputError
from vedette.images import windows

# prepared image (1, c, h, w) to decoded rows (n, k); see `vedette.detect.detections.candidates`
Network = Callable[[Float[np.ndarray, "1 c h w"]], Float[np.ndarray, "n k"]]
SEAM = 4  # pixels of the network by which cores overlap: a center may move a little between windows
DOUBLE_IOU = 0.3  # at a seam, two boxes of a class that overlap more are one object
TILE_LEAST = 64  # pixels of the network


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How detections are picked and windows are laid.

    Args:
        least_score: detections below are left out; None for the detector's own.
        suppress: "nms", "soft", "merge" (kept boxes become means), or "redundant" (the released code's
            protocol, which drops boxes that no other supports).
        threshold: overlap above which two boxes are one.
        measure: of the overlap: "iou", "ios", "center".
        most: detections of a window, best first.
        tile: pixels of the network of a window's core, each way; 0 for the scene in one piece.
        overlap: pixels of the network that windows see beyond their cores.
        every_label: several classes for one box, as published scores allow.
    """

    least_score: float | None = None
    suppress: str = "nms"
    threshold: float = 0.5
    measure: Measure = "iou"
    most: int = 1000
    tile: int = 512
    overlap: int = 96
    every_label: bool = False

    def __post_init__(self) -> None:
        if self.suppress not in ("nms", "soft", "merge", "redundant"):
            raise InputError(
                f"no suppression is called {self.suppress!r}", hint="nms, soft, merge or redundant"
            )
        if not 0 <= self.threshold <= 1 or not 0 <= (self.least_score or 0) <= 1:
            raise InputError("a threshold beyond 0 to 1", hint="give a share")
        if (self.tile and self.tile < TILE_LEAST) or self.overlap < 0 or self.most < 1:
            raise InputError(
                f"windows of {self.tile} pixels, overlap {self.overlap}, {self.most} detections",
                hint=f"windows of at least {TILE_LEAST} (0 for none), an overlap of 0 or more, and 1 or more",
            )


def find(
    sensors: Sensors,
    network: Network,
    spec: DetectorSpec,
    finding: Finding = Finding(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Detections:
    """All objects of the scene, pixels of the scene, best first.

    Memory does not grow with the scene but by its detections.
    """
    grid = spec.multiple * spec.reduce
    tile = -(-finding.tile * spec.reduce // grid) * grid  # in pixels of the scene, up to the grid
    overlap = -(-finding.overlap * spec.reduce // grid) * grid
    if tile >= max(sensors.height, sensors.width):
        tile = 0
    cores = windows(sensors.height, sensors.width, tile)
    parts = []
    for number, core in enumerate(cores):
        outer = core.grow(overlap if tile else 0, sensors.height, sensors.width)
        rows = network(spec.prepare(sensors.read(outer))[None])
        found = pick(rows, spec, finding)
        found = found.moved(outer.col, outer.row, spec.reduce)
        if tile:
            center = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 - [core.col, core.row]
            seam = SEAM * spec.reduce
            inside = (center >= -seam) & (center < np.array([core.width, core.height]) + seam)
            found = found.take(inside.all(axis=1))
        parts.append(found)
        progress(number + 1, len(cores))
    parts = [part.clipped(sensors.width, sensors.height) for part in parts]
    window = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    found = joined(parts, oriented=spec.oriented)
    if tile:
        # within a window all is settled: neighbors that overlap a little there are two objects
        return found.take(nms(found, min(finding.threshold, DOUBLE_IOU), window=window))
    return found.take(np.argsort(-found.scores, kind="stable"))


def pick(rows: Float[np.ndarray, "n k"], spec: DetectorSpec, finding: Finding) -> Detections:
    """Detections of one window from the network's rows, pixels of the network, best first."""
    least = spec.least_score if finding.least_score is None else finding.least_score
    found = candidates(
        rows,
        classes=len(spec.classes),
        oriented=spec.oriented,
        least=least,
        every_label=finding.every_label,
    )
    # far more candidates than detections are asked for: the weakest cannot matter
    if len(found) > 10 * finding.most:
        found = found.take(np.argsort(-found.scores, kind="stable")[: 10 * finding.most])
    match finding.suppress:
        case "nms":
            found = found.take(nms(found, finding.threshold, finding.measure))
        case "merge":
            found = merge(found, finding.threshold, finding.measure)
        case "soft":
            found = soft_nms(found, least=least, measure=finding.measure)
        case "redundant":
            found = merge_redundant(found, finding.threshold)
    return found.take(np.arange(min(len(found), finding.most)))
