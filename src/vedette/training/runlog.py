"""The record of a run: run.json says what was started, metrics.jsonl what came of it."""

import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vedette import __version__

NAME = "run.json"


class RunLog:
    """Appends one line of JSON per logged step to metrics.jsonl in `folder`."""

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "metrics.jsonl"
        self._start = time.monotonic()
        versions = {"vedette": __version__, "torch": torch.__version__, "python": platform.python_version()}
        run = {**description, "versions": versions, "machine": platform.machine()}
        path = folder / NAME
        if path.exists():  # a resumed run: what began it stays, what goes on is added
            began = json.loads(path.read_text())
            run = began | {"resumed": [*began.get("resumed", []), run]}
        path.write_text(json.dumps(run, indent=1) + "\n")

    def __call__(self, step: int, values: Mapping[str, float]) -> None:
        row = {"step": step, "seconds": round(time.monotonic() - self._start, 1)}
        with self.path.open("a") as file:
            file.write(json.dumps(row | {name: round(value, 6) for name, value in values.items()}) + "\n")
