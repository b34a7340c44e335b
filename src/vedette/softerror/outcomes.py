"""What became of each fault: the rows that every engine gives alike."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Rows of a campaign, one an entry, in the order of its faults.

    Attributes:
        cycles: how many were simulated (N).
        mismatches: cycles in which a compared output differed from the golden run.
        first, last: the first and last such cycle; -1 where there is none.
        activated: the first cycle in which the fault could change anything (its table address was visited
            by the golden run, its flip-flop was inverted, its pin would have read another value); -1: never.
        alarmed: the first cycle in which an alarm output differed from the golden run; -1: never.
    """

    cycles: int
    mismatches: Int32[np.ndarray, " n"]
    first: Int32[np.ndarray, " n"]
    last: Int32[np.ndarray, " n"]
    activated: Int32[np.ndarray, " n"]
    alarmed: Int32[np.ndarray, " n"]
