"""Token selection of HeatViT (arXiv 2211.08110) in integers: which tokens stay, and one for the rest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.integer import largest

SCORE_MOST = 255


@dataclass(frozen=True)
class Selection:
    """What `select` leaves of a sequence.

    Args:
        tokens: those that stay, in their order, and then the package where there is one.
        kept: their places in the input, without the package.
        packaged: the last token is a package.
        plain: all weights of the package were 0, so that it is the plain mean.
    """

    tokens: Int64[np.ndarray, "kept c"]
    kept: Int64[np.ndarray, " n"]
    packaged: bool
    plain: bool


def select(
    tokens: Int64[np.ndarray, "t c"],
    scores: Int64[np.ndarray, " t"],
    *,
    threshold: int,
    most: int | None = None,
    fixed: int = 1,
    merged: bool = False,
) -> Selection:
    """Tokens whose score reaches `threshold`, unchanged; the others become one, their weighted mean (10).

    The first `fixed` tokens always stay; the last, where it is `merged`, never does: it is the package of an
    earlier selection and goes into the new one. Of the others, those with score >= threshold stay, and of
    these at most `most`: the highest, of equal ones the earlier. The package is floor(sum(score x) /
    sum(score) + 1/2) in each channel; where all weights are 0, they are taken as 1. Without any token that
    goes there is no package, so that there never are more tokens than before.

    Args:
        scores: 0..255. With 256 for 1, a threshold of 128 is the paper's 0.5, which equality reaches.

    Raises:
        InputError: scores outside 0..255 or not one a token, more fixed tokens than there are, a sum that
            could leave int64.

    >>> tokens, scores = np.array([[7, 7], [10, 20], [1, 2], [30, 50]]), np.array([0, 30, 128, 10])
    >>> select(tokens, scores, threshold=128).tokens.tolist()  # (30 * 10 + 10 * 30) / 40 = 15, 27.5
    [[7, 7], [1, 2], [15, 28]]
    """
    count = len(tokens)
    if scores.shape != (count,) or scores.min(initial=0) < 0 or largest(scores) > SCORE_MOST:
        raise InputError(f"scores {scores.shape} for {count} tokens", hint="one a token, from 0 to 255")
    if not 0 <= fixed <= count - merged:
        raise InputError(
            f"{fixed} tokens that stay of {count}", hint="0 up to all, but the one that is merged"
        )
    if 2 * largest(tokens) * SCORE_MOST * count + SCORE_MOST * count >= 2**63:
        raise InputError("a weighted sum could exceed 63 bits", hint="requantize the tokens first")
    candidates = np.arange(fixed, count - merged)
    reach = candidates[scores[candidates] >= threshold]
    best = reach[np.argsort(-scores[reach], kind="stable")[:most]]
    kept = np.concatenate([np.arange(fixed), np.sort(best)])
    rest = np.setdiff1d(np.arange(count), kept)
    if not len(rest):
        return Selection(tokens[kept], kept, packaged=False, plain=False)
    plain = not scores[rest].any()
    weights = np.ones_like(rest) if plain else scores[rest]
    total = weights.sum()
    package = (2 * (weights @ tokens[rest]) + total) // (2 * total)
    return Selection(np.concatenate([tokens[kept], package[None]]), kept, packaged=True, plain=plain)
