"""Several workers write the bytes of one, hold few tiles at once, and stop where something fails."""

import threading
import time

import numpy as np
import pytest
import torch

from vedette.codec import load
from vedette.codec.rate import encode_at, encode_at_psnr, encode_within
from vedette.codec.scene import ArrayScene, encode_image
from vedette.codec.workers import Crew
from vedette.errors import ImageReadError, InputError


@pytest.fixture
def torch_threads():
    """Sets torch's threads for one test."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


class Watched(ArrayScene):
    """Notes how many threads are in `read` at once, and how many threads torch has there."""

    def __init__(self, array, damaged_row=None):
        super().__init__(array)
        self.inside, self.most_inside, self.torch_threads, self.reads = 0, 0, set(), 0
        self.damaged_row = damaged_row

    def read(self, window):
        self.inside += 1
        self.reads += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.torch_threads.add(torch.get_num_threads())
        time.sleep(0.002)
        self.inside -= 1
        if self.damaged_row is not None and window.row >= self.damaged_row:
            raise ImageReadError("the scene is damaged", hint="copy the file again")
        return super().read(window)


def test_results_come_in_order_whatever_finishes_first():
    def slow_when_even(number):
        time.sleep(0.02 if number % 2 == 0 else 0)
        return number

    with Crew(3) as crew:
        assert list(crew.map(slow_when_even, range(12))) == list(range(12))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_calls_run_at_once_than_there_are_workers(workers):
    lock, now, most = threading.Lock(), 0, 0

    def work(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1

    with Crew(workers) as crew:
        list(crew.map(work, range(20)))
    assert most == workers


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure_surfaces_as_it_is_and_little_is_begun_after_it(workers):
    begun = []

    def work(number):
        begun.append(number)
        if number == 4:
            raise ImageReadError("row 4", hint="look there")
        return number

    with pytest.raises(ImageReadError, match="row 4"), Crew(workers) as crew:
        list(crew.map(work, range(1000)))
    assert len(begun) <= 5 + 2 * workers


def test_torch_has_one_thread_in_every_worker_and_its_own_number_afterwards(torch_threads):
    torch_threads(2)
    with Crew(3) as crew:
        assert set(crew.map(lambda _: torch.get_num_threads(), range(9))) == {1}
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_by_default_there_are_as_many_workers_as_torch_has_threads(torch_threads):
    torch_threads(2)
    assert Crew().workers == 2 and Crew(items=1).workers == 1
    for wrong in (0, 257):
        with pytest.raises(InputError):
            Crew(wrong)


def scene(bands: int, tiles: int) -> np.ndarray:
    """2 x 2 or 3 x 3 tiles of 64 pixels whose last row and column are narrow."""
    side = 100 if tiles == 4 else 150
    rows, cols = np.mgrid[:side, :side]
    rng = np.random.default_rng(bands)
    waves = [128 + 60 * np.sin(rows / (5 + b)) * np.cos(cols / (9 - b)) for b in range(bands)]
    return np.clip(np.stack(waves) + rng.normal(0, 8, (bands, side, side)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("bands", [3, 2])
@pytest.mark.parametrize("tiles", [4, 9])
def test_bytes_depend_on_neither_workers_nor_torch_threads(torch_threads, bands, tiles):
    image = scene(bands, tiles)
    wanted = encode_at(ArrayScene(image), load(), 36.5, tile=64, workers=1).data
    for threads in (1, 2):
        torch_threads(threads)
        assert encode_image(image, load(), quality=36.5, tile=64) == wanted
        for workers in (1, 2, 3):
            watched = Watched(image)
            done = []
            rated = encode_at(
                watched,
                load(),
                36.5,
                tile=64,
                workers=workers,
                progress=lambda number, total, done=done: done.append((number, total)),
            )
            assert rated.data == wanted
            assert watched.most_inside == 1 and watched.torch_threads == {1}
            assert done == [(number, tiles) for number in range(1, tiles + 1)]


@pytest.mark.parametrize("budget", [6_000, 11_000])
def test_a_budget_gives_the_same_bytes_with_more_workers(torch_threads, budget):
    """Mending moves tile after tile until the budget is met; workers that run ahead change nothing."""
    image = scene(3, 9)
    wanted = encode_within(ArrayScene(image), load(), budget, tile=64, workers=1)
    assert 0.97 * budget <= len(wanted.data) <= budget
    for threads, workers in ((1, 2), (2, 3)):
        torch_threads(threads)
        assert encode_within(ArrayScene(image), load(), budget, tile=64, workers=workers) == wanted


def test_a_target_psnr_gives_the_same_bytes_with_more_workers(torch_threads):
    image = scene(1, 4)
    wanted = encode_at_psnr(ArrayScene(image), load(), 30.0, tile=64, workers=1)
    torch_threads(2)
    assert encode_at_psnr(ArrayScene(image), load(), 30.0, tile=64, workers=2) == wanted


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scene_that_fails_halfway_raises_its_own_error(workers):
    watched = Watched(scene(3, 9), damaged_row=10)
    before = threading.active_count()  # another test's Dask may have left some
    with pytest.raises(ImageReadError) as caught:
        encode_at(watched, load(), 30, tile=64, workers=workers)
    assert caught.value.hint == "copy the file again"
    assert watched.reads < 9
    assert threading.active_count() == before


def test_an_interrupt_while_waiting_stops_what_had_not_begun():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.01)

    def interrupted():
        with Crew(2) as crew:
            for _ in crew.map(work, range(1000)):
                raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(begun) < 10 and threading.active_count() == before
