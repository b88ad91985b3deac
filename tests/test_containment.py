"""The radius that holds a share of an error: against chi, Imhof's integral and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi

from cislunar.positioning.containment import (
    THREE_SIGMA_FRAC,
    accuracy,
    containment_frac,
    containment_radius,
)
from orbits.errors import InputError

sigma = st.floats(1e-3, 1e3)


def imhof(radius, sigmas):
    """P(sum of squares <= radius^2) by Imhof's inversion (Biometrika 48, 1961)."""
    l = np.asarray(sigmas) ** 2  # noqa: E741

    def f(u):
        theta = 0.5 * np.arctan(l * u).sum() - 0.5 * radius**2 * u
        return math.sin(theta) / (u * np.prod((1.0 + (l * u) ** 2) ** 0.25))

    # beyond the end the integrand is below 1e-7 of its start and oscillates
    pieces = [quad(f, a, a + 5.0, limit=200)[0] for a in np.arange(1e-12, 2000.0, 5.0)]
    return 0.5 - sum(pieces) / math.pi


def test_equal_axes_are_chi(evidence):
    worst = 0.0
    for n in (1, 2, 3):
        for share in (0.9, 0.95, THREE_SIGMA_FRAC):
            got = float(containment_radius([2.0] * n, share))
            worst = max(worst, abs(got / (2.0 * chi(n).ppf(share)) - 1.0))
            assert float(containment_frac(2.0 * chi(n).ppf(share), [2.0] * n)) == pytest.approx(
                share, abs=1e-9
            )
    evidence("Radius that holds a share of an error, equal axes", "chi distribution (scipy)", 9,
             worst, 1e-6, "relative", "series of the exact radius")  # fmt: skip


def test_unequal_axes_against_imhof(evidence):
    worst = 0.0
    cases = [([1.0, 0.7, 0.3], 2.0), ([1.0, 0.9, 0.8], 2.6), ([1.0, 0.5, 0.5], 3.1)]
    for sigmas, radius in cases:
        worst = max(worst, abs(imhof(radius, sigmas) - float(containment_frac(radius, sigmas))))
    evidence("Probability of a quadratic form in normals", "Imhof 1961, numerical inversion",
             len(cases), worst, 1e-6, "-", "tail of the oscillating integral")  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(sigma, min_size=1, max_size=3), st.sampled_from([0.9, 0.95, THREE_SIGMA_FRAC]))
def test_radius_and_share_are_inverse(sigmas, share):
    radius = containment_radius(sigmas, share)
    assert float(containment_frac(radius, sigmas)) == pytest.approx(share, abs=3e-6)
    # never less than along the largest axis alone, never more than if all were as large
    largest = max(sigmas)
    assert largest * chi(1).ppf(share) * (1 - 1e-5) <= radius
    assert radius <= largest * chi(len(sigmas)).ppf(share) * (1 + 1e-5)


def test_vanishing_axes_and_errors():
    assert float(containment_radius([3.0, 0.0, 0.0])) == pytest.approx(3.0 * 1.959964, rel=1e-5)
    assert float(containment_radius([0.0, 0.0])) == 0.0
    for bad in ([-1.0, 1.0], [math.nan], [1.0] * 4):
        with pytest.raises(InputError):
            containment_radius(bad)
    with pytest.raises(InputError):
        containment_radius([1.0], 1.0)


def test_accuracy_against_drawn_errors(evidence):
    rng = np.random.default_rng(7)
    a = rng.normal(size=(4, 4))
    q = a @ a.T
    errors = rng.multivariate_normal(np.zeros(4), q, size=400_000)
    lengths = {
        "horizontal": np.linalg.norm(errors[:, :2], axis=1),
        "vertical": np.abs(errors[:, 2]),
        "3d": np.linalg.norm(errors[:, :3], axis=1),
        "time": np.abs(errors[:, 3]),
    }
    rms = accuracy(q)
    worst = 0.0
    for share in (0.95, THREE_SIGMA_FRAC):
        found = accuracy(q, share)
        for name, length in lengths.items():
            assert math.sqrt((length**2).mean()) == pytest.approx(float(rms[name]), rel=0.01)
            inside = (length <= float(found[name])).mean()
            sd = math.sqrt(share * (1 - share) / length.size)
            worst = max(worst, abs(inside - share) / sd)
    evidence("Errors of a fix within their 95 % and 3-sigma radii", "400,000 drawn errors", 8,
             worst, 4.0, "standard deviations", "sampling")  # fmt: skip
