"""A whole layer, forward and backward with every quantizer, beside bfloat16 autocast and float32.

    python benchmarks/lowbit/layer.py [--quick] [--json] [--threads 1] [--bits 4]

Ways take turns, round after round, the second of two steps each; one thread: CPU seconds of the thread,
several: wall seconds; medians. The estimate is that of `vedette.lowbit.cost`, which decides what `convert`
leaves alone.
"""

import argparse
import json
from dataclasses import asdict

import torch

from vedette.lowbit import LowBit
from vedette.lowbit.bench import time_conv, time_linear
from vedette.numerics import product8

LINEAR = [
    (512, 512, 512),
    (1024, 1024, 1024),
    (4096, 512, 512),
    (2048, 2048, 512),
    (8192, 64, 576),
    (8320, 384, 128),
    (8320, 128, 512),
]
CONV = [(64, 32, 64), (64, 16, 128), (64, 8, 256), (128, 32, 16), (128, 16, 32)]  # batch, side, channels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="two shapes, few rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    config = LowBit(weight_bits=options.bits, act_bits=options.bits, grad_bits=options.bits)
    rounds = 5 if options.quick else 15
    linear, conv = (LINEAR[:1], CONV[2:3]) if options.quick else (LINEAR, CONV)
    found = [time_linear(*shape, config, rounds=rounds) for shape in linear]
    found += [time_conv(*shape, config, rounds=rounds) for shape in conv]
    if options.json:
        rows = [{**asdict(t), "over_bf16": t.ratio("bf16"), "over_fp32": t.ratio("fp32")} for t in found]
        about = {"threads": options.threads, "config": str(config), "targets": product8.targets()}
        print(json.dumps({**about, "torch": torch.__version__, "rows": rows}, indent=1))
        return
    print(f"{config}; {options.threads} thread(s)")
    for timing in found:
        print(timing)


if __name__ == "__main__":
    main()
