"""What every test shares: few threads, the real data folder where there is one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)  # two workers share two cores


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The optional folder of real data; what needs it skips without it, and the project passes without."""
    folder = Path(os.environ.get("VEDETTE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("VEDETTE_DATA names no folder: this test needs real data")
    return folder


@pytest.fixture(scope="session")
def sample_image() -> np.ndarray:
    """The shipped scene's red, green and blue, (3, 256, 256) of uint8."""
    from vedette.images import Window, open_scene
    from vedette.samples import scene_path

    with open_scene(scene_path()) as scene:
        return scene.read(Window(0, 0, 256, 256))[:3]
