"""Hypothesis measures no deadlines here: the machines that run the tests are shared."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
