"""Exact integer convolutions beside the ordinary float one: time of each carrier.

    python benchmarks/kernels/exact_conv.py [--quick] [--json]

Convolution 3x3, 192 to 320 channels, at the size of a Kodak image's latents (48x32). "float" is torch's
float32 convolution of values that are no integers, without the exact path's conversions; the others are
`nn.exact.conv2d_exact` on activations held in float32 and weights held as the carrier wants them or not
("+ int32 weights": converted at each call). Ways take turns within a round; each figure is the median
over rounds, with the lower and upper quartile. Before timing, each is checked against the int64 reference.

The second table has whole layers as the codec runs them, from hidden activations to clamped outputs, at
shapes of charm-lite and of weconvene: "int16" is the compiled 16-bit convolution, "float" torch's float32 one
without any of it. Weights fit float32's certificate, so that every carrier may run, and all must agree.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from vedette import numerics
from vedette.codec.latents.network import IntegerConv
from vedette.nn.exact import Carrier, certify, conv2d_exact
from vedette.numerics import conv16

# (largest weight, largest activation) of problems that need the carrier, bound reached or not
RANGES: dict[Carrier, tuple[int, int]] = {
    "float32": (31, 511),
    "split": (127, 1023),
    "float64": (2**15, 2**12),
}
LAYERS = (  # inputs, outputs, kernel, height, width
    (97, 80, 3, 64, 96),
    (80, 80, 1, 64, 96),
    (320, 224, 3, 32, 48),
    (1408, 224, 3, 32, 48),
    (224, 128, 3, 32, 48),
    (640, 128, 1, 32, 48),
    (128, 128, 3, 32, 48),
)
GOAL = 1.1  # the certified float32 convolution's time over the float one's


def ways(height: int, width: int) -> dict[str, Callable[[], torch.Tensor]]:
    """One call for each way, checked."""
    random = np.random.default_rng(0)
    floats = torch.randn(1, 192, height, width), torch.randn(320, 192, 3, 3), torch.randn(320)
    calls: dict[str, Callable[[], torch.Tensor]] = {
        "float": lambda: functional.conv2d(*floats, padding=1),
    }
    for carrier, (weight_max, act_max) in RANGES.items():
        weight = random.integers(-weight_max, weight_max + 1, (320, 192, 3, 3))
        x, bias = random.integers(0, act_max + 1, (1, 192, height, width)), random.integers(-99, 99, 320)
        held = torch.from_numpy(weight)
        chosen = certify(held, torch.from_numpy(bias), act_max)
        if chosen != carrier:
            raise SystemExit(f"the problem for {carrier} was certified for {chosen}")
        dtype = torch.float64 if carrier == "float64" else torch.float32
        for name, kept in ((carrier, held.to(dtype)), (f"{carrier} + int32 weights", held.int())):
            calls[name] = _call(torch.from_numpy(x).float(), kept, torch.from_numpy(bias), carrier)
            corner = numerics.conv2d(x[:, :, :5, :5], weight, bias)  # the reference is slow: 3x3 of it
            if not np.array_equal(calls[name]()[:, :, 1:4, 1:4].numpy().astype(np.int64), corner):
                raise SystemExit(f"{name} is not exact")
    return calls


def layer_ways(
    inputs: int, outputs: int, kernel: int, height: int, width: int
) -> dict[str, Callable[[], torch.Tensor]]:
    """One call for each carrier of a layer, checked against one another."""
    random = np.random.default_rng(0)
    shape = (outputs, inputs, kernel, kernel)
    most = (2**24 - 2**8) // 1023  # sum |w|
    weight = random.integers(-1, 2, shape) if most < inputs * kernel**2 else random.integers(-2, 3, shape)
    weight[:, (most // 2) // kernel**2 :] = 0
    integers = torch.from_numpy(weight)
    bias, shifts = torch.from_numpy(random.integers(-99, 99, outputs)).int(), torch.full((outputs,), 6)
    x = torch.from_numpy(random.integers(-1023, 1024, (1, inputs, height, width))).float()
    x = x.contiguous(memory_format=torch.channels_last)
    floats = integers.float().contiguous(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], torch.Tensor]] = {
        "float": lambda: functional.conv2d(x, floats, padding=kernel // 2)
    }
    common = (shifts.int(), -1023, 1023)
    layers = [
        IntegerConv(floats, bias.float(), *common, "float32", (1023,) * inputs),
        IntegerConv(floats, bias.double(), *common, "split", (1023,) * inputs),
        IntegerConv(floats.double(), bias.double(), *common, "float64", (1023,) * inputs),
    ]
    if conv16.kernel() is not None:
        packed = conv16.pack(integers.short().numpy())
        layers.append(IntegerConv(packed, bias, *common, "int16", (1023,) * inputs))
    expected = layers[0](x)
    for layer in layers:
        if not torch.equal(layer(x), expected):
            raise SystemExit(f"{layer.carrier} is not exact")
        calls[layer.carrier] = partial(layer, x)
    return calls


def _call(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, carrier: Carrier
) -> Callable[[], torch.Tensor]:
    return lambda: conv2d_exact(x, weight, bias, padding=1, carrier=carrier)


def measure(calls: dict[str, Callable[[], torch.Tensor]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each way: median and quartiles over `rounds`, and the median over float's."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    base = statistics.median(times["float"])
    rows = {}
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4)
        rows[name] = {"median_ms": median, "lower_ms": low, "upper_ms": high, "over_float": median / base}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="9 rounds instead of 60")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        calls = ways(48, 32)
        measure(calls, 2)  # first calls compile and allocate
        rows = measure(calls, 9 if arguments.quick else 60)
        layers = {}
        for inputs, outputs, kernel, height, width in LAYERS:
            calls = layer_ways(inputs, outputs, kernel, height, width)
            measure(calls, 2)
            name = f"{inputs} -> {outputs}, {kernel}x{kernel}, {height}x{width}"
            layers[name] = measure(calls, 9)
    if arguments.json:
        print(
            json.dumps(
                {
                    "threads": arguments.threads,
                    "goal_float32_over_float": GOAL,
                    "ways": rows,
                    "layers": layers,
                },
                indent=1,
            )
        )
        return
    print(f"{'way':24} {'median ms':>10} {'quartiles':>15} {'over float':>11}")
    for name, row in rows.items():
        spread = f"{row['lower_ms']:.1f}-{row['upper_ms']:.1f}"
        print(f"{name:24} {row['median_ms']:10.1f} {spread:>15} {row['over_float']:11.2f}")
    print(f"\n{'layer, median ms':26}" + "".join(f"{way:>9}" for way in next(iter(layers.values()))))
    for name, found in layers.items():
        print(f"{name:26}" + "".join(f"{row['median_ms']:9.2f}" for row in found.values()))


if __name__ == "__main__":
    main()
