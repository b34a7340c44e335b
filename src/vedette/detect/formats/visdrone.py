"""VisDrone-DET: street scenes from drones, ten classes, regions to ignore."""

from pathlib import Path

from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather, straight
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import bad_line, image_size, images_in, integer, labels_in, lines_of, numbers
from vedette.errors import InputError

CLASSES = (
    "pedestrian",
    "people",
    "bicycle",
    "car",
    "van",
    "truck",
    "tricycle",
    "awning-tricycle",
    "bus",
    "motor",
)
NAMES = ("ignored region", *CLASSES, "others")  # by the number in the files
FOLDERS = {
    "train": ("VisDrone2019-DET-train", "train"),
    "val": ("VisDrone2019-DET-val", "val"),
    "test": ("VisDrone2019-DET-test-dev", "test-dev", "test"),
}


def read(source: Path, options: Options) -> Found:
    """VisDrone-DET of `source`, the folder that holds `VisDrone2019-DET-train` and so on, or one of these.

    Regions to ignore are category 0, "others", and what is marked with the score 0.

    Raises:
        InputError: no images, or a bad line.
    """
    report = Report(kind="visdrone")
    photos = []
    for part, folder in _parts(source).items():
        images, labels = images_in(folder / "images"), labels_in(folder / "annotations")
        report.without_labels += [path.name for stem, path in images.items() if stem not in labels]
        report.without_image += [path.name for stem, path in labels.items() if stem not in images]
        for stem, path in images.items():
            if stem in labels:
                width, height = image_size(path)
                drawn = read_labels(labels[stem])
                photos.append(Photo(part=part, path=path, width=width, height=height, drawn=drawn))
    found = gather(photos, report, classes=CLASSES, oriented=options.oriented)
    return Found(parts=found, report=report)


def read_labels(path: Path) -> list[Drawn]:
    """Objects of a file of lines left,top,width,height,score,category,truncation,occlusion."""
    drawn = []
    for line, text in lines_of(path):
        fields = [field.strip() for field in text.rstrip(",").split(",")]
        if len(fields) != 8:
            raise bad_line(path, line, text, "8 numbers parted by commas")
        left, top, width, height = numbers(fields[:4], path, line, "left, top, width and height")
        score = integer(fields[4], path, line, "the score 0 or 1")
        category = integer(fields[5], path, line, "a category")
        if not 0 <= category < len(NAMES):
            raise bad_line(path, line, fields[5], f"a category from 0 to {len(NAMES) - 1}")
        name = NAMES[category]
        ignore = name not in CLASSES or score == 0
        drawn.append(straight(name, (left, top, left + width, top + height), ignore=ignore))
    return drawn


def _parts(source: Path) -> dict[str, Path]:
    for part, names in FOLDERS.items():
        if source.name in names and _labeled(source):
            return {part: source}
    parts: dict[str, Path] = {}
    for part, names in FOLDERS.items():
        for name in names:
            if _labeled(source / name):
                parts.setdefault(part, source / name)
    if not parts and _labeled(source):
        parts = {"all": source}
    if not parts:
        raise InputError(
            f"{source} is no VisDrone-DET",
            hint="VisDrone2019-DET-train/ with images/ and annotations/ is needed, or another part",
        )
    return parts


def _labeled(folder: Path) -> bool:
    return (folder / "images").is_dir() and (folder / "annotations").is_dir()
