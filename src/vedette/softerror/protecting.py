"""A campaign's design hardened, and the campaign run again on it: what remains is measured, not estimated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.jobs import HERE, Jobs
from vedette.softerror import export, harden
from vedette.softerror.campaign import Campaign, load_campaign, plan_of, run_campaign
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.parts import Progress
from vedette.softerror.pin_buffers import buffered, plain
from vedette.softerror.plan import Engine, faults_of_ids
from vedette.softerror.rows import Rows, outcomes_of
from vedette.softerror.stored import load, store
from vedette.softerror.triplicate import EXPOSED, Hardened, Role, everything, triplicate


@dataclass(frozen=True)
class Remainder:
    """What hardening cost and what it left.

    Attributes:
        campaign: the one run on the hardened design.
        hardened: that design.
        cells: names of what was triplicated.
        estimated: sum of scores expected to remain, of the sum before; None where all was triplicated.
        before, after: sums of the scores of the configuration bits.
        protected: configuration bits in copies and in triplicated voters.
        escaped: how many of them still reach an output: 0, or something is wrong.
    """

    campaign: Campaign
    hardened: Hardened
    cells: tuple[str, ...]
    estimated: float | None
    before: float
    after: float
    protected: int
    escaped: int

    @property
    def remaining(self) -> float:
        """Sum of scores that remains, of the sum before; 0 where there was none."""
        return self.after / self.before if self.before else 0.0


def harden_campaign(
    folder: Path,
    output: Path,
    engine: Engine,
    *,
    budget: float = 0.3,
    full: bool = False,
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
    jobs: Jobs = HERE,
) -> Remainder:
    """Triplicate what the campaign in `folder` advises, and run the same campaign on the result in `output`.

    `output` also gets `hardened.v`, the list `cells.txt`, and `curve.csv` where there was a choice.

    Args:
        budget: tables that may be added, as a fraction of those there are.
        full: triplicate everything, whatever it costs.
        exclude: patterns of cell names that stay single.
        jobs: where the campaign on the result is run.

    Raises:
        InputError: no campaign with the class `init`, a pattern that names nothing, or a fault-free run
            that the hardening changed.
    """
    campaign = load_campaign(folder)
    plan = plan_of(campaign.summary)
    design, stimulus = load(folder)
    if "init" not in plan.faults:
        raise InputError(
            f"{folder} is a campaign of {', '.join(plan.faults)}", hint="run one with the class init first"
        )
    bits, chosen = _bits(
        campaign.rows, faults_of_ids(design, plan, len(stimulus), campaign.rows.number.tolist())
    )
    design = plain(design)
    estimated = None
    advice = None
    if full:
        choice = everything(design, exclude=exclude)
        cells = tuple(sorted(harden.names(design, choice)))
        hardened = triplicate(design, choice)
    else:
        scores = harden.table_scores(design, bits, outcomes_of(campaign.rows, chosen))
        advice = harden.advise(design, scores, budget, exclude=exclude)
        hardened, cells, estimated = advice.harden(design), advice.cells, advice.best.remaining
    if not harden.same_outputs(design, hardened.design, stimulus):
        raise InputError(
            "the hardened design gives other outputs without a fault", hint="please report this design"
        )
    about = {"versions": campaign.summary["versions"], "hardened_from": campaign.summary["design_sha256"]}
    struck = buffered(hardened.design) if "pins" in plan.faults else hardened.design
    again = run_campaign(struck, stimulus, plan, output, engine, about=about, progress=progress, jobs=jobs)
    store(output, struck, stimulus)
    write_atomically(
        output / "hardened.v", export.copy(hardened.design, edge_resets=True, keep=True).encode()
    )
    write_atomically(output / "cells.txt", "".join(f"{name}\n" for name in cells).encode())
    if advice is not None:
        write_atomically(output / "curve.csv", harden.curve_csv(advice).encode())
    ids = again.rows.number.tolist()
    new_bits, new = _bits(again.rows, faults_of_ids(struck, plan, len(stimulus), ids))
    safe = [role for role in Role if role not in EXPOSED]
    inside = np.isin(new_bits, hardened.bits(*safe))
    return Remainder(
        again,
        hardened,
        cells,
        estimated,
        before=float(campaign.rows.count[chosen].sum()) / len(stimulus),
        after=float(again.rows.count[new].sum()) / len(stimulus),
        protected=int(inside.sum()),
        escaped=int((again.rows.count[new][inside] > 0).sum()),
    )


def _bits(rows: Rows, faults: Sequence[Fault]) -> tuple[list[int], np.ndarray]:
    """Configuration bits of the rows of class init, and which rows these are."""
    kinds = np.array(rows.kind, dtype=object) == "init"
    chosen = np.flatnonzero(kinds)
    bits = [faults[index].bits[0] for index in chosen.tolist()]
    assert all(faults[index].kind is FaultKind.CONFIGURATION for index in chosen.tolist())
    return bits, chosen
