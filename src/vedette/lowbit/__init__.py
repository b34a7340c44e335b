"""Training in 4 to 8 bits on integer products: ShiftQuant and L1 normalization (arXiv 2411.10948).

>>> from torch import nn
>>> model = nn.Sequential(nn.Linear(8, 512), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 2))
>>> model = convert(model, LowBit(weight_bits=4, act_bits=4, grad_bits=4), show=None)
"""

from vedette.lowbit.config import LowBit
from vedette.lowbit.convert import Plan, convert, plan

__all__ = ["LowBit", "Plan", "convert", "plan"]
