"""What exists only for training: the average of weights, the sum of losses, what the released code does."""

import math

import pytest
import torch
from torch import nn

from vedette.detect.augment import Crops
from vedette.detect.losses import Targets
from vedette.detect.models.yolo import Yolo
from vedette.detect.superres import SuperResolution
from vedette.detect.task import Detection, Learner
from vedette.training import TrainConfig

CONFIG = TrainConfig(steps=2, batch=2, learning_rate=0.01)


def make(branch=0, decay=0.9, **options):
    torch.manual_seed(0)
    network = Yolo(classes=2, width=0.125)
    extra = SuperResolution(network.taps, 4, factor=branch, blocks=1) if branch else None
    scores = options.pop("scores", [0.5])
    return Detection(
        Learner(network, extra, decay),
        score=lambda model: {"ap50": scores.pop(0), "ap50_95": 0.1},
        **options,
    )


def crops(factor=0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    targets = Targets(
        torch.tensor([0, 1]),
        torch.tensor([0, 1]),
        torch.tensor([[20.0, 20.0, 10.0, 13.0, 0.0], [40.0, 30.0, 16.0, 20.0, 0.0]]),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 4),
    )
    sharp = torch.rand(2, 4, 64 * factor, 64 * factor, generator=generator) if factor else None
    return Crops(torch.rand(2, 4, 64, 64, generator=generator), targets, sharp)


def test_the_average_follows_by_its_formula():
    """d (1 - exp(-n / warm-up)) of what it was: first close behind, later slow."""
    learner = make(decay=0.9).learner
    name, weight = next(learner.network.named_parameters())
    kept = weight.detach().clone().double()
    for update in range(1, 40):
        with torch.no_grad():
            weight.add_(torch.randn(weight.shape) * 0.1)
        learner.follow()
        share = 0.9 * (1 - math.exp(-update * 5 * (1 - 0.9)))
        kept = share * kept + (1 - share) * weight.detach().double()
        assert torch.allclose(dict(learner.average.named_parameters())[name].double(), kept, atol=1e-5)
    assert int(learner.updates) == 39


def test_the_average_has_the_statistics_too_and_no_gradient():
    task = make()
    for seed in range(3):
        task.losses(task.learner, crops(seed=seed))["total"].backward()
    task.learner.follow()
    norm = next(m for m in task.learner.network.modules() if isinstance(m, nn.BatchNorm2d))
    mine = next(m for m in task.learner.average.modules() if isinstance(m, nn.BatchNorm2d))
    assert not torch.equal(mine.running_mean, torch.zeros_like(mine.running_mean))
    assert int(mine.num_batches_tracked) == int(norm.num_batches_tracked) == 3
    assert not mine.training and norm.training
    assert all(p.grad is None and not p.requires_grad for p in task.learner.average.parameters())


def test_the_best_average_is_kept_beside_the_last():
    task = make(scores=[0.2, 0.6, 0.4])
    weights = []
    for _ in range(3):
        with torch.no_grad():
            for p in task.learner.average.parameters():
                p.add_(0.01)
        task.evaluate()
        weights.append({k: v.clone() for k, v in task.learner.average.state_dict().items()})
    best = task.learner.best.state_dict()
    assert all(torch.equal(best[k], weights[1][k]) for k in best)
    assert float(task.learner.best_score) == pytest.approx(0.6)


def test_the_total_is_the_sum_with_a_twentieth_of_the_super_resolution():
    task = make(branch=2)
    losses = task.losses(task.learner, crops(2))
    expected = sum(losses[k] for k in ("box", "objectness", "class")) + 0.05 * losses["superres"]
    assert losses["total"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert set(make().losses(make().learner, crops())) == {"total", "box", "objectness", "class"}


def test_super_resolution_is_compared_group_by_group():
    """L1 of RGB plus L1 of infrared, of the whole image."""
    task = make(branch=2)
    batch = crops(2)
    seen = []
    task.learner.branch.register_forward_hook(lambda *call: seen.append(call[2].detach()))
    value = task.losses(task.learner, batch)["superres"].item()
    wrong = (seen[0] - batch.sharp).abs()
    assert seen[0].shape == batch.sharp.shape
    assert value == pytest.approx((wrong[:, :3].mean() + wrong[:, 3:].mean()).item(), rel=1e-5)


def test_a_share_is_compared_where_the_window_lies():
    """The image is its own position: a branch that returns it is right only at the right place."""
    task = make(branch=2, share=0.5)
    rows = torch.arange(128.0).view(1, 1, 128, 1).expand(2, 4, 128, 128)
    cols = torch.arange(128.0).view(1, 1, 1, 128).expand(2, 4, 128, 128)
    batch = Crops(crops().images, crops().targets, rows + 1000 * cols)
    seen = {}

    class Knows(nn.Module):
        factor = 2

        def forward(self, fine, deep):
            seen["fine"], seen["deep"] = fine, deep
            return torch.zeros(2, 4, 8 * fine.shape[2], 8 * fine.shape[3], requires_grad=True)

    task.learner.branch = Knows()
    loss = task.losses(task.learner, batch)["superres"]
    fine, deep, _ = task.learner.network.features(batch.images)
    assert seen["fine"].shape[2:] == (8, 8) and seen["deep"].shape[2:] == (2, 2)
    places = [
        (r, c) for r in (0, 4, 8) for c in (0, 4, 8)
        if torch.allclose(seen["fine"], fine[:, :, r : r + 8, c : c + 8], atol=1e-4)
    ]  # fmt: skip
    assert len(places) == 1
    (r, c) = places[0]
    assert torch.allclose(seen["deep"], deep[:, :, r // 4 : r // 4 + 2, c // 4 : c // 4 + 2], atol=1e-4)
    sharp = batch.sharp[:, :, 8 * r : 8 * r + 64, 8 * c : 8 * c + 64]
    assert loss.item() == pytest.approx(2 * sharp.mean().item(), rel=1e-5)


def test_the_released_code_multiplies_by_the_batch_and_counts_with_the_sharp_side():
    plain, parity = make(branch=2), make(branch=2, parity=True)
    batch = crops(2)
    a, b = (task.losses(task.learner, batch) for task in (plain, parity))
    sharp_side = 2 * batch.images.shape[2]  # and ours with a whole image's, 640
    assert b["objectness"].item() == pytest.approx((sharp_side / 640) ** 2 * a["objectness"].item(), rel=1e-4)
    assert b["box"].item() == pytest.approx(a["box"].item(), rel=1e-4)
    expected = 2 * sum(b[k] for k in ("box", "objectness", "class")) + 0.1 * b["superres"]
    assert b["total"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_convolutions_decay_norms_and_biases_do_not(kind):
    for parity, decay in ((False, 0.3), (True, 0.0)):
        task = make(branch=2, optimizer=kind, weight_decay=0.3, parity=parity)
        groups = task.optimizer(CONFIG).param_groups
        assert [g["weight_decay"] for g in groups] == [decay, 0.0]
        assert all(p.ndim > 1 for p in groups[0]["params"]) and all(p.ndim <= 1 for p in groups[1]["params"])
        count = sum(p.numel() for g in groups for p in g["params"])
        learned = (*task.learner.network.parameters(), *task.learner.branch.parameters())
        assert count == sum(p.numel() for p in learned)  # nothing of the averages


def test_sgd_is_nesterovs_with_the_published_momentum():
    group = make(optimizer="sgd").optimizer(CONFIG).param_groups[0]
    assert group["nesterov"] and group["momentum"] == 0.937


def test_the_branch_teaches_the_backbone():
    task = make(branch=2)
    task.losses(task.learner, crops(2))["superres"].backward()
    grads = {n: p.grad is not None for n, p in task.learner.network.named_parameters()}
    assert grads["c3_4.join.conv.weight"] and grads["spp8.join.conv.weight"]
    assert not grads["c3_9.join.conv.weight"]
