"""The super-resolution branch: sizes as published, and gone without a trace when training ends."""

import hashlib

import numpy as np
import pytest
import torch
from detect.scenes import stir, tiny_detector
from safetensors import safe_open
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vedette.detect.detector_file import Detector, load_detector, save_detector
from vedette.detect.models import build
from vedette.detect.superres import SuperResolution, matching_windows
from vedette.detect.task import Learner
from vedette.errors import InputError


# specification section 3
@pytest.mark.parametrize(("blocks", "millions"), [(16, 2.881), (8, 2.290), (4, 1.994)])
def test_parameters_are_those_published(blocks, millions):
    with torch.device("meta"):
        branch = SuperResolution((128, 512), 4, blocks=blocks)
    assert round(sum(p.numel() for p in branch.parameters()) / 1e6, 3) == millions


def test_operations_are_those_published():
    """91.0 GMAC for 512 -> 1024."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        branch = SuperResolution((128, 512), 4)
        image = branch(torch.zeros(1, 128, 128, 128), torch.zeros(1, 512, 32, 32))
    assert image.shape == (1, 4, 1024, 1024)
    assert counter.get_total_flops() / 2e9 == pytest.approx(91.0, rel=2e-3)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_the_image_is_factor_times_the_input(factor):
    model = build("superyolo-lite", classes=1, width=0.125).eval()
    branch = SuperResolution(model.taps, 4, factor=factor, blocks=1)
    with torch.no_grad():
        fine, deep, _ = model.features(torch.rand(1, 4, 64, 96))
        assert branch(fine, deep).shape == (1, 4, 64 * factor, 96 * factor)


def test_it_has_no_normalization_and_learns_everywhere():
    torch.manual_seed(0)
    branch = SuperResolution((32, 64), 3, blocks=2)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.Dropout) for module in branch.modules())
    branch(torch.randn(1, 32, 8, 8), torch.randn(1, 64, 2, 2)).square().mean().backward()
    assert [n for n, p in branch.named_parameters() if not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("options", [{"factor": 3}, {"factor": 0}, {"blocks": 0}])
def test_other_factors_are_refused(options):
    with pytest.raises(InputError) as caught:
        SuperResolution((32, 64), 3, **options)
    assert "1, 2 or 4" in caught.value.hint


@pytest.mark.parametrize("share", [1.0, 0.5, 0.3, 0.01])
def test_windows_of_both_maps_show_the_same_ground(share):
    """The deep map is a quarter of the fine one, as the network gives them."""
    model = build("superyolo-lite", classes=1, width=0.125).eval()
    with torch.no_grad():
        fine, deep, _ = model.features(torch.zeros(1, 4, 128, 192))
    ratio = fine.shape[2] // deep.shape[2]
    generator = torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(40):
        rows, cols, deep_rows, deep_cols = matching_windows(*fine.shape[2:], share, generator)
        for few, many, side in ((deep_rows, rows, deep.shape[2]), (deep_cols, cols, deep.shape[3])):
            assert (many.start, many.stop) == (ratio * few.start, ratio * few.stop)
            assert 0 <= few.start < few.stop <= side
            assert few.stop - few.start == max(1, round(share * side))
        starts.add((rows.start, cols.start))
    assert (len(starts) == 1) == (share == 1)
    if share == 1:
        assert (
            fine[:, :, rows, cols].shape == fine.shape
            and deep[:, :, deep_rows, deep_cols].shape == deep.shape
        )


def learner(branch):
    torch.manual_seed(1)
    options = {"classes": 2, "width": 0.125, "fusion": "concat"}
    network = stir(build("superyolo", **options))
    extra = SuperResolution(network.taps, 4, blocks=1) if branch else None
    return Learner(network, extra, 0.99)


def test_detections_do_not_depend_on_the_branch():
    with_branch, without = learner(True).eval(), learner(False).eval()
    image = torch.rand(1, 4, 64, 64)
    windows = matching_windows(16, 16, 1.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        said, made = with_branch(image, windows)
        plain, nothing = without(image, windows)
    assert made.shape == (1, 4, 128, 128) and nothing is None
    assert torch.equal(said.decode(), plain.decode())


def test_a_saved_detector_has_nothing_of_the_branch(tmp_path):
    paths = []
    for name, module in (("with", learner(True)), ("without", learner(False))):
        plain = tiny_detector(groups=(("rgb", 3), ("ir", 1)))
        options = {"classes": 2, "width": 0.125, "fusion": "concat"}
        paths.append(tmp_path / f"{name}.safetensors")
        save_detector(paths[-1], Detector(module.average, "superyolo", options, plain.spec))
    one, two = (hashlib.sha256(path.read_bytes()).digest() for path in paths)
    assert one == two
    with safe_open(paths[0], framework="pt") as file:
        assert set(file.keys()) == set(
            build("superyolo", classes=2, width=0.125, fusion="concat").state_dict()
        )
    image = np.random.default_rng(0).random((1, 4, 64, 64)).astype(np.float32)
    rows = [load_detector(path).network()(image) for path in paths]
    assert np.array_equal(*rows)
