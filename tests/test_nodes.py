"""Nodes: constellations, service windows, horizons, terminals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.nodes import expand_nodes, member_orbits, nodes_of
from cislunar.scenario import Scenario
from cislunar.schema import Constellation
from cislunar.terrain.horizon_file import read_horizon
from orbits.errors import InputError

ELFO = {
    "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6540, "eccentricity": 0.6,
    "inclination_deg": 56.2, "raan_deg": 0, "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 0,
}  # fmt: skip
DRO = {"kind": "dro", "amplitude_km": 70000}


def scenario(**more):
    base = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 10, "options": []}
    return Scenario(**{**base, **more})


def craft(**more):
    return scenario(spacecraft=[{"name": "a", "orbit": DRO, **more}])


def window(**more):
    """Service of one craft in whole seconds: a UTC day is 86,400 s of TDB to some 20 us."""
    return whole(expand_nodes(craft(**more))[0].service)


def whole(service):
    return [(round(a, 3), round(b, 3)) for a, b in service.pairs()]


def test_published_eight_satellite_concept():
    """Two planes 180 deg apart, four members 90 deg apart: the published LNSS set."""
    loaded = scenario(include=["lnss-8"])
    got = {(n.orbit.raan_deg, n.orbit.mean_anomaly_deg) for n in expand_nodes(loaded)}
    assert got == {(r, m) for r in (0.0, 180.0) for m in (0.0, 90.0, 180.0, 270.0)}


def test_members_are_named_and_phased_between_planes():
    loaded = scenario(
        constellations=[{"name": "lnss", "orbit": ELFO, "planes": 2, "per_plane": 4,
                         "phasing_deg": 45, "terminals": ["nav-standard"], "clock": "mini-rafs"}]
    )  # fmt: skip
    nodes = expand_nodes(loaded)
    assert [n.name for n in nodes] == [f"lnss-{k}" for k in range(1, 9)]
    assert [n.orbit.mean_anomaly_deg for n in nodes] == [0, 90, 180, 270, 45, 135, 225, 315]
    assert {n.constellation for n in nodes} == {"lnss"}
    assert [t.id for t in nodes[0].terminals] == ["afs-transmitter", "relay-x-earth"]


def test_three_body_members_share_one_orbit_evenly():
    loaded = scenario(
        constellations=[{"name": "d", "orbit": {**DRO, "phase_deg": 30}, "per_plane": 3}]
    )
    assert [n.orbit.phase_deg for n in expand_nodes(loaded)] == [30.0, 150.0, 270.0]
    nrho = {"kind": "nrho", "libration_point": "L2", "branch": "southern", "resonance": "9:2"}
    alone = scenario(constellations=[{"name": "n", "orbit": nrho, "per_plane": 1}])
    assert expand_nodes(alone)[0].orbit.phase_deg is None  # the phase is still to be chosen


@settings(deadline=None)
@given(planes=st.integers(1, 12), each=st.integers(1, 12), phasing=st.floats(0, 360))
def test_members_are_distinct_and_evenly_spread(planes, each, phasing):
    orbits = member_orbits(
        Constellation(name="c", orbit=ELFO, planes=planes, per_plane=each, phasing_deg=phasing)  # type: ignore[arg-type]
    )
    assert len(orbits) == planes * each
    for plane in range(planes):
        part = orbits[plane * each : (plane + 1) * each]
        assert len({round(o.raan_deg, 9) for o in part}) == 1
        first = part[0].mean_anomaly_deg
        for k, orbit in enumerate(part):
            gap = (orbit.mean_anomaly_deg - first - 360.0 * k / each) % 360.0
            assert min(gap, 360.0 - gap) < 1e-9


def test_a_year_or_month_begins_at_its_end():
    assert window(service_start="2030") == []
    assert window(service_start="2029") == [(0.0, 864000.0)]
    assert window(service_start="2030-02") == [(0.0, 864000.0)]
    assert window(service_start="2030-03") == []
    assert window(service_start="2030-03-02") == [(86400.0, 864000.0)]
    assert window(service_start=2029) == [(0.0, 864000.0)]
    assert window(service_end="2030-03-02T12:00:00 UTC") == [(0.0, 129600.0)]
    assert window(service_end="2029") == []


def test_early_nominal_late():
    dates = {"early": "2030-03-02", "nominal": "2030-03-04", "late": "2031"}
    assert window(service_start=dates) == [(3 * 86400.0, 864000.0)]
    early = scenario(
        spacecraft=[{"name": "a", "orbit": DRO, "service_start": dates}], service_date_case="early"
    )
    assert whole(expand_nodes(early)[0].service) == [(86400.0, 864000.0)]
    with pytest.raises(InputError, match="not planned"):
        window(service_start={"late": "2029"})


def test_outages_are_cut_out():
    out = [["2030-03-02T00:00:00 UTC", "2030-03-03T00:00:00 UTC"]]
    assert window(outages=out) == [(0.0, 86400.0), (172800.0, 864000.0)]


def test_the_case_of_2030_decides_who_serves():
    loaded = scenario(include=["moonlight", "lcrns"])
    serving = {n.name for n in expand_nodes(loaded) if n.service.total_s > 0}
    assert "moonlight-navsat-1" in serving
    assert "moonlight-navsat-2" not in serving  # full service is later
    assert {"im-altus-1", "im-sat-5"} <= serving


def test_station_masks_are_band_by_band():
    loaded = scenario(ground_stations=[{"from": "dsn-madrid"}, {"from": "usuda"}])
    madrid, usuda = expand_nodes(loaded)
    masks = {t.id: madrid.mask_deg(t) for t in madrid.terminals}
    assert masks == {"station-34m-x": 6.0, "station-34m-ka": 10.0}
    assert usuda.mask_deg(usuda.terminals[0]) == 10.0
    assert madrid.attenuation["ka"] == (4.3, 2.29, 0.89)
    assert usuda.lunar_time_share == 0.3


def test_area_over_mass_alone_gives_solar_pressure():
    node = expand_nodes(scenario(spacecraft=[{"from": "dro-a"}]))[0]
    assert node.area_m2 / node.mass_kg == pytest.approx(0.017)  # type: ignore[operator]


def test_an_assets_mast_raises_it_and_needs_are_looked_up():
    loaded = scenario(
        assets=[{"name": "t", "latitude_deg": -86, "longitude_deg": 0, "height_m": 5000,
                 "mast_height_m": 10, "needs": ["scan-phase-2", "emergency"]}]
    )  # fmt: skip
    node = expand_nodes(loaded)[0]
    assert node.height_m == 5010.0
    assert [n.service for n in node.needs] == ["relay", "positioning", "relay"]
    assert node.need_name == "scan-phase-2 + emergency"
    assert node.needs[0].rate_bps == 1e6
    assert node.needs[2].rate_bps == 15.0


def test_what_an_option_adds_becomes_nodes():
    loaded = scenario(options=["lnss-group-4", "surface-beacon", "station-overseas-chile"])
    group, beacon, chile = (nodes_of(o.adds, loaded) for o in loaded.options)
    assert [n.name for n in group] == ["lnss-1", "lnss-2", "lnss-3", "lnss-4"]
    assert beacon[0].eirp_override_dbw == 0.0
    assert beacon[0].clock == "mini-rafs"
    assert {t.id: chile[0].mask_deg(t) for t in chile[0].terminals} == {
        "station-20m-legs-x": 5.0, "station-20m-legs-ka": 10.0,
    }  # fmt: skip


# --- horizons ----------------------------------------------------------------------------------


def horizon(tmp_path, text):
    path = tmp_path / "h.txt"
    path.write_text(text, encoding="utf-8")
    return read_horizon(path)


@pytest.mark.parametrize(
    "text",
    [
        "# ridge\n0 1\n90 2\n180 3\n270 4\n",
        "azimuth_deg,elevation_deg\n0,1\n90,2\n180,3\n270,4\n360,1\n",
        "0\t1\n90\t2\n180\t3 # peak\n\n270\t4\n",
    ],
)
def test_horizon_is_closed_and_interpolates(tmp_path, text):
    h = horizon(tmp_path, text)
    assert h.elevation_at(0.0) == h.elevation_at(360.0) == 1.0
    assert h.elevation_at(45.0) == pytest.approx(1.5)
    assert h.elevation_at(315.0) == pytest.approx(2.5)
    assert h.elevation_at(-45.0) == pytest.approx(2.5)


def test_horizon_that_does_not_start_at_north(tmp_path):
    h = horizon(tmp_path, "10 1\n180 1\n350 3\n")
    assert h.elevation_at(0.0) == pytest.approx(2.0)
    assert h.azimuth_deg[0] == 0.0
    assert h.azimuth_deg[-1] == 360.0
    assert np.all(np.diff(h.azimuth_deg) > 0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "two rows"), ("0 1\n", "two rows"), ("0 1\n90 nan\n", "out of range"),
        ("0 1\n400 2\n", "out of range"), ("90 1\n0 2\n", "increase"),
        ("0 1\n0 2\n", "increase"), ("0 1\n90 x\n", "two numbers"), ("0 1 2\n90 1 2\n", "two"),
        ("0 1\n90 -95\n", "out of range"), ("0 1\n170 1\n", "190 deg of azimuth"),
        ("0 1\n180 1\n360 2\n", "differ"), ("0 1\nx\n180 2\n", "two numbers"),
    ],
)  # fmt: skip
def test_bad_horizons(tmp_path, text, what):
    with pytest.raises(InputError, match=what):
        horizon(tmp_path, text)


def test_horizon_and_mask_are_separate(tmp_path):
    (tmp_path / "h.txt").write_text("0 8\n180 9\n")
    loaded = scenario(
        assets=[{"name": "a", "latitude_deg": -89, "longitude_deg": 0, "min_elevation_deg": 2,
                 "horizon": str(tmp_path / "h.txt")}]
    )  # fmt: skip
    node = expand_nodes(loaded)[0]
    assert node.min_elevation_deg == 2.0
    assert node.horizon is not None
    assert node.horizon.elevation_at(180.0) == 9.0


def test_each_instant_of_many_outages_is_worked_out_once(monkeypatch):
    """Twenty thousand of them took half a minute: read three times, with ERFA's wrappers."""
    from orbits import epoch

    asked = []
    real = epoch._from_calendar
    monkeypatch.setattr(epoch, "_from_calendar", lambda *given: asked.append(given) or real(*given))
    outages = [[f"2031-07-01T{h:02d}:{m:02d}:{s:02d} UTC" for s in (11, 43)]
               for h in range(24) for m in range(60)]  # fmt: skip
    orbit = {"kind": "dro", "amplitude_km": 70000}
    scenario = Scenario(
        name="x", epoch="2031-07-01T00:00:00 UTC", duration_days=1, options=[],
        spacecraft=[{"name": "a", "orbit": orbit, "outages": outages}],
    )  # fmt: skip
    (node,) = expand_nodes(scenario)
    assert len(node.service.start_s) == 1441
    assert node.service.total_s == pytest.approx(86_400.0 - 1440 * 32.0)
    assert len(asked) == len(set(asked))
    assert len(asked) <= 2 * 1440 + 2
