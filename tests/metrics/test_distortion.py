"""PSNR and MS-SSIM against hand calculations and a plain NumPy version."""

import math

import numpy as np
import pytest
import torch

from vedette.errors import InputError
from vedette.metrics import decibels, ms_ssim, psnr
from vedette.metrics.distortion import scale_count

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2


def pair(height: int, width: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth scene with an edge, and the same with noise; (3, h, w), 0..255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = np.stack(
        [120 + 80 * np.sin(x / 9 + c) * np.cos(y / (7 + c)) + 40 * (x > width / 2) for c in range(3)]
    )
    clean = np.clip(np.rint(scene), 0, 255)
    return clean, np.clip(np.rint(clean + rng.normal(0, noise, scene.shape)), 0, 255)


def naive_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. written out: a full two-dimensional window at every position, float64, peak 255."""
    squares = (np.arange(11) - 5) ** 2
    window = np.exp(-(squares[:, None] + squares[None, :]) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    channels = []
    for x, y in zip(a.astype(float), b.astype(float), strict=True):
        product = 1.0
        for scale, weight in enumerate(WEIGHTS):

            def mean(values: np.ndarray) -> np.ndarray:
                views = np.lib.stride_tricks.sliding_window_view(values, (11, 11))
                return np.einsum("ijkl,kl->ij", views, window)

            mx, my = mean(x), mean(y)
            vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
            contrast = (2 * vxy + c2) / (vx + vy + c2)
            if scale == len(WEIGHTS) - 1:
                contrast = contrast * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
            product *= max(contrast.mean(), 0) ** weight
            x, y = (v.reshape(len(v) // 2, 2, -1, 2).mean(axis=(1, 3)) if scale < 4 else v for v in (x, y))
        channels.append(product)
    return float(np.mean(channels))


def tensors(*images: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(image, dtype=torch.float32)[None] for image in images]


@pytest.mark.parametrize("noise", [2.0, 15.0, 60.0])
def test_ms_ssim_equals_the_definition_written_out(noise):
    clean, noisy = pair(176, 208, noise)
    expected = naive_ms_ssim(noisy, clean)
    exact = (torch.tensor(image)[None] for image in (noisy, clean))
    assert ms_ssim(*exact, peak=255).item() == pytest.approx(expected, abs=1e-9)
    assert ms_ssim(*tensors(noisy, clean), peak=255).item() == pytest.approx(expected, abs=1e-4)


def test_ms_ssim_does_not_depend_on_the_unit_of_the_pixels():
    clean, noisy = pair(192, 192, 10.0)
    a, b = tensors(noisy, clean)
    assert ms_ssim(a, b, peak=255).item() == pytest.approx(ms_ssim(a / 255, b / 255).item(), abs=1e-5)


def test_ms_ssim_is_of_each_image_and_not_of_the_batch():
    clean, little = pair(176, 176, 3.0)
    much = pair(176, 176, 40.0)[1]
    both = ms_ssim(torch.cat(tensors(little, much)), torch.cat(tensors(clean, clean)), peak=255)
    alone = [ms_ssim(*tensors(x, clean), peak=255).item() for x in (little, much)]
    assert both.tolist() == pytest.approx(alone, abs=1e-6)
    assert alone[0] > alone[1] + 0.05


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 2), (80, 3), (81, 4), (160, 4), (161, 5), (5000, 5)]
)
def test_small_images_use_as_many_scales_as_leave_the_window(side, scales):
    assert scale_count(side) == scales
    if side < 200:
        image = torch.rand(1, 1, side, side + 3, generator=torch.Generator().manual_seed(side))
        assert ms_ssim(image, image).item() == pytest.approx(1, abs=1e-5)
        assert ms_ssim(image, 1 - image).item() < 0.5


def test_an_image_below_the_window_is_refused():
    with pytest.raises(InputError, match="10 pixels"):
        ms_ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))


def test_psnr_of_one_gray_level_everywhere_is_the_textbook_value():
    a = torch.zeros(2, 3, 4, 5)
    b = torch.stack([torch.ones(3, 4, 5), torch.full((3, 4, 5), 255.0)])
    assert psnr(a, b, peak=255).tolist() == pytest.approx([20 * math.log10(255), 0.0], abs=1e-4)


def test_psnr_of_equal_images_is_infinite():
    assert math.isinf(psnr(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item())


def test_images_of_two_sizes_are_refused():
    for metric in (psnr, ms_ssim):
        with pytest.raises(InputError, match="shapes"):
            metric(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))


def test_decibels_of_ms_ssim_are_ten_a_decimal_place():
    assert decibels(torch.tensor([0.9, 0.99], dtype=torch.float64)).tolist() == pytest.approx([10, 20])
