"""FIT and safety metrics of a campaign in its folder: its configuration bits, by module."""

from collections import Counter
from pathlib import Path

import numpy as np

from vedette.errors import InputError
from vedette.softerror.campaign import load_campaign, plan_of
from vedette.softerror.fit import BitRate, Fit, SafetyTable, fit, safety
from vedette.softerror.population import Window, population
from vedette.softerror.rows import Rows, outcomes_of
from vedette.softerror.stored import load


def campaign_fit(folder: Path, rate: BitRate) -> Fit:
    """Failure rates by module; a sample of the bits is scaled up, module by module.

    Raises:
        InputError: there is no campaign, it did not upset configuration bits, or a sample left a module out.
    """
    campaign = load_campaign(folder)
    rows, chosen = campaign.rows, _init(campaign.rows, folder)
    design, _ = load(folder)
    every = population("init", design, Window(rows.cycles, 0))
    sizes = None
    if len(chosen) < every.size:
        sizes = Counter(every.place(index).module for index in range(every.size))
    modules = rows.module
    return fit(outcomes_of(rows, chosen), [modules[i] for i in chosen.tolist()], rate, population=sizes)


def campaign_safety(
    folder: Path, rate: BitRate, *, tolerated_cycles: int | None = None
) -> SafetyTable | None:
    """The metrics of ISO 26262-5 of a campaign with alarm outputs; None of one without.

    Args:
        tolerated_cycles: as in `safety`; None: what the campaign was run with.

    Raises:
        InputError: there is no campaign, it did not upset configuration bits, or has no alarms to tolerate.
    """
    campaign = load_campaign(folder)
    plan = plan_of(campaign.summary)
    if not plan.alarms:
        if tolerated_cycles is not None:
            raise InputError(
                f"{tolerated_cycles} tolerated cycles, but the campaign in {folder} has no alarm outputs",
                hint="run it with --alarm",
            )
        return None
    if tolerated_cycles is None:
        tolerated_cycles = plan.tolerated_cycles
    chosen = _init(campaign.rows, folder)
    return safety(outcomes_of(campaign.rows, chosen), rate, tolerated_cycles=tolerated_cycles)


def _init(rows: Rows, folder: Path) -> np.ndarray:
    chosen = np.flatnonzero(np.array(rows.kind, dtype=object) == "init")
    if not len(chosen):
        raise InputError(
            f"{folder} holds no upset of single configuration bits", hint="run a campaign with the class init"
        )
    return chosen
