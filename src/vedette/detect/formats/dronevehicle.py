"""DroneVehicle: RGB and thermal pairs in a white border, labels in XML for each camera."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NoReturn

import numpy as np

from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather, quad
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import image_size, images_in, labels_in
from vedette.errors import InputError

CLASSES = ("car", "truck", "bus", "van", "freight car")
SPELLINGS = {
    "freight_car": "freight car",
    "feright car": "freight car",
    "feright_car": "freight car",
    "feright": "freight car",
    "freight": "freight car",
    "truvk": "truck",
}
CUT = (640, 512)  # pixels of a published image without its border


class _NoDoctype(ET.TreeBuilder):
    """Refuses declarations: entities that hold entities can grow without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise InputError("a DOCTYPE is not allowed", hint="remove it")


def read(source: Path, options: Options) -> Found:
    """DroneVehicle of `source`: `train/trainimg`, `trainimgr`, `trainlabel`, `trainlabelr`; so val and test.

    Boxes are those of one camera, counted from the image without its border.

    Raises:
        InputError: no images, a pair of two sizes, damaged XML, or an image that has no border to cut.
    """
    report = Report(kind="dronevehicle")
    photos = []
    parts = [part for part in ("train", "val", "test") if (source / part / f"{part}img").is_dir()]
    if not parts:
        raise InputError(
            f"{source} is no DroneVehicle", hint="train/trainimg/ or the folder of another part is needed"
        )
    for part in parts:
        folder = source / part
        label_folder = folder / f"{part}label{'r' if options.labels == 'ir' else ''}"
        if not label_folder.is_dir():
            raise InputError(f"there is no folder {label_folder}", hint="choose the other camera's labels")
        images, labels = images_in(folder / f"{part}img"), labels_in(label_folder, ".xml")
        infrared = images_in(folder / f"{part}imgr") if (folder / f"{part}imgr").is_dir() else {}
        report.without_labels += [path.name for stem, path in images.items() if stem not in labels]
        report.without_image += [path.name for stem, path in labels.items() if stem not in images]
        for stem, path in images.items():
            if stem in labels:
                width, height = _size(path, infrared.get(stem), options.border)
                drawn = read_labels(labels[stem], report, border=options.border)
                photos.append(
                    Photo(
                        part=part,
                        path=path,
                        path_ir=infrared.get(stem),
                        width=width,
                        height=height,
                        drawn=drawn,
                    )
                )
    alone = sum(photo.path_ir is None for photo in photos)
    if alone:
        report.notes.append(f"{alone:,} images have no infrared one")
    found = gather(photos, report, classes=CLASSES, oriented=options.oriented)
    return Found(parts=found, report=report, cut=options.border)


def read_labels(path: Path, report: Report, *, border: int) -> list[Drawn]:
    """Objects of one XML file, moved by the border; what has no class or no box goes to the report."""
    drawn = []
    for number, element in enumerate(_root(path).iter("object"), start=1):
        name = (element.findtext("name") or "").strip().lower()
        name = SPELLINGS.get(name, name)
        if name not in CLASSES:
            report.drop(name or "(no name)", "no class of the set")
            continue
        points = _points(element, f"{path.name}, object {number}")
        if points is None:
            report.drop(name, "a point, no box")
            continue
        drawn.append(quad(name, np.array(points, dtype=np.float64) - border))
    return drawn


def _root(path: Path) -> ET.Element:
    try:
        parser = ET.XMLParser(target=_NoDoctype())
        parser.feed(path.read_bytes())
        return parser.close()
    except InputError as error:
        raise InputError(f"{path.name}: {error}", hint=error.hint) from error
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path.name} is not XML: {error}", hint="copy the file again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="check its rights") from error


def _points(element: ET.Element, where: str) -> list[tuple[float, float]] | None:
    polygon, box = element.find("polygon"), element.find("bndbox")
    if polygon is not None:
        return [(_value(polygon, f"x{k}", where), _value(polygon, f"y{k}", where)) for k in range(1, 5)]
    if box is not None:
        left, top, right, bottom = (_value(box, name, where) for name in ("xmin", "ymin", "xmax", "ymax"))
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    if element.find("point") is not None:
        return None
    raise InputError(f"{where} has no box", hint="polygon or bndbox is needed")


def _value(element: ET.Element, name: str, where: str) -> float:
    text = element.findtext(name)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"{where}: {name} is {text!r}, a number is needed", hint="mend or remove the object")
    return value


def _size(path: Path, infrared: Path | None, border: int) -> tuple[int, int]:
    """Width and height without the border."""
    width, height = image_size(path)
    if infrared is not None and image_size(infrared) != (width, height):
        raise InputError(f"the two images {path.stem} differ in size", hint="copy the pair again")
    if border and ((width, height) == CUT or min(width, height) <= 2 * border):
        raise InputError(
            f"{path.name}, {width} x {height} pixels, has no border of {border} to cut",
            hint="give a border of 0 if the images, and the labels with them, were cut before",
        )
    return width - 2 * border, height - 2 * border
