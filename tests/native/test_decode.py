"""The whole path from a tile's bytes to its latents in C++, here and on ARM, gives what Python gives.

The program gets all it needs as data: the format's numbers, tables, layers, and the networks as
operations on registers (networks.h), which `Recorder` writes down while the model runs on it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load as load_tensors
from torch import nn

from vedette.bitstream import product
from vedette.bitstream.tables import Tables
from vedette.codec import build, freeze, load
from vedette.codec.codec import WEIGHTS, Codec
from vedette.codec.latents import integer, network
from vedette.codec.latents.format import HIDDEN_MAX
from vedette.codec.models.sliced import (
    CORRECTION_FRAC,
    KNOWN_MAX,
    MEAN_FRAC,
    QUALITY_MAX,
    QUALITY_MIN,
    HalfTanh,
)
from vedette.codec.scene import SceneDecoder
from vedette.nn.layers import ResidualBlock, ResidualUp
from vedette.numerics import exp2_table

GOLDEN = Path(__file__).parents[1] / "golden"
CONV, SHUFFLE, JOIN, CUT, CROP, LOOKUP, SCALE, LEAK, ADD, IGDN = range(10)
Z, PLANE, CONTEXT, KNOWN, FREE = range(5)  # registers; from FREE on the recorder's own
Tile = tuple[int, int, list[bytes]]  # height and width in positions of y, streams


@dataclass(frozen=True, eq=False)
class Register:
    """What flows through a network while it is recorded."""

    recorder: "Recorder"
    number: int

    def chunk(self, chunks: int, dim: int) -> "tuple[Register, ...]":
        return tuple(self.recorder.emit(CUT, self, part, chunks) for part in range(chunks))

    def narrow(self, dim: int, start: int, length: int) -> "Register":
        raise NotImplementedError("no model that is recorded here takes a part of its context")


class Recorder:
    """A `Runner` that writes down what an `IntegerRunner` would do with the weights file's tensors."""

    def __init__(self, model: nn.Module, tensors: dict[str, np.ndarray]) -> None:
        self.names, self.tensors = integer.module_names(model), tensors
        self.layers: list[list[np.ndarray]] = []
        self.tables: list[list[np.ndarray]] = []
        self.normalizations: list[list[np.ndarray]] = []
        self.operations: list[tuple[int, ...]] = []
        self.registers = FREE

    def __call__(self, net: nn.Module, *inputs: Register, frac: int | None = None) -> Register:
        x = inputs[0]
        for other in inputs[1:]:
            x = self.emit(JOIN, x, other.number)
        return self.run([net], x)

    def emit(self, kind: int, source: Register, a: int = 0, b: int = 0) -> Register:
        self.registers += 1
        self.operations.append((kind, self.registers - 1, source.number, a, b))
        return Register(self, self.registers - 1)

    def program(self) -> np.ndarray:
        """The operations since the last call."""
        operations, self.operations = self.operations, []
        return np.array(operations, dtype=np.int32)

    def part(self, name: str, part: str, dtype: type = np.int32) -> np.ndarray:
        values = self.tensors[f"int.{name}.{part}"]
        assert np.array_equal(values.astype(dtype), values)
        return values.astype(dtype)

    def run(self, modules: list[nn.Module], x: Register) -> Register:
        for module in modules:
            x = self.module(module, x)
        return x

    def module(self, module: nn.Module, x: Register) -> Register:
        name = self.names[module]
        match module:
            case nn.Sequential():
                return self.run(list(module), x)
            case nn.Conv2d():
                return self.conv(name, x)
            case nn.ReLU() | nn.Hardtanh():
                return x  # the convolution's limits do it
            case nn.LeakyReLU():
                return self.emit(LEAK, x, network.LEAK, network.LEAK_SHIFT)
            case nn.PixelShuffle():
                return self.emit(SHUFFLE, x, module.upscale_factor)
            case nn.GELU() | HalfTanh():
                self.tables.append([self.part(name, "table", np.int64)])
                return self.emit(LOOKUP, x, len(self.tables) - 1)
            case ResidualBlock():
                inner = self.run([module.conv1, module.activation, module.conv2, module.activation], x)
                skip = (
                    self.module(module.skip, x)
                    if isinstance(module.skip, nn.Conv2d)
                    else self.rescale(name, x)
                )
                return self.emit(ADD, inner, skip.number, HIDDEN_MAX)
            case ResidualUp():
                inner = self.run([module.subpel, module.activation, module.conv], x)
                igdn = self.names[module.igdn]
                norm = [self.part(igdn, "beta", np.int64), self.part(igdn, "gamma"), self.part(igdn, "shift")]
                self.normalizations.append(norm)
                inner = self.emit(IGDN, inner, len(self.normalizations) - 1, HIDDEN_MAX)
                return self.emit(ADD, inner, self.module(module.skip, x).number, HIDDEN_MAX)
        raise NotImplementedError(type(module).__name__)

    def rescale(self, name: str, x: Register) -> Register:
        shift = int(self.part(name, "rescale"))
        return self.emit(SCALE, x, 1 << max(0, -shift), max(0, shift))

    def conv(self, name: str, x: Register) -> Register:
        weight, bias, shifts, limits = (self.part(name, p) for p in ("weight", "bias", "shift", "limits"))
        half = np.where(shifts > 0, 1 << np.maximum(shifts - 1, 0), 0).astype(np.int64)  # requantize adds it
        self.layers.append([np.array(weight.shape, dtype=np.int32), weight, bias - half, shifts, limits])
        return self.emit(CONV, x, len(self.layers) - 1)

    def arrays(self) -> Iterator[np.ndarray]:
        """What the operations refer to."""
        for group in (self.layers, self.tables, self.normalizations):
            yield np.array([len(group)], dtype=np.int32)
            for arrays in group:
                yield from arrays


def exported(codec: Codec, data: bytes) -> list[np.ndarray]:
    """The codec whose weights file is `data`, as decode_main reads it."""
    tensors, model = load_tensors(data), codec.network
    recorder = Recorder(model, tensors)
    z, plane, context, known = (Register(recorder, number) for number in (Z, PLANE, CONTEXT, KNOWN))
    features = tuple(recorder.emit(CROP, f, PLANE) for f in model.hyper(recorder, z))
    programs, steps = [recorder.program()], []
    for number, step in enumerate(model.steps):
        hidden, mean, log2_scale = model.predict(recorder, number, features, plane, context)
        programs.append(recorder.program())
        correction = model.correct(recorder, number, hidden, known)
        programs.append(recorder.program())
        where = (step.low, step.high, -1 if step.parity is None else step.parity, step.context)
        found = (mean.number, log2_scale.number, correction.number)
        steps.append((*where, int(number >= model.coarse_steps), *found))
    tables = Tables(*(tensors[f"tables.{part}"] for part in ("cdf", "starts", "firsts")))
    return [
        *(np.array([number], dtype=np.int32) for number in format_numbers(model)),
        *(
            tables.cdf,
            tables.starts,
            tables.firsts,
            tensors["int.log2_gain"].astype(np.int32),
            tables.buckets,
        ),
        exp2_table(integer.GAIN_FRAC, 30),
        np.array(steps, dtype=np.int32),
        *recorder.arrays(),
        *programs,
    ]


def format_numbers(model: nn.Module) -> list[int]:
    """As Codec in decode_main.cpp lists them."""
    first, last = (round(quality * 2**integer.QUALITY_FRAC) for quality in (QUALITY_MIN, QUALITY_MAX))
    plane_shift = integer.QUALITY_FRAC + 3 - integer.PLANE_FRAC  # the plane holds quality / 8
    scales = [integer.SCALE_LEVELS, integer.SCALE_FIRST, integer.SCALE_STEP]
    fracs = [MEAN_FRAC, CORRECTION_FRAC, integer.LATENT_FRAC, model.context_frac, integer.GAIN_FRAC]
    limits = [integer.Z_MAX, KNOWN_MAX, integer.CONTEXT_MAX]
    return [model.z_block, *limits, *scales, first, last - first, plane_shift, *fracs]


@pytest.fixture
def decode(build_more_slowly, tmp_path):
    """The latents of tiles, by the C++ program."""
    program = build_more_slowly("decode_main.cpp", "integer.cpp", "rans.cpp")

    def run(codec: Codec, data: bytes, tiles: list[Tile]) -> list[np.ndarray]:
        arrays = [*exported(codec, data), np.array([len(tiles)], dtype=np.int32)]
        for height, width, streams in tiles:
            arrays.append(np.array([height, width, len(streams)], dtype=np.int32))
            arrays += [np.frombuffer(stream, dtype=np.uint8) for stream in streams]
        results = [np.frombuffer(result, dtype=np.int64) for result in program.run(arrays, tmp_path)]
        assert len(results) == len(tiles)
        return results

    return run


def test_cpp_decodes_the_golden_product(decode):
    """Every tile of the shipped weights' golden file, against Python and against the recorded hash."""
    opened = SceneDecoder(product.read((GOLDEN / "scene-format1.vdt").read_bytes()), load())
    header, file, codec = opened.header, opened.file, opened.codec
    assert not file.missing() and not file.incomplete()
    sizes = [(-(-w.height // codec.block), -(-w.width // codec.block)) for w in opened.windows]
    tiles = [(*size, file.streams(tile, 0)) for tile, size in enumerate(sizes)]
    latents = decode(codec, (WEIGHTS / f"{header.model}.safetensors").read_bytes(), tiles)
    digest = hashlib.sha256()
    for (height, width, streams), found in zip(tiles, latents, strict=True):
        assert np.array_equal(codec.decode_latents(streams, height, width).values.numpy().ravel(), found)
        digest.update((found.astype(np.float32) * np.float32(2.0**-integer.LATENT_FRAC)).tobytes())
    assert digest.hexdigest() == json.loads((GOLDEN / "scene-format1.json").read_text())["latents_sha256"]


def test_cpp_decodes_a_model_of_paper_shape(decode):
    """charm, tiny and untrained: GELU and tanh by table, inverse GDN, residual blocks, odd sizes."""
    torch.manual_seed(3)
    sizes = {"width": 16, "latents": 32, "hyper": 16, "slices": 2, "blocks": 1, "parameter_widths": (24, 16)}
    model = build("charm", **sizes).eval()
    data = freeze(model, torch.rand(1, 3, 128, 192))
    codec = Codec("charm", data)
    tiles, expected = [], []
    for quality, height, width in ((5.0, 8, 12), (40.0, 7, 9), (64.0, 1, 2)):
        y = 4 * torch.randn(1, 32, height, width)
        streams, latents = codec.encode_latents(y, quality)
        tiles.append((height, width, streams))
        expected.append(latents.values.numpy().ravel())
    for wanted, found in zip(expected, decode(codec, data, tiles), strict=True):
        assert np.array_equal(wanted, found)
