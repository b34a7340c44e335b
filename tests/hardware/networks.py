"""Small random transformers in integers, of odd sizes."""

import numpy as np

from vedette.hardware.executor import execute
from vedette.hardware.network import Network
from vedette.hardware.pruned import Scorer, with_selection
from vedette.hardware.vit import deit


def random_deit(
    seed: int, *, embed_dim=64, depth=1, hidden=48, patches=5, inner=40, classes=10, weight_bits=4
) -> Network:
    """A network that nothing trained: values over all their ranges, tables that saturate at both ends."""
    r = np.random.default_rng(seed)
    low, high = -(1 << (weight_bits - 1)), 1 << (weight_bits - 1)

    def weights(*shape):
        return r.integers(low, high, shape).astype(np.int8)

    def bias(*shape):
        return r.integers(-50, 50, shape).astype(np.int16)

    def table(least, most):
        return r.integers(least, most, (depth, 64)).astype(np.int8)

    def norms(*many):
        return {
            "gamma": r.integers(-30_000, 30_000, (*many, embed_dim)).astype(np.int32),
            "beta": r.integers(-(1 << 33), 1 << 33, (*many, embed_dim)).astype(np.int64),
            "rsqrt_table": np.sort(r.integers(1, 4000, (*many, 128)))[..., ::-1].astype(np.int16),
            "scalars": np.broadcast_to(
                np.array([round(2**22 / embed_dim), 22, -500, 9, 127, 27, 4]), (*many, 7)
            ).astype(np.int32),
        }

    n, d = depth, embed_dim
    arrays = {
        "patch_weight": weights(d, inner),
        "patch_bias": r.integers(-3000, 3000, (patches + 1, d)).astype(np.int32),
        "cls_token": r.integers(-3000, 3000, d).astype(np.int32),
        "patch_shift": np.array([3], np.int32),
        "softmax_exp_table": np.sort(r.integers(0, 32769, (n, 32)))[:, ::-1].astype(np.int32),
        "softmax_recip_table": np.sort(r.integers(1, 250, (n, 2, 64)))[..., ::-1].astype(np.int16),
        "softmax_scalars": np.tile(
            np.array([8, 4, 31, -20000, 11, 63, 1 << 12, 13, -20000, 14, 63, 1 << 9, 10, 4]), (n, 1)
        ).astype(np.int32),
        "head_weight": weights(classes, d),
        "head_bias": bias(classes),
    }
    sizes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "fc1": (hidden, d), "fc2": (d, hidden)}
    for part, shape in sizes.items():
        arrays |= {f"{part}_weight": weights(n, *shape), f"{part}_bias": bias(n, shape[0])}
    for part in ("q", "k", "v", "a", "gelu"):
        arrays[f"{part}_table"] = table(-8, 8) if part != "gelu" else table(0, 16)
        arrays[f"{part}_scalars"] = np.tile(np.array([150, 3, 63]), (n, 1)).astype(np.int32)
    for name in ("ln1", "ln2"):
        arrays |= {f"{name}_{key}": value for key, value in norms(n).items()}
    arrays |= {f"head_ln_{key}": value for key, value in norms().items()}
    for half in (1, 2):
        arrays[f"res{half}_scalars"] = np.tile(np.array([700, 10]), (n, 1)).astype(np.int32)
    return deit(arrays, name=f"random-{seed}")


def random_input(network: Network, seed: int) -> dict[str, np.ndarray]:
    """Values over all of 8 bits."""
    r = np.random.default_rng(seed)
    return {name: r.integers(-128, 128, shape).astype(np.int8) for name, shape in network.inputs.items()}


def random_pruned(seed: int, *, blocks=(0, 1), most=None, threshold=64, **sizes) -> Network:
    """`random_deit` with a selection before each of `blocks`; half of the tokens reach a score of 64."""
    r = np.random.default_rng(seed + 100)
    network = random_deit(seed, **sizes)
    for block in blocks:
        value = f"stream{2 * block}"
        scorer = Scorer(
            weight=r.integers(-8, 8, sizes.get("embed_dim", 64)),
            bias=0,
            table=np.arange(0, 128, 2),
            offset=32,
            shift=0,
            threshold=threshold,
            most=most,
        )
        network = with_selection(network, value, scorer)
        sums = execute(network, random_input(network, 3), keep=[f"{value}_score_acc"])[f"{value}_score_acc"]
        network.weights[f"{value}_score.bias"][0] = -int(np.median(sums))
    return network
