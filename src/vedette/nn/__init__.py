"""Layers that several models share: transforms, priors, and operators that are exact in any order."""
