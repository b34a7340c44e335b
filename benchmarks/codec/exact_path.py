"""What exactness costs: the integer entropy networks beside the float ones they were frozen from.

    python benchmarks/codec/exact_path.py FOLDER [--quick] [--json]

Both start from the same y, at the same quality, and choose symbols by the same rule. Rate: bytes of the real
streams against the bits that the float model estimates for the same image in its own walk through the steps,
z counted at its rounded values (a training forward counts z with noise, which at low rates is 1 % more).
The streams' figure holds all that files pay beside the model's own estimate: integer weights, the scale
tables' grid and trimming, rANS; not the container, which is printed apart, nor the analysis, which is the
same network. Images are cropped to multiples of the float model's stride.

Time: float networks and the choice of symbols (no bits counted, no bytes made), what encoding and decoding
took without their rANS, and rANS. Decoding has no symbols to choose. It is the process' own processor time,
which other work on the machine disturbs little: with one thread it is what a clock would show. Ways take
turns image by image; figures are medians over the images, after one that is not counted.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from mosaic import photographs
from safetensors import safe_open
from torch import Tensor

from vedette.bitstream import rans
from vedette.codec import Codec, build, load
from vedette.codec.codec import WEIGHTS
from vedette.codec.latents.integer import quality_code
from vedette.codec.models.sliced import KNOWN_MAX, SlicedCodec, checkerboard, quality_plane, run_floats
from vedette.codec.scene import encode_image
from vedette.nn.priors import cheaper_symbols, gaussian_bits
from vedette.training.checkpoint import load_model

QUALITIES = (8.0, 16.0, 32.0, 48.0, 60.0)
QUICK = 3  # images
GOAL_PERCENT = 0.5  # bytes of the streams above the float model's estimate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} images")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--model", type=Path, default=WEIGHTS / "charm-lite.safetensors", help="frozen weights"
    )
    parser.add_argument(
        "--float",
        type=Path,
        default=WEIGHTS / "training" / "charm-lite.safetensors",
        help="the float weights they were frozen from",
    )
    parser.add_argument("--threads", type=int, default=1, help="torch's")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    codec, network = load(str(options.model)), float_network(options.model, options.float)
    images = photographs(options.folder)
    if options.quick:
        images = images[:: max(1, len(images) // QUICK)][:QUICK]
    rows = []
    for quality in QUALITIES:
        measure(images[0], codec, network, quality)  # first calls set up
        rows.append(row_of(quality, [measure(image, codec, network, quality) for image in images]))
    result = {"set": options.folder.name, "images": len(images), "goal_percent": GOAL_PERCENT}
    result |= {"weights": codec.weights_id.hex(), "threads": options.threads, "qualities": rows}
    print(json.dumps(result, indent=1) if options.json else text(result))


def float_network(frozen: Path, floats: Path) -> SlicedCodec:
    """The network of the weights file `frozen`, with the float parameters of `floats`."""
    with safe_open(frozen, framework="pt") as file:
        metadata = file.metadata()
    network = build(metadata["model"], **json.loads(metadata["configuration"])).eval()
    load_model(floats, network)
    return network


@torch.inference_mode()
def measure(image: Any, codec: Codec, network: SlicedCodec, quality: float) -> dict[str, float]:
    """Bits and seconds of one image."""
    height, width = (side // network.stride * network.stride for side in image.shape[1:])
    image = image[:, :height, :width]
    y = codec.analyze(torch.from_numpy(image).float() / 255, quality)
    z = network.h_a(y).round()
    q = torch.tensor([quality_code(quality) / 256])
    start = time.process_time()
    scales = walk(network, y, z, q)
    float_s = time.process_time() - start
    bits = [network.prior_z.bits(z), *(gaussian_bits(symbols, scale) for symbols, scale in scales)]
    with stopwatch() as coding_s:
        start = time.process_time()
        streams, _ = codec.encode_latents(y, quality)
        encode_s = time.process_time() - start - sum(coding_s)
    with stopwatch() as decoding_s:
        start = time.process_time()
        codec.decode_latents(streams, *y.shape[2:])
        decode_s = time.process_time() - start - sum(decoding_s)
    return {
        "pixels": height * width,
        "float_bits": sum(float(part.double().sum()) for part in bits),
        "stream_bits": 8 * sum(map(len, streams)),
        "file_bits": 8 * len(encode_image(image, codec, quality=quality, tile=0)),
        "float_s": float_s,
        "exact_encode_s": encode_s,
        "exact_decode_s": decode_s,
        "rans_encode_s": sum(coding_s),
        "rans_decode_s": sum(decoding_s),
    }


def walk(network: SlicedCodec, y: Tensor, z: Tensor, quality: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The float networks through all steps, as the model's forward goes; each step's symbols and scales."""
    features, plane = network.hyper(run_floats, z), quality_plane(quality, y)
    gain, known, found = network.gain(quality), torch.zeros_like(y), []
    for number, step in enumerate(network.steps):
        here = slice(step.low, step.high)
        hidden, mean, log2_scale = network.predict(
            run_floats, number, features, plane, known[:, : step.context]
        )
        mask = checkerboard(y.shape[2], y.shape[3], step.parity)
        scale = torch.exp2(log2_scale) * gain[:, here]
        price = network.price(quality, gain[:, here], here)
        symbols = (y[:, here] - mean) * gain[:, here]
        symbols = symbols.round() if price is None else cheaper_symbols(symbols, scale, price)
        correction = network.correct(run_floats, number, hidden, symbols.clamp(-KNOWN_MAX, KNOWN_MAX))
        decoded = mean + (symbols + correction) / gain[:, here]
        known[:, here] = torch.where(mask, decoded, known[:, here])
        found.append((symbols[:, :, mask], scale[:, :, mask]))
    return found


@contextmanager
def stopwatch(clock: Callable[[], float] = time.process_time) -> Iterator[list[float]]:
    """Seconds of every rANS call inside."""
    seconds: list[float] = []

    def timed(call: Any) -> Any:
        def inner(*arguments: Any) -> Any:
            start = clock()
            result = call(*arguments)
            seconds.append(clock() - start)
            return result

        return inner

    with (
        patch.object(rans, "encode", timed(rans.encode)),
        patch.object(rans.Decoder, "decode", timed(rans.Decoder.decode)),
    ):
        yield seconds


def row_of(quality: float, found: list[dict[str, float]]) -> dict[str, float]:
    """Percent above the float estimate, over all images and at worst; median seconds."""
    total = {key: sum(image[key] for image in found) for key in found[0]}
    each = [100 * (image["stream_bits"] / image["float_bits"] - 1) for image in found]
    row = {
        "quality": quality,
        "float_bpp": total["float_bits"] / total["pixels"],
        "streams_percent": 100 * (total["stream_bits"] / total["float_bits"] - 1),
        "streams_least_percent": min(each),
        "streams_most_percent": max(each),
        "file_percent": 100 * (total["file_bits"] / total["float_bits"] - 1),
    }
    return row | {key: median(image[key] for image in found) for key in total if key.endswith("_s")}


def text(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{result['set']}, {result['images']} images, {result['threads']} thread; goal +{GOAL_PERCENT} %"
    ]
    lines.append("           rate over the float estimate                    milliseconds")
    lines.append("quality   bpp  streams  (least..most)     file    float   exact enc/dec   rANS enc/dec")
    for row in result["qualities"]:
        ms = {key: 1000 * value for key, value in row.items() if key.endswith("_s")}
        lines.append(
            f"{row['quality']:7g} {row['float_bpp']:5.3f}  {row['streams_percent']:+6.2f}%"
            f"  ({row['streams_least_percent']:+.2f}..{row['streams_most_percent']:+.2f})"
            f"  {row['file_percent']:+6.2f}%  {ms['float_s']:6.0f}  {ms['exact_encode_s']:6.0f} / "
            f"{ms['exact_decode_s']:<6.0f} {ms['rans_encode_s']:5.0f} / {ms['rans_decode_s']:<4.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
