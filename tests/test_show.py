"""Results of ``orbits`` in a notebook: figures a reader can check against the objects themselves."""

from __future__ import annotations

import numpy as np

from orbits import families
from orbits.constants import GM_MOON_KM3_S2
from orbits.dispersion import diagonal_covariance, disperse
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.forces import ForceModel
from orbits.frozen import measure_libration, place_elements
from orbits.passages import find_apsides
from orbits.propagate import propagate_kepler
from orbits.shadow import find_shadows
from orbits.show import html_table
from orbits.trajectory import Trajectory

START = Epoch.parse("2030-03-01T00:00:00 TDB")
STATE_ELEMENTS = (9750.73, 0.6, 1.0, 0.0, 1.57, 0.0)
STATE = state_from_elements(3000.0, 0.1, 1.0, 0.0, 0.0, 0.0)


def test_results_show_their_figures():
    path = propagate_kepler(
        STATE, START, np.arange(0.0, 86401.0, 120.0), GM_MOON_KM3_S2, name="low <1>"
    )
    shown = path._repr_html_()
    assert "low &lt;1&gt;" in shown
    assert "<td>2700</td>" in shown
    assert "<td>721</td>" in shown
    apsides = find_apsides(path)
    assert f"<td>{len(apsides)}</td>" in apsides._repr_html_()
    assert "last_s" not in apsides.where(apsides.t_s < 0)._repr_html_()
    shadows = find_shadows(path, De440.open(), ["moon"])
    assert f"<td>{len(shadows.penumbra['moon'])}</td>" in shadows._repr_html_()
    cloud = disperse(
        STATE, diagonal_covariance(1.0, 1e-4), START, [3600.0], De440.open(), ForceModel(degree=0),
        count=8, seed=1,
    )  # fmt: skip
    assert f"{cloud.position_km(0.5)[-1]:.6g}" in cloud._repr_html_()


def test_designs_show_their_figures():
    orbit = families.dro(70000.0)
    assert f"<td>{orbit.period_days:.6g}</td>" in orbit._repr_html_()
    assert "<td>amplitude_km, 70000</td>" in orbit._repr_html_()
    assert "branch" not in orbit._repr_html_()  # a DRO has none
    line = repr(orbit)
    assert line.startswith("PeriodicOrbit(family=dro, ")
    assert f"jacobi_nd={orbit.jacobi_nd:.6g}" in line
    assert "\n" not in line
    start = place_elements(STATE_ELEMENTS, START, De440.open())
    libration = measure_libration(start, START, 20.0, De440.open(), ForceModel(degree=2))
    low, high = libration.eccentricity
    assert f"<td>{low:.6g}, {high:.6g}</td>" in libration._repr_html_()
    path = Trajectory(START, [0.0, 1.0], np.eye(2, 6) * 5e3, notes={"perilune_flown_km": [1.5, 2]})
    assert "<td>1.5, 2</td>" in path._repr_html_()
    assert "rows=2" in repr(path)


def test_numbers_are_short_and_text_is_safe():
    assert html_table({"a&b": 1 / 3}) == (
        "<table><tr><th style='text-align:left'>a&amp;b</th><td>0.333333</td></tr></table>"
    )
