"""A campaign on Dask's workers: the same bytes as in one process, also where a worker is killed."""

from functools import partial
from pathlib import Path

import pytest

from vedette.jobs import HERE, Jobs, open_jobs
from vedette.softerror import campaign, engine
from vedette.softerror.plan import Plan
from vedette.softerror.samples import sample
from vedette.softerror.stimulus import random_stimulus


def rows(folder: Path, jobs: Jobs, plan: Plan) -> bytes:
    design = sample("mac")
    stimulus = random_stimulus(design, 200, seed=1)
    campaign.run_campaign(design, stimulus, plan, folder, partial(engine.run, backend="native"), jobs=jobs)
    return (folder / "faults.csv").read_bytes()


@pytest.mark.timeout(180)
def test_rows_of_two_workers_are_those_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "PART_WORK", 1)
    monkeypatch.setattr(campaign, "PART_LEAST", 150)  # many parts
    plans = {"all": Plan(faults=("init", "state"), draw=600), "until": Plan(until=0.03)}
    with open_jobs("local:2") as jobs:
        for name, plan in plans.items():
            there = rows(tmp_path / f"{name}-there", jobs, plan)
            assert there == rows(tmp_path / f"{name}-here", HERE, plan)
            assert there.count(b"\n") > 400
