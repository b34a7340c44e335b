"""Token selection put into an integer network: a score for each token; what reaches a threshold goes on."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.hardware.network import Network, Operator


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores of tokens: one linear output of the next norm's values, through a table of 0..127.

    Args:
        weight: of each channel; `bias` in steps of the sum.
        table, offset, shift: of `vedette.numerics.scaling.Stepped`.
        threshold: a score that reaches it stays.
        most: tokens that may stay beside the class's; None for all: the worst case of the latency.
    """

    weight: Int64[np.ndarray, " c"]
    bias: int
    table: Int64[np.ndarray, " n"]
    offset: int
    shift: int
    threshold: int
    most: int | None = None


def with_selection(network: Network, value: str, scorer: Scorer) -> Network:
    """The network with a selection of the tokens of `value`, a sum of the residual stream.

    What took `value` takes the tokens that stay and the package of the others. A package that an earlier
    selection made goes into the new one.

    Raises:
        InputError: no operator makes `value`, or no norm takes it.
    """
    made = [n for n, operator in enumerate(network.operators) if operator.output == value]
    norms = [o for o in network.operators if o.op == "layer_norm" and o.inputs == (value,)]
    if not made or not norms:
        raise InputError(f"no norm takes a value {value!r}", hint="give a sum that a block begins with")
    earlier = tuple(o.output for o in network.operators[: made[0]] if o.op == "packaged")[-1:]
    tensors = {f"{value}_score.weight": scorer.weight[None], f"{value}_score.bias": np.array([scorer.bias])}
    tensors[f"{value}_score.table"] = scorer.table
    numbers = {"threshold": scorer.threshold, "fixed": 1}
    if scorer.most is not None:
        numbers["most"] = scorer.most
    normed, acc, score, kept = (f"{value}_{part}" for part in ("normed", "score_acc", "score", "kept"))
    names = {part: f"{value}_score.{part}" for part in ("weight", "bias", "table")}
    steps = (
        replace(norms[0], output=normed),
        Operator("linear", (normed,), acc, {part: names[part] for part in ("weight", "bias")}),
        Operator(
            "lookup",
            (acc,),
            score,
            {"table": names["table"]},
            {"offset": scorer.offset, "shift": scorer.shift},
        ),
        Operator("packaged", (value, score, *earlier), f"{value}_packaged", {}, numbers),
        Operator("select", (value, score, *earlier), kept, {}, numbers),
    )
    before, after = network.operators[: made[0] + 1], network.operators[made[0] + 1 :]
    after = tuple(
        replace(o, inputs=tuple(kept if name == value else name for name in o.inputs)) for o in after
    )
    weights = {**network.weights, **{name: tensor.astype(np.int64) for name, tensor in tensors.items()}}
    return replace(network, operators=(*before, *steps, *after), weights=weights)
