"""Design and stimulus of a campaign in its folder, so that what follows needs no synthesis again.

`design.json.gz` is the lowered design, `stimulus.npz` the input bits. Neither holds a date or a path: equal
content gives equal bytes.
"""

import gzip
import json
import zlib
from dataclasses import asdict
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.softerror.design import Design, FlipFlop, Kind, Memory, Operation, Port, Reset, Table, Write
from vedette.softerror.plan import Bits

DESIGN, STIMULUS = "design.json.gz", "stimulus.npz"


def store(folder: Path, design: Design, stimulus: Bits) -> None:
    """Write both into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / DESIGN, gzip.compress(to_json(design).encode(), mtime=0))
    file = BytesIO()
    np.savez(file, packed=np.packbits(stimulus, axis=1), shape=np.array(stimulus.shape))
    write_atomically(folder / STIMULUS, file.getvalue())


def load(folder: Path) -> tuple[Design, Bits]:
    """Design and stimulus of the campaign in `folder`.

    Raises:
        InputError: they are missing or damaged.
    """
    try:
        design = from_json(gzip.decompress((folder / DESIGN).read_bytes()).decode())
        with np.load(folder / STIMULUS) as held:
            cycles, width = held["shape"].tolist()
            stimulus = np.unpackbits(held["packed"], axis=1, count=width)[:cycles]
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no {Path(error.filename).name}",
            hint="name the folder that `vedette softerror run -o` made",
        ) from None
    except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"design or stimulus in {folder} is damaged: {error}",
            hint="run the campaign again in another folder",
        ) from None
    return design, stimulus


def to_json(design: Design) -> str:
    """The design as JSON; `from_json` gives it back, equal.

    >>> from vedette.softerror.design import Design
    >>> from_json(to_json(Design("d", 2, (), (), (), (), ()))).name
    'd'
    """
    return json.dumps(asdict(design), default=_plain, separators=(",", ":"))


def from_json(text: str) -> Design:
    """The design that `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    held = json.loads(text)
    held["inputs"], held["outputs"] = (_each(Port, held[side]) for side in ("inputs", "outputs"))
    held["operations"] = tuple(
        Operation(**{**entry, "kind": Kind(entry["kind"]), "inputs": tuple(entry["inputs"])})
        for entry in held["operations"]
    )
    held["tables"] = _each(Table, held["tables"])
    held["memories"] = tuple(
        Memory(**{**entry, "writes": _each(Write, entry["writes"])}) for entry in held["memories"]
    )
    held["flip_flops"] = tuple(
        FlipFlop(**{**entry, "kind": Reset(entry["kind"])}) for entry in held["flip_flops"]
    )
    held["names"] = {int(bit): name for bit, name in held["names"].items()}
    return Design(**held)


def _each(make: type, entries: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(
        make(**{name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()})
        for entry in entries
    )


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value))
