"""What codecs of paper size cost on a processor: seconds and memory to encode and decode one image.

    python benchmarks/codec/paper_size.py kodim01.png [--models weconvene,weconvene3d,charm] [--json]

The networks are untrained (none of this size was trained by us): the work is that of trained ones, the
rates are not, so they are not printed. Encoding and decoding run in processes of their own, one thread,
on real products; figures are processor seconds, medians of --repeat runs, and the peak of the process,
weights and libraries included. Beside them stands the same function in floats only, as training runs it
without counting bits: encoder and decoder in one pass, the way published figures are taken. For the
released code of WeConvene, 25 processor seconds and 1.6 GB were measured on a machine of this kind for a
Kodak image (one thread, float32).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from vedette.codec import build, decode_array, encode_image, freeze
from vedette.codec.codec import Codec
from vedette.codec.models.sliced import quality_plane, run_floats
from vedette.images import read_image
from vedette.nn.layout import channels_last
from vedette.nn.priors import round_ste

QUALITY = 32.0


def prepare(model: str, image: torch.Tensor, folder: Path) -> None:
    """Frozen weights of an untrained network."""
    torch.manual_seed(1)
    network = build(model).eval()
    crop = image[None, :, :128, :128]
    network.calibrate(crop)
    (folder / f"{model}.safetensors").write_bytes(freeze(network, crop))


def floats(model: str, image: torch.Tensor, bf16: bool) -> float:
    """Processor seconds of encoder and decoder in one pass, in floats: no bits counted, no bytes made."""
    torch.manual_seed(1)
    network = channels_last(build(model).eval().requires_grad_(False))
    x = image[None].contiguous(memory_format=torch.channels_last)
    quality = torch.tensor([QUALITY])
    start = time.process_time()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = network.analyze(x, quality)
        features = network.hyper(run_floats, round_ste(network.h_a(y)))
        plane, gain = quality_plane(quality, y), network.gain(quality)
        y_hat = torch.zeros_like(y[:, :0])
        for number, step in enumerate(network.steps):
            here = slice(step.low, step.high)
            hidden, mean, _ = network.predict(
                run_floats, number, features, plane, y_hat[:, : step.context].contiguous()
            )
            symbols = ((y[:, here] - mean) * gain[:, here]).round()
            correction = network.correct(run_floats, number, hidden, symbols)
            y_hat = torch.cat([y_hat[:, : step.low], mean + (symbols + correction) / gain[:, here]], dim=1)
        network.synthesize(y_hat, quality)
    return time.process_time() - start


def child(way: str, model: str, image: Path, folder: Path, bf16: bool) -> None:
    """One measurement, in this process; prints seconds and peak."""
    torch.set_num_threads(1)
    pixels = read_image(image)
    product = folder / f"{model}.vdt"
    if way == "floats":
        seconds = floats(model, torch.from_numpy(pixels).float() / 255, bf16)
    else:
        codec = Codec(model, (folder / f"{model}.safetensors").read_bytes(), bf16=bf16)
        start = time.process_time()
        if way == "encode":
            product.write_bytes(encode_image(pixels, codec, quality=QUALITY))
        else:
            decode_array(product.read_bytes(), codec)
        seconds = time.process_time() - start
    # of this process: getrusage's figure may be that of the parent
    status = Path("/proc/self/status").read_text()
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"cpu_s": seconds, "peak_MB": peak_kb * 1024 / 1e6}))


def measure(way: str, model: str, image: Path, folder: Path, bf16: bool, repeat: int) -> dict[str, Any]:
    """Medians over processes."""
    arguments = [way, model, str(image), str(folder), str(int(bf16))]
    runs = []
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, __file__, "--child", *arguments], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout))
    return {
        "model": model,
        "way": way,
        "bf16": bf16,
        "cpu_s": median(run["cpu_s"] for run in runs),
        "cpu_s_range": [min(run["cpu_s"] for run in runs), max(run["cpu_s"] for run in runs)],
        "peak_MB": median(run["peak_MB"] for run in runs),
    }


def line(row: dict[str, Any]) -> str:
    """A row as text."""
    low, high = row["cpu_s_range"]
    numbers = "bfloat16" if row["bf16"] else "float32"
    seconds = f"{row['cpu_s']:6.1f} s ({low:.1f} to {high:.1f})"
    return f"{row['model']:12} {row['way']:7} {numbers:9} {seconds} {row['peak_MB']:6.0f} MB"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        way, model, image, folder, bf16 = sys.argv[2:]
        return child(way, model, Path(image), Path(folder), bf16 == "1")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--models", default="weconvene,weconvene3d,charm")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pixels = torch.from_numpy(read_image(options.image)).float() / 255
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in options.models.split(","):
            prepare(model, pixels, folder)
            for bf16 in (False, True):
                for way in ("floats", "encode", "decode"):
                    rows.append(measure(way, model, options.image, folder, bf16, options.repeat))
                    if not options.json:
                        print(line(rows[-1]), flush=True)
    if options.json:
        print(json.dumps({"image": list(pixels.shape), "torch": torch.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
