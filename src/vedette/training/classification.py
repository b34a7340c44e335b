"""Training a classifier: cross-entropy, SGD with momentum or AdamW, accuracy on images held out."""

from typing import Literal

import torch
from torch import Tensor, nn

from vedette.data.labeled import Labeled
from vedette.training.config import TrainConfig

EVALUATION_BATCH = 100


class Classification:
    """A network of images 0..1 to one score for each class.

    Args:
        optimizer: "sgd" has Nesterov momentum 0.9; "adamw" is for transformers.
        weight_decay: of matrices and filters; biases and normalizations have none.
    """

    def __init__(
        self,
        model: nn.Module,
        validation: Labeled,
        *,
        optimizer: Literal["sgd", "adamw"] = "sgd",
        weight_decay: float = 5e-4,
        label_smoothing: float = 0.0,
    ) -> None:
        self.model = model
        self.validation = validation
        self._optimizer = optimizer
        self._weight_decay = weight_decay
        self._label_smoothing = label_smoothing

    def optimizer(self, config: TrainConfig) -> torch.optim.Optimizer:
        """Two groups: what decays and what does not."""
        wide = [p for p in self.model.parameters() if p.ndim > 1]
        rest = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": wide, "weight_decay": self._weight_decay}, {"params": rest, "weight_decay": 0.0}]
        if self._optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=config.learning_rate)
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)

    def losses(self, network: nn.Module, batch: Labeled) -> dict[str, Tensor]:
        """Cross-entropy."""
        scores = network(batch.images)
        return {
            "total": nn.functional.cross_entropy(
                scores.float(), batch.labels, label_smoothing=self._label_smoothing
            )
        }

    def evaluate(self) -> dict[str, float]:
        """Accuracy in percent, and cross-entropy, of the held-out images."""
        return evaluate(self.model, self.validation)


@torch.no_grad()
def evaluate(model: nn.Module, data: Labeled) -> dict[str, float]:
    """Accuracy in percent, and mean cross-entropy, of `model` on `data`; the model's mode is kept."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    right, loss = 0, 0.0
    for start in range(0, len(data), EVALUATION_BATCH):
        images = data.images[start : start + EVALUATION_BATCH].to(device).float() / 255
        labels = data.labels[start : start + EVALUATION_BATCH].to(device)
        scores = model(images).float()
        right += int((scores.argmax(1) == labels).sum())
        loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
    model.train(training)
    count = max(1, len(data))
    return {"accuracy_percent": 100 * right / count, "validation_loss": loss / count}
