"""The loop learns, resumes, and several processes give the loss of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vedette.codec import decode_array, encode_image, load
from vedette.codec.models import build
from vedette.codec.recipes import recipe
from vedette.codec.task import RateDistortion
from vedette.codec.train import changed, freeze_checkpoint, train
from vedette.errors import InputError, UnknownNameError
from vedette.training import TrainConfig, checkpoint

TINY = {"width": 16, "latents": 32, "hyper": 16, "slices": 2, "blocks": 1, "parameter_widths": (24, 16)}


@pytest.fixture
def photographs(tmp_path, sample_image):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(4):
        part = np.roll(sample_image, 50 * number, axis=2)[:, :128, :128]
        Image.fromarray(part.transpose(1, 2, 0)).save(folder / f"{number}.png")
    return folder


def test_one_image_is_learned():
    """A few dozen steps on one crop take a fifth off the loss; it starts as a transform, not as noise."""
    torch.manual_seed(0)
    row = torch.linspace(0, 3.1, 64)
    image = (0.5 + 0.4 * torch.sin(9 * row)[None] * torch.cos(7 * row)[:, None]).expand(1, 3, 64, 64)
    model = build("charm-lite").eval()  # eval: rounded latents, whose loss does not jump with the noise
    model.calibrate(image + 0.05 * torch.randn(8, 3, 64, 64))
    task = RateDistortion(model, [])
    optimizer = task.optimizer(TrainConfig(steps=30, learning_rate=2e-3))
    losses = []
    for _ in range(40):
        task._generator.manual_seed(3)
        loss = task.losses(model, image)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.8 * losses[0]


def test_a_run_becomes_weights_that_code(tmp_path, photographs, sample_image):
    """Train, freeze, load, encode and decode: the way of every weights file."""
    plan = changed(recipe("smoke"), steps=3)
    path = train(plan, [photographs], tmp_path / "run")
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(freeze_checkpoint(path, photographs))
    mine = load(str(weights))
    assert mine.weights_id != load().weights_id
    decoded = decode_array(encode_image(sample_image, mine, quality=40), mine)
    assert np.square(decoded.astype(float) - sample_image).mean() < 255**2 * 10**-2.8


def test_a_checkpoint_without_its_run_is_refused(tmp_path, photographs):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"run\.json"):
        freeze_checkpoint(path, photographs)


def test_a_gradient_reaches_every_parameter_of_charm():
    torch.manual_seed(0)
    model = build("charm", **TINY)
    torch.nn.init.normal_(model.h_a[-1].weight, std=3.0)  # or every z rounds to zero
    task = RateDistortion(model, [])
    task.losses(model, torch.rand(4, 3, 128, 128))["total"].backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_a_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    model = build("charm-lite")
    torch.nn.init.normal_(model.h_a[-1].weight, std=3.0)  # or every z rounds to zero
    for net in (model.refine_a, model.refine_s):  # their last layers start at zero and shade the others
        torch.nn.init.normal_(net[-1].weight, std=0.01)
    for net in model.slices:
        torch.nn.init.normal_(net.lrp[2].weight, std=0.01)
    task = RateDistortion(model, [])
    task.losses(model, torch.rand(2, 3, 64, 64))["total"].backward()
    untouched = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []


def test_an_interrupted_run_goes_on(photographs, tmp_path):
    short = changed(recipe("smoke"), steps=3)
    path = train(short, [photographs], tmp_path / "run")
    assert checkpoint.step_of(path) == 3
    path = train(changed(recipe("smoke"), steps=5), [photographs], tmp_path / "run")
    assert checkpoint.step_of(path) == 5
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 5 and all(np.isfinite(row.get("total", 0)) for row in rows)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["recipe"]["train"]["steps"] == 3
    assert [again["recipe"]["train"]["steps"] for again in run["resumed"]] == [5]


PROGRAM = """
import os, sys, torch
from torch import distributed
from vedette.codec import decode_array, encode_image, load
from vedette.codec.models import build
from vedette.codec.task import RateDistortion
from torch.nn.parallel import DistributedDataParallel
torch.set_num_threads(1)
ranks, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
torch.manual_seed(0)
model = build("charm-lite").eval()  # eval: rounding instead of noise, which would differ between processes
network = model
if ranks > 1:
    distributed.init_process_group("gloo")
    network = DistributedDataParallel(model)
task = RateDistortion(model, [], rank=rank, ranks=ranks)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
batch = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
torch.manual_seed(5)
torch.rand_like = lambda x: torch.full_like(x, 0.5)  # no noise: it would differ between processes
for step in range(3):
    share = batch[rank * 4 // ranks : (rank + 1) * 4 // ranks]
    loss = task.losses(network, share)["total"]
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    value = loss.detach().clone()
    if ranks > 1:
        distributed.all_reduce(value); value /= ranks
if rank == 0:
    print(f"{value.item():.6f}")
if ranks > 1:
    distributed.destroy_process_group()
"""


def test_two_processes_give_the_loss_of_one(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    one = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, check=True)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    command = [str(word) for word in (*torchrun, path)]
    two = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert two.returncode == 0, two.stderr[-3000:]
    assert float(two.stdout) == pytest.approx(float(one.stdout), rel=1e-4)


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(InputError):
        TrainConfig(steps=0)
    with pytest.raises(UnknownNameError):
        recipe("charm-lit")
    with pytest.raises(InputError, match="no images"):
        train(recipe("smoke"), [tmp_path], Path(tmp_path) / "run")
