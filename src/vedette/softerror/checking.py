"""A campaign checked against an outside simulator: rows, and every output of every cycle."""

from pathlib import Path

import numpy as np

from vedette.errors import InputError
from vedette.softerror import engine, oracle
from vedette.softerror.campaign import load_campaign, plan_of
from vedette.softerror.confidence import draw_order
from vedette.softerror.faults import FaultKind
from vedette.softerror.oracle import Agreement
from vedette.softerror.plan import compared, faults_of_ids, renumbered
from vedette.softerror.rows import outcomes_of
from vedette.softerror.stored import load


def check_campaign(
    folder: Path, *, tool: str = "verilator", sample: int = 200, seed: int = 1, form: str = "select"
) -> Agreement:
    """Simulate faults of the campaign in `folder` in `tool`, and compare with its rows.

    Half of the faults, where there are as many, are drawn from those that propagated: of the others a wrong
    simulator would say the same.

    Args:
        form: "select" takes single configuration bits; "cfg" several; "copy" every kind of fault.

    Raises:
        InputError: the folder holds no campaign, or no fault of it fits the form.
        MissingExtraError, ToolError: the simulator is missing or fails.
    """
    campaign = load_campaign(folder)
    rows, plan = campaign.rows, plan_of(campaign.summary)
    design, stimulus = load(folder)
    everything = faults_of_ids(design, plan, rows.cycles, rows.number.tolist())
    fits = np.array(
        [
            form == "copy"
            or (fault.kind is FaultKind.CONFIGURATION and (form == "cfg" or len(fault.bits) == 1))
            for fault in everything
        ]
    )
    if not fits.any():
        raise InputError(f"no fault of this campaign fits form {form!r}", hint="take --form copy")
    wrong, right = np.flatnonzero(fits & (rows.count > 0)), np.flatnonzero(fits & (rows.count == 0))
    most = max(sample // 2, sample - len(right))
    chosen = wrong[draw_order(len(wrong), seed=seed, most=most)]
    chosen = np.sort(
        np.concatenate([chosen, right[draw_order(len(right), seed=seed, most=sample - len(chosen))]])
    )
    faults = renumbered([everything[index] for index in chosen.tolist()])
    asked = compared(design, plan)
    outcomes = outcomes_of(rows, chosen)
    golden = engine.stream(design, stimulus)
    return oracle.check(
        design,
        stimulus,
        faults,
        outcomes,
        engine.crcs(design, stimulus, faults),
        golden_crc=oracle.crc(golden),
        tool=tool,
        form=form,
        compare=asked.outputs,
        enable=asked.enable,
    )
