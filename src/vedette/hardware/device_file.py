"""A device of one's own: a JSON file with the fields of `Device`, as `devices --json` prints them."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from vedette.errors import InputError
from vedette.hardware.devices import Device, device

_HINT = "copy one: `vedette hardware devices zcu102 --json > mine.json`"
_WORDS = {str: "text", int: "a whole number", float: "a number"}
_LENGTHS = {"dsp_ports": (2, int), "usable": (3, float)}


def device_or_file(name: str) -> Device:
    """The device called `name`, or that of a file where it ends in .json.

    Raises:
        UnknownNameError: no such device.
        InputError: as of `read_device`.
    """
    return read_device(Path(name)) if name.endswith(".json") else device(name)


def read_device(path: Path) -> Device:
    """The device that a file describes.

    Raises:
        InputError: no such file, not JSON, a field that is missing, unknown, or of another kind.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", hint=_HINT) from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not the fields of a device", hint=_HINT)
    return _device(found, str(path))


def _device(found: Mapping[str, Any], where: str) -> Device:
    if len(found) == 1 and isinstance(next(iter(found.values())), dict):  # under its name, as printed
        found = next(iter(found.values()))
    known = {field.name: field for field in fields(Device)}
    unknown = sorted(found.keys() - known.keys())
    if unknown:
        many = all(isinstance(value, dict) for value in found.values())
        hint = "leave one device in the file" if many else f"known: {', '.join(known)}"
        raise InputError(f"{where}: unknown {', '.join(unknown)}", hint=hint)
    missing = [name for name, field in known.items() if field.default is MISSING and name not in found]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} missing", hint=f"needed; {_HINT}")
    values = {name: _value(name, value, known[name].type, where) for name, value in found.items()}
    return Device(**values)


def _value(name: str, value: Any, kind: Any, where: str) -> Any:
    if name in _LENGTHS:
        length, one = _LENGTHS[name]
        if isinstance(value, list) and len(value) == length and all(_is(one, each) for each in value):
            return tuple(value)
        raise InputError(
            f"{where}: {name} is {json.dumps(value)}",
            hint=f"{length} of {_WORDS[one]} in brackets are needed",
        )
    if not _is(kind, value):
        raise InputError(f"{where}: {name} is {json.dumps(value)}", hint=f"{_WORDS[kind]} is needed")
    return value


def _is(kind: type, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
