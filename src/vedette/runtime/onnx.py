"""A network in an ONNX file, run by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from vedette.errors import ImageReadError, InputError, MissingExtraError


class OnnxNetwork:
    """One input image to one or more arrays.

    Args:
        path: of the file; what it says of itself is in `metadata`.
        threads: of a run; None for as many as there are cores.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        InputError: no such file, or not an ONNX file.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "ONNX files need onnxruntime", hint="pip install 'vedette[runtime]'"
            ) from error
        if not path.is_file():
            raise InputError(f"there is no file {path}", hint="check the path")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own errors have no common class but Exception
            raise InputError(
                f"{path.name} is not an ONNX file that can run: {str(error).splitlines()[0]}",
                hint="export it again",
            ) from error
        self._input: str = self._session.get_inputs()[0].name
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, image: Float[np.ndarray, "b c h w"]) -> list[Shaped[np.ndarray, "..."]]:
        """The outputs, in the file's order.

        Raises:
            ImageReadError: an input of another shape than the file takes.
        """
        try:
            outputs: list[np.ndarray] = self._session.run(None, {self._input: image})
        except Exception as error:
            raise ImageReadError(
                f"an input of shape {image.shape} does not fit: {str(error).splitlines()[0]}",
                hint="give as many bands as the network has, and sides of its multiple",
            ) from error
        return outputs
