"""A campaign on Dask's workers: the same bytes as in one process, also where a worker is killed."""

from functools import partial
from pathlib import Path

import pytest
from clusters import cluster
from softerror.scheduled import MARK, Shuffled, killed_once

from vedette.errors import InputError
from vedette.jobs import HERE, Jobs, open_jobs
from vedette.softerror import campaign, engine
from vedette.softerror.plan import Engine, Plan
from vedette.softerror.samples import sample
from vedette.softerror.stimulus import random_stimulus

ENGINE = partial(engine.run, backend="native")


@pytest.fixture(autouse=True)
def many_parts(monkeypatch):
    monkeypatch.setattr(campaign, "PART_WORK", 1)
    monkeypatch.setattr(campaign, "PART_LEAST", 150)


def rows(folder: Path, jobs: Jobs, plan: Plan, use: Engine = ENGINE, **options) -> bytes:
    design = sample("mac")
    stimulus = random_stimulus(design, 200, seed=1)
    campaign.run_campaign(design, stimulus, plan, folder, use, jobs=jobs, **options)
    return (folder / "faults.csv").read_bytes()


@pytest.mark.timeout(180)
def test_rows_of_two_workers_are_those_of_one_process(tmp_path):
    plans = {"all": Plan(faults=("init", "state"), draw=600), "until": Plan(until=0.03)}
    with open_jobs("local:2") as jobs:
        for name, plan in plans.items():
            there = rows(tmp_path / f"{name}-there", jobs, plan)
            assert there == rows(tmp_path / f"{name}-here", HERE, plan)
            assert there.count(b"\n") > 400


@pytest.mark.timeout(180)
def test_rows_of_an_outside_scheduler_s_worker_are_the_same(tmp_path):
    plan = Plan(faults=("init", "state"), draw=300)
    with cluster(tmp_path) as address, open_jobs(address) as jobs:
        assert rows(tmp_path / "there", jobs, plan) == rows(tmp_path / "here", HERE, plan)


@pytest.mark.timeout(180)
def test_a_worker_killed_in_the_middle_changes_no_row(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    with open_jobs("local:2") as jobs:
        there = rows(tmp_path / "there", jobs, Plan(), partial(killed_once, calls, 3))
    assert (calls / MARK).exists()
    assert there == rows(tmp_path / "here", HERE, Plan())


@pytest.mark.parametrize("seed", range(4))
def test_when_to_stop_drawing_does_not_depend_on_the_order_in_which_parts_come(tmp_path, seed):
    plan = Plan(faults=("state", "init"), until=0.05)
    here = rows(tmp_path / "here", HERE, plan)
    assert rows(tmp_path / "there", Shuffled(seed, ahead=5), plan) == here


def test_what_was_done_out_of_order_is_kept_by_a_campaign_that_stops(tmp_path):
    plan, begun = Plan(), []

    def stop(done: int, total: int) -> None:
        begun.append(done)
        if len(begun) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path / "two", Shuffled(1, ahead=5), plan, progress=stop)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two/parts").iterdir()}
    assert len(kept) == 3
    faults = 0

    def counting(design, stimulus, given, **options):
        nonlocal faults
        faults += len(given)
        return engine.run(design, stimulus, given, **options)

    with pytest.raises(InputError, match="stop here"):
        rows(tmp_path / "two", HERE, plan, counting, progress=_stop_at_the_end)
    total = sample("mac").configuration_bits
    assert faults == total - begun[-1], "only what was missing"
    assert rows(tmp_path / "two", HERE, plan) == rows(tmp_path / "whole", HERE, plan)


def _stop_at_the_end(done: int, total: int) -> None:
    if done == total:
        raise InputError("stop here")
