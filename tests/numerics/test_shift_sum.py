"""The order in which a unit takes the terms of a grouped sum, against the products of training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.numerics import product8, shift_sum


@settings(deadline=None)  # the first call loads the compiled module
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 9))
def test_a_scheduled_sum_is_the_product_of_training(exponents, lanes):
    exponents = np.array(exponents, np.int64)
    r = np.random.default_rng(len(exponents))
    a, b = (r.integers(-127, 128, len(exponents)) for _ in range(2))
    plan = shift_sum.schedule(exponents, lanes)
    assert sorted(plan.order[plan.order >= 0].tolist()) == list(range(len(exponents)))
    if len(exponents):
        first = np.arange(len(plan.shifts)) == 0
        sums = shift_sum.running_sums(plan.taken(a), plan.taken(b), plan.shifts[:, None], first)
        wanted = product8.reference(
            a[None].astype(np.int8), b[None].astype(np.int8), product8.horner(exponents)
        )
        assert sums[-1] == wanted[0, 0]


def test_no_terms_a_cycle_are_refused():
    with pytest.raises(InputError, match="0 terms a cycle"):
        shift_sum.schedule(np.array([1]), 0)
