"""Rate-distortion training: what exists only while a codec learns."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from vedette.codec.models.sliced import QUALITY_MAX, QUALITY_MIN, Coded, SlicedCodec, lmbda
from vedette.metrics.distortion import ms_ssim
from vedette.training import TrainConfig

VALIDATION_QUALITIES = (8.0, 24.0, 40.0, 56.0)
MS_SSIM_WEIGHT = 1300.0  # PROPOSED: lambda 0.0025 for MSE corresponds to about 3 for MS-SSIM


class RateDistortion:
    """L = weighted bits per pixel + lambda * distortion, at a quality drawn anew for every crop.

    Distortion is 255^2 MSE, or `MS_SSIM_WEIGHT` * (1 - MS-SSIM). The loss of a crop is weighted by
    lambda^-0.35, so that low rates count about as much as high ones in relative terms (ours). The bits of
    coarse and fine steps have weights of their own: 3DM-WeConvene's second step of training (arXiv
    2504.04658) has others than 1 there. What is reported is the true rate.
    """

    def __init__(
        self,
        model: SlicedCodec,
        validation: Sequence[UInt8[Tensor, "3 h w"]],
        *,
        distortion: Literal["mse", "ms-ssim"] = "mse",
        rdoq: bool = False,
        rate_weights: tuple[float, float] = (1.0, 1.0),
        seed: int = 1,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.model: nn.Module = model
        self.stride = model.stride
        self.validation = validation
        self.distortion = distortion
        self.rdoq = rdoq
        self.rate_weights = rate_weights
        self._generator = torch.Generator().manual_seed(seed)
        self.rank, self.ranks = rank, ranks

    def optimizer(self, config: TrainConfig) -> torch.optim.Optimizer:
        """Adam; the transform's matrices move at a tenth of the rate."""
        slow = [p for name, p in self.model.named_parameters() if name.startswith(("g_a.", "g_s."))]
        rest = [p for name, p in self.model.named_parameters() if not name.startswith(("g_a.", "g_s."))]
        groups: list[dict[str, Any]] = [{"params": rest}, {"params": slow, "lr": config.learning_rate / 10}]
        return torch.optim.Adam(groups, lr=config.learning_rate)

    def losses(self, network: nn.Module, batch: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        # every process draws the qualities of the whole batch and keeps its share
        drawn = torch.rand(len(batch) * self.ranks, generator=self._generator)
        drawn = drawn[self.rank * len(batch) : (self.rank + 1) * len(batch)]
        quality = (QUALITY_MIN + (QUALITY_MAX - QUALITY_MIN) * drawn).to(batch.device)
        coded: Coded = network(batch, quality, rdoq=self.rdoq)
        pixels = batch.shape[2] * batch.shape[3]
        coarse, fine = self.rate_weights
        weighted = (coarse * coded.bits_coarse + fine * coded.bits_fine + coded.bits_z) / pixels
        weight = lmbda(quality)
        if self.distortion == "mse":
            distortion = 255**2 * (coded.image - batch).square().mean(dim=(1, 2, 3))
        else:
            distortion = MS_SSIM_WEIGHT * (1 - ms_ssim(coded.image, batch))
        balance = (weight / 0.02) ** -0.35
        total = (balance * (weighted + weight * distortion)).mean()
        return {"total": total, "bpp": coded.bits.mean() / pixels, "distortion": distortion.mean()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Estimated bits per pixel and PSNR on the validation images at four qualities."""
        scores: dict[str, float] = {}
        if not self.validation:
            return scores
        self.model.eval()
        device = next(self.model.parameters()).device
        for quality in VALIDATION_QUALITIES:
            bpp, psnr = [], []
            for image in self.validation:
                height, width = (side // self.stride * self.stride for side in image.shape[1:])
                x = image[None, :, :height, :width].to(device) / 255
                coded: Coded = self.model(x, torch.tensor([quality], device=device), rdoq=True)
                bpp.append(coded.bits.item() / (x.shape[2] * x.shape[3]))
                mse = (coded.image.clamp(0, 1) - x).square().mean()
                psnr.append(-10 * torch.log10(mse).item())
            scores[f"bpp_q{quality:g}"] = sum(bpp) / len(bpp)
            scores[f"psnr_q{quality:g}"] = sum(psnr) / len(psnr)
        self.model.train()
        return scores
