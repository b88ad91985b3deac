"""Margins to intervals: edges, hidden spells, and the compiled sweeps against plain set algebra."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.events import find_intervals, find_peaks, find_roots, intersect_all, level_spans
from orbits.intervals import Intervals

waves = st.lists(
    st.tuples(st.floats(0.2, 1.0), st.floats(900.0, 9000.0), st.floats(0.0, 6.28)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(waves, st.floats(-1.5, 1.5))
def test_margin_changes_sign_at_every_edge_and_nowhere_else(terms, offset):
    def margin(t):
        return offset + sum(a * np.sin(2 * np.pi * np.asarray(t) / p + f) for a, p, f in terms)

    span = 19980.0
    found = find_intervals(margin, np.arange(0.0, span + 1, 60.0))
    fine = np.arange(0.5, span, 1.0)
    clear = np.abs(margin(fine)) > 1e-4  # nearer than this a second is not resolved
    assert (found.contains(fine) == (margin(fine) >= 0))[clear].all()
    for edges, sign in ((found.start_s, 1), (found.end_s, -1)):
        inner = edges[(edges > 0) & (edges < span)]
        assert (sign * (margin(inner + 0.02) - margin(inner - 0.02)) > -1e-6).all()
        assert (np.abs(margin(inner)) < 1e-4).all()


def test_spells_shorter_than_the_step_are_found_on_both_sides():
    def bump(t, centre):  # 10 s above zero, inside one 60 s step
        return 25.0 - (np.asarray(t) - centre) ** 2

    for centre in (7.0, 100.0, 149.0, 290.0):
        up = find_intervals(lambda t, c=centre: bump(t, c), np.arange(0.0, 301.0, 60.0))
        np.testing.assert_allclose(up.pairs(), [(centre - 5, centre + 5)], atol=0.01)
        down = find_intervals(lambda t, c=centre: -bump(t, c), np.arange(0.0, 301.0, 60.0))
        np.testing.assert_allclose(
            down.pairs(), [(0.0, centre - 5), (centre + 5, 300.0)], atol=0.01
        )


def test_margin_that_never_or_always_holds():
    t = np.arange(0.0, 100.0, 10.0)
    assert len(find_intervals(lambda x: np.full(np.shape(x), -1.0), t)) == 0
    assert find_intervals(lambda x: np.ones(np.shape(x)), t).pairs() == [(0.0, 90.0)]


def test_roots_and_peaks_of_many_brackets_at_once():
    low = np.arange(10) * np.pi + 0.1
    high = low + 3.1
    roots = find_roots(np.sin, low, high, np.sin(low), np.sin(high), 1e-9)
    np.testing.assert_allclose(roots, np.arange(1, 11) * np.pi, atol=1e-8)
    when, value = find_peaks(lambda t: -((t - 3.0) ** 2), [0.0, 2.5], [5.0, 9.0], 1e-6)
    np.testing.assert_allclose(when, [3.0, 3.0], atol=1e-6)
    np.testing.assert_allclose(value, 0.0, atol=1e-10)


def test_level_spans_close_at_the_boundary():
    when = np.array([10.0, 20.0, 30.0, 50.0])
    what = np.array([1, 2, -2, -1])
    starts, ends = level_spans(when, what, 0, False, 0.0, 60.0)
    assert (starts.tolist(), ends.tolist()) == ([10.0], [50.0])
    starts, ends = level_spans(when, what, 1, False, 0.0, 60.0)
    assert (starts.tolist(), ends.tolist()) == ([20.0], [30.0])
    starts, ends = level_spans(np.array([5.0]), np.array([-1]), 0, True, 0.0, 60.0)
    assert (starts.tolist(), ends.tolist()) == ([0.0], [5.0])
    starts, ends = level_spans(np.array([5.0]), np.array([1]), 0, False, 0.0, 60.0)
    assert (starts.tolist(), ends.tolist()) == ([5.0], [60.0])


spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1])), max_size=6
)


@settings(deadline=None)
@given(st.lists(spans, min_size=1, max_size=4))
def test_labelled_intersection_is_the_intersection_and_names_its_edges(many):
    sets = [Intervals.from_pairs(pairs) for pairs in many]
    both, opened, closed = intersect_all(sets, 0.0, 70.0)
    plain = Intervals.from_pairs([(0.0, 70.0)])
    for s in sets:
        plain = plain & s
    assert both == plain
    for edges, labels, ends in ((both.start_s, opened, 0), (both.end_s, closed, 1)):
        for edge, k in zip(edges, labels, strict=True):
            if k < 0:
                assert edge in (0.0, 70.0)
            else:
                assert edge in (sets[k].end_s if ends else sets[k].start_s)
