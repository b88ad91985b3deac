"""Random draws of a set of options against the laws they are drawn from."""

import numpy as np
import pytest
from scipy import stats

from cislunar.options.option import read_option
from cislunar.options.robustness import robustness
from orbits.errors import InputError


def one(name, low, mid, high):
    return read_option({"id": name, "cost_oku_jpy": {"low": low, "mid": mid, "high": high}})


SET = [one("a", 20.0, 40.0, 100.0), one("b", 5.0, 10.0, 10.0)]


def filled(ids):
    return 100.0 * len(ids)


def test_costs_follow_the_triangular_law():
    found = robustness(SET[:1], filled, 50.0, draws=20_000, seed=4)
    law = stats.triang(c=20 / 80, loc=20, scale=80)
    assert stats.kstest(found.cost_oku_jpy, law.cdf).pvalue > 0.01
    assert found.within_budget_frac == pytest.approx(law.cdf(50.0), abs=0.015)
    both = robustness(SET, filled, 50.0, draws=20_000, seed=4)
    assert both.cost_oku_jpy.mean() == pytest.approx(160 / 3 + 25 / 3, rel=0.01)
    assert (both.gap_hours_filled == 200.0).all()  # nothing is lost unless the user says so
    assert (both.slip_years == 0.0).all()


def test_losses_and_slips_are_the_users():
    found = robustness(
        SET, filled, 50.0, loss_frac={"a": 0.3, "b": 0.1}, slip_years=(0.0, 1.0, 3.0), draws=20_000
    )
    assert found.gap_hours_filled.mean() == pytest.approx(100 * (0.7 + 0.9), rel=0.01)
    law = stats.triang(c=1 / 3, loc=0, scale=3)
    assert (found.slip_years <= 2.0).mean() == pytest.approx(law.cdf(2.0) ** 2, abs=0.015)
    again = robustness(
        SET, filled, 50.0, loss_frac={"a": 0.3, "b": 0.1}, slip_years=(0.0, 1.0, 3.0), draws=20_000
    )
    assert np.array_equal(found.cost_oku_jpy, again.cost_oku_jpy)
    assert set(found.percentiles()) == {"cost_oku_jpy", "gap_hours_filled", "slip_years"}


def test_bad_input():
    with pytest.raises(InputError, match="chance"):
        robustness(SET, filled, 1.0, loss_frac=1.5)
    with pytest.raises(InputError, match="order"):
        robustness([one("a", 3.0, 2.0, 1.0)], filled, 1.0)
    with pytest.raises(InputError, match="draws"):
        robustness(SET, filled, 1.0, draws=0)
