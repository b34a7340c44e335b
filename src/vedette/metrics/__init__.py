"""Scores."""

from vedette.metrics.bd import bd_rate
from vedette.metrics.curves import Comparison, Curve, compare
from vedette.metrics.distortion import decibels, ms_ssim, psnr

__all__ = ["Comparison", "Curve", "bd_rate", "compare", "decibels", "ms_ssim", "psnr"]
