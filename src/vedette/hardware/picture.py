"""A picture as the integers that a network's patch embedding takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8, UInt8
from PIL import Image

from vedette.errors import InputError
from vedette.images import read_image


def patches_of(
    image: UInt8[np.ndarray, "3 h w"], how: Mapping[str, Any]
) -> Int8[np.ndarray, "patches values"]:
    """Patches row by row, in each channel, row, column: clip(round(scale * (x / 255 - mean) / std)).

    Args:
        image: of any size; its middle square is resized.
        how: "side" and "patch" in pixels, "mean" and "std" of each color, "scale" in steps, and "patches",
            how many of them the network takes, the first ones.

    Raises:
        InputError: a description that lacks something.
    """
    try:
        side, patch, count = int(how["side"]), int(how["patch"]), int(how["patches"])
        mean, std = (np.array(how[name], dtype=np.float64)[:, None, None] for name in ("mean", "std"))
        scale = float(how["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the network does not say how a picture becomes its input: {error}", hint="give an array, .npy"
        ) from error
    short = min(image.shape[1:])
    top, left = (image.shape[1] - short) // 2, (image.shape[2] - short) // 2
    square = Image.fromarray(image[:, top : top + short, left : left + short].transpose(1, 2, 0).copy())
    pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    steps = np.rint(scale * (pixels / 255 - mean) / std).clip(-128, 127).astype(np.int8)
    many = side // patch
    grid = steps.reshape(3, many, patch, many, patch).transpose(1, 3, 0, 2, 4)
    return grid.reshape(many * many, 3 * patch * patch)[:count].copy()


def read_input(path: Path, name: str, how: Mapping[str, Any]) -> np.ndarray:
    """The input of a file: an array (.npy, or .npz with one called `name` or "network_input"), or a picture.

    Raises:
        InputError: another kind of file.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        try:
            found = np.load(path)
            if isinstance(found, np.ndarray):
                return found
            key = next(key for key in (name, "network_input") if key in found)
            array: np.ndarray = found[key]
        except StopIteration as error:
            raise InputError(
                f"{path.name} holds no {name!r}", hint="name the array like the input"
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path.name} is no array: {error}", hint="write it with numpy.save") from error
        return array
    image = read_image(path)
    return patches_of(np.broadcast_to(image, (3, *image.shape[1:])), how)
