"""COCO: one file, or a folder with one for each part."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vedette.data.boxes import BoxImage, BoxSet, from_coco
from vedette.detect.formats.found import Drawn, Found, Options, Photo, gather
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import image_size, read_json
from vedette.errors import InputError

PARTS = {"train": "train", "val": "val", "valid": "val", "test": "test", "all": "all"}  # folder, part
PATTERNS = ("{}_coco.json", "annotations/instances_{}*.json", "annotations/{}.json", "{}.json")
ROBOFLOW = "{}/_annotations.coco.json"
KEPT = ("id", "image_id", "category_id", "bbox", "bbox_obb", "iscrowd")  # masks would only take time


def read(source: Path, options: Options) -> Found:
    """COCO of `source`: a JSON file, or a folder with `annotations/instances_train2017.json` and the like.

    Images are looked for beside the file, in `images/` and in folders called as the part.

    Raises:
        InputError: no such files, no COCO, or an image of another size than the file says.
    """
    report = Report(kind="coco")
    return read_files(part_files(source), options, report)


def read_files(files: Mapping[str, Path], options: Options, report: Report) -> Found:
    """COCO files by part; they must agree on their classes."""
    photos, classes = [], None
    for part, path in files.items():
        boxes = boxes_of(read_json(path), path.name, report)
        if classes is not None and classes != boxes.classes:
            raise InputError(
                f"{path.name} has the classes {', '.join(boxes.classes)}, another part {', '.join(classes)}",
                hint="all parts need the same classes in the same order",
            )
        classes = boxes.classes
        photos += photos_of(boxes, part, report, finder(_places(path, part)))
    return Found(
        parts=gather(photos, report, classes=classes, oriented=options.oriented, clip=True), report=report
    )


def boxes_of(data: Mapping[str, Any], name: str, report: Report) -> BoxSet:
    """The set that a parsed COCO file describes, less the boxes without area; paths are the bare file names.

    Raises:
        InputError: `data` is no COCO.
    """
    try:
        labels = {c["id"]: str(c["name"]) for c in data["categories"]}
        annotations = []
        for annotation in data["annotations"]:
            if any(side <= 0 for side in annotation["bbox"][2:4]):
                report.no_area[labels[annotation["category_id"]]] += 1
            else:
                annotations.append({key: annotation[key] for key in KEPT if key in annotation})
        light = {"categories": data["categories"], "images": data["images"], "annotations": annotations}
        return from_coco(light, Path(), name)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise InputError(
            f"{name} is no COCO file: {error} is missing or of another kind",
            hint="images, annotations and categories are needed",
        ) from error


def photos_of(boxes: BoxSet, part: str, report: Report, find: Callable[[Path], Path | None]) -> list[Photo]:
    """The images of a set whose files `find` finds; the names of the others go to the report."""
    photos = []
    for image in boxes.images:
        path = find(image.path)
        path_ir = None if image.path_ir is None else find(image.path_ir)
        if path is None or (image.path_ir is not None and path_ir is None):
            report.without_image.append(str(image.path))
            continue
        size = image_size(path)
        if size != (image.width, image.height):
            raise InputError(
                f"{path.name} is {size[0]} x {size[1]} pixels, its labels say {image.width} x {image.height}",
                hint="boxes would lie in wrong places: mend the labels or the image",
            )
        photos.append(
            Photo(
                part=part,
                path=path,
                path_ir=path_ir,
                width=image.width,
                height=image.height,
                drawn=_drawn(image, boxes.classes),
                gsd_m=image.gsd_m,
                group=image.group,
            )
        )
    return photos


def _drawn(image: BoxImage, classes: Sequence[str]) -> list[Drawn]:
    drawn = []
    for row, (label, ignore) in enumerate(zip(image.labels.tolist(), image.ignore.tolist(), strict=True)):
        left, top, right, bottom = image.xyxy[row].tolist()
        turned = None
        if image.cxcywht is not None:
            cx, cy, width, height, angle = image.cxcywht[row].tolist()
            turned = (cx, cy, width, height, angle)
        drawn.append(
            Drawn(
                name=classes[label] if label >= 0 else "ignored region",
                xyxy=(left, top, right, bottom),
                turned=turned,
                ignore=ignore,
            )
        )
    return drawn


def finder(places: Sequence[Path]) -> Callable[[Path], Path | None]:
    """A function from a bare file name to the first file of that name in `places`."""

    def find(name: Path) -> Path | None:
        return next((place / name for place in places if (place / name).is_file()), None)

    return find


def _places(path: Path, part: str) -> list[Path]:
    folder = path.parent
    root = folder.parent if folder.name.lower() in ("annotations", "labels") else folder
    called = dict.fromkeys((path.stem.removeprefix("instances_"), part))
    inside = [place / name for place in (root, root / "images") for name in called]
    return [folder, root, root / "images", *inside]


def part_files(source: Path) -> dict[str, Path]:
    """The COCO file of each part under `source`, or `source` itself."""
    if source.is_file():
        part = next((PARTS[name] for name in PARTS if name in source.stem.lower()), "all")
        return {part: source}
    files: dict[str, Path] = {}
    for name, part in PARTS.items():
        for pattern in (*PATTERNS, ROBOFLOW):
            found = sorted(source.glob(pattern.format(name)))
            if name == "val":  # "instances_val*" must not take in "valid"
                found = [path for path in found if "valid" not in path.stem]
            if len(found) > 1:
                raise InputError(
                    f"{source} holds several files of the part {part}: {', '.join(p.name for p in found)}",
                    hint="give one file instead of the folder",
                )
            if found:
                files.setdefault(part, found[0])
    if not files:
        raise InputError(
            f"{source} holds no COCO files",
            hint="annotations/instances_train.json or train_coco.json is needed; or give the file itself",
        )
    return files
