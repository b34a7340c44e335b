"""What a training step keeps in memory, and its peak, in float32, bfloat16 autocast, 8 and 4 bits.

    python benchmarks/lowbit/memory.py [--json]

"kept" is what autograd keeps of an image for the backward pass, parameters apart. "peak" is how far a process
grows over a step of 128 images, from just before it; each format in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys

import torch
from torch import nn

from vedette.lowbit import LowBit, convert
from vedette.lowbit.memory import kept_bytes
from vedette.nn.classify import build_classifier

MODELS = ("resnet20", "vit-64")
FORMATS = ("fp32", "bf16", "888", "444")
BATCH = 128


def one(name: str, format: str) -> dict[str, float]:
    """Kept and peak bytes of one format."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = build_classifier(name, classes=10).to(memory_format=torch.channels_last)
    images = torch.rand(BATCH, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    if format.isdigit():
        bits = int(format[0])
        config = LowBit(weight_bits=bits, act_bits=bits, grad_bits=bits, where="all")
        convert(model, config, sample=images[:2], show=None)
    with torch.autocast("cpu", torch.bfloat16, enabled=format == "bf16"):
        kept = kept_bytes(model, images[:2])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.autocast("cpu", torch.bfloat16, enabled=format == "bf16"):
        loss = nn.functional.cross_entropy(model(images).float(), torch.zeros(BATCH, dtype=torch.int64))
    loss.backward()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"kept_bytes_per_image": kept, "peak_bytes": 1024 * peak}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return
    found = {}
    for name in MODELS:
        for format in FORMATS:
            command = [sys.executable, __file__, "--one", name, format]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[f"{name} {format}"] = json.loads(said)
    if options.json:
        print(json.dumps({"batch": BATCH, "rows": found}, indent=1))
        return
    for name, row in found.items():
        kept, peak = row["kept_bytes_per_image"] / 1e6, row["peak_bytes"] / 1e6
        print(f"{name:16} kept {kept:6.2f} MB an image, peak {peak:7.0f} MB")


if __name__ == "__main__":
    main()
