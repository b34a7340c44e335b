"""From a scene to files: what was found, where it lies, and a picture; no torch for an ONNX detector."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from vedette.detect.alignment import SIDE_LEAST, SIDE_MOST, Shift, shift_between
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.detections import Detections
from vedette.detect.outputs import BACKGROUND, coco, geojson, overview, picture, qgis_style
from vedette.detect.place import check_crs, gsd_m
from vedette.detect.scene import Finding, Network, find
from vedette.detect.spec import PEAKS, DetectorSpec
from vedette.errors import InputError
from vedette.images import Window, check_folder, open_scene, write_atomically
from vedette.runtime import OnnxNetwork

SHIFT_MOST = 2.0  # pixels of the network that sensors may lie apart before it is said
KEY = "detector"  # of what an exported file says of itself; as `detector_file` has it, which needs torch


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What a prediction gave; `shift` is that of the second group of bands there is against the first."""

    found: Detections
    classes: tuple[str, ...]
    height: int
    width: int
    gsd_m: float | None
    groups: tuple[str, ...]
    absent: tuple[str, ...]
    shift: Shift | None
    warnings: tuple[str, ...]
    files: tuple[Path, ...]

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        row: dict[str, object] = {
            "scene": f"{self.width} x {self.height}, {' + '.join(self.groups)}",
            "found": len(self.found),
        }
        for number, name in enumerate(self.classes):
            row[name] = int((self.found.labels == number).sum())
        if self.absent:
            row["without"] = ", ".join(self.absent)
        if self.gsd_m is not None:
            row["meters_a_pixel"] = self.gsd_m
        if self.shift is not None and self.shift.known:
            row["sensors_apart"] = f"{self.shift.pixels:.1f} pixels"
        for number, warning in enumerate(self.warnings):
            row["warning" if not number else f"warning_{number + 1}"] = warning
        row["files"] = ", ".join(path.name for path in self.files)
        return row


def load_network(
    model: str, *, device: str = "cpu", threads: int | None = None
) -> tuple[Network, DetectorSpec]:
    """The detector called `model`: a shipped name, a .safetensors file, or an .onnx file, without torch.

    Raises:
        UnknownNameError, InputError, MissingExtraError: see their messages.
    """
    if Path(model).suffix.lower() != ".onnx":
        from vedette.detect.detector_file import load_detector  # torch loads here: ONNX files do without

        detector = load_detector(model)
        return detector.network(device), detector.spec
    runner = OnnxNetwork(Path(model), threads=threads)
    if KEY not in runner.metadata:
        raise InputError(f"{model} is no detector", hint="give a file that `vedette detect export` wrote")
    spec = DetectorSpec.parse(runner.metadata[KEY])

    def run(image: np.ndarray) -> np.ndarray:
        outputs = runner(image)
        return outputs[0][0] if len(outputs) == 1 else _rows(outputs, len(spec.classes))

    return run, spec


def _rows(outputs: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Rows of a file that suppresses by itself: boxes with their one score."""
    xyxy, scores, labels = outputs
    rows = np.zeros((len(scores), 5 + classes), dtype=np.float32)
    rows[:, :2], rows[:, 2:4] = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    rows[:, 4] = scores
    rows[np.arange(len(scores)), 5 + labels] = 1.0
    return rows


def predict(
    scene: Path,
    output: Path,
    *,
    model: str = "cars-rgb",
    second: Path | None = None,
    bands: Sequence[BandGroup] = (),
    finding: Finding | None = None,
    peak: float | None = None,
    scene_gsd_m: float | None = None,
    any_gsd: bool = False,
    crs: str | None = None,
    with_picture: bool = True,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Find objects in `scene`; write detections.geojson, .coco.json, .qml and .png into the folder `output`.

    Args:
        second: a registered file of another sensor, for groups of bands that say so.
        bands: which bands are which group; by default the first ones of the file in the detector's order.
        peak: the sample value that is white; for samples of another type than the detector learned from.
        scene_gsd_m: meters a pixel, where the file does not say; `any_gsd` takes any.
        crs: of the GeoJSON; by default the scene's own.

    Raises:
        InputError: bands, samples or pixel size that do not fit the detector; the hint says what to do.
    """
    check_folder(output)
    if crs is not None:
        check_crs(crs)
    network, spec = load_network(model, device=device)
    paths = (scene,) if second is None else (scene, second)
    with open_scene(scene, bands=(1,)) as probe:
        count = probe.source_bands
    groups = spec.groups_of(bands, count, paired=second is not None)
    with Sensors(paths, groups, spec.counts) as sensors:
        if peak is None:
            spec.check_samples(sensors.dtype)
        else:
            if not 0 < peak <= PEAKS[np.dtype(sensors.dtype).name]:
                raise InputError(f"a peak of {peak:g}", hint="a sample value above 0 is needed")
            spec = replace(spec, peak=peak)
        if crs is not None and (sensors.geo is None or not sensors.geo.crs):
            raise InputError(f"{scene.name} has no place on Earth", hint="leave --crs out")
        ground = scene_gsd_m or gsd_m(sensors.geo, sensors.height, sensors.width)
        if not any_gsd:
            spec.check_gsd(ground)
        middle = _middle(sensors)
        shift = _shift(sensors, middle)
        warnings = _warnings(sensors, spec, shift, middle)
        found = find(sensors, network, spec, finding or Finding(), progress)
        output.mkdir(parents=True, exist_ok=True)
        named = geojson(found, spec.classes, geo=sensors.geo, gsd_m=ground, crs=crs)
        boxes = coco(found, spec.classes, file_name=scene.name, height=sensors.height, width=sensors.width)
        files = {
            "detections.geojson": json.dumps(named).encode(),
            "detections.coco.json": json.dumps(boxes).encode(),
            "detections.qml": qgis_style(spec.classes).encode(),
        }
        if with_picture:
            files["detections.png"] = _picture(sensors, found, spec)
        for name, data in files.items():
            write_atomically(output / name, data)
        return Predicted(
            found=found,
            classes=spec.classes,
            height=sensors.height,
            width=sensors.width,
            gsd_m=ground,
            groups=tuple(group.name for group in groups if group.bands),
            absent=tuple(group.name for group in groups if not group.bands),
            shift=shift,
            warnings=warnings,
            files=tuple(output / name for name in files),
        )


def _picture(sensors: Sensors, found: Detections, spec: DetectorSpec) -> bytes:
    """The groups of bands beside each other, each with what was found."""
    shown = overview(sensors)
    scale = shown[0][1].shape[2] / sensors.width
    panels = [picture(bands, found, spec.classes, scale) for _, bands in shown]
    wide = Image.new("RGB", (sum(panel.width for panel in panels), panels[0].height), BACKGROUND)
    left = 0
    for panel in panels:
        wide.paste(panel, (left, 0))
        left += panel.width
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    return buffer.getvalue()


def _middle(sensors: Sensors) -> np.ndarray:
    """The middle of the scene, up to 1024 pixels a side."""
    height, width = min(sensors.height, SIDE_MOST), min(sensors.width, SIDE_MOST)
    return sensors.read(Window((sensors.height - height) // 2, (sensors.width - width) // 2, height, width))


def _planes(sensors: Sensors) -> list[tuple[str, slice]]:
    """Name and planes of each group that is there."""
    there, first = [], 0
    for group, count in zip(sensors.groups, sensors.counts, strict=True):
        if group.bands:
            there.append((group.name, slice(first, first + count)))
        first += count
    return there


def _shift(sensors: Sensors, middle: np.ndarray) -> Shift | None:
    """Of the second group that is there against the first."""
    there = _planes(sensors)
    if len(there) < 2 or min(middle.shape[1:]) < SIDE_LEAST:
        return None
    return shift_between(middle[there[0][1]], middle[there[1][1]])


def _warnings(
    sensors: Sensors, spec: DetectorSpec, shift: Shift | None, middle: np.ndarray
) -> tuple[str, ...]:
    said = []
    if shift is not None and shift.known and shift.pixels > SHIFT_MOST * spec.reduce:
        said.append(
            f"the sensors lie {shift.pixels:.1f} pixels apart ({shift.right:+.1f} right, "
            f"{shift.down:+.1f} down): register them for better detections"
        )
    if spec.mean:
        means, mean, deviation = (
            np.array(v) for v in (middle.mean(axis=(1, 2)) / spec.peak, spec.mean, spec.deviation)
        )
        far = np.abs(means - mean) / np.maximum(deviation, 1e-3) > 2
        for name, planes in _planes(sensors):
            odd = np.flatnonzero(far[planes])
            if len(odd):
                band = planes.start + odd[0]
                said.append(
                    f"{name} has a mean of {means[band]:.2f} where the detector knew "
                    f"{mean[band]:.2f} +- {deviation[band]:.2f}: are bands and peak right?"
                )
    return tuple(said)
