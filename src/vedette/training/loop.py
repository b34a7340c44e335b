"""The only training loop. It knows a `Task` and nothing about what is trained."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from vedette.training import checkpoint
from vedette.training.config import TrainConfig

Log = Callable[[int, Mapping[str, float]], None]


class Batch(Protocol):
    """What a task learns from at a step: a tensor, or tensors that belong together."""

    def to(self, device: torch.device, /) -> Any:
        """The same on `device`."""


@runtime_checkable
class Task(Protocol):
    """What is trained: a network and what exists only for its training."""

    model: nn.Module

    def optimizer(self, config: TrainConfig) -> torch.optim.Optimizer:
        """The optimizer, whose groups carry their own learning rates."""

    def losses(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Losses of a `Batch` of the task's kind through `network` (the model, possibly wrapped); "total"
        is minimized.
        """

    def evaluate(self) -> dict[str, float]:
        """Scores on the validation set."""


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine down to 1 %.

    >>> learning_rate_factor(1000, TrainConfig(steps=1000))
    0.01
    """
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def multiplies_bf16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 products in hardware; emulated, they are slower than float32.

    >>> isinstance(multiplies_bf16(torch.device("cpu")), bool)
    True
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def fit(
    task: Task,
    batches: Iterator[Batch],
    config: TrainConfig,
    folder: Path,
    log: Log,
    *,
    deadline: float | None = None,
) -> None:
    """Train `task` for `config.steps` steps; resumes from the checkpoint in `folder` if there is one.

    Args:
        deadline: of `time.monotonic`; the step after which it has passed is the last one.

    Under `torchrun` each process draws its own share of the batch and gradients are averaged.
    """
    parallel = distributed.is_available() and distributed.is_initialized()
    first = not parallel or distributed.get_rank() == 0
    optimizer = task.optimizer(config)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    path = folder / checkpoint.NAME
    start = checkpoint.load(path, task.model, optimizer) if path.exists() else 0
    network: nn.Module = DistributedDataParallel(task.model) if parallel else task.model
    device = next(task.model.parameters()).device
    bf16 = multiplies_bf16(device) if config.bf16 is None else config.bf16
    for step in range(start + 1, config.steps + 1):
        for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
            group["lr"] = rate * learning_rate_factor(step - 1, config)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            losses = task.losses(network, next(batches).to(device))
        optimizer.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(task.model.parameters(), config.clip_norm)
        if torch.isfinite(norm):  # one bad batch must not poison the run
            optimizer.step()
        late = deadline is not None and time.monotonic() >= deadline
        last = late or step == config.steps
        if not first:
            if late:
                return
            continue
        if step % 50 == 0 or last:
            log(step, {name: loss.item() for name, loss in losses.items()} | {"gradient_norm": norm.item()})
        if step % config.eval_every == 0 or last:
            log(step, task.evaluate())
        if step % config.save_every == 0 or last:
            checkpoint.save(path, task.model, optimizer, step)
        if late:
            return
