"""The picture of a run: panels side by side."""

import numpy as np
import pytest
import torch
from detect.scenes import make_set, tiny_detector

from vedette.detect.bands import BandGroup
from vedette.detect.preview import preview
from vedette.detect.store import Store
from vedette.detect.superres import SuperResolution
from vedette.detect.task import Learner


@pytest.mark.parametrize(("factor", "reduce"), [(0, 1), (0, 2), (1, 1), (2, 2), (2, 4)])
def test_a_panel_for_each_group_and_one_for_the_boxes(tmp_path, factor, reduce):
    side = 64 * reduce + 8
    boxes, _ = make_set(tmp_path, 1, side=side, bands=4)
    detector = tiny_detector(groups=(("rgb", 3), ("ir", 1)), reduce=reduce)
    torch.manual_seed(0)
    branch = SuperResolution(detector.model.taps, 4, factor=factor, blocks=1) if factor else None
    store = Store((BandGroup("rgb", (1, 2, 3)), BandGroup("ir", (4,))), 255.0)
    image = preview(Learner(detector.model, branch, 0.9), store, boxes.images[0], detector.spec)
    panels = 3 if branch is None else 7
    width = 64 * max(factor, 1)
    assert image.size == (panels * (width + 4) - 4, width + 14)
    assert np.asarray(image)[14:, -width:].std() > 0
