"""DOTA 1.0, 1.5 and 2.0: aerial scenes, objects by four corners."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather, quad
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import bad_line, image_size, images_in, integer, labels_in, lines_of, numbers
from vedette.errors import InputError


def read(source: Path, options: Options) -> Found:
    """DOTA of the folder `source`: `images/` and `labelTxt/`, in `train/` and `val/` or without parts.

    Classes are those that occur, sorted. Images without a label file, such as those of the test part, are
    left out.

    Raises:
        InputError: no images, several label folders, or a bad line.
    """
    report = Report(kind="dota")
    photos = []
    for part, folder in _parts(source).items():
        images, labels = images_in(folder / "images"), labels_in(_label_folder(folder))
        report.without_labels += [path.name for stem, path in images.items() if stem not in labels]
        report.without_image += [path.name for stem, path in labels.items() if stem not in images]
        for stem, path in images.items():
            if stem in labels:
                gsd_m, drawn = read_labels(labels[stem], difficult=options.difficult)
                width, height = image_size(path)
                photos.append(
                    Photo(part=part, path=path, width=width, height=height, drawn=drawn, gsd_m=gsd_m)
                )
    return Found(parts=gather(photos, report, oriented=options.oriented), report=report)


def read_labels(path: Path, *, difficult: bool = True) -> tuple[float | None, list[Drawn]]:
    """Meters a pixel, None where the file names none, and the objects.

    Lines are x1 y1 x2 y2 x3 y3 x4 y4 class difficult; the last may be missing. Two lines before them,
    `imagesource:` and `gsd:`, may stand there.

    Args:
        difficult: objects so marked become regions to ignore.
    """
    gsd_m, drawn = None, []
    for line, text in lines_of(path):
        head, colon, rest = text.partition(":")
        if colon and head.lower() in ("imagesource", "gsd"):
            gsd_m = _gsd(rest.strip(), path, line) if head.lower() == "gsd" else gsd_m
            continue
        fields = text.split()
        if len(fields) not in (9, 10):
            raise bad_line(path, line, text, "8 numbers, a class and 0 or 1")
        corners = np.array(numbers(fields[:8], path, line, "8 numbers")).reshape(4, 2)
        hard = len(fields) == 10 and integer(fields[9], path, line, "0 or 1") != 0
        drawn.append(quad(fields[8], corners, ignore=hard and difficult))
    return gsd_m, drawn


def _gsd(text: str, path: Path, line: int) -> float | None:
    if text.lower() in ("", "null", "none", "nan"):
        return None
    value = numbers([text], path, line, "meters a pixel or null")[0]
    return value if value > 0 else None


def _parts(source: Path) -> Mapping[str, Path]:
    parts = {part: source / part for part in ("train", "val", "test") if _labeled(source / part)}
    if not parts and _labeled(source):
        parts = {"all": source}
    if not parts:
        raise InputError(
            f"{source} is no DOTA", hint="images/ and labelTxt/ are needed, in train/ and val/ or as they are"
        )
    return parts


def _labeled(folder: Path) -> bool:
    return (folder / "images").is_dir() and any(path.is_dir() for path in folder.glob("labelTxt*"))


def _label_folder(folder: Path) -> Path:
    """`labelTxt`, or the only folder whose name starts so, as `labelTxt-v1.5/labelTxt` of the archives."""
    plain = folder / "labelTxt"
    if not plain.is_dir():
        several = sorted(path for path in folder.glob("labelTxt*") if path.is_dir())
        if len(several) > 1:
            raise InputError(
                f"{folder} holds labels of several versions: {', '.join(path.name for path in several)}",
                hint="call the one to use labelTxt",
            )
        plain = several[0]
    return plain / "labelTxt" if (plain / "labelTxt").is_dir() else plain
