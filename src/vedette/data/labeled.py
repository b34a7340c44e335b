"""Images of classes, from a folder or a zip file of folders, held in memory as bytes."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from vedette.data.folders import SUFFIXES
from vedette.errors import InputError

HELD_OUT_EVERY = 7  # where the data names no validation part


@dataclass(frozen=True)
class Labeled:
    """A batch, or a whole set: images and the class of each."""

    images: Float[Tensor, "n c h w"] | UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]

    def to(self, device: torch.device) -> "Labeled":
        """The same on `device`."""
        return Labeled(self.images.to(device), self.labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ClassSet:
    """What `load_classes` found: names in the order of the labels, and two parts."""

    classes: tuple[str, ...]
    training: Labeled
    validation: Labeled


def load_classes(path: Path, *, side: int, most: int | None = None) -> ClassSet:
    """Images of `path`, a folder or a zip file, as squares of `side` pixels, RGB bytes.

    An image's class is the folder it lies in. Where a folder above is called "val" or "test" it is held out;
    where none is, every 7th of each class is.

    Args:
        side: larger images are box-filtered when it divides theirs, else resampled.
        most: images of each class and part, the first in order of name.

    Raises:
        InputError: no images, or of one class only.
    """
    parts: dict[bool, dict[str, list[tuple[str, bytes]]]] = {False: {}, True: {}}
    for name, data in sorted(_files(path)):
        folders = PurePosixPath(name).parts[:-1]
        if folders:
            held = any(folder in ("val", "validation", "test") for folder in folders[:-1])
            parts[held].setdefault(folders[-1], []).append((name, data))
    if not parts[True]:
        for label, files in parts[False].items():
            parts[True][label] = files[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
            parts[False][label] = [file for file in files if file not in parts[True][label]]
    classes = tuple(sorted(parts[False]))
    if len(classes) < 2:
        raise InputError(
            f"{path.name} holds images of {len(classes)} classes",
            hint="give a folder or zip with one folder of images for each class, two or more",
        )
    return ClassSet(classes, *(_stack(parts[held], classes, side, most) for held in (False, True)))


def batches(data: Labeled, *, batch: int, seed: int, augment: bool = True) -> Iterator[Labeled]:
    """Batches without end, 0..1; each epoch in a new order, flipped and turned at random as seen from
    above.
    """
    generator = torch.Generator().manual_seed(seed)
    if not len(data):
        raise InputError("no images to train on", hint="give more images for each class")
    while True:
        order = torch.randperm(len(data), generator=generator)
        for start in range(0, max(1, len(data) - batch + 1), batch):
            chosen = order[start : start + batch]
            images = data.images[chosen].float() / 255
            if augment:
                turn = torch.randint(8, (len(chosen),), generator=generator)
                for way in range(8):
                    some = turn == way
                    turned = torch.rot90(images[some], way % 4, (2, 3))
                    images[some] = turned.flip(3) if way >= 4 else turned
            yield Labeled(images, data.labels[chosen])


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in path.rglob("*"):
            if file.suffix.lower() in SUFFIXES:
                yield file.relative_to(path.parent).as_posix(), file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if PurePosixPath(name).suffix.lower() in SUFFIXES:
                    yield name, archive.read(name)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path.name} is neither a folder nor a zip file", hint="give a folder with one folder a class"
        ) from error


def _stack(
    files: dict[str, list[tuple[str, bytes]]], classes: tuple[str, ...], side: int, most: int | None
) -> Labeled:
    images, labels = [], []
    for label, name in enumerate(classes):
        for file, data in files.get(name, [])[:most]:
            try:
                with Image.open(io.BytesIO(data)) as image:
                    rgb = image.convert("RGB")
            except OSError as error:
                raise InputError(f"{file} cannot be read as an image", hint="remove or mend it") from error
            if rgb.width == rgb.height and rgb.width % side == 0:
                rgb = rgb.reduce(rgb.width // side)
            else:
                rgb = rgb.resize((side, side), Image.Resampling.BILINEAR)
            images.append(torch.from_numpy(np.array(rgb)).permute(2, 0, 1))
            labels.append(label)
    stacked = torch.stack(images) if images else torch.zeros(0, 3, side, side, dtype=torch.uint8)
    return Labeled(stacked.contiguous(), torch.tensor(labels, dtype=torch.int64))
