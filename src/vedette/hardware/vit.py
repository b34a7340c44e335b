"""Vision transformers as integer networks: DeiT's layers from arrays, and shapes without weights.

The arrays are named as in the optional data folder's `deit-tiny-w3a3`, the integer DeiT-Tiny of HG-PIPE
(MIT): blocks of 3-bit weights and activations, tables for all that is not linear, and 196 tokens, of which
the first is the class's.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.network import Network, Operator

HEAD = 64  # channels of a head
# ImageNet's normalization; 8-bit steps of 1 / 48.1, inferred from the package's picture, for new ones only
IMAGE = {"side": 224, "patch": 16, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "scale": 48.1}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A vision transformer by its sizes: `tokens` with the class's, `hidden` of the MLP; heads of 64."""

    embed_dim: int
    depth: int
    hidden: int
    tokens: int = 197
    inner: int = 768  # values of a patch
    classes: int = 1000

    @property
    def heads(self) -> int:
        """Heads of 64 channels."""
        return self.embed_dim // 64

    @property
    def macs(self) -> int:
        """Multiply-adds of an image (specification A2).

        >>> round(SHAPES["deit-tiny"].macs / 1e9, 3)
        1.254
        """
        n, d = self.tokens, self.embed_dim
        block = 4 * n * d * d + 2 * n * n * d + 2 * n * d * self.hidden
        return self.depth * block + (n - 1) * self.inner * d + d * self.classes


# LV-ViT's convolutional stem is counted as a patch embedding
SHAPES = {
    "deit-tiny": Shape(embed_dim=192, depth=12, hidden=768),
    "deit-small": Shape(embed_dim=384, depth=12, hidden=1536),
    "deit-base": Shape(embed_dim=768, depth=12, hidden=3072),
    "lvvit-s": Shape(embed_dim=384, depth=16, hidden=1152),
    "lvvit-m": Shape(embed_dim=512, depth=20, hidden=1536),
}


def deit(arrays: Mapping[str, np.ndarray], *, name: str = "deit-tiny-w3a3") -> Network:
    """The network of the package's `weights.npz`.

    Raises:
        InputError: an array is missing.
    """
    try:
        weights: dict[str, np.ndarray] = {}
        operators = tuple(_operators(arrays, weights))
        tokens, inner = len(arrays["patch_bias"]) - 1, arrays["patch_weight"].shape[1]
    except KeyError as error:
        raise InputError(f"the package has no array {error}", hint="give its whole weights.npz") from error
    image = dict(IMAGE, patches=tokens)
    return Network(name, {"patches": (tokens, inner)}, operators, ("logits",), weights, image)


def read_arrays(path: Path) -> Network:
    """The network of a package's `weights.npz`.

    Raises:
        InputError: no such file, or one without the arrays.
    """
    try:
        with np.load(path) as found:
            arrays = {name: found[name] for name in found}
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} is no .npz: {error}", hint="give the package's weights.npz") from error
    return deit(arrays)


def shaped(name: str) -> Network:
    """The network of a named shape, its weights zeros: for estimates.

    >>> len(shaped("deit-tiny").operators)
    270
    """
    if name not in SHAPES:
        raise UnknownNameError("shape", name, SHAPES)
    s = SHAPES[name]
    d, n, hidden = s.embed_dim, s.depth, s.hidden
    norm = [43691, 23, 0, 20, 127, 32, 8]
    soft = [0, 6, 31, 0, 12, 63, 1 << 15, 16, 0, 15, 63, 1 << 15, 16, 7]
    arrays: dict[str, np.ndarray] = {
        "patch_weight": _zeros(d, s.inner),
        "patch_bias": _zeros(s.tokens, d),
        "cls_token": _zeros(d),
        "patch_shift": _zeros(1),
        "softmax_exp_table": _zeros(n, 32),
        "softmax_recip_table": _zeros(n, 2, 64),
        "softmax_scalars": np.tile(np.array(soft), (n, 1)),
        "head_weight": _zeros(s.classes, d),
        "head_bias": _zeros(s.classes),
    }
    sizes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "fc1": (hidden, d), "fc2": (d, hidden)}
    for part, (outputs, inputs) in sizes.items():
        arrays |= {f"{part}_weight": _zeros(n, outputs, inputs), f"{part}_bias": _zeros(n, outputs)}
    for part in ("q", "k", "v", "a", "gelu"):
        arrays |= {f"{part}_table": _zeros(n, 64), f"{part}_scalars": np.tile(np.array([0, 8, 63]), (n, 1))}
    for part in ("ln1", "ln2"):
        arrays |= {f"{part}_gamma": _zeros(n, d), f"{part}_beta": _zeros(n, d)}
        arrays |= {f"{part}_rsqrt_table": _zeros(n, 128), f"{part}_scalars": np.tile(np.array(norm), (n, 1))}
    arrays |= {"head_ln_gamma": _zeros(d), "head_ln_beta": _zeros(d), "head_ln_rsqrt_table": _zeros(128)}
    arrays |= {"head_ln_scalars": np.array(norm)}
    arrays |= {f"res{half}_scalars": np.tile(np.array([1, 0]), (n, 1)) for half in (1, 2)}
    return deit(arrays, name=name)


def _zeros(*sizes: int) -> np.ndarray:
    return np.zeros(sizes, dtype=np.int8)


def _operators(arrays: Mapping[str, np.ndarray], weights: dict[str, np.ndarray]) -> Iterator[Operator]:
    heads = arrays["q_weight"].shape[1] // HEAD

    def put(name: str, array: np.ndarray) -> str:
        weights[name] = array
        return name

    def linear(x: str, output: str, weight: np.ndarray, bias: np.ndarray) -> Operator:
        tensors = {"weight": put(f"{output}.weight", weight), "bias": put(f"{output}.bias", bias)}
        return Operator("linear", (x,), output, tensors)

    def norm(x: str, output: str, of: str, block: int | None) -> Operator:
        gamma, beta, table, scalars = (
            arrays[f"{of}_{part}"] if block is None else arrays[f"{of}_{part}"][block]
            for part in ("gamma", "beta", "rsqrt_table", "scalars")
        )
        tensors = {
            "gamma": put(f"{output}.gamma", gamma),
            "beta": put(f"{output}.beta", beta),
            "rsqrt": put(f"{output}.rsqrt", table),
        }
        names = ("mean_multiplier", "mean_shift", "rsqrt_offset", "rsqrt_shift", "", "shift", "bits")
        return Operator("layer_norm", (x,), output, tensors, _numbers(names, scalars))

    def lookup(x: str, output: str, of: str, block: int) -> Operator:
        tensors = {"table": put(f"{output}.table", arrays[f"{of}_table"][block])}
        numbers = _numbers(("offset", "shift", ""), arrays[f"{of}_scalars"][block])
        return Operator("lookup", (x,), output, tensors, numbers)

    def residual(x: str, branch: str, output: str, of: str, block: int) -> Operator:
        numbers = _numbers(("multiplier", "shift"), arrays[f"{of}_scalars"][block])
        return Operator("residual", (x, branch), output, {}, numbers)

    yield linear("patches", "patch_acc", arrays["patch_weight"], arrays["patch_bias"][1:])
    yield Operator(
        "prepend", ("patch_acc",), "tokens_acc", {"token": put("class_token", arrays["cls_token"])}
    )
    yield Operator("shift", ("tokens_acc",), "stream0", {}, {"shift": int(arrays["patch_shift"][0])})
    for block in range(len(arrays["q_weight"])):
        b, stream, middle, after = (
            f"b{block}_",
            f"stream{2 * block}",
            f"stream{2 * block + 1}",
            f"stream{2 * block + 2}",
        )
        yield norm(stream, f"{b}ln1", "ln1", block)
        for part in "qkv":
            yield linear(
                f"{b}ln1", f"{b}{part}_acc", arrays[f"{part}_weight"][block], arrays[f"{part}_bias"][block]
            )
            yield lookup(f"{b}{part}_acc", f"{b}{part}_flat", part, block)
            yield Operator("split_heads", (f"{b}{part}_flat",), f"{b}{part}", {}, {"heads": heads})
        yield Operator("matmul_transposed", (f"{b}q", f"{b}k"), f"{b}scores")
        exp, reciprocal = arrays["softmax_exp_table"][block], arrays["softmax_recip_table"][block]
        tensors = {
            "exp": put(f"{b}probs.exp", exp),
            "reciprocal_near": put(f"{b}probs.reciprocal_near", reciprocal[0]),
            "reciprocal_far": put(f"{b}probs.reciprocal_far", reciprocal[1]),
        }
        names = (
            *("exp_offset", "exp_shift", ""),
            *("near_offset", "near_shift", "", "near_half", "near_product_shift"),
            *("far_offset", "far_shift", "", "far_half", "far_product_shift"),
            "bits",
        )
        numbers = _numbers(names, arrays["softmax_scalars"][block])
        yield Operator("softmax", (f"{b}scores",), f"{b}probs", tensors, numbers)
        yield Operator("matmul", (f"{b}probs", f"{b}v"), f"{b}a_acc")
        yield Operator("merge_heads", (f"{b}a_acc",), f"{b}a_merged")
        yield lookup(f"{b}a_merged", f"{b}a", "a", block)
        yield linear(f"{b}a", f"{b}o_acc", arrays["o_weight"][block], arrays["o_bias"][block])
        yield residual(stream, f"{b}o_acc", middle, "res1", block)
        yield norm(middle, f"{b}ln2", "ln2", block)
        yield linear(f"{b}ln2", f"{b}fc1_acc", arrays["fc1_weight"][block], arrays["fc1_bias"][block])
        yield lookup(f"{b}fc1_acc", f"{b}gelu", "gelu", block)
        yield linear(f"{b}gelu", f"{b}fc2_acc", arrays["fc2_weight"][block], arrays["fc2_bias"][block])
        yield residual(middle, f"{b}fc2_acc", after, "res2", block)
    yield Operator("take", (after,), "class_token_out", {}, {"token": 0})
    yield norm("class_token_out", "head_ln", "head_ln", None)
    yield linear("head_ln", "logits", arrays["head_weight"], arrays["head_bias"])


def _numbers(names: tuple[str, ...], scalars: np.ndarray) -> dict[str, int]:
    """Scalars by name; those without one repeat what a table's length says."""
    return {name: int(value) for name, value in zip(names, scalars, strict=True) if name}
