"""Every three-body family through the orbit command's own function."""

from __future__ import annotations

import pytest

from cislunar.one_orbit import build_one
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
        ("dro", {"amplitude_km": 70000, "amplitude_z_km": 30000}, "--amplitude-z-km"),
        ("lyapunov", {"libration_point": "L1", "period_days": 40}, "--period-days"),
        ("butterfly", {"perilune_km": 60000}, "--perilune-km"),
    ],
)
def test_members_that_are_not_there(family, given, flag):
    with pytest.raises(InputError) as fault:
        build_one(family, given)
    assert flag in str(fault.value)
    assert "allowed" in str(fault.value)
