"""YOLO: one text file an image, straight boxes or four corners, normalized to the image."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vedette.data.folders import SUFFIXES
from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather, quad, straight
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import bad_line, image_size, integer, lines_of, numbers, read_text
from vedette.errors import InputError

PARTS = {"train": "train", "val": "val", "valid": "val", "test": "test"}  # key or folder, part
ITEM = r"\s*(?:\"[^\"]*\"|'[^']*'|[^,]+)"
KEYS = {"path", "names", *PARTS}
Value = str | list[str] | dict[int, str]


def read(source: Path, options: Options) -> Found:
    """YOLO of `source`: a `data.yaml`, or a folder with one or with `classes.txt`.

    The labels of `images/x/1.jpg` are `labels/x/1.txt`, those of any other image lie beside it. An image
    without label file shows no object, as is the custom.

    Raises:
        InputError: no classes, no images, or a bad line.
    """
    report = Report(kind="yolo")
    classes, parts = _described(source)
    photos = []
    for part, images in parts.items():
        labels = {path: _label_there(path) for path in images}
        folders = dict.fromkeys(label.parent for label in labels.values())
        there = [path for folder in folders for path in sorted(folder.glob("*.txt"))]
        wanted = set(labels.values())
        report.without_image += [
            path.name for path in there if path not in wanted and path.name != "classes.txt"
        ]
        for path, label in labels.items():
            width, height = image_size(path)
            drawn = []
            if label.exists():
                drawn = read_labels(label, classes, width, height)
            else:
                report.without_labels.append(path.name)
            photos.append(Photo(part=part, path=path, width=width, height=height, drawn=drawn))
    if photos and len(report.without_labels) == len(photos):
        raise InputError(
            f"none of {len(photos)} images has a label file: {label_of(photos[0].path)} is missing, for one",
            hint="put the labels into labels/ where the images are in images/, or beside the images",
        )
    if report.without_labels:
        report.notes.append("images without labels were kept: they show no object")
    found = gather(photos, report, classes=classes, oriented=options.oriented)
    return Found(parts=found, report=report)


def label_of(image: Path) -> Path:
    """The label file of an image.

    >>> label_of(Path("set/images/train/7.jpg")).as_posix()
    'set/labels/train/7.txt'
    """
    parts = list(image.with_suffix(".txt").parts)
    at = [index for index, name in enumerate(parts[:-1]) if name == "images"]
    if at:
        parts[at[-1]] = "labels"
    return Path(*parts)


def _label_there(image: Path) -> Path:
    """`label_of`, unless only the file beside the image exists: a folder far above may be called "images"."""
    label, beside = label_of(image), image.with_suffix(".txt")
    return beside if beside.exists() and not label.exists() else label


def read_labels(path: Path, classes: Sequence[str], width: int, height: int) -> list[Drawn]:
    """Objects of a file of lines class cx cy w h, or class x1 y1 ... x4 y4, in 0..1 of the image's size."""
    drawn = []
    for line, text in lines_of(path):
        fields = text.split()
        if len(fields) not in (5, 9):
            raise bad_line(path, line, text, "a class and 4 or 8 numbers")
        number = integer(fields[0], path, line, "the number of a class")
        if not 0 <= number < len(classes):
            raise bad_line(path, line, fields[0], f"the number of a class, 0 to {len(classes) - 1},")
        values = numbers(fields[1:], path, line, "numbers from 0 to 1")
        if min(values) < -1 or max(values) > 2:  # a little beyond the image is common, pixels are a mistake
            raise bad_line(path, line, text, "numbers from 0 to 1")
        points = np.array(values).reshape(-1, 2) * (width, height)
        if len(points) == 4:
            drawn.append(quad(classes[number], points))
        else:
            center, sides = points
            drawn.append(straight(classes[number], [*(center - sides / 2), *(center + sides / 2)]))
    return drawn


def read_yaml(path: Path) -> dict[str, Value]:
    """`path`, `names` and the parts of a data.yaml: a text, a list of texts, or texts by number.

    This is as much of YAML as such files use: values in the line, in brackets, or below with an indent.

    Raises:
        InputError: a line that is no key, or a bracket without end.
    """
    found: dict[str, Value] = {}
    key = flow = ""
    for line, raw in enumerate(read_text(path).splitlines(), start=1):
        bare = _uncommented(raw).rstrip()
        text = bare.strip()
        if not text or text in ("---", "..."):
            continue
        if flow:
            flow += f" {text}"
        elif bare[0] in " \t-":
            _nested(found, key, text, path, line)
            continue
        else:
            name, colon, rest = text.partition(":")
            if not colon:
                raise bad_line(path, line, text, "key: value")
            key, flow = _plain(name), rest.strip()
        if (flow.startswith("[") and not flow.endswith("]")) or (
            flow.startswith("{") and not flow.endswith("}")
        ):
            continue  # the value goes on in the next line
        if key in KEYS:
            found[key] = _value(flow)
        flow = ""
    if flow:
        raise InputError(f"{path.name}: the bracket of {key} has no end", hint="copy the file again")
    return found


def _uncommented(line: str) -> str:
    quote = ""
    for at, sign in enumerate(line):
        before = line[at - 1] if at else " "
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and before in " \t[{,:":  # elsewhere it is an apostrophe
            quote = sign
        elif sign == "#" and before in " \t":
            return line[:at]
    return line


def _nested(found: dict[str, Value], key: str, text: str, path: Path, line: int) -> None:
    if key not in KEYS:
        return
    held = found[key]
    number, colon, name = text.partition(":")
    if text.startswith("- ") and not isinstance(held, dict):
        found[key] = [*(held if isinstance(held, list) else []), _plain(text[2:])]
    elif colon and number.strip().isdecimal() and not isinstance(held, list):
        found[key] = {**(held if isinstance(held, dict) else {}), int(number): _plain(name)}
    else:
        raise bad_line(path, line, text, '"- name" or "0: name"')


def _value(text: str) -> Value:
    if text.startswith("["):
        return [_plain(item) for item in re.findall(ITEM, text[1:-1]) if item.strip()]
    if text.startswith("{"):
        pairs = re.findall(rf"(\d+)\s*:({ITEM})", text[1:-1])
        return {int(number): _plain(name) for number, name in pairs}
    return _plain(text)


def _plain(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _described(source: Path) -> tuple[tuple[str, ...], dict[str, list[Path]]]:
    """Classes, and the images of each part."""
    yaml = source if source.is_file() else _yaml_in(source)
    if yaml is not None:
        data = read_yaml(yaml)
        return _names(data.get("names", ""), yaml), _listed(data, yaml)
    for path in (source / "classes.txt", source / "labels" / "classes.txt"):
        if path.exists():
            classes = tuple(name for _, name in lines_of(path))
            return _distinct(classes, path), _laid_out(source)
    raise InputError(f"{source} names no classes", hint="data.yaml or classes.txt is needed")


def _yaml_in(folder: Path) -> Path | None:
    several = sorted(path for path in folder.glob("*") if path.suffix.lower() in (".yaml", ".yml"))
    for path in several:
        if path.stem in ("data", "dataset") or len(several) == 1:
            return path
    if several:
        raise InputError(
            f"{folder} holds {', '.join(path.name for path in several)}", hint="give the one to use"
        )
    return None


def _names(value: Value, path: Path) -> tuple[str, ...]:
    if isinstance(value, dict):
        if sorted(value) != list(range(len(value))):
            raise InputError(f"{path.name}: classes {sorted(value)}", hint="count them 0, 1, 2, ...")
        value = [value[number] for number in range(len(value))]
    if isinstance(value, str):
        raise InputError(f"{path.name} lists no names of classes", hint="names: [car, bus] is needed")
    return _distinct(tuple(value), path)


def _distinct(classes: tuple[str, ...], path: Path) -> tuple[str, ...]:
    if not classes or len(set(classes)) != len(classes):
        raise InputError(f"{path.name}: the classes are {list(classes)}", hint="give each one its own name")
    return classes


def _listed(data: dict[str, Value], yaml: Path) -> dict[str, list[Path]]:
    above = data.get("path", "")
    roots = [yaml.parent / above, yaml.parent] if isinstance(above, str) and above else [yaml.parent]
    parts: dict[str, list[Path]] = {}
    for key, part in PARTS.items():
        value = data.get(key, "")
        if isinstance(value, dict):
            raise InputError(f"{yaml.name}: {key} is no folder", hint=f"{key}: images/{key} is needed")
        for entry in [value] if isinstance(value, str) else value:
            if entry and entry.lower() not in ("null", "~"):
                parts.setdefault(part, []).extend(_images(entry, roots, yaml, optional=part == "test"))
    return {part: images for part, images in parts.items() if images}


def _images(entry: str, roots: Sequence[Path], yaml: Path, *, optional: bool) -> list[Path]:
    """Images of one folder or list; `../train/images` is also looked for without the dots."""
    names = (entry, re.sub(r"^(\.\./)+", "", entry))
    place = next((root / name for root in roots for name in names if (root / name).exists()), None)
    if place is None:
        if optional:  # many a data.yaml names a test part that was never made
            return []
        raise InputError(f"{yaml.name} names {entry}, which is not there", hint="mend path, train and val")
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
    found = []
    for line, text in lines_of(place):
        image = next((root / text for root in (place.parent, *roots) if (root / text).is_file()), None)
        if image is None:
            raise bad_line(place, line, text, "an image that exists is")
        found.append(image)
    return found


def _laid_out(source: Path) -> dict[str, list[Path]]:
    parts: dict[str, list[Path]] = {}
    for name, part in PARTS.items():
        for folder in (source / "images" / name, source / name / "images"):
            if folder.is_dir():
                parts[part] = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not parts and (source / "images").is_dir():
        parts["all"] = sorted(p for p in (source / "images").rglob("*") if p.suffix.lower() in SUFFIXES)
    return parts
