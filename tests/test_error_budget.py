"""Error budgets: tracking noise against a textbook's thresholds, presets against their papers."""

from __future__ import annotations

import math

import pytest
from scipy.optimize import brentq

from cislunar import catalog
from cislunar.error_budget import (
    carrier_noise_m,
    code_noise_m,
    error_budget,
    presets,
)
from cislunar.ranging import receiver_noise_m
from orbits.constants import C_KM_S
from orbits.errors import InputError

CHIP_HZ = 1.023e6
CHIP_M = C_KM_S * 1e3 / CHIP_HZ


def threshold_dbhz(**loop):
    """C/N0 at which the jitter is a sixth of a chip."""
    return brentq(
        lambda c: code_noise_m(c, chip_rate_hz=CHIP_HZ, share_db=0.0, **loop) / CHIP_M - 1 / 6,
        0.0, 40.0,
    )  # fmt: skip


def test_code_loop_thresholds(evidence):
    """Kaplan and Hegarty, fig. 5.28 (c, d): the thresholds printed on the curves."""
    narrow = {"spacing_chips": 1.0, "front_end_hz": CHIP_HZ, "bandwidth_hz": 0.2}
    worst = max(
        abs(threshold_dbhz(integration_s=t, **narrow) - printed)
        for t, printed in ((0.005, 14.6), (0.010, 13.2), (0.020, 11.8), (1.0, 6.5))
    )
    middle = {"spacing_chips": 1.0, "front_end_hz": 2 * CHIP_HZ, "integration_s": 0.02}
    loose = max(
        abs(threshold_dbhz(bandwidth_hz=b, **middle) - printed)
        for b, printed in ((0.2, 12.4), (2.0, 18.0))
    )
    evidence("Code-tracking noise threshold", "Kaplan and Hegarty 2006, fig. 5.28", 6,
             max(worst, loose), 0.25, "dB", "printed to 0.1 and, once, 1 dB")  # fmt: skip
    assert worst < 0.1


def test_noise_laws():
    # four times the power halves the noise of a coherent loop; the squaring loss goes with power
    assert code_noise_m(40) / code_noise_m(46.0206) == pytest.approx(2.0, rel=1e-6)
    assert code_noise_m(40, integration_s=0.02) > code_noise_m(40)
    assert code_noise_m(60, integration_s=0.02) == pytest.approx(float(code_noise_m(60)), rel=1e-3)
    # the three branches of the formula meet
    for wide in (2.0, 6.0):
        for edge in (1.0 / wide, math.pi / wide):
            low, high = (
                code_noise_m(40, chip_rate_hz=1e6, front_end_hz=wide * 1e6, spacing_chips=edge * k)
                for k in (1 - 1e-9, 1 + 1e-9)
            )
            assert low == pytest.approx(float(high), rel=0.08)
    assert carrier_noise_m(40, bandwidth_hz=15.0) < 0.01 * code_noise_m(40)
    assert carrier_noise_m(35, bandwidth_hz=15.0, integration_s=0.004) > carrier_noise_m(
        35, bandwidth_hz=15.0
    )
    assert receiver_noise_m(37.0) == code_noise_m(37.0)


def test_presets_are_what_their_papers_print(validation, evidence):
    worst = 0.0
    for name, printed in (("elfo-csac-1", 9.02), ("elfo-csac-2", 8.58), ("elfo-csac-3", 8.49)):
        worst = max(worst, abs(error_budget(name).uere_m - printed))
    evidence("Lunar range error of three orbits", "NAVIGATION 69(3), navi.535", 3, worst, 0.01, "m",
             "printed to 0.01 m")  # fmt: skip
    assert error_budget("lcrns-srd").sise_m * 3.0 == pytest.approx(13.43, abs=0.01)
    assert error_budget("afs-bound").sise_m * 1.959964 == pytest.approx(40.0, abs=0.01)
    case = validation("positioning.yaml", "lncss_C_mask5")
    assert error_budget("lncss-uere").uere_m == case["inputs"]["sigma_uere_m"]
    for name in presets():
        record = catalog.get("error-budgets", name)
        assert record is not None
        parts = record["ephemeris_m"], record["clock_m"]
        if None not in parts:
            assert math.hypot(*parts) == pytest.approx(record["sise_m"], abs=2e-3)
        published = record["published"]
        if published:
            scale = {"rms": 1.0, "p95": 1.959964, "3sigma": 3.0}[published["basis"]]
            assert record["sise_m"] * scale == pytest.approx(published["value_m"], abs=0.02), name
    # what runs use for the systems that publish something is what these presets say
    rows = {r["constellation"]: r["value"] for r in catalog.find("uere")["sise_1_sigma_m"]}
    assert rows["lcrns / im-nsns"] == pytest.approx(error_budget("lcrns-srd").sise_m, abs=0.01)
    assert rows["any LANS node, bound"] == pytest.approx(error_budget("afs-bound").sise_m, abs=0.01)
    assert rows["lnss"] == error_budget("lnss-planning").sise_m


def test_a_budget_adds_up_and_shows_itself():
    budget = error_budget(
        ephemeris_m=3.0, clock_m=4.0, cn0_dbhz=40.0, multipath_m=0.5, timing_m=1.0
    )
    assert budget.sise_m == 5.0
    assert budget.uere_m == pytest.approx(math.sqrt(25 + float(code_noise_m(40)) ** 2 + 0.25 + 1))
    assert "multipath" in str(budget)
    assert "5.000 m" in budget._repr_html_()


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "nothing"}, {}, {"sise_m": 1.0, "clock_m": 1.0}, {"ephemeris_m": 1.0},
        {"preset": "lcrns-srd", "sise_m": 1.0}, {"sise_m": -1.0}, {"sise_m": 0.0},
        {"sise_m": 1.0, "cn0_dbhz": 40.0, "receiver_noise_m": 0.3}, {"sise_m": math.inf},
    ],
)  # fmt: skip
def test_bad_budgets_are_refused(given):
    with pytest.raises(InputError):
        error_budget(**given)


def test_bad_loops_are_refused():
    for bad in ({"spacing_chips": 0.0}, {"integration_s": 0.0}, {"front_end_hz": -1.0}):
        with pytest.raises(InputError):
            code_noise_m(40.0, **bad)
    with pytest.raises(InputError):
        carrier_noise_m(40.0, bandwidth_hz=0.0)
