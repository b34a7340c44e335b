"""From a published format to COCO files, images and a report in one folder."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from vedette.data.boxes import BoxImage, BoxSet, save_coco
from vedette.detect.formats import coco, dota, dronevehicle, hit_uav, vedai, visdrone, yolo
from vedette.detect.formats.found import Found, Options
from vedette.detect.formats.report import Report, duplicates
from vedette.errors import ImageReadError, InputError, UnknownNameError
from vedette.images.files import check_folder, refused, write_atomically

FORMATS: dict[str, Callable[[Path, Options], Found]] = {
    "vedai": vedai.read,
    "dota": dota.read,
    "dronevehicle": dronevehicle.read,
    "hit-uav": hit_uav.read,
    "visdrone": visdrone.read,
    "yolo": yolo.read,
    "coco": coco.read,
}


def convert(kind: str, source: Path, output: Path, *, options: Options | None = None) -> Report:
    """Read `source` and write `train_coco.json`, `val_coco.json` and so on, `report.json` and `images/`.

    Images keep their folders below `images/` and are hard links where the file system allows, so that they
    take no room; to change one in place changes the other. Only where a border is cut off new files are
    made. The JSON files come last: a folder that has them is complete.

    Args:
        kind: a key of `FORMATS`.
        output: a folder, made where needed, that holds no converted set yet.
        options: None for each format's usual ones.

    Raises:
        InputError: an unknown format, no such set, a damaged file, or an output that will not do.
    """
    if kind not in FORMATS:
        raise UnknownNameError("format", kind, FORMATS)
    if not source.exists():
        raise InputError(f"there is no {source}", hint="check the path")
    _check_output(source, output)
    found = FORMATS[kind](source, options or Options())
    report = found.report
    report.leaks += duplicates(found.parts)
    root = _root(source, [path for image in _all(found) for path in image.paths])
    parts = {}
    for part, boxes in found.parts.items():
        images = tuple(_place(image, root, output / "images", found.cut) for image in boxes.images)
        parts[part] = BoxSet(classes=boxes.classes, images=images)
    for part, boxes in parts.items():
        save_coco(boxes, output / f"{part}_coco.json", f"converted from {kind}, part {part}")
    write_atomically(output / "report.json", json.dumps(report.to_dict(), indent=1).encode())
    return report


def _check_output(source: Path, output: Path) -> None:
    check_folder(output)
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{output} lies in the set itself", hint="choose a folder beside it")
    made = sorted(path.name for path in output.glob("*_coco.json"))
    if made:
        raise InputError(
            f"{output} holds {', '.join(made)} already", hint="choose another folder, or remove it first"
        )


def _all(found: Found) -> list[BoxImage]:
    return [image for boxes in found.parts.values() for image in boxes.images]


def _root(source: Path, paths: Iterable[Path]) -> Path:
    """The folder that images keep their way from: `source`, or what the images have in common."""
    plain = [Path(os.path.abspath(path)) for path in paths]
    top = Path(os.path.abspath(source))
    if all(path.is_relative_to(top) for path in plain) and top.is_dir():
        return top
    return Path(os.path.commonpath([path.parent for path in plain]))


def _place(image: BoxImage, root: Path, folder: Path, cut: int) -> BoxImage:
    path, *second = (_placed(path, root, folder, cut) for path in image.paths)
    return replace(image, path=path, path_ir=second[0] if second else None)


def _placed(path: Path, root: Path, folder: Path, cut: int) -> Path:
    target = folder / Path(os.path.abspath(path)).relative_to(root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if cut:
            return _cropped(path, target, cut)
        _link(path.resolve(), target)
    except OSError as error:
        raise refused(target, error) from error
    return target


def _link(path: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        try:
            os.link(path, temporary)
        except OSError:  # another device, or a file system without links
            shutil.copyfile(path, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)  # replacing one link of a file by another leaves both


def _cropped(path: Path, target: Path, cut: int) -> Path:
    """The image without its border; JPEG stays JPEG, with more quality than it came with, the rest is PNG."""
    jpeg = target.suffix.lower() in (".jpg", ".jpeg")
    target = target if jpeg else target.with_suffix(".png")
    buffer = io.BytesIO()
    try:
        with Image.open(path) as image:
            inner = image.crop((cut, cut, image.width - cut, image.height - cut))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageReadError(f"{path} is damaged: {error}", hint="copy the file again") from error
    if jpeg:
        inner.save(buffer, "JPEG", quality=95, subsampling=0)
    else:
        inner.save(buffer, "PNG")
    write_atomically(target, buffer.getvalue())
    return target
