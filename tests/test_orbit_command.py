"""Every three-body family through the orbit command's own function."""

from __future__ import annotations

import pytest

from cislunar.one_orbit import build_one, printed
from orbits.errors import InputError


@pytest.mark.parametrize(
    ("family", "given", "key", "value", "within"),
    [
        ("lyapunov", {"amplitude_km": 20000}, "amplitude_z_km", 0.0, 0.0),
        (
            "lyapunov",
            {"libration_point": "L1", "resonance": "2:1"},
            "period_days",
            14.7652945,
            1e-6,
        ),
        ("butterfly", {"perilune_km": 3000}, "perilune_km", 3000, 1e-4),
        ("butterfly", {"branch": "northern", "period_days": 14}, "period_days", 14, 1e-9),
        ("dro", {"amplitude_km": 87965, "amplitude_z_km": 30000}, "amplitude_z_km", 30000, 1e-4),
    ],
)
def test_named_orbits(family, given, key, value, within):
    figures = build_one(family, given)
    assert figures["family"] == family
    assert figures[key] == pytest.approx(value, abs=within)
    assert figures["state_nd"][1] == 0


@pytest.mark.parametrize(
    ("family", "given"),
    [("lyapunov", {"amplitude_km": 15000}), ("butterfly", {"resonance": "9:4"})],
)
def test_flown_orbits(family, given):
    figures = build_one(
        family, given, fidelity="ephemeris", epoch="2031-05-01T00:00:00 UTC", days=40
    )
    assert figures["worst_position_gap_m"] <= 1e-3
    assert figures["mean_period_days"] == pytest.approx(figures["period_days"], rel=0.025)
    assert any("unstable" in remark for remark in figures["remarks"])


@pytest.mark.parametrize(
    ("family", "given", "flag"),
    [
        ("dro", {"amplitude_km": 70000, "amplitude_z_km": 380000}, "--amplitude-z-km"),
        ("lyapunov", {"libration_point": "L1", "period_days": 40}, "--period-days"),
        ("butterfly", {"perilune_km": 60000}, "--perilune-km"),
    ],
)
def test_members_that_are_not_there(family, given, flag):
    with pytest.raises(InputError) as fault:
        build_one(family, given)
    assert flag in str(fault.value)
    assert "allowed" in str(fault.value)


def test_what_it_costs_to_stay():
    """A campaign through the command's own function: figures by name, and what others paid."""
    errors = {"navigation_km": 0.3, "navigation_m_s": 0.003}
    figures = build_one(
        "halo", {"amplitude_z_km": 13000}, fidelity="ephemeris", epoch="2030-03-01T00:00:00 UTC",
        days=30, keeping={"samples": 4, "errors": errors, "seed": 1},
    )  # fmt: skip
    assert figures["samples"] == 4
    assert 0.5 < figures["annual_cost_mean_m_s"] < 20.0
    assert figures["annual_cost_p5_m_s"] <= figures["annual_cost_p95_m_s"]
    assert any("queqiao-1" in other for other in figures["others"])
    assert "annual_cost_mean_m_s" in printed(figures)


@pytest.mark.parametrize(
    ("family", "given", "keeping", "flag"),
    [
        ("dro", {"amplitude_km": 70000}, {"errors": {"navigation_km": 1.0}}, "--navigation-m-s"),
        (
            "dro", {"amplitude_km": 70000},
            {"errors": {"navigation_km": 1.0, "navigation_m_s": 0.01}}, "--box-deg",
        ),
        (
            "dro", {"amplitude_km": 70000},
            {"errors": {"navigation_km": -1.0, "navigation_m_s": 0.01}}, "--navigation-km",
        ),
    ],
)  # fmt: skip
def test_what_keeping_wants(family, given, keeping, flag):
    with pytest.raises(InputError, match=flag):
        build_one(
            family, given, fidelity="ephemeris", epoch="2030-03-01T00:00:00 UTC", days=30,
            keeping={"samples": 2, **keeping},
        )  # fmt: skip


def test_keeping_is_flown():
    with pytest.raises(InputError, match="--station-keeping"):
        build_one("dro", {"amplitude_km": 70000}, keeping={"samples": 2, "errors": {}})
