"""Tensor operators equal their NumPy references to the bit, however they are run."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from vedette import numerics
from vedette.errors import InputError
from vedette.nn import exact

CASES = {"float32": (15, 63), "split": (127, 4095), "float64": (2**17, 2**15)}  # largest weight, activation


@cache
def problem(carrier: str, kernel: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Activations and weights that reach the certificate's bound: nine filters meet their worst input."""
    random = np.random.default_rng(seed)
    weight_max, act_max = CASES[carrier]
    weight = random.integers(-weight_max, weight_max + 1, (12, 16, kernel, kernel))
    bias = random.integers(-1000, 1000, 12)
    x = random.integers(-act_max, act_max + 1, (3, 16, 9, 16))
    for o in range(9):
        x[o // 3, :, 2 : 2 + kernel, 5 * (o % 3) : 5 * (o % 3) + kernel] = np.sign(weight[o]) * act_max
    return torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(bias)


@cache
def reference(x, weight, bias, **where):
    return numerics.conv2d(x.numpy(), weight.numpy(), bias.numpy(), **where)


@pytest.mark.parametrize("carrier", CASES)
def test_certify_names_the_quickest_carrier(carrier):
    _, weight, bias = problem(carrier)
    assert exact.certify(weight, bias, CASES[carrier][1]) == carrier


def test_certify_stands_exactly_at_the_bound():
    weight, bias = torch.tensor([[[[2**12]]]]), torch.tensor([-1])
    assert exact.certify(weight, bias, 2**12 - 1) == "float32"
    assert exact.certify(weight, torch.tensor([-(2**12)]), 2**12 - 1) != "float32"
    assert exact.certify(torch.tensor([[[[2**24]]]]), None, 1) == "float64"
    assert exact.certify(torch.tensor([[[[2**26]]]]), None, 2**27 - 1) == "float64"
    with pytest.raises(InputError, match="53 bits"):
        exact.certify(torch.tensor([[[[2**26]]]]), None, 2**27)


def test_one_certificate_too_weak_would_be_noticed():
    """The problems are hard enough: carried in plain float32, the split one goes wrong."""
    x, weight, bias = problem("split")
    wrong = exact.conv2d_exact(x, weight, bias, padding=1, carrier="float32")
    assert not np.array_equal(wrong.numpy().astype(np.int64), reference(x, weight, bias, padding=1))


@pytest.mark.parametrize("carrier", CASES)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (5, 2, 2)])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_conv2d_exact_is_the_reference(carrier, kernel, stride, padding, threads, onednn):
    x, weight, bias = problem(carrier, kernel)
    if exact.certify(weight, bias, CASES[carrier][1]) == "float64":
        carrier = "float64"  # a 5x5 kernel may need the wider one
    expected = reference(x, weight, bias, stride=stride, padding=padding)
    floats = x.double() if carrier == "float64" else x.float()
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=onednn):
            for layout in (floats, floats.to(memory_format=torch.channels_last), x):
                for parts in (layout.split(1), layout.split(2), (layout,)):
                    sums = [
                        exact.conv2d_exact(p, weight, bias, stride=stride, padding=padding, carrier=carrier)
                        for p in parts
                    ]
                    assert np.array_equal(torch.cat(sums).numpy().astype(np.int64), expected)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("shift", [0, 1, 2, 7, 23, 24, [0, 3, 24]])
def test_requantize_is_the_reference_up_to_the_mantissa(dtype, shift):
    random = np.random.default_rng(1)
    total = random.integers(-(2**24) + 1, 2**24, (2, 3, 40, 50))
    total[0, :, 0, :8] = [2**24 - 1, 1 - 2**24, 2**23, -(2**23), 2**23 - 1, 1 - 2**23, 0, -1]
    expected = numerics.requantize(total, shift, -(2**20), 2**21)
    result = exact.requantize(torch.from_numpy(total).to(dtype), shift, -(2**20), 2**21)
    assert result.dtype == dtype
    assert np.array_equal(result.numpy().astype(np.int64), expected)


def test_requantize_refuses_what_a_float_cannot_do():
    with pytest.raises(InputError, match="shifts"):
        exact.requantize(torch.zeros(1), 25, 0, 1)
    with pytest.raises(InputError, match="limits"):
        exact.requantize(torch.zeros(1), 1, 0, 2**24 + 1)


def test_product_and_lookup_are_the_references():
    random = np.random.default_rng(2)
    a, b = random.integers(-(2**20), 2**20, (2, 3, 9, 9)), random.integers(-(2**20), 2**20, (2, 3, 9, 9))
    pair = torch.from_numpy(a).float(), torch.from_numpy(b).float()
    assert np.array_equal(exact.product(*pair, 11).numpy(), numerics.product(a, b, 11))
    table = random.integers(0, 999, 100)
    result = exact.lookup(pair[0], torch.from_numpy(table), first=-50)
    assert np.array_equal(result.numpy(), numerics.lookup(a, table, first=-50))
    with pytest.raises(InputError, match="63 bits"):
        exact.product(torch.tensor([2**32]), torch.tensor([2**31]), 0)


def test_isqrt_is_the_reference_beside_squares():
    roots = np.random.default_rng(3).integers(1, 2**31, 20000)
    n = np.concatenate([roots * roots, roots * roots - 1, [0, 2**62]])
    assert np.array_equal(exact.isqrt(torch.from_numpy(n)).numpy(), numerics.isqrt(n))


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("act_max", [2**10, 2**22], ids=["float64 sums", "int64 sums"])
def test_gdn_is_the_reference(inverse, act_max):
    random = np.random.default_rng(4)
    x = random.integers(-act_max, act_max + 1, (2, 6, 7, 5))
    beta, gamma = random.integers(1, 2**24, 6), random.integers(0, 2**12, (6, 6))
    tensors = (torch.from_numpy(v) for v in (x, beta, gamma))
    result = exact.gdn_exact(*tensors, shift=12, inverse=inverse)
    assert np.array_equal(result.numpy(), numerics.gdn(x, beta, gamma, shift=12, inverse=inverse))


PROGRAM = """
import sys, numpy as np, torch
from vedette.nn import exact
torch.set_num_threads(2)
with np.load(sys.argv[1]) as given:
    for carrier in ("float32", "split", "float64"):
        x, weight, bias = (torch.from_numpy(given[f"{carrier}.{part}"]) for part in ("x", "weight", "bias"))
        total = exact.conv2d_exact(x, weight, bias, padding=1, carrier=carrier)
        assert np.array_equal(total.numpy().astype(np.int64), given[f"{carrier}.total"]), carrier
        print(carrier, torch.backends.cpu.get_cpu_capability())
    assert np.array_equal(exact.isqrt(torch.from_numpy(given["n"])).numpy(), given["roots"])
"""


@pytest.mark.parametrize(
    "settings",
    [{"ATEN_CPU_CAPABILITY": "default"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"ONEDNN_MAX_CPU_ISA": "SSE41"}],
    ids=str,
)
def test_other_instruction_sets_give_the_same_integers(settings, tmp_path):
    arrays = {"n": np.random.default_rng(6).integers(0, 2**62, 5000)}
    arrays["roots"] = numerics.isqrt(arrays["n"])
    for carrier in CASES:
        x, weight, bias = problem(carrier)
        parts = {"x": x.numpy(), "weight": weight.numpy(), "bias": bias.numpy()}
        arrays |= {f"{carrier}.{name}": value for name, value in parts.items()}
        arrays[f"{carrier}.total"] = reference(x, weight, bias, padding=1)
    path = tmp_path / "given.npz"
    np.savez(path, **arrays)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], env=os.environ | settings, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CASES)
    if "ATEN_CPU_CAPABILITY" in settings:
        assert all(line.endswith("DEFAULT") for line in lines)
