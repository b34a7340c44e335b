"""A trained codec as a thing to use: weights in, latents, bytes and pixels out."""

import hashlib
import json
import logging
import struct
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor

from vedette.bitstream.tables import Tables, gaussian_tables, join, tables_from_pmf
from vedette.codec.latents import integer
from vedette.codec.latents.coder import LAYERS, LatentCoder, Latents
from vedette.codec.models import MODELS, build
from vedette.codec.models.sliced import SlicedCodec
from vedette.errors import InputError, UnknownNameError
from vedette.nn.layout import channels_last
from vedette.training.loop import multiplies_bf16

logger = logging.getLogger(__name__)
WEIGHTS = Path(__file__).parent.parent / "weights"
Z_TABLE_REACH = 64  # z beyond it is escaped
# What stays float; integers replace the rest.
TRANSFORMS = ("g_a", "g_s", "refine_a", "refine_s", "across", "norm", "norm_y", "h_a")


class Codec:
    """Analysis, exact entropy path and synthesis of one set of weights.

    Args:
        name: of the weights, for files and messages.
        data: a frozen weights file's bytes (`freeze`).
        bf16: run analysis and synthesis, which decide no probability, under bfloat16 autocast. None: where
            the network is of paper size and the processor multiplies bfloat16 itself; the small ones lose
            more than they gain.
    """

    layers = LAYERS

    def __init__(self, name: str, data: bytes, *, bf16: bool | None = None) -> None:
        tensors, metadata = load(data), _metadata(data)
        self.name = name
        self.weights_id = hashlib.sha256(data).digest()[:8]
        network = {key.removeprefix("net."): v for key, v in tensors.items() if key.startswith("net.")}
        exact = {key.removeprefix("int."): v for key, v in tensors.items() if key.startswith("int.")}
        configuration = json.loads(metadata["configuration"])
        with torch.device("meta"):  # integers replace most of the network: its floats get no memory
            self.network = build(metadata["model"], **configuration).eval().requires_grad_(False)
        floats = {key: value.float() for key, value in network.items()}
        missing, unknown = self.network.load_state_dict(floats, strict=False, assign=True)
        if unknown or any(key.split(".")[0] in TRANSFORMS for key in missing):
            raise InputError(f"weights {name} do not fit the network {metadata['model']}")
        self.network = channels_last(self.network)
        if bf16 is None:
            bf16 = self.network.paper_size and multiplies_bf16(torch.device("cpu"))
        self._precision = partial(torch.autocast, "cpu", torch.bfloat16, enabled=bf16)
        tables = Tables(*(tensors[f"tables.{part}"].numpy() for part in ("cdf", "starts", "firsts")))
        self.coder = LatentCoder(integer.IntegerEntropy(self.network, exact), tables)

    @property
    def block(self) -> int:
        """Pixels per position of y."""
        return self.network.block

    @property
    def halo(self) -> tuple[int, int]:
        """Positions of y on each side that analysis and synthesis of a pixel can reach."""
        return self.network.halo

    @torch.inference_mode()
    def analyze(self, image: Float[Tensor, "3 h w"], quality: float) -> Float[Tensor, "1 c a b"]:
        """y of an image, 0..1, whose sides are multiples of `block`."""
        x = image[None].contiguous(memory_format=torch.channels_last)
        with self._precision():
            return self.network.analyze(x, torch.tensor([_on_grid(quality)])).float()

    @torch.inference_mode()
    def encode_latents(self, y: Float[Tensor, "1 c h w"], quality: float) -> tuple[list[bytes], Latents]:
        """The streams of a tile, coarse first, and the latents its decoder will see."""
        with self._precision():
            z = self.network.h_a(y).float()
        return self.coder.encode(y, z, integer.quality_code(quality))

    def decode_latents(self, streams: Sequence[bytes | None], height: int, width: int) -> Latents:
        """The latents of a tile of `height` x `width` positions."""
        return self.coder.decode(streams, height, width)

    @torch.inference_mode()
    def synthesize(self, y_hat: Float[Tensor, "1 c h w"], quality: float) -> Float[Tensor, "3 H W"]:
        """Pixels, 0..1, of decoded latents."""
        y_hat = y_hat.contiguous(memory_format=torch.channels_last)
        with self._precision():
            image = self.network.synthesize(y_hat, torch.tensor([quality])).float()
        return image[0].clamp_(0, 1)


def _metadata(data: bytes) -> dict[str, str]:
    """What a safetensors file says about itself; empty where it says nothing."""
    (length,) = struct.unpack_from("<Q", data)
    found: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return found


def _on_grid(quality: float) -> float:
    return integer.quality_code(quality) / 2**integer.QUALITY_FRAC


@torch.no_grad()
def freeze(model: SlicedCodec, images: Float[Tensor, "b 3 h w"]) -> bytes:
    """A weights file: float16 transforms, integer entropy networks, integer tables.

    Args:
        images: crops, 0..1, on which the ranges of the hidden activations are measured.
    """
    tensors: dict[str, Tensor] = {
        f"net.{key}": value.half().contiguous()
        for key, value in model.state_dict().items()
        if key.split(".")[0] in TRANSFORMS
    }
    exact = integer.freeze(model, images)
    tensors |= {f"int.{key}": _smallest(value).contiguous() for key, value in exact.items()}
    tables = join(_gaussian(), _z_tables(model))
    for part in ("cdf", "starts", "firsts"):
        tensors[f"tables.{part}"] = torch.tensor(getattr(tables, part))
    return save(
        tensors,
        metadata={"model": model.name, "format": "1", "configuration": json.dumps(model.configuration)},
    )


def _smallest(values: Tensor) -> Tensor:
    """int8 or int16 where that holds every value."""
    for dtype in (torch.int8, torch.int16):
        if values.numel() and torch.equal(values.to(dtype).to(values.dtype), values):
            return values.to(dtype)
    return values


def _gaussian() -> Tables:
    return gaussian_tables(np.array([integer.scale_of_level(i) for i in range(integer.SCALE_LEVELS)]))


def _z_tables(model: SlicedCodec) -> Tables:
    values = torch.arange(-Z_TABLE_REACH, Z_TABLE_REACH + 1, dtype=torch.float32)
    pmf = model.prior_z.pmf(values.expand(model.z_channels, 1, -1))[:, 0].double().numpy()
    pmfs, firsts = [], []
    for row in pmf:
        kept = np.flatnonzero(row > 1e-5)
        low, high = (int(kept[0]), int(kept[-1])) if len(kept) else (Z_TABLE_REACH, Z_TABLE_REACH)
        pmfs.append(row[low : high + 1])
        firsts.append(low - Z_TABLE_REACH)
    return tables_from_pmf(pmfs, firsts)


def available() -> list[str]:
    """Names of the codec weights that ship with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json") if "model" in card(path.stem))


def card(name: str = "charm-lite") -> dict[str, Any]:
    """How the weights `name` were made, and what they score."""
    result: dict[str, Any] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return result


@cache
def load_codec(name: str = "charm-lite") -> Codec:
    """The codec with the shipped weights `name`, or with the weights file that `name` is the path of.

    The name of a network at paper size, of which no weights ship, stands for those of its lite form.

    Raises:
        UnknownNameError: there are no such weights.
        InputError: the file cannot be read, or holds something else.

    >>> load_codec("charm-lite").layers
    2
    """
    path = Path(name) if name.endswith(".safetensors") else WEIGHTS / f"{name}.safetensors"
    if not path.exists() and name in MODELS:
        path = WEIGHTS / f"{name}-lite.safetensors"
        logger.info("no weights of %s ship: those of %s-lite are taken", name, name)
    if not path.exists():
        raise UnknownNameError("set of codec weights", name, available())
    try:
        data = path.read_bytes()
        if _metadata(data).get("model") in MODELS:
            return Codec(path.stem, data)
    except Exception as error:  # a foreign file fails in the parser, in a shape or in a name that lacks
        raise InputError(
            f"{name} does not hold weights that can be read",
            hint="name one of `vedette codec models`, or a file of `vedette codec freeze`",
        ) from error
    raise InputError(f"{path.name} is not a frozen codec", hint="make one with `vedette codec freeze`")
