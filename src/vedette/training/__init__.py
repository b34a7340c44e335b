"""The loop that trains every network here, and what a run leaves behind."""

from vedette.training.config import TrainConfig
from vedette.training.loop import Task, fit
from vedette.training.runlog import RunLog

__all__ = ["RunLog", "Task", "TrainConfig", "fit"]
