"""rasterio, where it is installed, with what GDAL says gathered rather than printed."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vedette.errors import MissingExtraError

CACHE_BYTES = 64 << 20  # of decoded blocks; GDAL's own default is 5 % of the machine's memory


def rasterio() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import rasterio
        import rasterio.windows
    except ImportError as error:
        raise MissingExtraError("GeoTIFF needs rasterio", hint="pip install 'vedette[geo]'") from error
    return rasterio


class _Gathering(logging.Handler):
    """Keeps the warnings and errors of the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())


@contextmanager
def session() -> Iterator[list[str]]:
    """rasterio's environment in this thread; gives the list that GDAL's warnings and errors go to."""
    module = rasterio()
    logger, handler = logging.getLogger("rasterio"), _Gathering()
    logger.addHandler(handler)
    try:
        with module.Env(GDAL_CACHEMAX=CACHE_BYTES):
            yield handler.said
    finally:
        logger.removeHandler(handler)


def open_file(path: Path, mode: str = "r", **profile: Any) -> Any:
    """`rasterio.open`, which here does not warn of a file without a place on Earth."""
    module = rasterio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", module.errors.NotGeoreferencedWarning)
        return module.open(path, mode, **profile)
