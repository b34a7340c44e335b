"""Photographs from folders, held in memory as bytes, and random crops of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from vedette.errors import InputError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def find_images(folder: Path) -> list[Path]:
    """Every image file under `folder`, sorted by path."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(f"{folder} holds no images", hint=f"a folder with files of {kinds} is needed")
    return found


def load_rgb(path: Path, *, halve: bool = False) -> UInt8[Tensor, "3 h w"]:
    """One image as RGB bytes; `halve` box-filters to half size, which hides JPEG's own traces."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        if halve:
            rgb = rgb.reduce(2)
        return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


def split(paths: Sequence[Path], *, validation_every: int) -> tuple[list[Path], list[Path]]:
    """Every n-th path for validation, the others for training.

    >>> train, validation = split([Path(str(n)) for n in range(10)], validation_every=5)
    >>> len(train), [path.name for path in validation]
    (8, ['4', '9'])
    """
    held = set(paths[validation_every - 1 :: validation_every])
    return [path for path in paths if path not in held], [path for path in paths if path in held]


def crops(
    images: Sequence[UInt8[Tensor, "3 h w"]],
    *,
    batch: int,
    side: int,
    seed: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Float[Tensor, "b 3 s s"]]:
    """Batches of random crops, 0..1, flipped and turned at random; images are drawn by their area.

    With several ranks each draws the same batch and keeps its own share, so that `ranks` processes
    see together what one would.
    """
    usable = [image for image in images if min(image.shape[1:]) >= side]
    if not usable:
        raise InputError(f"no image is {side} pixels a side", hint="give larger images or a smaller crop")
    if batch % ranks:
        raise InputError(f"a batch of {batch} over {ranks} processes", hint="make it a multiple")
    generator = np.random.default_rng(seed)
    areas = np.array([image.shape[1] * image.shape[2] for image in usable], dtype=np.float64)
    chances = areas / areas.sum()
    while True:
        drawn = []
        for index in generator.choice(len(usable), size=batch, p=chances):
            image = usable[int(index)]
            row = int(generator.integers(image.shape[1] - side + 1))
            column = int(generator.integers(image.shape[2] - side + 1))
            crop = torch.rot90(
                image[:, row : row + side, column : column + side], int(generator.integers(4)), (1, 2)
            )
            drawn.append(crop.flip(2) if generator.integers(2) else crop)
        share = batch // ranks
        yield torch.stack(drawn[rank * share : (rank + 1) * share]).float() / 255
