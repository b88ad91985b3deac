"""Spacecraft in motion: each node's orbit record flown over the scenario's span."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cislunar.world import closed_world_axes, closed_world_frame
from orbits.constants import DEG, GM_EARTH_KM3_S2, GM_MOON_KM3_S2
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.trajectory import Trajectory

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.scenario import Scenario
    from orbits.ephemeris import De440
    from orbits.propagate import ForceModel

THREE_BODY = ("dro", "halo", "nrho", "lyapunov", "butterfly")
LARGEST_STEP_S = 60.0  # tables are never coarser: degree-7 interpolation is then exact to mm

_flown: dict[str, Trajectory] = {}  # by content hash: a sweep asks for the same orbit many times
shelf: Shelf | None = None  # what also remembers beyond this process; a sweep puts one here


class Shelf(Protocol):
    """A store of trajectories by content key that outlives a process."""

    def get(self, content_key: str) -> Trajectory | None: ...

    def put(self, content_key: str, trajectory: Trajectory, cost_s: float) -> None: ...


def forget(largest_bytes: float) -> None:
    """Drops the trajectories remembered longest until the rest fit; between runs only."""
    for key in list(_flown):
        if sum(t.states.nbytes for t in list(_flown.values())) <= largest_bytes:
            break
        _flown.pop(key, None)


def force_model(scenario: Scenario) -> ForceModel:
    """The force model a scenario asks for."""
    from orbits.propagate import ForceModel

    chosen = scenario.force_model
    if chosen == "standard":
        return ForceModel.standard()
    return ForceModel(degree=chosen.moon_degree, bodies=tuple(chosen.bodies), srp=bool(chosen.srp))


def build_trajectories(
    scenario: Scenario,
    nodes: Iterable[Node],
    ephemeris: De440,
    *,
    workers: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Trajectory]:
    """Trajectories of the spacecraft among ``nodes`` over [0, duration], MOON_ICRF, km and km/s."""
    flying = [n for n in nodes if n.kind == "spacecraft"]

    def one(node: Node) -> Trajectory:
        key = content_key(scenario, node)
        found = _flown.get(key)
        if found is None:
            found = _flown[key] = _recalled(key, scenario, node, ephemeris)
        if progress:
            progress(node.name)
        return Trajectory(found.epoch, found.t_s, found.states, found.frame, node.name, found.notes)

    with ThreadPoolExecutor(max_workers=workers or 2) as pool:
        return dict(zip([n.name for n in flying], pool.map(one, flying), strict=True))


def _recalled(key: str, scenario: Scenario, node: Node, ephemeris: De440) -> Trajectory:
    if shelf is None:
        return _fly(scenario, node, ephemeris)
    found = shelf.get(key)
    if found is None:
        start = time.thread_time()
        found = _fly(scenario, node, ephemeris)
        shelf.put(key, found, time.thread_time() - start)
    return found


def content_key(scenario: Scenario, node: Node) -> str:
    """A hash of all that a spacecraft's trajectory is computed from."""
    orbit = node.orbit
    content = [
        orbit.model_dump(mode="json"),
        repr(scenario.start), scenario.duration_s, scenario.step_s, scenario.fidelity,
        scenario.force_model if isinstance(scenario.force_model, str)
        else scenario.force_model.model_dump(mode="json"),
        node.mass_kg, node.area_m2, node.cr,
    ]  # fmt: skip
    if orbit.kind in ("oem", "spk"):
        with open(orbit.file, "rb") as source:
            content.append(hashlib.sha256(source.read()).hexdigest())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fly(scenario: Scenario, node: Node, ephemeris: De440) -> Trajectory:
    kind = node.orbit.kind
    step = min(scenario.step_s, LARGEST_STEP_S)
    count = max(8, int(np.ceil(scenario.duration_s / step - 1e-9)))
    t_s = np.linspace(0.0, scenario.duration_s, count + 1)
    if kind in ("oem", "spk"):
        return _from_file(scenario, node, t_s, ephemeris)
    if kind in THREE_BODY:
        return _fly_three_body(scenario, node, t_s, ephemeris)
    return _fly_state(scenario, node, t_s, ephemeris)


def _sunlit(node: Node) -> dict[str, Any]:
    """What solar pressure needs of a craft; nothing unless both mass and area are known."""
    if node.mass_kg is None or node.area_m2 is None:
        return {}
    return {"mass_kg": node.mass_kg, "area_m2": node.area_m2, "cr": node.cr}


def periodic_orbit(orbit):
    """The CR3BP periodic orbit that an orbit record names."""
    from orbits import families

    if orbit.kind == "dro":
        return families.dro(
            amplitude_km=orbit.amplitude_km,
            period_days=orbit.period_days,
            resonance=orbit.resonance,
            amplitude_z_km=orbit.amplitude_z_km,
            vertical_phase_deg=orbit.vertical_phase_deg,
        )
    if orbit.kind == "lyapunov":
        return families.lyapunov(
            libration_point=orbit.libration_point,
            amplitude_km=orbit.amplitude_km,
            period_days=orbit.period_days,
            resonance=orbit.resonance,
        )
    if orbit.kind == "butterfly":
        return families.butterfly(
            branch=orbit.branch,
            perilune_km=orbit.perilune_km,
            period_days=orbit.period_days,
            resonance=orbit.resonance,
        )
    if orbit.kind == "halo":
        return families.halo(
            libration_point=orbit.libration_point,
            branch=orbit.branch,
            amplitude_z_km=orbit.amplitude_z_km,
        )
    if orbit.kind == "nrho":
        return families.nrho(
            libration_point=orbit.libration_point,
            branch=orbit.branch,
            perilune_km=orbit.perilune_km,
            period_days=orbit.period_days,
            resonance=orbit.resonance,
        )
    raise InputError(
        f"orbits of kind {orbit.kind!r} are not flown yet",
        value=orbit.kind,
        allowed="dro, halo, nrho, lyapunov, butterfly, keplerian, state, oem, spk",
    )


def _fly_three_body(scenario, node, t_s, ephemeris) -> Trajectory:
    from orbits import correct

    orbit = periodic_orbit(node.orbit)
    if scenario.fidelity == "ephemeris":
        return correct.fly(
            orbit, node.orbit.phase_deg, scenario.start, 0.0, float(t_s[-1]), float(t_s[1]),
            ephemeris, force_model(scenario), name=node.name, **_sunlit(node),
        )  # fmt: skip
    phase_deg = node.orbit.phase_deg or 0.0
    if scenario.fidelity == "kepler":
        states = correct.sample_kepler(orbit, phase_deg, scenario.start, t_s, ephemeris)
        return Trajectory(scenario.start, t_s, states, "MOON_ICRF", node.name)
    turning = correct.sample_cr3bp(orbit, phase_deg, t_s)
    axes, rate = closed_world_axes(scenario.start, t_s, ephemeris)
    place = np.einsum("tij,ti->tj", axes, turning[:, :3])
    speed = np.einsum("tij,ti->tj", axes, turning[:, 3:])
    speed += np.einsum("tij,ti->tj", rate, turning[:, :3])
    states = np.concatenate([place, speed], axis=1)
    return Trajectory(scenario.start, t_s, states, "MOON_ICRF", node.name)


def initial_state(
    orbit, start: Epoch, ephemeris: De440, fidelity: str = "ephemeris"
) -> tuple[np.ndarray, float]:
    """State (6,) of a record in MOON_ICRF, km and km/s, and its time in seconds past start."""
    from orbits.elements import state_from_elements
    from orbits.frames import rotation, transform

    epoch = Epoch.parse(orbit.epoch) if orbit.epoch else start
    t0_s = epoch - start
    closed = None
    if fidelity == "cr3bp":
        closed = closed_world_frame(orbit.frame, start, t0_s, ephemeris)
    if orbit.kind == "state":
        given = np.array(orbit.state_km_km_s, dtype=float)
        if closed is None:
            moved = transform(given[None], orbit.frame, "MOON_ICRF", epoch, np.zeros(1), ephemeris)
            return moved[0], t0_s
        axes, rate, centre = closed
        place, speed = axes.T @ given[:3], axes.T @ given[3:] + rate.T @ given[:3]
        return np.concatenate([place, speed]) + centre, t0_s
    centre_gm = GM_EARTH_KM3_S2 if orbit.frame in ("EARTH_ICRF", "ITRF") else GM_MOON_KM3_S2
    local = state_from_elements(
        orbit.semi_major_axis_km, orbit.eccentricity, orbit.inclination_deg * DEG,
        orbit.raan_deg * DEG, orbit.argument_of_periapsis_deg * DEG,
        orbit.mean_anomaly_deg * DEG, centre_gm,
    )  # fmt: skip
    if closed is None:  # the axes are frozen at the orbit's epoch
        axes, centre = rotation(orbit.frame, epoch, np.zeros(1), ephemeris)[0], np.zeros(6)
        if centre_gm == GM_EARTH_KM3_S2:
            centre = ephemeris.state("earth", "moon", epoch, np.zeros(1))[0]
    else:
        axes, _, centre = closed
    return np.concatenate([axes.T @ local[:3], axes.T @ local[3:]]) + centre, t0_s


def _fly_state(scenario, node, t_s, ephemeris) -> Trajectory:
    from orbits.propagate import propagate, propagate_kepler

    state, t0_s = initial_state(node.orbit, scenario.start, ephemeris, scenario.fidelity)
    earth_centred = node.orbit.frame in ("EARTH_ICRF", "ITRF")
    if scenario.fidelity == "ephemeris":
        return propagate(
            state, scenario.start, t_s, force_model(scenario), ephemeris, t0_s=t0_s,
            name=node.name, **_sunlit(node),
        )  # fmt: skip
    if earth_centred:
        raise InputError(
            f"{node.name}: an Earth-centred orbit has no two-body form about the Moon",
            key="fidelity", value=scenario.fidelity, allowed="ephemeris",
        )  # fmt: skip
    start = scenario.start + t0_s
    flown = propagate_kepler(state, start, t_s - t0_s, GM_MOON_KM3_S2)
    return Trajectory(scenario.start, t_s, flown.states, "MOON_ICRF", node.name)


def _from_file(scenario, node, t_s, ephemeris) -> Trajectory:
    from orbits.exchange import read_oem, read_spk

    if node.orbit.kind == "oem":
        read = read_oem(node.orbit.file, ephemeris)
    else:
        read = read_spk(node.orbit.file, node.orbit.naif_id, scenario.start, t_s)
    moved = read.rebased(scenario.start)
    return Trajectory(scenario.start, t_s, moved.at(t_s), "MOON_ICRF", node.name, read.notes)
