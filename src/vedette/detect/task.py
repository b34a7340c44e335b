"""What exists only while a detector learns: losses, super-resolution, the average of its weights."""

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vedette.detect.augment import Crops
from vedette.detect.losses import detection_losses
from vedette.detect.models.head import Predictions
from vedette.detect.models.yolo import Yolo
from vedette.detect.superres import SuperResolution, matching_windows
from vedette.training import TrainConfig

SUPERRES_WEIGHT = (
    0.05  # of the L1 error, beside detection losses of one image (0.1 at a batch of 2 as released)
)
MOMENTUM = 0.937
# Pixels that the gain of the objectness counts with at least. A crop holds objects as densely as the image it
# is cut from, so that its gain must not shrink with its side (ours).
FULL_SIDE = 640


class Learner(nn.Module):
    """The network, the branch that helps it learn, and the average of its weights, which is what is kept.

    Beside the last average stands the one that did best on held-out images so far.

    Args:
        decay: of the average, once it has warmed up.
    """

    updates: Tensor
    best_score: Tensor

    def __init__(self, network: Yolo, branch: SuperResolution | None, decay: float) -> None:
        super().__init__()
        self.network, self.branch = network, branch
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.best = copy.deepcopy(self.average)
        self.decay = decay
        self.register_buffer("best_score", torch.tensor(-1.0))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(
        self, images: Tensor, windows: tuple[slice, slice, slice, slice] | None
    ) -> tuple[Predictions, Tensor | None]:
        fine, deep, maps = self.network.features(images)
        said = self.network.head(maps)
        if self.branch is None or windows is None:
            return said, None
        rows, cols, deep_rows, deep_cols = windows
        return said, self.branch(fine[:, :, rows, cols], deep[:, :, deep_rows, deep_cols])

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the network; quickly at first."""
        self.updates += 1
        warm = 5 * (1 - self.decay)  # as in YOLOv5: 2000 steps for 0.9999
        share = 1 - self.decay * (1 - float(torch.exp(-self.updates * warm)))
        for kept, now in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if kept.is_floating_point():
                kept.lerp_(now, share)
            else:
                kept.copy_(now)


class Detection:
    """Detection losses plus 0.05 * L1 of the super-resolved image, group by group.

    Args:
        factor: how many times finer the super-resolved image is than the input.
        share: of the sides of a random window in which it is compared; 1 for all of it.
        score: the scores of the average's detections on held-out images.
        look: called at each validation, to picture how far the run is.
        parity: as the released code does: no weight decay at all, losses times the batch, and the gain of
            the objectness at the super-resolved side.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        score: Callable[[Yolo], dict[str, float]],
        look: Callable[[Learner], None] = lambda learner: None,
        optimizer: Literal["sgd", "adamw"] = "sgd",
        weight_decay: float = 5e-4,
        share: float = 1.0,
        parity: bool = False,
        seed: int = 1,
    ) -> None:
        self.model: nn.Module = learner
        self.learner = learner
        self.score, self.look = score, look
        self.kind = optimizer
        self.weight_decay = 0.0 if parity else weight_decay
        self.share, self.parity = share, parity
        self._generator = torch.Generator().manual_seed(seed)
        self._due = False  # whether a step was taken that the average has not followed

    def optimizer(self, config: TrainConfig) -> torch.optim.Optimizer:
        """SGD with Nesterov momentum, or AdamW; weights of convolutions decay, norms and biases do not."""
        learned = [p for p in self.learner.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in learned if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if self.kind == "adamw":
            return torch.optim.AdamW(groups, lr=config.learning_rate)
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=MOMENTUM, nesterov=True)

    def losses(self, network: nn.Module, batch: Crops) -> dict[str, Tensor]:
        self.learner.train()
        self.learner.average.eval()
        self.learner.best.eval()
        self._follow()
        self._due = True
        height, width = batch.images.shape[2:]
        branch = self.learner.branch
        windows = None
        if branch is not None and batch.sharp is not None:
            windows = matching_windows(height // 4, width // 4, self.share, self._generator)
        said, image = network(batch.images, windows)
        side = max(height, FULL_SIDE)
        if self.parity:
            side = height * (branch.factor if branch is not None else 1)
        losses = detection_losses(said, batch.targets, side=side)
        total = torch.stack(list(losses.values())).sum()
        if self.parity:
            total = total * len(batch.images)
        if image is not None and windows is not None and batch.sharp is not None and branch is not None:
            scale = 4 * branch.factor
            rows, cols = (slice(w.start * scale, w.stop * scale) for w in windows[:2])
            wrong = (image.float() - batch.sharp[:, :, rows, cols]).abs()
            parts = wrong.split(self.learner.network.groups, dim=1)
            losses["superres"] = torch.stack([part.mean() for part in parts]).sum()
            total = total + SUPERRES_WEIGHT * (2 if self.parity else 1) * losses["superres"]
        return {"total": total, **losses}

    def _follow(self) -> None:
        if self._due:
            self.learner.follow()
            self._due = False

    def evaluate(self) -> dict[str, float]:
        """Scores of the average of the weights."""
        self._follow()
        learner = self.learner
        scores = self.score(learner.average)
        self.look(learner)
        if scores["ap50"] > float(learner.best_score):
            learner.best.load_state_dict(learner.average.state_dict())
            learner.best_score.fill_(scores["ap50"])
        return scores
