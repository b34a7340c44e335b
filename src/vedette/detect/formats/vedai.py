"""VEDAI: vehicles of Utah, pairs of RGB and near-infrared images, 10 folds."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather, quad
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import bad_line, image_size, integer, lines_of, numbers, read_json, read_text
from vedette.errors import InputError

CLASSES = {
    1: "car",
    11: "pickup",
    5: "camping",
    2: "truck",
    10: "other",
    4: "tractor",
    23: "boat",
    9: "van",
}
RARE = {31: "plane", 7: "motorcycle", 8: "bus"}  # under 50 objects each; no published result counts them
PARITY = {**CLASSES, 7: "van"}  # the published code numbers classes anew and takes the leftover 7 for van
GSD_M = 0.125  # of the images of 1024 pixels
TABLE = "annotation1024_all.csv"
X, Y = ("x1", "x2", "x3", "x4"), ("y1", "y2", "y3", "y4")


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """One annotation: number of the class, center and corners in pixels of an image of side `unit`."""

    kind: int
    center: tuple[float, float]
    corners: Float[np.ndarray, "4 2"]
    unit: int


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Numbers of the images to learn and to test on."""

    train: frozenset[int]
    test: frozenset[int]


def read(source: Path, options: Options) -> Found:
    """VEDAI of the folder `source`: `*_co.png` with or without `*_ir.png`, annotations, folds.

    Annotations are a table, `annotation1024_all.csv`, or one file an image in a folder `annotations512` or
    `annotations1024`, with any capitals. Folds are `folds.json` or the published `fold01.txt` and
    `fold01test.txt`.

    Raises:
        InputError: no images, no annotations, a bad line, or a fold that is not there.
    """
    report = Report(kind="vedai")
    images = _images(source, options.side)
    vehicles = _vehicles(source, next(iter(images.values()))[1])
    report.without_labels += [f"{number:08}" for number in images if number not in vehicles]
    report.without_image += [f"{number:08}" for number in sorted(vehicles) if number not in images]
    folds = read_folds(source)
    parts = _parts(sorted(set(images) & set(vehicles)), folds, options.fold, report)
    group = {number: f"fold-{k}" for k, fold in enumerate(folds, start=1) for number in fold.test}
    photos = []
    for part, number in parts:
        path, side, height = images[number]
        infrared = path.with_name(path.name.replace("_co.", "_ir."))
        if infrared.exists() and image_size(infrared) != (side, height):
            raise InputError(f"{path.name} and {infrared.name} differ in size", hint="copy the pair again")
        photos.append(
            Photo(
                part=part,
                path=path,
                path_ir=infrared if infrared.exists() else None,
                width=side,
                height=height,
                drawn=drawn_of(vehicles[number], side, report, parity=options.parity),
                gsd_m=GSD_M * 1024 / side,
                group=group.get(number, ""),
            )
        )
    alone = sum(photo.path_ir is None for photo in photos)
    if alone:
        report.notes.append(f"{alone:,} images have no infrared one")
    found = gather(
        photos,
        report,
        classes=tuple(CLASSES.values()),
        oriented=options.oriented,
        clip=not options.parity,
    )
    return Found(parts=found, report=report)


def drawn_of(vehicles: Sequence[Vehicle], side: int, report: Report, *, parity: bool = False) -> list[Drawn]:
    """The annotations in pixels of an image of `side`; those of rare classes go to the report instead."""
    names = PARITY if parity else CLASSES
    drawn = []
    for vehicle in vehicles:
        if vehicle.kind not in names:
            report.drop(RARE[vehicle.kind], "under 50 objects in the whole set")
            continue
        scale = side / vehicle.unit
        one = quad(names[vehicle.kind], vehicle.corners * scale)
        if parity:
            left, top, right, bottom = one.xyxy
            x, y = (value * scale for value in vehicle.center)
            half_w, half_h = (right - left) / 2, (bottom - top) / 2
            around = (x - half_w, y - half_h, x + half_w, y + half_h)
            one = Drawn(name=one.name, xyxy=around, turned=one.turned)
        drawn.append(one)
    return drawn


def read_table(path: Path) -> dict[int, list[Vehicle]]:
    """Annotations of each image of a table with the columns image_id, x, y, x1..x4, y1..y4 and class.

    Raises:
        InputError: a column is missing, or a line is cut short or no number.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)))
    needed = ("image_id", "x", "y", *X, *Y, "class")
    found: dict[int, list[Vehicle]] = {}
    try:
        missing = [name for name in needed if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(
                f"{path.name} has no column {', '.join(missing)}", hint=f"needed are {', '.join(needed)}"
            )
        for row in rows:
            values = [row[name] or "" for name in needed]
            found.setdefault(integer(values[0], path, rows.line_num, "a number of an image"), []).append(
                _vehicle(values[1:], path, rows.line_num, 1024)
            )
    except csv.Error as error:
        raise InputError(f"{path.name} is no table: {error}", hint="copy the file again") from error
    return found


def read_labels(folder: Path, unit: int) -> dict[int, list[Vehicle]]:
    """Annotations of each image of a folder with one text file for each; an empty one says "no vehicle".

    A line is: center x and y, angle, class, contained, occluded, the corners' x, the corners' y.
    """
    found: dict[int, list[Vehicle]] = {}
    for path in sorted(folder.glob("*.txt")):
        if not path.stem.isdecimal():
            continue
        found[int(path.stem)] = of_image = []
        for line, text in lines_of(path):
            fields = text.split()
            if len(fields) != 14:
                raise bad_line(path, line, text, "14 numbers")
            of_image.append(_vehicle([*fields[:2], *fields[6:], fields[3]], path, line, unit))
    return found


def _vehicle(fields: Sequence[str], path: Path, line: int, unit: int) -> Vehicle:
    x, y, *corners = numbers(fields[:10], path, line, "a center and four corners")
    kind = integer(fields[10], path, line, "a class")
    if kind not in CLASSES and kind not in RARE:
        known = ", ".join(map(str, sorted({**CLASSES, **RARE})))
        raise bad_line(path, line, fields[10], f"a class of {known}")
    return Vehicle(kind=kind, center=(x, y), corners=np.array([corners[:4], corners[4:]]).T.copy(), unit=unit)


def read_folds(source: Path) -> list[Fold]:
    """Every fold that `source` names, in order; none where it names none.

    Raises:
        InputError: a list is damaged, or one of the two of a fold is missing.
    """
    if (source / "folds.json").exists():
        return _json_folds(source / "folds.json")
    lists: dict[str, Path] = {}
    for path in sorted(source.rglob("fold*.txt")):
        lists.setdefault(path.stem.lower(), path)
    folds = []
    for name in sorted(name for name in lists if re.fullmatch(r"fold\d\d", name)):
        if f"{name}test" not in lists:
            raise InputError(f"there is {name}.txt but no {name}test.txt", hint="copy the folds again")
        folds.append(Fold(train=_ids(lists[name]), test=_ids(lists[f"{name}test"])))
    return folds


def _json_folds(path: Path) -> list[Fold]:
    data = read_json(path)
    try:
        pairs = list(zip(data["train"], data["test"], strict=True))
        return [Fold(train=frozenset(map(int, a)), test=frozenset(map(int, b))) for a, b in pairs]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} is no list of folds: {error}", hint='{"train": [[1, 2], ...], "test": [[3], ...]}'
        ) from error


def _ids(path: Path) -> frozenset[int]:
    ids = set()
    for line, text in lines_of(path):
        digits = re.match(r"\d+", text.replace("\\", "/").rsplit("/", 1)[-1])
        if digits is None:
            raise bad_line(path, line, text, "a number of an image")
        ids.add(int(digits[0]))
    return frozenset(ids)


def _images(source: Path, side: int | None) -> dict[int, tuple[Path, int, int]]:
    """Path, width and height of each RGB image, by its number."""
    found: dict[int, tuple[Path, int, int]] = {}
    for path in sorted(source.rglob("*_co.png")):
        number = path.name.removesuffix("_co.png")
        if not number.isdecimal():
            continue
        width, height = image_size(path)
        if side is not None and width != side:
            continue
        if int(number) in found:
            raise InputError(
                f"{path.name} is there twice, {found[int(number)][1]} and {width} pixels wide",
                hint="choose the side, 512 or 1024, or remove one",
            )
        found[int(number)] = path, width, height
    if not found:
        what = "" if side is None else f" of {side} pixels"
        raise InputError(f"{source} holds no images *_co.png{what}", hint="unpack the images of VEDAI there")
    return dict(sorted(found.items()))


def _vehicles(source: Path, side: int) -> dict[int, list[Vehicle]]:
    """Annotations from a folder in the images' own pixels, else from the table, else from another folder."""
    folders: dict[int, Path] = {}
    for path in sorted([*source.glob("*"), *source.glob("*/*")]):
        unit = re.fullmatch(r"annotations?_?(512|1024)", path.name.lower())
        if unit and path.is_dir():
            folders.setdefault(int(unit[1]), path)
    if side not in folders and (source / TABLE).exists():
        return read_table(source / TABLE)
    if not folders:
        raise InputError(
            f"{source} holds no annotations", hint=f"annotations512/, annotations1024/ or {TABLE} is needed"
        )
    unit_found = side if side in folders else next(iter(folders))
    return read_labels(folders[unit_found], unit_found)


def _parts(
    numbers_found: Sequence[int], folds: Sequence[Fold], fold: int | None, report: Report
) -> list[tuple[str, int]]:
    tests: dict[int, list[int]] = {}
    for k, one in enumerate(folds, start=1):
        for number in one.test:
            tests.setdefault(number, []).append(k)
    if fold is None:
        report.leaks += _twice(tests)
        return [("all", number) for number in numbers_found]
    if fold > len(folds):
        raise InputError(
            f"there is no fold {fold}, but {len(folds)}", hint="folds.json or fold01.txt ... are needed"
        )
    chosen = folds[fold - 1]
    report.leaks += [f"{number:08} (train and val)" for number in sorted(chosen.train & chosen.test)]
    outside = sum(number not in chosen.train | chosen.test for number in numbers_found)
    if outside:
        report.notes.append(f"{outside:,} images belong to neither part of fold {fold}")
    train = [("train", number) for number in numbers_found if number in chosen.train]
    return train + [("val", number) for number in numbers_found if number in chosen.test]


def _twice(tests: Mapping[int, Sequence[int]]) -> list[str]:
    return [
        f"{number:08} (test of folds {' and '.join(map(str, folds))})"
        for number, folds in sorted(tests.items())
        if len(folds) > 1
    ]
