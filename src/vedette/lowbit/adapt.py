"""On-board adaptation: a trained classifier learns from a few images, within a budget of time and memory.

Layers are trained in low bits, for the integers kept for the backward pass are a fraction of the floats.
Batch normalization keeps its statistics, which a few images would spoil. The batch is as large as the memory
allows; the steps are as many as the time allows.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vedette.data import ClassSet
from vedette.data.labeled import Labeled, batches
from vedette.errors import InputError, LimitError
from vedette.lowbit.config import LowBit
from vedette.lowbit.convert import convert
from vedette.lowbit.memory import kept_bytes
from vedette.nn.classifier_file import Classifier
from vedette.nn.classify import build_classifier
from vedette.training import RunLog, TrainConfig, fit
from vedette.training.classification import Classification, evaluate

BATCH_MOST = 16  # more images a step learn less in the same time
STEPS_MOST = 100_000
STATES = 3  # float32 copies of the parameters: themselves, gradients, momentum


@dataclass(frozen=True)
class Adapted:
    """What came of it: accuracies in percent on the images held out, and what it took."""

    classifier: Classifier
    steps: int
    batch: int
    seconds: float
    accuracy_before_percent: float
    accuracy_after_percent: float
    kept_bytes_per_image: int
    float_bytes_per_image: int
    memory_bytes: int


def adapt(
    classifier: Classifier,
    data: ClassSet,
    folder: Path,
    *,
    config: LowBit | None,
    seconds: float = 60.0,
    memory_bytes: int = 500_000_000,
    learning_rate: float = 0.01,
    seed: int = 1,
) -> Adapted:
    """Train `classifier` on `data` and return the new one; the given one is left as it was.

    Args:
        data: of any classes; where they are not the classifier's own, its last layer begins anew.
        folder: of the run; one that was interrupted goes on from its checkpoint.
        config: None trains in float32.
        seconds: for training and the evaluation at its end; a last step that began in time may end late.
        memory_bytes: for parameters, their gradients and momentum, and what is kept of a batch.

    Raises:
        InputError: a budget out of range, or nothing to train or to test on.
        LimitError: not even two images fit the memory.
    """
    if not 0 < seconds < 1e7:
        raise InputError(f"{seconds} seconds", hint="take more than 0")
    if not len(data.training) or not len(data.validation):
        raise InputError(
            "too few images: each class needs seven, one of which is held out",
            hint="give more, or a folder with the parts train and val",
        )
    torch.manual_seed(seed)
    model = build_classifier(classifier.name, classes=len(data.classes))
    state = classifier.model.state_dict()
    if data.classes != classifier.classes:
        head = list(state)[-2:]  # weight and bias of the last layer
        state = {name: value for name, value in state.items() if name not in head}
    model.load_state_dict(state, strict=False)
    sample = data.training.images[:2].float() / 255
    in_float = kept_bytes(model, sample)
    if config is not None:
        convert(model, config, sample=sample, show=None)
    kept = kept_bytes(model, sample)
    states = STATES * 4 * sum(p.numel() for p in model.parameters())
    batch = min(
        BATCH_MOST, len(data.training), (memory_bytes - states) // kept if memory_bytes > states else 0
    )
    if batch < 2:
        need = states + 2 * kept
        raise LimitError(
            f"{memory_bytes:,} bytes, and two images need {need:,}", hint="give more memory or fewer bits"
        )
    task = _Adaptation(model, data.validation)
    start = time.monotonic()
    before = evaluate(model, data.validation)["accuracy_percent"]
    evaluation_s = time.monotonic() - start
    start = time.monotonic()
    plan = TrainConfig(
        steps=1,
        batch=batch,
        learning_rate=learning_rate,
        warmup=5,
        clip_norm=5.0,
        seed=seed,
        bf16=False,
        eval_every=STEPS_MOST,
        save_every=100,
    )
    steps = _steps_within(task, data.training, plan, seconds - evaluation_s)
    log = RunLog(
        folder, {"seconds": seconds, "memory_bytes": memory_bytes, "batch": batch, "bits": str(config)}
    )
    drawn = batches(data.training, batch=batch, seed=seed)
    fit(task, drawn, replace(plan, steps=steps), folder, log, deadline=start + seconds - evaluation_s)
    taken = time.monotonic() - start
    after = task.evaluate()["accuracy_percent"]
    found = Classifier(model.eval(), classifier.name, data.classes, classifier.side)
    return Adapted(found, steps, batch, taken, before, after, kept, in_float, states + batch * kept)


class _Adaptation(Classification):
    """Statistics of normalization stay as they are."""

    def losses(self, network: nn.Module, batch: Labeled) -> dict[str, Tensor]:
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return super().losses(network, batch)


def _steps_within(task: Classification, data: Labeled, config: TrainConfig, seconds: float) -> int:
    """How many steps fit, from the time of a second one that changes nothing."""
    part = Labeled(data.images[: config.batch].float() / 255, data.labels[: config.batch])
    taken = 0.0
    for _ in range(2):
        start = time.monotonic()
        task.losses(task.model, part)["total"].backward()
        taken = time.monotonic() - start
        task.model.zero_grad()
    return max(1, min(STEPS_MOST, int(0.95 * (seconds - 2 * taken) / taken)))
