"""Scores."""

from vedette.metrics.bd import bd_rate
from vedette.metrics.distortion import decibels, ms_ssim, psnr

__all__ = ["bd_rate", "decibels", "ms_ssim", "psnr"]
