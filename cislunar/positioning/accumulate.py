"""Accumulated positioning: what a user that stands still learns from few sources in time.

Ranges and Doppler of whatever is in view are gathered from a start on, with the receiver's clock
as two noisy states, and give at every instant the covariance of position and time
(``accumulate_kernels``). Starts slide over the span, so that accuracy against time, the
time to reach a need and the availability of so many metres within so many minutes are statistics.

The error of a signal in space is not white: ephemeris and clock predictions of a source are wrong
for hours, and an hour of ranges to one source does not average it away. It is estimated with the
position as a correlated process of the published standard deviation whose rate has the published
standard deviation too (the ``uere`` record), or with a correlation time that the caller states.
Multipath of a user that does not move is taken to last as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.access import find_access
from cislunar.access import workers as cores
from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.clocks import Clock, clock
from cislunar.positioning.accumulate_kernels import CORNER, gather
from cislunar.positioning.accumulated import LIMIT_M, Accumulated
from cislunar.positioning.scores import corrections, positioning_need
from cislunar.ranging import (
    Ranging,
    chinese,
    find_ranging,
    is_receiver,
    is_source,
    signal_error,
    sise_m,
)  # fmt: skip
from cislunar.world import build_world
from orbits.constants import C_KM_S, DEG
from orbits.errors import InputError
from orbits.interpolate import hermite_many
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.contacts import ContactPlan
    from cislunar.nodes import Node
    from cislunar.results import Results
    from cislunar.schema import Accumulation
    from cislunar.tracks import Tracks

HOUR_S = 3600.0


@dataclass(frozen=True)
class Gathering:
    """How a user gathers: what it measures, for how long, and what else it knows.

    ``window_min`` from every start, with a range and a Doppler of every source in view each
    ``step_s``; starts ``start_step_min`` apart. ``clock``: a catalogue name or a ``Clock``; absent,
    the asset's own, else ``tcxo``. ``height_sigma_m``: the height is known (terrain) so well.
    ``two_way``: names of spacecraft or Earth stations ranged to and back over their links.
    ``sources``: only these navigation sources. ``signal_correlation_s``: correlation time of the
    signal errors whose rate is not published; the others keep the one that follows from it.
    ``wander_1h_m``: odometry of a slow user strays so far in an hour (1 sigma, each axis), and
    ``speed_sigma_m_s`` is the error of its speed. ``doppler``, ``ranges``: which of the two are
    used.
    """

    window_min: float = 60.0
    step_s: float = 60.0
    start_step_min: float = 120.0
    clock: str | Clock | None = None
    height_sigma_m: float | None = None
    two_way: tuple[str, ...] = ()
    sources: tuple[str, ...] | None = None
    signal_correlation_s: float | None = None
    wander_1h_m: float = 0.0
    speed_sigma_m_s: float = 0.0
    doppler: bool = True
    ranges: bool = True

    def __post_init__(self):
        positive = ("window_min", "step_s", "start_step_min", "signal_correlation_s",
                    "height_sigma_m")  # fmt: skip
        for name in (*positive, "wander_1h_m", "speed_sigma_m_s"):
            value = getattr(self, name)
            if value is None:
                continue
            least_ok = value > 0.0 if name in positive else value >= 0.0
            if not (math.isfinite(value) and least_ok):
                allowed = "more than 0" if name in positive else "0 or more"
                raise InputError(f"{name} {value:g}", key=name, value=value, allowed=allowed)
        if self.window_min * 60.0 < self.step_s:
            raise InputError(
                "the window is shorter than a step", key="window_min", value=self.window_min,
                allowed=f"{self.step_s / 60.0:g} or more",
            )  # fmt: skip
        if not (self.ranges or self.doppler or self.two_way):
            raise InputError("nothing is measured", key="ranges", value=False,
                             allowed="ranges, doppler or two_way")  # fmt: skip
        if self.clock is not None:
            clock(self.clock)
        for name in ("two_way", "sources"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))


def gathering(**settings) -> Gathering:
    """The ``Gathering`` of keyword arguments; InputError for one that it does not have."""
    known = [f.name for f in fields(Gathering)]
    for name in settings:
        if name not in known:
            raise InputError(f"no setting {name!r}", key=name, allowed=", ".join(known))
    return Gathering(**settings)


# --- from a scenario's world to the kernel's arrays --------------------------------------------


def local_axes(latitude_deg: float, longitude_deg: float) -> np.ndarray:
    """Rows (3, 3): unit vectors to local east, north and up in MOON_ME.

    >>> local_axes(0.0, 0.0).tolist()
    [[-0.0, 1.0, 0.0], [-0.0, -0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    sl, cl, so, co = math.sin(lat), math.cos(lat), math.sin(lon), math.cos(lon)
    return np.array([[-so, co, 0.0], [-sl * co, -sl * so, cl], [cl * co, cl * so, sl]])


def _signal_rates(
    nodes: Sequence[Node], uere: Mapping[str, Any], china: tuple[str, ...],
    correlation_s: float | None,
) -> np.ndarray:  # fmt: skip
    """lambda (1/s) of every source's signal error; 0 for beacons and stations: constant."""
    rates, unknown = [], []
    for node in nodes:
        error = None if node.kind == "station" else signal_error(node, uere, china)
        if error is not None and error.whole_range:
            raise InputError(
                f"the error budget of {node.name} is that of a whole range: which part of it "
                "lasts is not known", key="error_budget", value=error.id,
                allowed="a signal-in-space error",
            )  # fmt: skip
        if error is None or node.kind != "spacecraft":
            rates.append(0.0)
        elif error.velocity_mm_s is not None:
            rates.append(error.velocity_mm_s * 1e-3 / error.signal_m)
        elif correlation_s is not None:
            rates.append(1.0 / correlation_s)
        else:
            unknown.append(node.name)
    if unknown:
        raise InputError(
            f"how long the signal errors of {', '.join(unknown)} last is not published",
            key="signal_correlation_s", allowed="a correlation time in s",
        )  # fmt: skip
    return np.array(rates)


def _relative(tracks: Tracks, user: Node, names: Sequence[str], t_s, axes, rate):
    """Sources from the user (S, T, 3) in km and km/s, in the user's local axes turning with the
    Moon."""
    assert user.latitude_deg is not None
    assert user.longitude_deg is not None
    here = local_axes(user.latitude_deg, user.longitude_deg)
    turn, spin = here @ axes, here @ rate
    own = _states(tracks, user.name, t_s)
    place, speed = np.empty((len(names), t_s.size, 3)), np.empty((len(names), t_s.size, 3))
    for s, name in enumerate(names):
        apart = _states(tracks, name, t_s) - own
        place[s] = np.einsum("tij,tj->ti", turn, apart[:, :3])
        speed[s] = np.einsum("tij,tj->ti", turn, apart[:, 3:]) + np.einsum(
            "tij,tj->ti", spin, apart[:, :3]
        )
    return place, speed


def _states(tracks: Tracks, name: str, t_s) -> np.ndarray:
    states = np.ascontiguousarray(tracks.states[name], dtype=float)
    if np.array_equal(t_s, tracks.t_s[: t_s.size]):
        return states[: t_s.size]
    return hermite_many(np.ascontiguousarray(tracks.t_s, dtype=float), states, t_s)


def check_signals(
    nodes: Iterable[Node], how: Gathering, uere: Mapping[str, Any], policy: Any = None
) -> None:
    """Raises InputError where the correlation of a source's signal error is neither published nor
    given; knowable before anything is computed."""
    sources = [
        n for n in nodes
        if (is_source(n) and (how.sources is None or n.name in how.sources))
        or n.name in how.two_way
    ]  # fmt: skip
    _signal_rates(sources, uere, chinese(policy), how.signal_correlation_s)


def two_way_spans(plan: ContactPlan, far: str, asset: str) -> Intervals:
    """When ``far`` and ``asset`` have contacts in both directions, s past the plan's epoch."""
    halves = []
    for source, target in ((far, asset), (asset, far)):
        picked = (plan.source == source) & (plan.target == target)
        pairs = zip(plan.start_s[picked].tolist(), plan.end_s[picked].tolist(), strict=True)
        halves.append(Intervals.from_pairs(list(pairs)))
    return halves[0] & halves[1]


@dataclass(frozen=True, eq=False)
class Scene:
    """What every user of a run has in common: the epochs, the Moon's axes, errors, settings."""

    tracks: Tracks
    nodes: tuple[Node, ...]
    ranging: Mapping[tuple[str, str], Ranging]
    uere: Mapping[str, Any]
    policy: Any
    how: Gathering
    t_s: np.ndarray
    moon_axes: np.ndarray
    moon_rate: np.ndarray
    two_way: Mapping[tuple[str, str], Intervals]


def make_scene(
    tracks: Tracks,
    nodes: Iterable[Node],
    ranging: Mapping[tuple[str, str], Ranging],
    uere: Mapping[str, Any],
    how: Gathering,
    *,
    fidelity: str,
    ephemeris: Any,
    policy: Any = None,
    plan: ContactPlan | None = None,
) -> Scene:
    """What the users of a run share: two-way ranges need contacts of ``plan`` both ways.

    Raises InputError where the span is shorter than the window, or for a far end that is neither
    a spacecraft nor a station in service.
    """
    nodes = tuple(nodes)
    far = [n.name for n in nodes if n.kind != "asset"]
    for name in how.two_way:
        if name not in far:
            raise InputError(f"{name!r} is no far end of a two-way range", key="two_way",
                             value=name, allowed=", ".join(far) or "none in service")  # fmt: skip
    two_way = {
        (name, user.name): Intervals() if plan is None else two_way_spans(plan, name, user.name)
        for name in how.two_way
        for user in nodes
        if user.kind == "asset"
    }
    count = math.floor(tracks.span_s / how.step_s + 1e-9) + 1
    if tracks.span_s < how.window_min * 60.0:
        raise InputError(f"a window of {how.window_min:g} min does not fit the span",
                         key="window_min", value=how.window_min,
                         allowed=f"up to {tracks.span_s / 60.0:g}")  # fmt: skip
    t_s = how.step_s * np.arange(count)
    world = build_world(fidelity, tracks.epoch, t_s, ephemeris)
    return Scene(tracks, nodes, ranging, uere, policy, how, t_s, world.moon_axes,
                 world.moon_rate, two_way)  # fmt: skip


def _seen(spans: Intervals, t_s: np.ndarray, span_s: float) -> np.ndarray:
    last = np.where(t_s < span_s, t_s, np.nextafter(span_s, -np.inf))
    return np.asarray(spans.contains(last), dtype=np.int8)


def accumulate(scene: Scene, user: Node) -> Accumulated:
    """What ``user`` gathers from every start; see ``Gathering`` for how and ``Accumulated``.

    A user without any source is a result: nothing is solved. Raises InputError for a name that is
    no navigation source.
    """
    how, tracks, uere = scene.how, scene.tracks, scene.uere
    china = chinese(scene.policy)
    span_s = tracks.span_s
    heard = [s for s, a in scene.ranging if a == user.name]
    if how.sources is not None:
        known = {s for s, _ in scene.ranging}
        for name in how.sources:
            if name not in known:
                raise InputError(
                    f"{name!r} is no navigation source of this run", key="sources", value=name,
                    allowed=", ".join(sorted(known)) or "none",
                )  # fmt: skip
        heard = [s for s in heard if s in how.sources]
    sources = [n for n in scene.nodes if n.name in heard or n.name in how.two_way]
    unseen = Ranging(Intervals(), (0.0, 0.0))
    links = [scene.ranging.get((n.name, user.name), unseen) if n.name in heard else unseen
             for n in sources]  # fmt: skip
    one_way = np.array([_seen(r.visible, scene.t_s, span_s) for r in links], dtype=np.int8)
    both = [
        scene.two_way[n.name, user.name] if n.name in how.two_way else Intervals() for n in sources
    ]
    two_way = np.array([_seen(v, scene.t_s, span_s) for v in both], dtype=np.int8)
    live = [s for s in range(len(sources)) if one_way[s].any() or two_way[s].any()]
    sources, links = [sources[s] for s in live], [links[s] for s in live]
    shape = (len(live), scene.t_s.size)
    one_way, two_way = one_way[live].reshape(shape), two_way[live].reshape(shape)

    place, speed = _relative(
        tracks, user, [n.name for n in sources], scene.t_s, scene.moon_axes, scene.moon_rate
    )
    d2 = np.einsum("sti,sti->st", place, place)
    high = place[:, :, 2] >= math.sin(NAVIGATION_LOW_ELEVATION_DEG * DEG) * np.sqrt(d2)
    quiet = np.array([r.noise_m2_km2 for r in links], dtype=float).reshape(-1, 2)
    noise2 = np.where(high, quiet[:, 1:], quiet[:, :1]) * d2
    sigma = _signal_sigma(scene, user, sources)
    rates = _signal_rates(sources, uere, china, how.signal_correlation_s)
    two_way_m = float(uere["two_way_range_m"]["value"]) if how.two_way else 1.0
    own = clock(how.clock or user.clock or "tcxo")
    starts, epochs = _starts(how, span_s)
    found = run_kernel(
        place, speed, one_way, two_way, sigma, rates, noise2, np.full(len(live), two_way_m**2),
        doppler_variance(uere, own, how), own, how, starts, epochs,
    )  # fmt: skip
    covariance, solved, timed, root = found
    seen = one_way | two_way
    in_window = np.array([seen[:, k : k + epochs].any(axis=1).sum() for k in starts])
    return Accumulated(
        user.name, tuple(n.name for n in sources), own, scene.t_s[starts],
        how.step_s * np.arange(epochs), covariance, solved, timed, root, in_window,
        np.array([1.0 / x if x > 0.0 else math.inf for x in rates.tolist()]),
        positioning_need(user),
    )  # fmt: skip


def _starts(how: Gathering, span_s: float) -> tuple[np.ndarray, int]:
    epochs = round(how.window_min * 60.0 / how.step_s) + 1
    last = math.floor(span_s / how.step_s + 1e-9) + 1 - epochs
    stride = max(1, round(how.start_step_min * 60.0 / how.step_s))
    return np.arange(0, last + 1, stride), epochs


def doppler_variance(uere: Mapping[str, Any], own: Clock, how: Gathering) -> float:
    """Variance of one epoch's Doppler in m2/s2: tracking, the clock's white noise over the
    averaging time, and the error of a slow user's own speed."""
    row = uere["doppler_noise_mm_s"]
    tracking = float(row["value"]) * 1e-3
    white = (C_KM_S * 1e3) ** 2 * own.q1_s / float(row["averaging_s"])
    return tracking**2 + white + how.speed_sigma_m_s**2


def _signal_sigma(scene: Scene, user: Node, sources: Sequence[Node]) -> np.ndarray:
    """The standard deviation of every signal's lasting error (S, T), m; less where corrected."""
    uere = scene.uere
    multipath_m = float(uere["multipath_m"]["surface"])
    residual_m = float(uere["differential_residual_m"]["value"])
    references = [
        n for n in scene.nodes
        if n.kind == "asset" and n.correction_radius_km is not None and is_receiver(n)
    ]  # fmt: skip
    corrected = corrections(
        user, sources, references, scene.tracks, scene.ranging, scene.policy, uere
    )
    sigma = np.empty((len(sources), scene.t_s.size))
    for s, node in enumerate(sources):
        if node.kind == "station":
            sigma[s] = float(uere["two_way_range_m"]["value"])
            continue
        sigma[s] = math.hypot(sise_m(node, uere, chinese(scene.policy)), multipath_m)
        spans = _seen(corrected[s], scene.t_s, scene.tracks.span_s) != 0
        sigma[s, spans] = math.hypot(residual_m, multipath_m)
    return sigma


def run_kernel(
    place, speed, one_way, two_way, sigma, rates, noise2, two_way2, doppler2, own, how, starts,
    epochs,
):  # fmt: skip
    """Covariance (N, K, 4, 4: east, north, up, time; m2), solved, timed (N, K), information root.

    Arrays as for ``accumulate_kernels.gather``; ``own`` is the clock, ``how`` the settings.
    """
    c2 = (C_KM_S * 1e3) ** 2
    walk = np.full(3, how.wander_1h_m**2 / HOUR_S)
    if how.height_sigma_m is not None:
        walk[2] = 0.0  # the terrain goes with the user
    covariance = np.zeros((starts.size, epochs, CORNER, CORNER))
    solved, timed = (np.zeros((starts.size, epochs), bool) for _ in range(2))
    corner = np.zeros((starts.size, CORNER, CORNER))
    height_w = 0.0 if how.height_sigma_m is None else 1.0 / how.height_sigma_m
    arrays = [np.ascontiguousarray(x, dtype=float) for x in (place, speed)]
    gates = [np.ascontiguousarray(x, dtype=np.int8) for x in (one_way, two_way)]
    rest = [np.ascontiguousarray(x, dtype=float) for x in (sigma, rates, noise2, two_way2)]
    use = np.array([how.ranges, how.doppler])
    noise = np.array([c2 * own.q1_s, c2 * own.q2_per_s])

    def part(span: slice):
        gather(
            *arrays, *gates, *rest, doppler2, use, how.step_s, noise, walk, height_w, starts[span],
            epochs, LIMIT_M**2, covariance[span], solved[span], timed[span],
            corner[span],
        )  # fmt: skip

    size = -(-starts.size // cores())
    spans = [slice(k, k + size) for k in range(0, starts.size, size)]
    with ThreadPoolExecutor(len(spans)) as pool:
        list(pool.map(part, spans))
    return covariance, solved, timed, corner[:, :, [1, 2, 3, 0]]


def settings_of(record: Accumulation | None, **settings) -> Gathering:
    """A scenario's ``accumulation`` as a ``Gathering``, with any setting replaced."""
    known = [f.name for f in fields(Gathering)]
    base = {} if record is None else {k: getattr(record, k) for k in known}
    return gathering(**{**base, **settings})


def accumulate_run(
    record: Accumulation, tracks: Tracks, nodes: Iterable[Node],
    ranging: Mapping[tuple[str, str], Ranging], plan: ContactPlan, uere: Mapping[str, Any],
    *, fidelity: str, ephemeris: Any, policy: Any = None,
) -> list[Accumulated]:  # fmt: skip
    """What every asset with a receiver (or every one that ``record`` names) gathers."""
    nodes = tuple(nodes)
    here = {n.name for n in nodes}
    how = settings_of(record, two_way=tuple(n for n in record.two_way if n in here))
    scene = make_scene(
        tracks, nodes, ranging, uere, how, fidelity=fidelity, ephemeris=ephemeris, policy=policy,
        plan=plan,
    )  # fmt: skip
    users = [
        n for n in nodes
        if n.kind == "asset"
        and (is_receiver(n) if record.assets is None else n.name in record.assets)
    ]  # fmt: skip
    return [accumulate(scene, user) for user in users]


def ranging_of(results: Results, user: Node) -> dict[tuple[str, str], Ranging]:
    """What ``user`` ranges to, and the reference stations that may correct it, found anew.

    A run keeps contacts and scores, not this. As if no antenna were shared.
    """
    nodes = results.nodes
    pairs = {
        (min(one.name, n.name), max(one.name, n.name))
        for one in nodes
        if one.name == user.name or one.correction_radius_km is not None
        for n in nodes
        if is_source(n) and n.name != one.name
    }
    access = find_access(results.tracks, nodes, sorted(pairs))
    return find_ranging(results.tracks, nodes, access, results.scenario.policy)


def accumulated_positioning(results: Results, asset: str, **settings) -> Accumulated:
    """What one asset of a finished run gathers over time; settings as for ``Gathering``.

    Settings that are not given are those of the scenario's ``accumulation``. Signals are ranged to
    as if no antenna were shared. Raises InputError for an unknown asset, setting or source, and
    where a signal's correlation is neither published nor given.
    """
    from cislunar import catalog
    from orbits.ephemeris import De440

    scenario, nodes, tracks = results.scenario, results.nodes, results.tracks
    user = next((n for n in nodes if n.name == asset and n.kind == "asset"), None)
    if user is None:
        places = ", ".join(n.name for n in nodes if n.kind == "asset")
        raise InputError(f"no asset {asset!r}", key="asset", value=asset, allowed=places or "none")
    how = settings_of(scenario.accumulation, **settings)
    uere = catalog.find("uere")
    check_signals(nodes, how, uere, scenario.policy)
    ranging = ranging_of(results, user)
    scene = make_scene(
        tracks, nodes, ranging, uere, how, fidelity=scenario.fidelity, ephemeris=De440.open(),
        policy=scenario.policy, plan=results.plan,
    )  # fmt: skip
    return accumulate(scene, user)
