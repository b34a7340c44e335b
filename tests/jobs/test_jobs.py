"""The same results wherever jobs are done, whatever happens to workers; and early words where none can be."""

import os
import signal
import socket
import sys
import time
from contextlib import closing
from itertools import count

import pytest
from clusters import cluster, scheduler, worker
from jobs import work

from vedette.errors import ClusterError, InputError, MissingExtraError
from vedette.jobs import HERE, open_jobs
from vedette.jobs import cluster as library
from vedette.jobs import worker as on_worker


@pytest.fixture(scope="module")
def local():
    with open_jobs("local:2") as jobs:
        yield jobs


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("dask")) as address:
        yield address


def test_results_are_the_same_in_this_process_on_a_local_cluster_and_on_an_outside_one(local, outside):
    items = [5, 0, -2, 7, 7, 11]
    with open_jobs(outside) as there, open_jobs("") as here:
        for jobs in (here, HERE, local, there):
            assert sorted(jobs.map_unordered(work.scaled, 3, items)) == list(
                enumerate(3 * item for item in items)
            )
            assert list(jobs.map_unordered(work.scaled, 3, [])) == []


def test_the_shared_value_travels_once_and_is_one_object_to_all_calls_of_a_worker(local, tmp_path):
    found = [who for _, who in local.map_unordered(work.who, work.Once(tmp_path), range(16))]
    assert len({pid for pid, _ in found}) == 2, "both workers had work"
    assert len(set(found)) == 2, "one object in each"
    assert len(list(tmp_path.iterdir())) == 2, "unpacked once in each"


@pytest.mark.parametrize("where", ["", "local"])
def test_items_are_drawn_only_a_little_ahead_and_never_after_the_end(local, where):
    drawn = count()
    endless = (next(drawn) for _ in iter(int, 1))
    with closing((local if where else HERE).map_unordered(work.scaled, 2, endless)) as results:
        for _, _ in zip(range(5), results, strict=False):
            pass
    assert 5 <= next(drawn) <= 10


def test_an_iterable_may_end_because_of_a_result(local):
    enough = []

    def until_enough():
        for item in count():
            if enough:
                return
            yield item

    for _, result in local.map_unordered(work.scaled, 1, until_enough()):
        if result >= 6:
            enough.append(result)
    assert enough


@pytest.mark.parametrize("where", ["", "local"])
def test_an_error_of_ours_arrives_as_it_was_raised_and_is_not_tried_again(local, where, tmp_path):
    jobs = local if where else HERE
    with pytest.raises(InputError, match="item 4 is too wide") as caught:
        list(jobs.map_unordered(work.refuse, tmp_path, [4]))
    assert caught.value.hint == "cut it"
    assert len(list(tmp_path.iterdir())) == 1
    assert list(jobs.map_unordered(work.scaled, 2, [21])) == [(0, 42)], "and work goes on after it"


def test_what_a_killed_worker_had_is_done_by_another(local, tmp_path):
    found = sorted(local.map_unordered(work.killed_once, tmp_path, range(12)))
    assert (tmp_path / "killed").exists()
    assert found == [(item, item * item) for item in range(12)]


@pytest.mark.slow
def test_a_job_that_kills_every_worker_ends_in_an_error(local):
    with pytest.raises(ClusterError, match="job 0 ended every worker") as caught:
        list(local.map_unordered(work.killed_always, None, [0]))
    assert "memory" in caught.value.hint
    assert list(local.map_unordered(work.scaled, 2, [21])) == [(0, 42)]


@pytest.mark.parametrize(
    "scheduler",
    [
        "locally",
        "local:",
        "local:0",
        "local:257",
        "local:x",
        "tcp://",
        "tcp://host",
        "tcp://host:x",
        "host:1",
    ],
)
def test_what_names_no_scheduler_is_refused(scheduler):
    with pytest.raises(InputError) as caught, open_jobs(scheduler):
        pass
    assert caught.value.hint


def test_a_scheduler_that_is_not_there_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = time.monotonic()
    with (
        pytest.raises(ClusterError, match="no scheduler answers") as caught,
        open_jobs(f"tcp://127.0.0.1:{port}"),
    ):
        pass
    assert "dask scheduler" in caught.value.hint
    assert time.monotonic() - start < 5


def test_tls_without_certificates_says_where_to_name_them(monkeypatch):
    for name in library.TLS:
        monkeypatch.delenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", raising=False)
    with pytest.raises(ClusterError, match="certificates") as caught, open_jobs("tls://127.0.0.1:1"):
        pass
    assert "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT" in caught.value.hint


def test_a_port_that_is_no_scheduler_is_told_from_one(monkeypatch):
    monkeypatch.setattr(library, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no scheduler answers"), open_jobs(address):
            pass


def test_a_scheduler_without_workers_is_waited_for_and_then_named(tmp_path):
    with (
        scheduler(tmp_path) as (address, _),
        pytest.raises(ClusterError, match="no worker after 0 s") as caught,
        open_jobs(address, patience_s=0.3),
    ):
        pass
    assert f"dask worker {address}" in caught.value.hint


def test_other_versions_on_a_worker_are_refused(tmp_path):
    imported = "import numpy, vedette\nvedette.__version__ = '0.0.1'\nnumpy.__version__ = '1.26.0'\n"
    (tmp_path / "sitecustomize.py").write_text(imported)  # older Dask asks the modules
    for name, version in {"vedette": "0.0.1", "numpy": "1.26.0"}.items():
        folder = tmp_path / f"{name}-{version}.dist-info"  # what an installed package says of itself
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    with (
        scheduler(tmp_path) as (address, _),
        worker(address, tmp_path, {"PYTHONPATH": str(tmp_path)}),
        pytest.raises(ClusterError, match=r"worker tcp://\S+ has vedette 0.0.1 instead of") as caught,
        open_jobs(address),
    ):
        pass
    assert "numpy 1.26.0 instead of" in str(caught.value)
    assert "same versions" in caught.value.hint


def test_a_worker_that_came_later_with_other_versions_does_no_job():
    with pytest.raises(ClusterError, match=r"instead of 1\.0"):
        on_worker.call("any", 3, on_worker.versions() | {"numpy": "1.0"})


def test_without_dask_the_hint_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match="needs Dask") as caught, open_jobs("local:1"):
        pass
    assert caught.value.hint == "pip install 'vedette[cluster]'"


def test_a_scheduler_that_is_lost_ends_the_work(tmp_path):
    with (
        scheduler(tmp_path) as (address, process),
        worker(address, tmp_path),
        open_jobs(address) as jobs,
        pytest.raises(ClusterError, match="scheduler was lost"),
    ):
        for number, _ in jobs.map_unordered(work.nap, 0.1, range(1000)):
            if number == 1:
                process.kill()


def test_workers_that_are_lost_and_do_not_come_back_end_the_work(tmp_path):
    with (
        scheduler(tmp_path) as (address, _),
        worker(address, tmp_path) as process,
        open_jobs(address, patience_s=20) as jobs,
        pytest.raises(ClusterError, match="no worker was left"),
    ):
        jobs._patience_s = 1.0
        for number, _ in jobs.map_unordered(work.nap, 0.1, range(1000)):
            if number == 1:
                os.kill(process.pid, signal.SIGKILL)
