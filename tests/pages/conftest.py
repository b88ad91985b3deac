"""A small run made by hand: what pages and figures are drawn from, without flying anything."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cislunar.schema import Accumulation
from orbits.epoch import Epoch
from orbits.intervals import Intervals
from orbits.trajectory import Trajectory

DAY = 86400.0
CAUSES = ("below-horizon", "terrain", "mask", "relay-no-earth", "link", "station-mask", "policy")


def make_results(assets=4, spacecraft=3, days=2.0, gaps_a_day=4, seed=1):
    """Results of the given size with every table filled by seeded chance."""
    rng = np.random.default_rng(seed)
    epoch, span = Epoch.parse("2030-03-01T00:00:00 UTC"), days * DAY
    scenario = SimpleNamespace(
        name="hand-made", title={"en": "Hand-made <run>", "ja": "手作りの計算"}, start=epoch,
        duration_days=days, duration_s=span, step_s=600.0, fidelity="ephemeris",
        force_model="standard", budget_oku_jpy=200.0, options=(), accumulation=Accumulation(),
        policy=SimpleNamespace(
            groups={"lunanet": ("nasa", "jaxa"), "china": ("cnsa",)},
            share=(("lunanet", "lunanet"), ("china", "china")),
        ),
    )  # fmt: skip
    grid = np.linspace(0.0, span, round(span / 600.0) + 1)
    nodes, trajectories, states = [], {}, {}
    for i in range(spacecraft):
        radius = (6500.0, 70000.0, 30000.0)[i % 3] * (1 + 0.03 * i)
        orbit = (
            SimpleNamespace(
                kind="keplerian", frame="MOON_OP", semi_major_axis_km=6541.4, eccentricity=0.6,
                inclination_deg=56.2, argument_of_periapsis_deg=90.0,
            ),
            SimpleNamespace(kind="dro", amplitude_km=70000.0, amplitude_z_km=None),
            SimpleNamespace(
                kind="halo", libration_point="L2", branch="southern", amplitude_z_km=13000.0
            ),
        )[i % 3]  # fmt: skip
        name = f"relay-{i + 1}"
        angle = grid * np.sqrt(4902.8 / radius**3) + i
        tilt = (1.0, 0.05, 0.6)[i % 3]
        unit = np.stack([np.cos(angle), np.sin(angle) * np.cos(tilt), np.sin(angle) * np.sin(tilt)])
        turn = np.stack(
            [-np.sin(angle), np.cos(angle) * np.cos(tilt), np.cos(angle) * np.sin(tilt)]
        )
        path = np.vstack((radius * unit, np.sqrt(4902.8 / radius) * turn)).T
        states[name] = path
        notes = {
            "phase_deg": 10.0 * i,
            "perilune_flown_km": {"least": 3291.2, "median": 3302.5, "most": 3403.8},
        }
        trajectories[name] = Trajectory(epoch, grid, path, name=name, notes=notes if i else {})
        nodes.append(_node(name, "spacecraft", orbit=orbit, operator="jaxa"))
    for i in range(3):
        nodes.append(_node(f"station-{i + 1}", "station", lat=36.0 - 30 * i, lon=138.0 - 100 * i))
    for i in range(assets):
        lat = -89.5 + 0.6 * i if i % 3 else -20.0 + i
        name = f"asset-{i + 1:02d}"
        nodes.append(_node(name, "asset", lat=lat, lon=(47.0 * i) % 360 - 180))
        up = np.radians([lat, (47.0 * i) % 360 - 180])
        site = 1737.4 * np.array(
            [np.cos(up[0]) * np.cos(up[1]), np.cos(up[0]) * np.sin(up[1]), np.sin(up[0])]
        )
        states[name] = np.hstack((np.tile(site, (grid.size, 1)), np.zeros((grid.size, 3))))
    month = 2 * np.pi * grid / (27.3 * DAY)
    earth = 385000.0 * np.stack([-np.cos(month), -np.sin(month), 0 * month], axis=1)
    drift = 1.0 * np.stack([np.sin(month), -np.cos(month), 0 * month], axis=1)
    tracks = SimpleNamespace(
        epoch=epoch, t_s=grid, states=states, earth=np.hstack((earth, drift)), step_s=600.0
    )
    tables = _tables(rng, epoch, span, [n.name for n in nodes if n.kind == "asset"], gaps_a_day)
    contacts = _contacts(rng, nodes, span)
    access = pd.DataFrame(
        {"a": ["asset-01"], "b": ["station-1"], "start_s": [0.0], "end_s": [600.0]}
    )
    return SimpleNamespace(
        **_worth(), **_gathered(),
        scenario=scenario, nodes=tuple(nodes), trajectories=trajectories, tracks=tracks,
        coverage=_coverage(rng), contacts=contacts, access=access, **tables,
        manifest={
            "scenario_sha256": "0" * 64, "versions": {"cislunar-planner": "0.1.0", "numpy": "2"},
            "wall_s": {"trajectories": 1.25, "access": 3.5}, "counts": {"contacts": 1234},
            "notes": ["Earth orientation is held past the end of its table."],
            "sensitivity": {
                "link_db": 3.0, "mask_deg": 5.0, "error_factor": 1.5, "assumed_craft": ["relay-1"],
            },
        },
        provenance={"observations": [
            {"kind": "far-side", "assets": ["asset-02"], "elevation_max_deg": -14.2,
             "access_frac": 0.0},
            {"kind": "pole-earth", "above_0_frac": 0.521, "above_5_frac": 0.212,
             "elevation_max_deg": 6.5, "elevation_min_deg": -6.4, "tilt_deg": 6.7},
            {"kind": "pole-dro", "name": "relay-2", "above_0_frac": 0.41, "above_5_frac": 0.1,
             "elevation_max_deg": 6.3, "tilt_deg": 6.6},
        ]},
        assumptions=[
            {"id": "relay-standard", "kind": "terminals", "name_en": "Relay terminal",
             "name_ja": "中継端末", "confidence": "assumption", "reason": "Nobody published it.",
             "sources": []},
            {"id": "site-x", "kind": "sites", "summary": "a <place>", "confidence": "unverified",
             "reason": None, "sources": [{"title": "A list", "url": None, "date": "2025"}]},
        ],
        sources=[
            {"id": "queqiao-2", "kind": "relays", "confidence": "press",
             "conflicts": [{"field": "orbit", "values": [
                 {"value": "24 h", "source": "press"},
                 {"value": [26.1, 26.2], "note": "as tracked", "confidence": "derived"},
             ]}],
             "sources": [{"title": "A paper", "url": "https://example.org/a", "date": "2024-05"}]},
        ],
    )  # fmt: skip


def _gathered():
    """Positioning over time of two assets, one that never has a solution: the products' columns."""
    t = np.arange(0.0, 3601.0, 600.0)
    asset, component = ("asset-01", "asset-02"), ("horizontal", "vertical", "3d", "time")
    curve = pd.DataFrame(
        [
            (a, s, c, 1.0, *(None if a == "asset-02" or s == 0.0 else k * 9e4 / s
                             for k in (0.5, 1, 2, 1, 2, 4)))
            for a in asset for s in t for c in component
        ],
        columns=["asset", "elapsed_s", "component", "solved_frac", "rms_p50_m", "rms_p95_m",
                 "r95_p50_m", "r95_p95_m", "r3sigma_p50_m", "r3sigma_p95_m"],
    )  # fmt: skip
    row = {
        "asset": "asset-01", "sources": 2, "clock": "tcxo", "window_s": 3600.0, "starts": 336,
        "need_accuracy_m": 50.0, "need_rms_m": 16.67, "need_axes": "3d", "reached_frac": 0.75,
        "time_to_need_p50_s": 2400.0, "time_to_need_p95_s": None, "weak_east_frac": 0.6,
        "weak_north_frac": 0.0, "weak_up_frac": 0.8, "weak_clock_frac": 0.0, "weak_sigma_m": 21.5,
        "undetermined": 0, "source_names": "lnss-1 lnss-2",
    }  # fmt: skip
    blind = row | {"asset": "asset-02", "reached_frac": 0.0, "time_to_need_p50_s": None,
                   "undetermined": 2, "weak_sigma_m": None, "source_names": "lnss-1"}  # fmt: skip
    within = pd.DataFrame(
        [("asset-01", "3d", b, x, s, s / 7200.0) for b, x in (("need", 50.0), ("p95", 100.0))
         for s in (0.0, 1800.0, 3600.0)],
        columns=["asset", "axes", "basis", "accuracy_m", "within_s", "availability_frac"],
    )  # fmt: skip
    return {
        "accumulated_positioning": pd.DataFrame([row, blind]),
        "accumulated_against_time": curve, "accumulated_availability": within,
    }  # fmt: skip


def _worth():
    """What options are worth and cost: the columns of the product files."""
    option = "elfo-relay-jp"
    return {
        "sensitivity": pd.DataFrame({
            "case": ["as-planned", "as-planned", "links-weaker", "links-weaker"],
            "service": ["relay", "all"] * 2, "needs": [4] * 4, "below_asked": [1, 1, 2, 2],
            "unserved_h": [30.5, 30.5, 42.0, 42.0], "change_h": [0.0, 0.0, 11.5, 11.5],
            "availability_frac": [0.95, 0.95, 0.93, 0.93],
        }),
        "robustness": pd.DataFrame({
            "quantity": ["cost_oku_jpy", "gap_hours_filled", "gap_hours_filled_in_year"],
            "fiscal_year": [None, None, 2031], "planned": [55.0, 30.2, 390.0],
            "p05": [40.0, 0.0, 0.0], "p50": [58.0, 30.2, 210.0], "p95": [90.0, 30.2, 390.0],
            "mean": [60.0, 26.4, 230.0],
        }),
        "independence": pd.DataFrame({
            "set": ["base", "base", "portfolio", "portfolio"],
            "case": ["as-planned", "japan-alone"] * 2, "asset": ["lupex"] * 4,
            "service": ["relay"] * 4, "availability_frac": [1.0, 0.442, 1.0, 0.445],
            "need_availability_frac": [0.9] * 4, "lost_h": [0.0, 375.0, 0.0, 373.0],
            "longest_gap_s": [0.0, 86400.0, 0.0, 86300.0],
        }),
        "independence_options": pd.DataFrame({
            "option": ["", option], "gained_h": [0.0, 12.5], "relay_frac": [0.442, 0.46],
            "direct_frac": [None, None], "cost_oku_jpy": [0.0, 55.0],
            "gained_h_per_oku_jpy": [None, 0.23], "together_with": ["", ""],
            "name_en": ["", "ELFO relay, single"], "name_ja": ["", "ELFO中継衛星1機"],
        }),
        "attribution": pd.DataFrame({
            "option": [option, option], "place": ["all", "all"], "service": ["all", "relay"],
            "add_one_h": [31.0, 31.0], "leave_one_out_h": [29.5, 29.5], "shapley_h": [30.2, 30.2],
            "shapley_share_frac": [1.0, 1.0], "standard_error_h": [0.0, 0.0],
            "method": ["exact", "exact"], "name_en": ["ELFO relay, single"] * 2,
            "name_ja": ["ELFO中継衛星1機"] * 2,
        }),
        "frontier": pd.DataFrame({
            "cost_oku_jpy": [0.0, 55.0], "gap_hours_filled": [0.0, 30.2],
            "share_filled_frac": [0.0, 0.4], "options": ["", option],
            "cost_low_oku_jpy": [0.0, 31.5], "cost_high_oku_jpy": [0.0, 110.0],
            "within_budget": [True, True],
        }),
        "economics": pd.DataFrame({
            "option": [option], "gap_hours_a_year": [393.0], "life_cost_oku_jpy": [75.0],
            "life_cost_low_oku_jpy": [45.0], "life_cost_high_oku_jpy": [140.0],
            "man_jpy_per_gap_hour": [190.8], "man_jpy_per_asset_day": [70.1],
            "regular_flights": [0.75], "ssf_navigation_themes": [0.9], "stations_35m": [1.2],
        }),
        "cash_by_fiscal_year": pd.DataFrame({
            "fiscal_year": [2027], "development_oku_jpy": [14.0], "operations_oku_jpy": [0.0],
            "total_oku_jpy": [14.0], "total_low_oku_jpy": [8.0], "total_high_oku_jpy": [28.0],
            "cumulative_oku_jpy": [14.0], "gap_hours_filled": [0.0], "share_filled_frac": [0.0],
        }),
        "attribution_by_year": pd.DataFrame({
            "fiscal_year": [2031], "option": [option], "shapley_h": [393.0],
            "shapley_share_frac": [1.0], "standard_error_h": [0.0], "method": ["exact"],
            "name_en": ["ELFO relay"], "name_ja": ["ELFO中継衛星"],
        }),
    }  # fmt: skip


def _node(name, kind, orbit=None, operator="nasa", lat=0.0, lon=0.0):
    return SimpleNamespace(
        name=name, kind=kind, orbit=orbit, operator=operator, latitude_deg=lat, longitude_deg=lon,
        min_elevation_deg=5.0, terminals=(SimpleNamespace(id="relay-standard"),),
        confidence="assumption", catalog_id=None, path=None, needs=(), service=Intervals([0.0], [1e9])
        & Intervals([0.0], [2.0 * DAY]),
    )  # fmt: skip


def _tables(rng, epoch, span, assets, gaps_a_day):
    scores, gaps, causes = [], [], []
    services = ("relay", "direct", "forward", "positioning")
    for asset in assets:
        for service in services:
            count = max(1, int(span / DAY * gaps_a_day))
            edges = np.sort(rng.uniform(0, span, 2 * count)).reshape(-1, 2)
            for begin, end in edges:
                gap_id = f"g{len(gaps) + 1:06d}"
                cuts = np.concatenate(([begin], np.sort(rng.uniform(begin, end, 1)), [end]))
                words = rng.choice(CAUSES, 2, replace=False)
                for k in range(2):
                    causes.append((gap_id, words[k], cuts[k], cuts[k + 1], cuts[k + 1] - cuts[k]))
                longer = words[int(cuts[2] - cuts[1] > cuts[1] - cuts[0])]
                gaps.append(
                    (gap_id, asset, service, begin, end, epoch.utc_text(begin),
                     epoch.utc_text(end), end - begin, longer, 0.9, 0.5,
                     (end - begin) / span, "none")
                )  # fmt: skip
            if service != "positioning":
                lost = (edges[:, 1] - edges[:, 0]).sum()
                share = 1 - lost / span
                scores.append(
                    (asset, service, share, (edges[:, 1] - edges[:, 0]).max(), lost / count,
                     count, 1.4, 5400.0, 40000.0, 0.01, 8.64e10,
                     0.9 if service != "direct" else None,
                     "no-need" if service == "direct" else "met" if share > 0.9 else "not-met")
                )  # fmt: skip
    comm = pd.DataFrame(
        scores,
        columns=["asset", "service", "availability_frac", "longest_gap_s", "mean_gap_s",
                 "gap_count", "latency_p50_s", "latency_p95_s", "latency_max_s",
                 "undelivered_frac", "volume_bit_per_day", "need_availability_frac", "verdict"],
    )  # fmt: skip
    fix = pd.DataFrame(
        [(a, 0, 3.7, 0.31, 4.2, 12.0, 88.1, 3.3, 9.0, 2.0, 5.0, 2.6, 8.0, 41.5, 0.8, 25.0,
          "not-met") for a in assets],
        columns=["asset", "visible_min", "visible_mean", "availability_frac", "gdop_p50",
                 "gdop_p95", "gdop_worst", "pdop_p50", "pdop_p95", "hdop_p50", "hdop_p95",
                 "vdop_p50", "vdop_p95", "accuracy_3d_p95_m", "need_availability_frac",
                 "need_accuracy_m", "verdict"],
    )  # fmt: skip
    fills = pd.DataFrame(
        [("elfo-relay-jp", "JP", 55.0, "2030", 812.4, 0.41, 14.77, "ELFO relay, single",
          "ELFO中継衛星1機", 31.5, 110.0, 500.0, 312.4, 0.0, "", "", "ranked", "", ""),
         ("lnss-1", "JP", 42.5, "2030", 0.0, 0.0, 0.0, "One more LNSS satellite",
          "LNSS追加1機", 26.5, 70.0, 0.0, 0.0, 0.0, "lnss", "", "available-later",
          "the group of four fills 90.0 h", "4機群では90.0時間"),
         ("dro-unflown", "JP", 90.0, "2032", None, None, None, "DRO relay that escapes",
          "離脱するDRO中継衛星", 46.5, 170.0, None, None, None, "", "", "not-evaluated",
          "not evaluated: it escapes", "評価できない")],
        columns=["option", "nation", "cost_oku_jpy", "available_from", "gap_hours_filled",
                 "share_filled_frac", "gap_hours_per_oku_jpy", "name_en", "name_ja",
                 "cost_low_oku_jpy", "cost_high_oku_jpy", "relay_h", "forward_h",
                 "positioning_h", "group", "together_with", "status", "note", "note_ja"],
    )  # fmt: skip
    portfolio = fills.iloc[:1, :9].assign(
        order=1, cumulative_cost_oku_jpy=55.0, cumulative_gap_hours_filled=812.4,
        cumulative_share_filled_frac=0.41,
    )  # fmt: skip
    return {
        "comm_scores": comm, "positioning_scores": fix, "fills": fills, "portfolio": portfolio,
        "comm_needs": pd.DataFrame([_judged(row) for row in comm.to_dict("records")]),
        "gaps": pd.DataFrame(
            gaps,
            columns=["gap_id", "place", "service", "start_s", "end_s", "start_utc", "end_utc",
                     "duration_s", "cause", "need", "achieved", "severity", "edge"],
        ),
        "gap_causes": pd.DataFrame(
            causes, columns=["gap_id", "cause", "start_s", "end_s", "duration_s"]
        ),
    }  # fmt: skip


def _judged(row):
    """The one need of a row of scores as ``comm_needs`` has it."""
    given = ("asset", "service", "availability_frac", "need_availability_frac", "longest_gap_s",
             "latency_p95_s", "volume_bit_per_day", "verdict")  # fmt: skip
    return {name: row[name] for name in given} | {
        "need": None, "min_rate_bps": 1e6, "availability_basis": "span", "need_max_gap_s": None,
        "need_latency_s": None, "need_volume_bit_per_day": None,
        "missed": "availability_frac" if row["verdict"] == "not-met" else "",
    }  # fmt: skip


def _contacts(rng, nodes, span):
    names = [n.name for n in nodes if n.kind != "spacecraft"]
    craft = [n.name for n in nodes if n.kind == "spacecraft"]
    rows = []
    for name in names:
        for other in craft:
            begin = rng.uniform(0, span / 2)
            rows.append((name, other, begin, begin + span / 3, float(rng.choice([2e5, 2e7, 6e8]))))
    return pd.DataFrame(rows, columns=["source", "target", "start_s", "end_s", "rate_bps"])


def _coverage(rng):
    import astropy.units as u
    import xarray
    from astropy_healpix import HEALPix

    grid = HEALPix(nside=64, order="ring")
    lon, lat = grid.healpix_to_lonlat(np.arange(grid.npix))
    keep = lat.to_value(u.deg) < -78
    lat, lon = lat.to_value(u.deg)[keep], lon.to_value(u.deg)[keep]
    share = np.clip(0.6 + 0.3 * np.cos(np.radians(lon)) - 0.01 * (lat + 80) ** 2, 0, 1)
    return xarray.Dataset(
        {
            "availability_frac": ("cell", share),
            "longest_gap_s": ("cell", 40000 * (1.2 - share)),
            "gdop_p50": ("cell", np.where(share > 0.5, 4.0, np.nan)),
        },
        coords={
            "latitude_deg": ("cell", lat), "longitude_deg": ("cell", lon),
            "region": ("cell", np.full(lat.size, "south-cap")),
        },
    )  # fmt: skip


@pytest.fixture(scope="session")
def results():
    return make_results()


@pytest.fixture
def made_of():
    """What makes results of a given size."""
    return make_results


def _relay(k):
    return {
        "name": f"r-{k}", "operator": "jaxa", "service_start": "2028-06-01",
        "terminals": ["relay-s", "relay-x-earth", "afs-transmitter"],
        "orbit": {
            "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
            "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 180 * (k % 2),
            "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 72.0 * k,
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def roadmap(tmp_path_factory):
    """A roadmap of two years and two cases, run, in the folder of its pages."""
    import yaml

    from cislunar.roadmap.file import load_roadmap
    from cislunar.roadmap.report import write_report
    from cislunar.roadmap.run import run_roadmap

    folder = tmp_path_factory.mktemp("roadmap")
    need = [{"service": s, "availability_frac": 0.05} for s in ("relay", "positioning")]
    asked = {
        "name": "small", "title": {"en": "Small", "ja": "小"}, "years": [2028, 2029],
        "starts_per_year": 2, "days": 1.0,
        "slips": {"later": {"nodes": ["r-0", "r-1"], "years": 2,
                            "title": {"en": "relays late", "ja": "中継の遅延"}}},
        "milestones": {"far": {"places": ["far"], "title": {"en": "far side", "ja": "裏側"}}},
        "base": {
            "fidelity": "kepler", "step_s": 120, "spacecraft": [_relay(k) for k in range(4)],
            "ground_stations": [{"from": "misasa", "longitude_deg": 0.0}],
            "assets": [
                {"name": name, "operator": "jaxa", "latitude_deg": -80, "longitude_deg": place,
                 "terminals": ["user-s-medium", "afs-receiver"], "needs": need}
                for name, place in (("far", 180), ("near", 0))
            ],
        },
    }  # fmt: skip
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump({"roadmap": asked}), encoding="utf-8")
    found = run_roadmap(load_roadmap(file), folder / "out", workers=1)
    write_report(found, folder / "out")
    return found, folder / "out"


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The folder of a sweep of six constellations, with its pages."""
    from cislunar.sweep import sweep
    from cislunar.sweep.page import write_page
    from cislunar.sweep.trade import trade_from

    trade = {
        "name": "small", "title": {"en": "Small trade", "ja": "小さな比較"},
        "base": {
            "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "step_s": 300,
            "fidelity": "kepler",
            "constellations": [
                {"from": "lnss-8", "name": "lnss", "terminals": ["nav-and-relay"], "per_plane": 3}
            ],
            "regions": [{"from": "south-cap", "cell_count": 20}],
        },
        "axes": {
            "per_plane": {"key": "constellations.lnss.per_plane", "values": [2, 3, 4]},
            "e": {"key": "constellations.lnss.orbit.eccentricity", "values": [0.3, 0.6]},
        },
        "metrics": {
            "availability": {"of": "coverage.availability_frac", "how": "mean"},
            "members": {"expression": "2 * per_plane"},
        },
        "objectives": {"members": "min", "availability": "max"},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("swept") / "out"
    write_page(sweep(trade_from(trade), folder, workers=1, quiet=True))
    return folder
