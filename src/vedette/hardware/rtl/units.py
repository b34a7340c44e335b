"""Cycles for which a unit is busy, in closed form: of selection and of the units with polynomials."""

LANES = 16
DIVISION = 16  # cycles of a quotient's bits, in selection


def select_cycles(rows: int, words: int) -> int:
    """Of `select.sv`, whatever the scores, from the cycle after `start`.

    Nine passes over the scores, one scan of all rows for each word, and the last word's division.

    Args:
        rows: tokens, 1 and more.
        words: of 16 values, of a row.

    >>> select_cycles(197, 12)
    2567
    """
    score_words = -(-rows // LANES)
    scan = words * (max(rows, DIVISION) + 3) + DIVISION + 3
    return 9 * (score_words + 3) + 4 + scan


def poly_softmax_cycles(rows: int, words: int) -> int:
    """Of `poly_softmax.sv`, for 8-bit results; `words` of 16 scores, of a row.

    >>> poly_softmax_cycles(197, 13)
    4400
    """
    return (rows + 3) * (max(words, 9) + 9)


def poly_norm_cycles(rows: int, words: int) -> int:
    """Of `poly_norm.sv`; `words` of 16 values, of a row.

    >>> poly_norm_cycles(197, 12)
    3383
    """
    return (rows + 2) * (max(words, 12) + 5)
