"""Trained detectors as files: safetensors in float16 with the network's name, options and spec."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError

from vedette.detect.models import build
from vedette.detect.models.yolo import Yolo
from vedette.detect.scene import Network
from vedette.detect.spec import DetectorSpec
from vedette.nn import described_file
from vedette.nn.layout import channels_last

KEY = "detector"


@dataclass(frozen=True)
class Detector:
    """A trained network and what belongs to it.

    Args:
        name, options: as `vedette.detect.models.build` takes them.
    """

    model: Yolo
    name: str
    options: Mapping[str, Any]
    spec: DetectorSpec

    def network(self, device: str = "cpu") -> Network:
        """The network as `vedette.detect.scene.find` calls it."""
        model = channels_last(copy.deepcopy(self.model).fuse().to(device))

        @torch.inference_mode()
        def run(image: Float[np.ndarray, "1 c h w"]) -> Float[np.ndarray, "n k"]:
            rows: np.ndarray = model(torch.from_numpy(image).to(device)).decode()[0].cpu().numpy()
            return rows

        return run


def save_detector(path: Path, detector: Detector) -> None:
    """Write the file, whole or not at all."""
    description = {
        "model": detector.name,
        "options": dict(detector.options),
        "spec": json.loads(detector.spec.json()),
    }
    described_file.save_described(path, detector.model, KEY, description)


def shipped() -> tuple[str, ...]:
    """Names of the detectors that ship with the package."""
    return described_file.shipped(KEY)


def load_detector(name: str | Path) -> Detector:
    """The shipped detector called `name`, or that of the file which `name` is the path of.

    Raises:
        UnknownNameError: neither.
        InputError: a file of something else.
    """
    path, text = described_file.find(name, KEY)
    try:
        found = json.loads(text)
        options = {key: tuple(v) if key == "groups" else v for key, v in found["options"].items()}
        spec = DetectorSpec.parse(json.dumps(found["spec"]))
        model = build(str(found["model"]), **options)
        model.load_state_dict(described_file.tensors_of(path))
        if len(spec.classes) != model.head.classes or spec.counts != model.groups:
            raise ValueError("its description is of another network")
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        raise described_file.damaged(path, error) from error
    return Detector(model.eval(), str(found["model"]), options, spec)
