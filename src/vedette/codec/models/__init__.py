"""The table of codec networks: its keys are the names that everything else uses."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vedette.codec.models.charm import Charm
from vedette.codec.models.lite import CharmLite
from vedette.codec.models.sliced import SlicedCodec, quality_plane, run_floats
from vedette.codec.models.wavelet_lite import WaveletLite
from vedette.codec.models.weconvene import WeConvene
from vedette.errors import UnknownNameError

MODELS: dict[str, Callable[..., SlicedCodec]] = {
    "charm": Charm,
    "charm-lite": CharmLite,
    "weconvene": WeConvene,
    "weconvene-lite": partial(WaveletLite, high_kernel=1, analysis_width=104, synthesis_width=128),
    "weconvene3d": partial(
        WeConvene,
        conv="weconv3d",
        wavelet="9/7",
        levels=2,
        high_kernel=1,
        channel_wavelet=True,
        low_slices=4,
        high_slices=6,
        high_attention=False,
    ),
    "weconvene3d-lite": partial(
        WaveletLite,
        block="weconv3d",
        entropy="3dwecharm",
        levels=2,
        high_kernel=1,
        analysis_width=104,
        synthesis_width=128,
    ),
}
# Options at which a model has every part of its own and a forward takes milliseconds.
_SMALL = {"width": 12, "latents": 40, "hyper": 16, "blocks": 1, "parameter_widths": (24, 16)}
TINY: dict[str, dict[str, Any]] = {
    "charm": {**_SMALL, "slices": 2},
    "charm-lite": {},
    "weconvene": {**_SMALL, "attention_width": 16},
    "weconvene-lite": {},
    "weconvene3d": {**_SMALL, "latents": 24, "attention_width": 16},
    "weconvene3d-lite": {},
}


def build(name: str, **options: Any) -> SlicedCodec:
    """The untrained network called `name`.

    >>> sum(p.numel() for p in build("charm-lite").parameters()) < 4_000_000
    True
    """
    if name not in MODELS:
        raise UnknownNameError("codec model", name, MODELS)
    model = MODELS[name](**options)
    model.name = name
    return model


def kilo_macs_per_pixel(name: str, **options: Any) -> float:
    """Thousands of multiply-adds a pixel that the network called `name` spends on coding and decoding.

    Convolutions and the sums of GDN are counted, wavelets are not (a few tens of operations a pixel).

    >>> round(kilo_macs_per_pixel("charm-lite"))
    35
    """
    with torch.device("meta"):
        model = build(name, **options)
    model = model.to_empty(device="cpu")  # whatever the values are, the counts are the same
    side = model.stride
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        quality = torch.full((1,), 32.0)
        y = model.analyze(torch.zeros(1, 3, side, side), quality)
        features = model.hyper(run_floats, model.h_a(y))
        plane = quality_plane(quality, y)
        for number, step in enumerate(model.steps):
            hidden, *_ = model.predict(run_floats, number, features, plane, y[:, : step.context])
            model.correct(run_floats, number, hidden, y[:, step.low : step.high])
        model.synthesize(y, quality)
    return float(counter.get_total_flops()) / 2 / side**2 / 1000


def parameter_count(name: str) -> int:
    """Parameters of the network called `name`.

    >>> parameter_count("charm") // 10**6
    60
    """
    with torch.device("meta"):
        return sum(p.numel() for p in build(name).parameters())
