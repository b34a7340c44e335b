"""Files that are written: refused before the work where they cannot be, and whole or not at all."""

import os
from pathlib import Path

from vedette.errors import InputError, VedetteError


def check_output(path: Path, *, inputs: tuple[Path, ...] = ()) -> None:
    """Refuse a place that cannot be written, before any work is done for it.

    Args:
        inputs: files that must not be overwritten, whether they exist yet or not.

    Raises:
        InputError: `path` is a folder or one of `inputs`, or its folder is missing or closed to us.
    """
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", hint="make it first, or check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="name the file to write")
    for source in inputs:
        same = path.exists() and source.exists() and path.samefile(source)
        if same or path.resolve() == source.resolve():
            raise InputError(f"{path} is in use already and would be overwritten", hint="give another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} is read-only", hint="choose another, or change its rights")


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, or written to, before any work is done for it.

    Raises:
        InputError: the way there leads through a file, or the last folder on it is closed to us.
    """
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if not nearest.is_dir():
        raise InputError(f"{path} cannot be a folder: {nearest} is a file", hint="choose another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"the folder {nearest} is read-only", hint="choose another, or change its rights")


def refused(path: Path, error: OSError) -> VedetteError:
    """The error of a file that the system did not let us write."""
    return VedetteError(
        f"cannot write {path}: {error.strerror or error}", hint="check the folder and the free space"
    )


def write_atomically(path: Path, data: bytes) -> None:
    """`data` under `path`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise refused(path, error) from error
