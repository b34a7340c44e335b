"""A trained codec as a thing to use: weights in, latents, bytes and pixels out."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from vedette.bitstream.tables import Tables, gaussian_tables, join, tables_from_pmf
from vedette.codec.latents import integer
from vedette.codec.latents.coder import LAYERS, LatentCoder, Latents
from vedette.codec.models import MODELS, build
from vedette.codec.models.lite import CharmLite
from vedette.errors import InputError, UnknownNameError

WEIGHTS = Path(__file__).parent.parent / "weights"
Z_TABLE_REACH = 64  # z beyond it is escaped
ENTROPY_ONLY = ("h_s1.", "h_s2.", "prior_z.", "slices.", "log2_gain")  # replaced by integers
ANALYSIS_HALO = 4  # positions of y on each side that a pixel's neighborhood can reach
SYNTHESIS_HALO = 8


class Codec:
    """Analysis, exact entropy path and synthesis of one set of weights.

    Args:
        name: of the weights, for files and messages.
        data: a frozen weights file's bytes (`freeze`).
    """

    layers = LAYERS
    block = 8  # pixels per position of y

    def __init__(self, name: str, data: bytes) -> None:
        tensors = load(data)
        self.name = name
        self.weights_id = hashlib.sha256(data).digest()[:8]
        network = {key.removeprefix("net."): v for key, v in tensors.items() if key.startswith("net.")}
        exact = {key.removeprefix("int."): v for key, v in tensors.items() if key.startswith("int.")}
        self.network = build("charm-lite").eval().requires_grad_(False)
        current = self.network.state_dict()
        self.network.load_state_dict(
            {key: network[key].float() if key in network else current[key] for key in current}
        )
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        tables = Tables(*(tensors[f"tables.{part}"].numpy() for part in ("cdf", "starts", "firsts")))
        self.coder = LatentCoder(integer.IntegerEntropy(exact), tables)

    @torch.inference_mode()
    def analyze(self, image: Float[Tensor, "3 h w"], quality: float) -> Float[Tensor, "1 c h//8 w//8"]:
        """y of an image, 0..1, whose sides are multiples of 8."""
        x = image[None].contiguous(memory_format=torch.channels_last)
        return self.network.analyze(x, torch.tensor([_on_grid(quality)]))

    @torch.inference_mode()
    def encode_latents(self, y: Float[Tensor, "1 c h w"], quality: float) -> tuple[list[bytes], Latents]:
        """The streams of a tile, coarse first, and the latents its decoder will see."""
        return self.coder.encode(y, self.network.h_a(y), integer.quality_code(quality))

    def decode_latents(self, streams: Sequence[bytes | None], height: int, width: int) -> Latents:
        """The latents of a tile of `height` x `width` positions."""
        return self.coder.decode(streams, height, width)

    @torch.inference_mode()
    def synthesize(self, y_hat: Float[Tensor, "1 c h w"], quality: float) -> Float[Tensor, "3 8*h 8*w"]:
        """Pixels, 0..1, of decoded latents."""
        y_hat = y_hat.contiguous(memory_format=torch.channels_last)
        return self.network.synthesize(y_hat, torch.tensor([quality]))[0].clamp_(0, 1)


def _on_grid(quality: float) -> float:
    return integer.quality_code(quality) / 2**integer.QUALITY_FRAC


@torch.no_grad()
def freeze(model: CharmLite, images: Float[Tensor, "b 3 h w"]) -> bytes:
    """A weights file: float16 transforms, integer entropy networks, integer tables.

    Args:
        images: crops, 0..1, on which the ranges of the hidden activations are measured.
    """
    tensors: dict[str, Tensor] = {
        f"net.{key}": value.half().contiguous()
        for key, value in model.state_dict().items()
        if not key.startswith(ENTROPY_ONLY)
    }
    exact = integer.freeze(model, images)
    tensors |= {f"int.{key}": _smallest(value).contiguous() for key, value in exact.items()}
    tables = join(_gaussian(), _z_tables(model))
    for part in ("cdf", "starts", "firsts"):
        tensors[f"tables.{part}"] = torch.tensor(getattr(tables, part))
    return save(tensors, metadata={"model": "charm-lite", "format": "1"})


def _smallest(values: Tensor) -> Tensor:
    """int8 or int16 where that holds every value."""
    for dtype in (torch.int8, torch.int16):
        if values.numel() and torch.equal(values.to(dtype).to(values.dtype), values):
            return values.to(dtype)
    return values


def _gaussian() -> Tables:
    return gaussian_tables(np.array([integer.scale_of_level(i) for i in range(integer.SCALE_LEVELS)]))


def _z_tables(model: CharmLite) -> Tables:
    values = torch.arange(-Z_TABLE_REACH, Z_TABLE_REACH + 1, dtype=torch.float32)
    pmf = model.prior_z.pmf(values.expand(64, 1, -1))[:, 0].double().numpy()
    pmfs, firsts = [], []
    for row in pmf:
        kept = np.flatnonzero(row > 1e-5)
        low, high = (int(kept[0]), int(kept[-1])) if len(kept) else (Z_TABLE_REACH, Z_TABLE_REACH)
        pmfs.append(row[low : high + 1])
        firsts.append(low - Z_TABLE_REACH)
    return tables_from_pmf(pmfs, firsts)


def available() -> list[str]:
    """Names of the weights that ship with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def card(name: str = "charm-lite") -> dict[str, Any]:
    """How the weights `name` were made, and what they score."""
    result: dict[str, Any] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return result


@cache
def load_codec(name: str = "charm-lite") -> Codec:
    """The codec with the shipped weights `name`, or with the weights file that `name` is the path of.

    >>> load_codec("charm-lite").layers
    2
    """
    path = Path(name) if name.endswith(".safetensors") else WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise UnknownNameError("set of codec weights", name, available())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if metadata.get("model") not in MODELS:
        raise InputError(f"{path.name} is not a frozen codec", hint="make one with `vedette codec freeze`")
    return Codec(path.stem, path.read_bytes())
