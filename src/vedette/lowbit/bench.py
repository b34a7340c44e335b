"""How fast a layer is here: forward and backward in integers, in bfloat16 under autocast, and in float32.

Every quantizer, packing and scaling is counted. Ways take turns, round after round, the second of two steps
each; CPU seconds of the thread where there is one, else wall seconds; medians.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vedette.errors import InputError
from vedette.lowbit.config import LowBit
from vedette.lowbit.cost import gain_over_bf16
from vedette.lowbit.layers import Conv2d, Linear
from vedette.nn.layout import channels_last

SIZE_MOST = 1 << 15


@dataclass(frozen=True)
class Timing:
    """Median and least milliseconds of each way, and the estimate of `lowbit.cost`."""

    shape: str
    milliseconds: dict[str, float]
    least: dict[str, float]
    estimate: float

    def ratio(self, way: str) -> float:
        """How many times faster integers are."""
        return self.milliseconds[way] / self.milliseconds["integers"]

    def __str__(self) -> str:
        times = "  ".join(f"{way} {ms:8.2f} ms" for way, ms in self.milliseconds.items())
        return (
            f"{self.shape:32} {times}  over bf16 {self.ratio('bf16'):5.2f}x (estimate {self.estimate:.2f}x)  "
            f"over fp32 {self.ratio('fp32'):5.2f}x"
        )


def time_linear(rows: int, columns: int, inner: int, config: LowBit, *, rounds: int = 9) -> Timing:
    """Time a linear layer of `inner` inputs and `columns` outputs on `rows` samples.

    Raises:
        InputError: a size out of range.
    """
    for size in (rows, columns, inner):
        if not 1 <= size <= SIZE_MOST:
            raise InputError(f"a size of {size}", hint=f"take 1 to {SIZE_MOST:,}")
    low, high = Linear(inner, columns, config=config), nn.Linear(inner, columns)
    x = torch.randn(rows, inner)
    return _time(
        f"linear {rows} x {columns} x {inner}", low, high, x, gain_over_bf16(rows, columns, inner), rounds
    )


def time_conv(batch: int, side: int, channels: int, config: LowBit, *, rounds: int = 9) -> Timing:
    """Time a 3x3 convolution that keeps `channels` and the side, on images in channels-last order."""
    low: nn.Module = Conv2d(channels, channels, 3, padding=1, bias=False, config=config)
    high: nn.Module = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    low, high = channels_last(low), channels_last(high)
    x = torch.randn(batch, channels, side, side).contiguous(memory_format=torch.channels_last)
    estimate = gain_over_bf16(batch * side * side, channels, 9 * channels, patch=9)
    return _time(f"conv {batch} x {side}x{side} x {channels}", low, high, x, estimate, rounds)


def _time(shape: str, low: nn.Module, high: nn.Module, x: Tensor, estimate: float, rounds: int) -> Timing:
    x = x.requires_grad_()
    g = torch.randn_like(low(x))

    def step(layer: nn.Module, *, bf16: bool) -> None:
        x.grad = None
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = layer(x)
        y.backward(g.to(y.dtype))

    ways: dict[str, Callable[[], Any]] = {
        "integers": lambda: step(low, bf16=False),
        "bf16": lambda: step(high, bf16=True),
        "fp32": lambda: step(high, bf16=False),
    }
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    times: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        for way, call in ways.items():
            call()  # what ran before filled the caches with its own
            start = clock()
            call()
            times[way].append(1e3 * (clock() - start))
    return Timing(
        shape,
        {way: statistics.median(t) for way, t in times.items()},
        {way: min(t) for way, t in times.items()},
        estimate,
    )
