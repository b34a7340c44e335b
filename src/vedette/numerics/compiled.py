"""The compiled module `vedette._native`, where it was built."""

import importlib
from functools import cache
from typing import Any


@cache
def compiled(function: str) -> Any:
    """The module if it has `function`, else None.

    >>> compiled("no such function") is None
    True
    """
    try:
        module = importlib.import_module("vedette._native")
    except ImportError:
        return None
    return module if hasattr(module, function) else None
