"""Run an exported network without torch."""

from vedette.runtime.onnx import OnnxNetwork

__all__ = ["OnnxNetwork"]
