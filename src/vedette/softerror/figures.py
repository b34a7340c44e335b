"""The histogram of vulnerability scores as charts: of faults, of cells and of modules."""

from vedette.report.bars import Bars
from vedette.softerror import score
from vedette.softerror.rows import Rows


def histogram_bars(rows: Rows) -> dict[str, Bars]:
    """A chart for "fault", "cell" and "module"; the gray bin holds what never propagated."""
    things = {"fault": "faults", "cell": "cells, by mean score", "module": "modules, by mean score"}
    return {
        name: Bars(
            title=f"Scores of {things[name]}",
            x_title="score: share of cycles with a wrong output",
            y_title=things[name].split(",")[0],
            labels=found.labels(),
            values=(found.zero, *found.bins),
            apart=1,
        )
        for name, found in score.histograms(rows).items()
    }
