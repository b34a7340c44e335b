"""An integer network as a description: operators on named tensors, in a folder of two files.

`network.json` lists inputs, operators in the order they run, and outputs; `weights.safetensors` holds the
tensors that operators name. Nothing that an operator uses is a float: whoever runs it gets the same
integers.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from vedette.errors import InputError
from vedette.images.files import check_folder, write_atomically

FORMAT, VERSION = "vedette-network", 1
JSON_NAME, WEIGHTS_NAME = "network.json", "weights.safetensors"
BYTES_MOST = 2 << 30  # of the weights


@dataclass(frozen=True)
class Operator:
    """One step.

    Args:
        op: a key of `vedette.hardware.executor.OPERATORS`.
        inputs: names of the values it takes.
        output: name of the value it makes.
        tensors: names of weights, by what they are for.
        numbers: shifts, counts and the like, by name.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    tensors: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Operators and their weights.

    Args:
        inputs: name and shape of each input; integers.
        image: how a picture becomes the input (`vedette.hardware.picture`), where it is one.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    operators: tuple[Operator, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, np.ndarray]
    image: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Every value is made before it is used, once, and every weight is there and an integer.

        Raises:
            InputError: the first that is not so.
        """
        known = set(self.inputs)
        for number, step in enumerate(self.operators):
            where = f"operator {number} ({step.op} to {step.output!r})"
            missing = [name for name in step.inputs if name not in known]
            if missing:
                raise InputError(
                    f"{where} takes {missing[0]!r}, which nothing made before", hint="reorder them"
                )
            absent = [name for name in step.tensors.values() if name not in self.weights]
            if absent:
                raise InputError(
                    f"{where} needs the weights {absent[0]!r}", hint=f"they are not in {WEIGHTS_NAME}"
                )
            if step.output in known:
                raise InputError(f"{where} makes a value that is there already", hint="give it another name")
            known.add(step.output)
        for name in self.outputs:
            if name not in known:
                raise InputError(f"nothing makes the output {name!r}", hint="check the names")
        for name, tensor in self.weights.items():
            if tensor.dtype.kind != "i":
                raise InputError(f"the weights {name!r} are {tensor.dtype}", hint="use signed integers")


def save_network(network: Network, folder: Path) -> None:
    """Write the folder; the JSON comes last, so that a folder which has it is whole.

    Raises:
        InputError: a network that `Network.check` refuses, or a place that cannot be written.
    """
    network.check()
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        folder / WEIGHTS_NAME, save({k: np.ascontiguousarray(v) for k, v in network.weights.items()})
    )
    description = {
        "format": FORMAT,
        "version": VERSION,
        "name": network.name,
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "operators": [_written(step) for step in network.operators],
        "outputs": list(network.outputs),
    }
    if network.image:
        description["image"] = dict(network.image)
    write_atomically(folder / JSON_NAME, json.dumps(description, indent=1).encode())


def _written(step: Operator) -> dict[str, Any]:
    row: dict[str, Any] = {"op": step.op, "inputs": list(step.inputs), "output": step.output}
    if step.tensors:
        row["tensors"] = dict(step.tensors)
    if step.numbers:
        row["numbers"] = dict(step.numbers)
    return row


def load_network(folder: Path) -> Network:
    """The network of a folder.

    Raises:
        InputError: files that are missing, damaged, of a later version, or too large.
    """
    path, weights = folder / JSON_NAME, folder / WEIGHTS_NAME
    for file in (path, weights):
        if not file.is_file():
            raise InputError(
                f"{folder} holds no {file.name}", hint="give a folder with both files of a network"
            )
    if os.path.getsize(weights) > BYTES_MOST:
        raise InputError(
            f"{weights.name} has {os.path.getsize(weights):,} bytes", hint=f"up to {BYTES_MOST:,}"
        )
    try:
        found = json.loads(path.read_text())
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise InputError(
                f"{path.name} is {found['format']!r} version {found['version']}",
                hint=f"{FORMAT!r} version {VERSION} is read",
            )
        network = Network(
            name=str(found["name"]),
            inputs={str(name): _shape(shape) for name, shape in found["inputs"].items()},
            operators=tuple(_read(row) for row in found["operators"]),
            outputs=_names(found["outputs"]),
            weights=load_file(weights),
            image=dict(found.get("image", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} is no network: {error}", hint="write it with save_network") from error
    network.check()
    return network


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def _read(row: Mapping[str, Any]) -> Operator:
    return Operator(
        op=str(row["op"]),
        inputs=_names(row["inputs"]),
        output=str(row["output"]),
        tensors={str(key): str(name) for key, name in row.get("tensors", {}).items()},
        numbers={str(key): int(number) for key, number in row.get("numbers", {}).items()},
    )
