"""How much faster a layer is in integers than in bfloat16: an estimate, fitted to what was measured.

Seconds of one thread of a processor with AVX-512 VNNI and bf16 (Zen 4). `python benchmarks/lowbit/layer.py`
prints the estimate beside what it measures; it was within 25 % of every row but one.
"""

INTEGER_RATE, BF16_RATE = 405e9, 205e9  # operations a second of large products
NARROW = 64  # columns that a panel of the integer product has; fewer take as long
INTEGER_PASSES = (0.6e-9, 2.2e-9)  # seconds for each value of input and weight, and of the output's gradient
BF16_PASSES = (0.8e-9, 0.8e-9)  # casts
CALL = 1e-3  # seconds of our calls beyond torch's


def gain_over_bf16(rows: int, columns: int, inner: int, *, patch: int = 1) -> float:
    """Time in bfloat16 under autocast over time in integers, forward and backward.

    Args:
        rows, columns, inner: samples (or pixels), outputs, and inputs (or values of a patch).
        patch: how many pixels a patch has.

    >>> gain_over_bf16(4096, 1024, 1024) > 1.5 > 1.1 > gain_over_bf16(4096, 16, 144, patch=9)
    True
    """
    inputs = rows * inner / patch + columns * inner
    outputs = rows * columns

    def seconds(wide: int, rate: float, passes: tuple[float, float]) -> float:
        return 6.0 * rows * wide * inner / rate + inputs * passes[0] + outputs * passes[1]

    integers = seconds(max(columns, NARROW), INTEGER_RATE, INTEGER_PASSES) + CALL
    return seconds(columns, BF16_RATE, BF16_PASSES) / integers
