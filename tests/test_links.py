"""Link budgets against worked tables, and the rate of every link against budgets at instants."""

import math
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar import catalog
from cislunar.access import find_access
from cislunar.acquisition import navigation_visible
from cislunar.budget import (
    FULL,
    JAPANESE,
    LIMB,
    OUTSIDE,
    Losses,
    attenuation_db,
    free_space_loss_db,
    half_beam_rad,
    link_budget,
    navigation_cn0_dbhz,
)
from cislunar.crossings import elevation_rad, range_km
from cislunar.geometry import air_db
from cislunar.link_models.noise import AIR_RISE_K, g_over_t_loss_db
from cislunar.links import close_links, directed_window
from cislunar.pairing import connects, min_elevation_deg, terminal_pairs
from cislunar.terminal_records import Terminal
from orbits.constants import C_KM_S, DEG
from orbits.errors import InputError
from orbits.intervals import Intervals

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))
AIR = {"ka": (10.19, 5.41, 2.22), "x": (1.01, 0.52, 0.18)}


def terminal(name):
    record = catalog.get("terminals", name)
    return Terminal(**{k: v for k, v in record.items() if k in Terminal.model_fields})


def group(name):
    return tuple(terminal(t) for t in catalog.get("terminal-groups", name)["terminals"])


# --- budgets ---------------------------------------------------------------------------------


def test_reference_links(validation, evidence):
    case = validation("link_checks.yaml", "link_checks")
    columns = case["expected"]["columns"]
    worst = 0.0
    for values in case["expected"]["rows"]:
        row = dict(zip(columns, values, strict=True))
        tx, rx = (terminal(name) for name in row["link"].split(" > "))
        budget = link_budget(
            tx, rx, row["range_km"], atmosphere_db=row["atmosphere_db"] or 0.0,
            moon=FULL if row["beam_on_moon"] else OUTSIDE,
        )  # fmt: skip
        assert budget.rate_bps == row["rate_bps"], row
        assert budget.closes == (row["margin_db"] is not None), row
        pairs = [(budget.cn0_dbhz, row["cn0_dbhz"]), (budget.margin_db, row["margin_db"])]
        if row["received_dbm"] is not None:
            pairs.append((budget.received_dbw + 30.0, row["received_dbm"]))
        for got, want in pairs:
            if want is not None:
                worst = max(worst, abs(got - want))
    evidence(
        "link budgets of the reference terminals", "link_checks.yaml", len(case["expected"]["rows"]),
        worst, 0.1, "dB", "printed to 0.1 dB; rates agree exactly",
    )  # fmt: skip


def test_free_space_loss(validation, evidence):
    table = validation("links.yaml", "fspl_table")
    worst = max(
        abs(free_space_loss_db(row[0], 1e3 * f) - want)
        for row in table["expected"]["rows"]
        for f, want in zip(table["inputs"]["f_GHz"], row[1:], strict=True)
    )
    evidence("free-space loss", "links.yaml fspl_table", 35, worst, 0.001, "dB", "closed form")
    for distance, want in table["expected"]["one_way_light_time_s"]:
        assert abs(distance / C_KM_S - want) < 5.1e-6
    vectors = validation("links.yaml", "itu_p525_vectors")
    worst = max(
        abs(free_space_loss_db(d / 1e3, f / 1e6) - want)
        for (d, f), want in zip(
            vectors["inputs"]["rows"], vectors["expected"]["loss_dB"], strict=True
        )
    )
    evidence("free-space loss", "ITU-R P.525 vectors", 4, worst, vectors["tolerance"]["dB"], "dB",
             "exact formula")  # fmt: skip


def _dsn(model, name, cumulative, elevation, zenith_db=None):
    """Gain (dBi), noise (K) and G/T (dB/K) of a deep-space antenna: DSN 810-005 module 104.

    The gain has the air's attenuation in it. A witness of the planner's noise of the air, which
    takes nothing from this model.
    """
    s = model["stations"][name]
    zenith = model["zenith_attenuation_dB_by_site_and_CD"][s["site"]][str(cumulative)]
    slant_db = (zenith if zenith_db is None else zenith_db) / math.sin(elevation * DEG)
    loss = 10.0 ** (0.1 * slant_db)
    gain = s["G0"] - s["G1"] * (elevation - s["gamma"]) ** 2 - slant_db
    air_k = (255.0 + 25.0 * cumulative) * (1.0 - 1.0 / loss)
    noise = s["T1"] + s["T2"] * math.exp(-s["a"] * elevation) + air_k + 2.725 / loss
    return gain, noise, gain - 10.0 * math.log10(noise), loss


def test_the_witness_of_deep_space_stations_gives_the_published_figures(validation):
    case = validation("links.yaml", "dsn_34m_x_band")
    for name, cd, elevation, *want in case["expected"]["rows"]:
        gain, noise, g_over_t, _ = _dsn(case["inputs"]["model"], name, cd, elevation)
        assert abs(gain - want[0]) < case["tolerance"]["dB"]
        assert abs(noise - want[1]) < case["tolerance"]["K"]
        assert abs(g_over_t - want[2]) < case["tolerance"]["dB"]


def test_g_over_t_with_the_moon_in_the_beam_of_a_deep_space_station(validation, evidence):
    """200 K behind the air, in a beam much smaller than the disc."""
    model = validation("links.yaml", "dsn_34m_x_band")["inputs"]["model"]
    moon = validation("links.yaml", "moon_in_beam")
    rows = moon["expected"]["with_200K"]["rows"]
    worst = 0.0
    for name, elevation, _, g_over_t, loss_db in rows:
        _, noise, cold, air = _dsn(model, name, 0.5, elevation)
        got = g_over_t_loss_db(200.0 / air, noise)
        worst = max(worst, abs(got - loss_db), abs(cold - got - g_over_t))
    evidence("Moon in the beam: G/T", "links.yaml moon_in_beam", len(rows), worst,
             moon["tolerance"]["dB"], "dB", "arithmetic")  # fmt: skip


def test_noise_of_the_air_is_what_a_deep_space_station_loses_in_weather(validation, evidence):
    """G/T of the published model in weather, against the same antenna under a clear sky.

    Both lose the air's attenuation; the rest is its noise. The model's air is at 277.5 K in weather
    exceeded 10 % of the year, ITU-R P.618's at 275 K.
    """
    model = validation("links.yaml", "dsn_34m_x_band")["inputs"]["model"]
    worst, count = 0.0, 0
    for name in model["stations"]:
        for elevation in (10.0, 20.0, 45.0, 90.0):
            for zenith_db in (0.05, 0.2, 0.6, 2.0):
                dry, wet = (
                    _dsn(model, name, 0.9, elevation, zenith_db=z) for z in (0.0, zenith_db)
                )
                points = [zenith_db / math.sin(e * DEG) for e in (10.0, 20.0, 90.0)]
                given = np.array([*points, AIR_RISE_K / dry[1]])
                got = air_db(math.sin(elevation * DEG), given)
                worst, count = max(worst, abs(got - (dry[2] - wet[2]))), count + 1
    evidence("noise of the air in a station's G/T", "DSN 810-005 module 104 in weather (links.yaml)",
             count, worst, 0.1, "dB", "same antenna without air and in weather")  # fmt: skip


def test_budget_prints_lines_that_add_up():
    budget = link_budget(terminal("user-x-dte"), terminal("station-34m-x"), 4e5, atmosphere_db=0.4)
    values = {name: value for name, value, _ in budget.lines}
    before = [v for n, v, _ in budget.lines][: list(values).index("C/N0")]
    assert sum(before) == pytest.approx(values["C/N0"], abs=1e-9)
    assert values["margin"] == pytest.approx(
        values["C/N0"] + values["rate"] + values["required Eb/N0"] + values["implementation loss"]
    )
    text = str(budget)
    # a title, what the EIRP and G/T rest on, a rule, and the lines that add up
    assert len(text.splitlines()) == 1 + len(budget.inputs) + 1 + len(budget.lines)
    assert "polarisation" in text
    given = {name: value for name, value, _ in budget.inputs}
    made = given["transmit power"] + given["circuit loss"] + given["transmitter gain"]
    assert made == pytest.approx(values["EIRP"], abs=0.05)
    rows = [r.split("|")[1:4] for r in budget.markdown().splitlines() if r.startswith("| ")][1:]
    assert [(n.strip(), u.strip()) for n, _, u in rows] == [
        (n, u) for n, _, u in (*budget.inputs, *budget.lines)
    ]
    assert budget._repr_html_().count("<tr>") == len(rows)
    said = [r for r in budget.markdown("ja").splitlines() if r.startswith("| ")][1:]
    figures = [[c.strip() for c in r.split("|")[2:4]] for r in said]
    assert figures == [[v.strip(), u.strip()] for _, v, u in rows]
    assert "| 回線マージン |" in budget.markdown("ja")
    for row in said:  # no English word is left beside the figures
        assert not re.search("[a-z]{4}", row.split("|")[1]), row
    trunk = link_budget(terminal("optical-trunk"), terminal("optical-ground"), 4e5)
    assert "| 受信電力 |" in trunk.markdown("ja")
    assert all(name in JAPANESE for name, _, _ in Losses(1.0, 1.0, 1.0, 1.0).lines())
    with pytest.raises(InputError, match="language 'fr'"):
        budget.markdown("fr")
    weak = link_budget(terminal("user-x-dte"), terminal("station-34m-x"), 4e8)
    assert (weak.rate_bps, weak.margin_db, weak.closes) == (0.0, None, False)


def test_half_of_the_moons_noise_at_the_limb():
    tx, rx = terminal("relay-x-earth"), terminal("station-54m-misasa-x")
    cold, limb, full = (link_budget(tx, rx, 4e5, moon=m).cn0_dbhz for m in (OUTSIDE, LIMB, FULL))
    noise = [10 ** (-x / 10) for x in (cold, limb, full)]
    assert noise[1] == pytest.approx(0.5 * (noise[0] + noise[2]))
    assert cold - full == pytest.approx(7.0)


def test_radio_does_not_talk_to_light():
    with pytest.raises(ValueError, match="both"):
        link_budget(terminal("relay-s"), terminal("optical-ground"), 1e5)


def test_linear_against_circular_costs_three_decibels():
    tx, rx = terminal("user-s-low"), terminal("relay-s")
    bent = tx.model_copy(update={"polarisation": "linear"})
    loss = link_budget(tx, rx, 1e4).cn0_dbhz - link_budget(bent, rx, 1e4).cn0_dbhz
    assert loss == pytest.approx(2.7)


@pytest.mark.parametrize(("elevation_deg", "want"), [(10, 10.19), (20, 5.41), (90, 2.22)])
def test_attenuation_passes_through_its_points(elevation_deg, want):
    assert attenuation_db(elevation_deg * DEG, AIR["ka"]) == pytest.approx(want)


def test_attenuation_is_linear_in_the_cosecant():
    def at(cosecant):
        return float(attenuation_db(math.asin(1 / cosecant), AIR["ka"]))

    assert at(8.0) - at(7.0) == pytest.approx(at(5.0) - at(4.0))  # below 10 deg as above it
    assert at(2.5) - at(2.0) == pytest.approx(at(2.0) - at(1.5))


# --- who talks to whom -----------------------------------------------------------------------


def test_terminals_connect_by_band_and_by_name():
    t = {name: terminal(name) for name in catalog.names("terminals")}
    assert connects(t["user-s-low"], t["relay-s"])  # each lists the other
    assert connects(t["relay-x-earth"], t["station-32m-goonhilly-x"])  # one lists the other
    assert connects(t["station-32m-goonhilly-x"], t["relay-x-earth"])
    assert not connects(t["station-18m-ws1-ka"], t["relay-ka-earth"])  # it only receives
    assert connects(t["relay-ka-earth"], t["station-18m-ws1-ka"])
    assert not connects(t["crosslink-k"], t["user-ka-rover"])  # one band, but not made for it
    assert not connects(t["relay-s-earth-queqiao-1"], t["station-35m-cn-x"])  # listed, other band
    assert connects(t["crosslink-k"], t["crosslink-k"])
    plain = t["user-s-low"].model_copy(update={"pairs_with": ()})
    relay = t["relay-s"].model_copy(update={"pairs_with": ()})
    assert connects(plain, relay)  # nobody lists anyone: band and role
    assert not connects(plain, plain)
    afs = SimpleNamespace(terminals=(t["afs-transmitter"],))
    assert terminal_pairs(afs, SimpleNamespace(terminals=(t["afs-receiver"],))) == []


def test_own_elevation_of_terminals():
    assert min_elevation_deg(terminal("station-34m-x")) is None  # typical of its class: no bound
    assert min_elevation_deg(terminal("optical-ground")) == 20
    x = terminal("station-34m-x").model_copy(update={"min_elevation_deg": 12.0})
    assert min_elevation_deg(x) == 12.0


# --- links over time -------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["quiet-air", "noisy-air"])
def linked(request):
    tracks, nodes = scene.small_world(days=4.0)
    given = {
        "elfo": group("nav-and-relay"),
        "low": (terminal("relay-x-earth"), terminal("crosslink-k"), terminal("relay-s")),
        "pole": group("crewed-base"),
        "near": (terminal("user-x-dte"), terminal("user-s-medium")),
        "earth-1": (
            terminal("station-13m-awara-x"),
            terminal("station-20m-legs-ka").model_copy(update={"min_elevation_deg": 15.0}),
        ),
    }
    nodes = [
        scene.node(
            n.name, n.kind, tracks.t_s, min_elevation_deg=n.min_elevation_deg,
            latitude_deg=n.latitude_deg, longitude_deg=n.longitude_deg, terminals=given[n.name],
            attenuation=AIR if n.kind == "station" else {}, air_noise=request.param,
        )
        for n in nodes
    ]  # fmt: skip
    access = find_access(tracks, nodes)
    return tracks, {n.name: n for n in nodes}, access, close_links(access, tracks, nodes)


def moon_state(rx, source, t):
    """Where the Moon stands in the station's beam, from exact states and plain trigonometry."""
    here = scene.exact("earth-1", t)[:, :3]
    to_source, to_moon = scene.exact(source, t)[:, :3] - here, -here
    far = np.linalg.norm(to_moon, axis=1)
    cosine = (to_source * to_moon).sum(1) / np.linalg.norm(to_source, axis=1) / far
    off = np.arccos(np.clip(cosine, -1, 1)) - np.arcsin(scene.MOON_KM / far)
    half = half_beam_rad(rx)
    return np.where(off < -half, FULL, np.where(off < half, LIMB, OUTSIDE)), np.abs(off) - half


def test_rate_and_margin_agree_with_a_budget_at_any_instant(linked):
    tracks, nodes, access, links = linked
    rng = np.random.default_rng(7)
    checked = {"closes": 0, "not": 0, "moon": set()}
    for (source, target), passes in links.items():
        pair = access[min(source, target), max(source, target)]
        window = directed_window(tracks, pair, source, target)
        for tx, rx in terminal_pairs(nodes[source], nodes[target]):
            mine = [p for p in passes if (p.terminal_source, p.terminal_target) == (tx.id, rx.id)]
            low = min_elevation_deg(rx if target == "earth-1" else tx)
            t = np.sort(rng.uniform(0.0, tracks.span_s - 5.0, 120))
            t = t[window.contains(t)]
            far = range_km(tracks, source, target, t)
            air, moon, edge = np.zeros(t.size), np.full(t.size, OUTSIDE), np.ones(t.size)
            if "earth-1" in (source, target):
                other = source if target == "earth-1" else target
                elevation = elevation_rad(tracks, "earth-1", other, t)
                key = "ka" if "-ka" in (rx if target == "earth-1" else tx).id else "x"
                air = attenuation_db(elevation, AIR[key])
                if target == "earth-1":
                    moon, edge = moon_state(rx, source, t)
                    if nodes[target].air_noise:
                        added_k = (275.0 - 2.725) * (1.0 - 10.0 ** (-air / 10.0))
                        own_k = rx.receive.system_noise_temperature_k
                        air = air + 10.0 * np.log10(1.0 + added_k / own_k)
                if low is not None:
                    clear = np.abs(np.degrees(elevation) - low) > 0.01
                    air = np.where(np.degrees(elevation) >= low, air, 1e9)
                    edge = np.where(clear, edge, 0.0)
            for k in range(t.size):
                if abs(edge[k]) < 1e-6:
                    continue
                budget = link_budget(tx, rx, far[k], atmosphere_db=air[k], moon=int(moon[k]))
                here = [p for p in mine if p.intervals.contains(t[k])]
                if not budget.closes:
                    assert here == []
                    checked["not"] += 1
                    continue
                assert [p.rate_bps for p in here] == [budget.rate_bps]
                index = np.searchsorted(here[0].intervals.start_s, t[k], side="right") - 1
                assert here[0].margin_db[index] <= budget.margin_db + 1e-6
                assert here[0].owlt_s[index] >= far[k] / C_KM_S - 1e-9
                checked["closes"] += 1
                checked["moon"].add(int(moon[k]))
    assert checked["closes"] > 800
    assert checked["not"] > 5
    assert checked["moon"] == {FULL, LIMB, OUTSIDE}


def test_margin_is_attained_and_never_below_the_minimum(linked):
    tracks, nodes, _, links = linked
    for (source, target), passes in links.items():
        for p in passes:
            assert p.margin_db.min() >= 3.0 - 1e-6
            assert p.intervals.durations_s.min() > 1e-3
            if "earth-1" in (source, target):
                continue
            tx = next(x for x in nodes[source].terminals if x.id == p.terminal_source)
            rx = next(x for x in nodes[target].terminals if x.id == p.terminal_target)
            for k, (start, end) in enumerate(p.intervals.pairs()):
                t = np.linspace(start, end, max(3, int((end - start) / 20)))
                far = range_km(tracks, source, target, t).max()
                farthest = link_budget(tx, rx, far * (1 - 1e-7))  # just inside an edge
                assert farthest.rate_bps == p.rate_bps
                assert abs(p.margin_db[k] - farthest.margin_db) < 0.01
                assert abs(p.owlt_s[k] - far / C_KM_S) < 1e-4


def test_pieces_of_one_terminal_pair_never_overlap(linked):
    _, _, _, links = linked
    for passes in links.values():
        for key in {(p.terminal_source, p.terminal_target) for p in passes}:
            mine = [p.intervals for p in passes if (p.terminal_source, p.terminal_target) == key]
            total = sum(i.total_s for i in mine)
            assert Intervals.union_of(mine).total_s == pytest.approx(total, abs=1e-6)


def test_receiver_conditions_are_asked_one_light_time_later(linked):
    tracks, _, access, _ = linked
    pair = access["earth-1", "elfo"]
    down = directed_window(tracks, pair, "elfo", "earth-1")
    up = directed_window(tracks, pair, "earth-1", "elfo")
    rises = next(c for c in pair.conditions if c.cause == "station-mask").intervals.start_s
    rises = rises[rises > 0]
    assert rises.size >= 3
    owlt = range_km(tracks, "elfo", "earth-1", rises - 1.28) / C_KM_S
    for rise, light in zip(rises, owlt, strict=True):
        if np.isclose(up.start_s, rise, atol=1e-9).any():  # the station sends from its rise on
            assert np.abs(down.start_s - (rise - light)).min() < 1e-5  # and hears what left before
            return
    pytest.fail("no rise opens the link")


def test_what_holds_at_the_end_is_held_for_a_light_time(linked):
    tracks, _, access, _ = linked
    for (a, b), pair in access.items():
        if len(pair.access) and pair.access.end_s[-1] == tracks.span_s:
            assert directed_window(tracks, pair, a, b).end_s[-1] == tracks.span_s


def test_outages_apply_at_each_end_in_its_own_time(linked):
    tracks, nodes, access, _ = linked
    service = {"earth-1": Intervals.from_pairs([(0.0, 100000.0), (110000.0, tracks.span_s)])}
    links = close_links(access, tracks, nodes.values(), service)
    for (source, target), passes in links.items():
        up = Intervals.union_of(p.intervals for p in passes)
        if source == "earth-1":
            assert not len(up.clip(100000.0, 110000.0))
        if target == "earth-1":
            assert not len(up.clip(100000.0, 109998.0))


def test_neighbours_on_the_ground_talk_all_the_time_at_the_slower_rate():
    t = scene.grid(0.2)
    place = {"latitude_deg": -86.0, "longitude_deg": 0.0}
    tower = scene.node("tower", "asset", t, serves_radius_km=130.0, **place,
                       terminals=(terminal("user-ka-base"), terminal("user-x-dte")))  # fmt: skip
    rover = scene.node("rover", "asset", t, latitude_deg=-89.0, longitude_deg=0.0,
                       terminals=(terminal("user-s-medium"), terminal("user-ka-rover")))  # fmt: skip
    states = {"tower": scene.on_moon(-86, 0, t), "rover": scene.on_moon(-89, 0, t)}
    tracks = scene.tracks_of(t, states, {"tower": "asset", "rover": "asset"})
    links = close_links(find_access(tracks, [tower, rover]), tracks, [tower, rover])
    assert set(links) == {("tower", "rover"), ("rover", "tower")}
    (one,) = links["rover", "tower"]
    assert (one.rate_bps, one.margin_db) == (50e6, None)
    assert (one.terminal_source, one.terminal_target) == ("user-ka-rover", "user-ka-base")
    assert one.intervals.pairs() == [(0.0, tracks.span_s)]
    assert one.owlt_s[0] == pytest.approx(90.96 / C_KM_S, rel=1e-3)


# --- navigation ------------------------------------------------------------------------------


def test_navigation_signal_needs_more_near_the_horizon():
    tx, rx = terminal("afs-transmitter"), terminal("afs-receiver")
    high, low = navigation_cn0_dbhz(tx, rx, 1e4, np.array([15.0, 14.9]) * DEG)
    assert high == pytest.approx(50.4, abs=0.05)
    assert high - low == pytest.approx(3.0)
    assert navigation_cn0_dbhz(tx, rx, 1e4) == pytest.approx(float(high))
    assert navigation_cn0_dbhz(tx, rx, 1e4, None, 0.0) == pytest.approx(float(high) - 26.0)


def test_navigation_is_visible_where_it_can_be_acquired(linked):
    tracks, nodes, access, _ = linked
    rx = terminal("afs-receiver")
    weak = terminal("afs-transmitter")
    weak = weak.model_copy(update={"transmit": weak.transmit.model_copy(update={"eirp_dbw": 9.0})})
    spans = access["elfo", "pole"].access
    got = navigation_visible(tracks, nodes["elfo"], weak, nodes["pole"], rx, spans)
    t = np.arange(0.5, tracks.span_s, 20.0)
    cn0 = navigation_cn0_dbhz(
        weak, rx, range_km(tracks, "elfo", "pole", t), elevation_rad(tracks, "pole", "elfo", t)
    )
    want = spans.contains(t) & (cn0 >= 35.0)
    assert (got.contains(t) == want).all()
    assert 0 < got.total_s < spans.total_s
    strong = navigation_visible(
        tracks, nodes["elfo"], terminal("afs-transmitter"), nodes["pole"], rx, spans
    )
    assert strong == spans


def test_a_terminals_own_range_limit_holds_beside_one_without(linked):
    tracks, nodes, access, _ = linked
    near = terminal("relay-s").model_copy(update={"id": "relay-s-near", "max_range_km": 7500.0})
    elfo = scene.node("elfo", "spacecraft", tracks.t_s, terminals=(terminal("relay-s"), near))
    pair = {("elfo", "pole"): access["elfo", "pole"]}
    found = close_links(pair, tracks, [elfo, nodes["pole"]])
    km = {"relay-s": [], "relay-s-near": []}
    for passes in found.values():
        for p in passes:
            own = p.terminal_source if p.source == "elfo" else p.terminal_target
            km[own] += [range_km(tracks, "elfo", "pole", e - 1e-3) for e in p.intervals.end_s]
    assert max(km["relay-s"]) > 8000.0
    assert 7499.0 < max(km["relay-s-near"]) < 7500.01


def test_a_stations_terminal_may_work_below_the_stations_own_mask(linked):
    tracks, nodes, _, _ = linked
    x, ka = terminal("station-13m-awara-x"), terminal("station-20m-legs-ka")
    station = scene.node(
        "earth-1", "station", tracks.t_s, min_elevation_deg=10.0,
        terminals=(x.model_copy(update={"min_elevation_deg": 4.0}), ka),
    )  # fmt: skip
    both = [nodes["elfo"], station]
    access = find_access(tracks, both)
    found = close_links(access, tracks, both)
    lowest = {}
    for p in found["elfo", "earth-1"]:
        light = range_km(tracks, "elfo", "earth-1", p.intervals.start_s) / C_KM_S
        when = np.concatenate([p.intervals.start_s, p.intervals.end_s]) + np.tile(light, 2)
        low = float(elevation_rad(tracks, "earth-1", "elfo", when).min() / DEG)
        lowest[p.terminal_target] = min(low, lowest.get(p.terminal_target, 90.0))
    assert lowest[x.id] == pytest.approx(4.0, abs=0.01)
    assert lowest[ka.id] == pytest.approx(10.0, abs=0.01)
