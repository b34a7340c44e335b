"""Checkpoints of a run: tensors as safetensors, never pickle, written whole or not at all."""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vedette.errors import InputError

NAME = "checkpoint.safetensors"


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write model, optimizer state and step to `path` through a temporary file."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    temporary = path.with_suffix(".tmp")
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(contiguous, temporary, metadata={"step": json.dumps(step)})
    os.replace(temporary, path)


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore what `save` wrote; returns the step."""
    tensors = load_file(path)
    model.load_state_dict(_under(tensors, "model."))
    groups = optimizer.state_dict()["param_groups"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return step_of(path)


def step_of(path: Path) -> int:
    """The step at which a checkpoint was written."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "step" not in metadata:
        raise InputError(f"{path.name} holds no step", hint="give a checkpoint that a training run wrote")
    return int(json.loads(metadata["step"]))


def load_model(path: Path, model: nn.Module) -> None:
    """Restore the model's tensors only, of a checkpoint or of what `save_model` wrote."""
    tensors = _under(load_file(path), "model.")
    model.load_state_dict({name: value.float() for name, value in tensors.items()})


def model_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The model's tensors whose names begin with `prefix`, without it."""
    return _under(load_file(path), f"model.{prefix}")


def save_model(path: Path, model: nn.Module) -> None:
    """Write the model's tensors alone, in float16: what a later run starts from."""
    tensors = {
        f"model.{name}": value.detach().cpu().half().contiguous()
        for name, value in model.state_dict().items()
    }
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    os.replace(temporary, path)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
