"""What a training step keeps in memory."""

import torch
from torch import Tensor, nn


def kept_bytes(model: nn.Module, sample: Tensor) -> int:
    """Bytes kept for the backward pass of one image of `sample`, parameters apart; what two layers share
    counts once.

    >>> layer = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
    >>> kept_bytes(layer, torch.ones(2, 4))
    32
    """
    own = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    training = model.training
    model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = model(sample)
    del scores
    model.train(training)
    return sum(kept.values()) // len(sample)
