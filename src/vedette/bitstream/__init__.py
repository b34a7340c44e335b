"""Entropy coding and the product container: arrays and bytes, no torch."""
