"""A network's tensors with a description of it, in one safetensors file: float16, JSON, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vedette.errors import InputError, UnknownNameError
from vedette.images import write_atomically

WEIGHTS = Path(__file__).parent.parent / "weights"


def save_described(path: Path, model: nn.Module, kind: str, description: Mapping[str, Any]) -> None:
    """Write the model's tensors and the description, whole or not at all.

    Args:
        kind: what it is, such as "classifier"; a reader asks for it.
    """
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in model.state_dict().items()
    }
    write_atomically(path, save(tensors, metadata={kind: json.dumps(dict(description))}))


def shipped(kind: str) -> tuple[str, ...]:
    """Names of the files of that kind that ship with the package."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.safetensors") if description_of(path, kind)))


def find(name: str | Path, kind: str) -> tuple[Path, str]:
    """The file that `name` is the path of, or that ships under that name, and its description, JSON.

    Raises:
        UnknownNameError: a name under which none ships.
        InputError: no such file, or one of another kind.
    """
    path = Path(name)
    if not path.suffix:
        if str(name) not in shipped(kind):
            raise UnknownNameError(kind, str(name), shipped(kind))
        path = WEIGHTS / f"{name}.safetensors"
    text = description_of(path, kind)
    if not text:
        raise InputError(f"{path.name} holds no {kind}", hint=f"give a file that holds a {kind}")
    return path, text


def description_of(path: Path, kind: str) -> str:
    """What the file says of itself, JSON; nothing where it is of another kind.

    Raises:
        InputError: no such file, or no safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get(kind, ""))
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint="check the path") from error
    except SafetensorError as error:
        raise InputError(f"{path.name} is no safetensors file", hint="give a weights file") from error


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors, float32 and integers.

    Raises:
        SafetensorError: a damaged file.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def damaged(path: Path, error: Exception) -> InputError:
    """The error of a file whose description or tensors do not fit."""
    said = str(error).splitlines()[0] if str(error) else "its header"
    return InputError(f"{path.name} is damaged: {said}", hint="train it again, or take a shipped one")
