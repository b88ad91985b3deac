"""Visibility against published and independently computed figures: relays, pairs, direct-to-Earth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cislunar.coverage import cell_views, unit_vectors
from cislunar.coverage.figures_of_merit import figures_of
from cislunar.coverage.grid import cosine_thresholds
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.frames import rotation
from orbits.intervals import Intervals
from orbits.propagate import cr3bp_path

DEG = math.pi / 180.0


def one_orbit(case, model, n):
    """Moon-fixed positions (n, 3) in km over one period, longitude 0 towards the Earth."""
    x0, z0, vy0 = case["inputs"]["state_x0_z0_vy0"]
    t = np.arange(n) * case["inputs"]["period_TU"] / n
    path = np.asarray(cr3bp_path(np.array([x0, 0, z0, 0, vy0, 0.0]), t, model["mu"]))[:, :3]
    return model["LU_km"] * (path - [1 - model["mu"], 0, 0]) * [-1.0, -1.0, 1.0]


@pytest.mark.parametrize("case_id", ["vis_nrho_9to2", "vis_dro_70000km"])
def test_highest_elevation_passes_and_earth_occultation(validation, evidence, case_id):
    case = validation("visibility.yaml", case_id)
    model = validation("visibility.yaml")["definitions"]["cr3bp"]
    radius = model["moon_radius_km"]
    n = 40_000
    places = one_orbit(case, model, n)
    worst = 0.0
    for name, (lat, lon) in case["inputs"]["sites_lat_lon"].items():
        expected = case["expected"]["sites"][name]
        up = unit_vectors(lat, lon)
        d = places - radius * up
        elevation = np.degrees(np.arcsin(d @ up / np.linalg.norm(d, axis=1)))
        worst = max(worst, abs(elevation.max() - expected["max_elevation_deg"]))
        twice = cell_views(
            up[None], np.tile(places, (2, 1))[None], 5.0 * DEG, 1.0, radius_km=radius
        )
        # over two turns a pass cut by the ends is seen at both of them
        passes = int(twice["access_count"][0])
        first = elevation[0] >= 5.0 and elevation[-1] >= 5.0
        assert passes - first == 2 * expected["passes_per_period_mask_5"], name
    evidence(
        "Highest elevation of one satellite at lunar sites", f"independent computation {case_id}",
        5, worst, case["tolerance"]["max_elevation_deg"], "deg", case["tolerance"]["reason"],
    )  # fmt: skip
    # the Earth, one LU away, behind the lunar sphere as seen from the spacecraft
    earth = np.array([model["LU_km"], 0.0, 0.0])
    to_earth = earth - places
    far = np.linalg.norm(to_earth, axis=1)
    along = -(places * to_earth).sum(axis=1) / far
    miss = np.linalg.norm(places + (along / far)[:, None] * to_earth, axis=1)
    behind = 100.0 * ((along > 0) & (along < far) & (miss < radius)).mean()
    evidence(
        "Earth hidden behind the Moon", f"independent computation {case_id}", 1,
        abs(behind - case["expected"]["earth_occulted_percent"]), case["tolerance"]["percent"],
        "percent", case["tolerance"]["reason"],
    )  # fmt: skip


def test_two_on_one_nrho_never_leave_the_south_pole(validation, evidence):
    case = validation("visibility.yaml", "nrho_pair_south_pole")
    single = validation("visibility.yaml", "vis_nrho_9to2")
    model = validation("visibility.yaml")["definitions"]["cr3bp"]
    n = 40_000
    places = one_orbit(single, model, n)
    both = np.stack([places, np.roll(places, n // 2, axis=0)])
    pole = unit_vectors(np.array([-90.0]), np.array([0.0]))
    worst = 0.0
    for mask, percent in case["expected"]["south_pole_percent_by_mask"].items():
        views = cell_views(pole, both, mask * DEG, 1.0, radius_km=model["moon_radius_km"])
        worst = max(worst, abs(100.0 * views["availability_frac"][0] - percent))
        assert views["gap_count"][0] == 0
    evidence(
        "Two relays half a period apart on the 9:2 NRHO", "independent computation", 4, worst,
        case["tolerance"]["percent"], "percent", case["tolerance"]["reason"],
    )  # fmt: skip


def test_one_relay_in_a_dro_for_185_days(validation, evidence):
    """Cheung and Lee's case C: a 14-day DRO, a grid of the whole Moon, mask 10 deg."""
    from orbits.families import dro

    case = validation("visibility.yaml", "cheung_lee_c")
    model = validation("visibility.yaml")["definitions"]["cr3bp"]
    lat, lon = np.arange(-85.0, 86.0, 5.0), np.arange(-180.0, 180.0, 30.0)
    lats, lons = (x.ravel() for x in np.meshgrid(lat, lon, indexing="ij"))
    units, weight = unit_vectors(lats, lons), np.cos(lats * DEG)
    weight /= weight.sum()
    computed = case["expected"]["computed_cr3bp_mask_10"]
    low = {r[0]: r[1:] for r in case["expected"]["computed_cr3bp_mask_5"]["rows"]}
    assert len(low) == 2
    worst_mean = worst_most = worst_far = worst_contact = worst_gap = 0.0
    kept = {}
    for row in computed["rows"]:
        period_days, _, r_max, mean, most, *contact_h, gap70 = row
        orbit = dro(period_days=period_days)
        n = 20_000
        t = np.arange(n) * orbit.period_nd / n
        path = np.asarray(cr3bp_path(np.asarray(orbit.state_nd), t, model["mu"]))[:, :3]
        places = model["LU_km"] * (path - [1 - model["mu"], 0, 0]) * [-1.0, -1.0, 1.0]
        step_h = 24.0 * period_days / n
        views = cell_views(units, places[None], 10.0 * DEG, step_h, radius_km=model["moon_radius_km"],
                           edge_gaps="wrap")  # fmt: skip
        per_day = 24.0 * views["availability_frac"]
        worst_mean = max(worst_mean, abs(weight @ per_day - mean))
        worst_most = max(worst_most, abs(per_day.max() - most))
        far = np.linalg.norm(places, axis=1).max()
        worst_far = max(worst_far, abs(far / r_max - 1.0))
        # one pass a turn: contact and gap of a latitude, over its longitudes
        for at, expected in zip((0.0, 60.0, 70.0), contact_h, strict=True):
            mine = views["coverage_time_s"][lats == at]
            worst_contact = max(worst_contact, abs(mine.mean() - expected))
        longest = views["longest_gap_s"][np.isclose(np.abs(lats), 70.0)].max()
        worst_gap = max(worst_gap, abs(longest / gap70 - 1.0))
        kept[period_days] = views
        if period_days in low:
            views = cell_views(units, places[None], 5.0 * DEG, step_h,
                               radius_km=model["moon_radius_km"])  # fmt: skip
            mean, most = low[period_days]
            per_day = 24.0 * views["availability_frac"]
            worst_mean = max(worst_mean, abs(weight @ per_day - mean))
            worst_most = max(worst_most, abs(per_day.max() - most))
    tolerance = case["tolerance"]
    evidence(
        "Contact hours a day of a DRO relay", "independent three-body computation", 6, worst_mean,
        tolerance["mean_contact_h_per_day_computed"], "h", tolerance["reason"],
    )  # fmt: skip
    assert worst_most < 0.03  # printed to two or three digits
    assert worst_far < 1e-3
    assert worst_contact < 0.2
    assert worst_gap < 0.005
    published = case["expected"]["published"]
    mean = published["contact_h_per_day"]["mean_area_weighted"]
    evidence(
        "Contact hours a day of a DRO relay, 185 days", case["source"]["title"], 1,
        max(abs(24 * weight @ v["availability_frac"] - mean) for v in kept.values()),
        tolerance["mean_contact_h_per_day_published"], "h", tolerance["reason"],
    )  # fmt: skip
    near = kept[12.67]  # the paper's figure shows one pass in 12.3 to 13.2 days
    turns = published["contacts_in_185_days"]
    served = near["coverage_time_s"] > 0
    assert abs(185.0 / 12.67 - turns["mean_area_weighted"]) <= tolerance["contacts"]
    average = weight[served] @ near["coverage_time_s"][served] / weight[served].sum()
    evidence(
        "Length of a contact with a DRO relay", case["source"]["title"], 1,
        abs(average / published["average_contact_h"]["mean_area_weighted"] - 1.0),
        tolerance["average_contact_h_published_relative"], "relative", tolerance["reason"],
    )  # fmt: skip


def test_the_earth_from_the_south_pole(validation, evidence):
    case = validation("visibility.yaml", "dte_south_pole")
    windows = {  # JD TDB 2461041.5 to 2461406.5 and to 2467835.0
        "year_2026": ("2026-01-01T00:00:00 TDB", 365.0, 600.0),
        "nodal_cycle": ("2026-01-01T00:00:00 TDB", 6793.5, 1800.0),
    }
    ephemeris = De440.open()
    worst = {"elevation_deg": 0.0, "percent": 0.0, "gap_days": 0.0}
    for name, (start, days, step_s) in windows.items():
        epoch = Epoch.parse(start)
        t = np.arange(0.0, days * 86400.0 + 1.0, step_s)
        pole = -rotation("MOON_ME", epoch, t, ephemeris)[:, 2, :]  # the z axis' row, southward
        earth = ephemeris.state("earth", "moon", epoch, t)[:, :3]
        d = earth - 1737.4 * pole
        sine = (d * pole).sum(axis=1) / np.linalg.norm(d, axis=1)
        elevation = np.degrees(np.arcsin(sine))
        expected = case["expected"][name]
        for got, want in zip(
            (elevation.min(), elevation.max()), expected["elevation_deg"], strict=True
        ):
            worst["elevation_deg"] = max(worst["elevation_deg"], abs(got - want))
        for mask in (0, 5):
            on = (elevation >= mask).astype(int)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], on, [0]])))
            spans = Intervals(t[edges[::2]], np.append(t, t[-1] + step_s)[edges[1::2]])
            figures = figures_of([spans], t[-1] + step_s)
            percent, gap = 100 * figures["availability_frac"], figures["longest_gap_s"] / 86400.0
            worst["percent"] = max(
                worst["percent"], abs(percent - expected[f"percent_el_ge_{mask}"])
            )
            worst["gap_days"] = max(
                worst["gap_days"], abs(gap - expected[f"max_gap_d_el_ge_{mask}"])
            )
    for key, unit in (("elevation_deg", "deg"), ("percent", "percent"), ("gap_days", "days")):
        evidence(
            f"Direct-to-Earth visibility at the south pole: {key.split('_')[0]}",
            "independent computation on DE440", 4, worst[key], case["tolerance"][key], unit,
            case["tolerance"]["reason"],
        )  # fmt: skip
    published = validation("visibility.yaml", "dte_published_bounds")
    best = published["expected"]["best_south_pole_site_with_terrain_percent"]
    evidence(
        "Direct-to-Earth visibility at the south pole, published", published["source"]["title"], 1,
        abs(case["expected"]["nodal_cycle"]["percent_el_ge_0"] - best) - worst["percent"],
        published["tolerance"]["percent"], "percent", published["tolerance"]["reason"],
    )  # fmt: skip


def test_coverage_angle_at_apoapsis(validation, evidence):
    case = validation("elfo.yaml", "coverage_half_angle")
    given = case["inputs"]
    radius_km = given["a_km"] * (1.0 + given["e"])
    angle = math.degrees(
        math.acos(float(cosine_thresholds(radius_km, given["mask_deg"] * DEG, 1737.4)))
    )
    evidence(
        "Half-angle of coverage at apoapsis", case["source"]["title"], 1,
        abs(angle - case["expected"]["theta_deg"]), case["tolerance"]["theta_deg"], "deg",
        case["tolerance"]["reason"],
    )  # fmt: skip
