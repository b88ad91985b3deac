"""What the files can tell beyond the schema: orbits that exist, files that can be read, dates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cislunar.condition_records import Leaf, leaves
from cislunar.faults import raise_all
from cislunar.link_models.bands import frequency_fault
from cislunar.scenario import Scenario, distinct
from cislunar.terminal_records import Terminal
from cislunar.terrain.horizon_file import read_horizon
from cislunar.trajectories import THREE_BODY, periodic_orbit
from orbits.errors import InputError

EARTH_FRAMES = ("EARTH_ICRF", "ITRF")
PARAMETERS = ("amplitude_km", "amplitude_z_km", "perilune_km", "period_days", "resonance")


def check_scenario(scenario: Scenario, file: str | None = None) -> None:
    """Raises InputError for what the files can tell but the schema cannot.

    Orbit families are asked whether they have the member; OEM, SPK and horizon files must be there
    and readable; every served window must have a date; conditions and antennas must ask for what
    their node has (a horizon file, elevations, axes).
    """
    faults: list[InputError] = []

    def orbit_of(record: Any, where: str) -> None:
        try:
            _check_orbit(record.orbit)
            _check_span(record.orbit, scenario)
        except InputError as fault:
            faults.append(
                InputError(
                    fault.what, file=file, key=f"{where}.orbit" + (f".{fault.key}" if fault.key
                    else ""), value=fault.value, allowed=fault.allowed,
                )
            )  # fmt: skip

    def dates_of(record: Any, where: str) -> None:
        dates = record.service_start
        if dates is not None and not isinstance(dates, str):
            case = scenario.service_date_case
            if getattr(dates, case) is None and dates.nominal is None:
                faults.append(
                    InputError(
                        f"{record.name} has no {case} start: it is not planned to serve",
                        file=file, key=f"{where}.service_start", allowed="a date",
                    )
                )  # fmt: skip

    for kind in ("spacecraft", "constellations", "ground_stations", "assets"):
        for index, record in enumerate(getattr(scenario, kind)):
            where = f"{kind}.{index}"
            dates_of(record, where)
            if hasattr(record, "orbit"):
                orbit_of(record, where)
            if getattr(record, "horizon", None):
                try:
                    read_horizon(record.horizon)
                except InputError as fault:
                    faults.append(
                        InputError(
                            f"{record.horizon}: {fault.what}", file=file, key=f"{where}.horizon",
                            allowed=fault.allowed,
                        )
                    )  # fmt: skip
    for index, option in enumerate(scenario.options):
        if option.not_computable:
            continue
        for kind in ("spacecraft", "constellations"):
            for k, record in enumerate(getattr(option.adds, kind)):
                orbit_of(record, f"options.{index}.adds.{kind}.{k}")
    for where, terminal in _all_terminals(scenario):
        for name in ("transmit", "receive"):
            half = getattr(terminal, name)
            what = half and frequency_fault(terminal.id, half.band, half.frequency_mhz)
            if what:
                faults.append(
                    InputError(
                        what, file=file, key=f"{where}.{name}.frequency_mhz",
                        value=half.frequency_mhz, allowed="a carrier within its band",
                    )
                )  # fmt: skip
    for where, what, allowed in _out_of_place(scenario):
        faults.append(InputError(what, file=file, key=where, allowed=allowed))
    raise_all(distinct(faults))


PLACES = ("ground_stations", "assets")


def _out_of_place(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Conditions and fixed antennas that ask for what their node does not have: key, what, allowed.

    Conditions of single pairs included; options that add nodes too.
    """
    owners: dict[str, tuple[str, Any]] = {}
    lists: list[tuple[str, Any]] = [("", scenario)]
    lists += [(f"options.{k}.adds.", option.adds) for k, option in enumerate(scenario.options)]
    for prefix, some in lists:
        for kind in ("spacecraft", "constellations", *PLACES):
            for index, record in enumerate(getattr(some, kind)):
                where = f"{prefix}{kind}.{index}"
                owners.setdefault(record.name, (kind, record))
                stated = record.access_conditions
                for leaf in [] if stated is None else leaves(stated):
                    yield from _misplaced(f"{where}.access_conditions", kind, record, leaf)
                for entry in record.terminals:
                    terminal = scenario.terminals[entry] if isinstance(entry, str) else entry
                    antenna = terminal.antenna
                    if antenna is not None and antenna.pointing_mode == "fixed":
                        fault = _axes_fault(kind, antenna.boresight_frame)
                        if fault:
                            what = f"{terminal.id!r} on {record.name}: {fault[0]}"
                            yield f"{where}.terminals", what, fault[1]
    for index, pair in enumerate(scenario.pair_conditions):
        craft = pair.node.rsplit("-", 1)[0]  # a member of a constellation, or a node of its own
        kind, record = owners.get(pair.node) or owners[craft]
        for leaf in leaves(pair.require):
            yield from _misplaced(f"pair_conditions.{index}.require", kind, record, leaf)


def _misplaced(where: str, kind: str, record: Any, leaf: Leaf) -> Iterator[tuple[str, str, str]]:
    if leaf.kind == "horizon" and not getattr(record, "horizon", None):
        yield where, f"{record.name} has no horizon file", "an asset with `horizon`"
    elif leaf.kind in ("elevation", "azimuth-elevation") and kind not in PLACES:
        what = f"{record.name} is a spacecraft and has no {leaf.kind}"
        yield where, what, "a place on the Moon or the Earth"
    elif leaf.kind == "cone" and (fault := _axes_fault(kind, leaf.frame)):
        yield where, f"{record.name}: {fault[0]}", fault[1]


def _axes_fault(kind: str, frame: str) -> tuple[str, str] | None:
    """Why a node of a list of the scenario does not have a frame's axes, and what it has."""
    if frame == "LVLH" and kind in PLACES:
        return "a place has no frame LVLH", "LOCAL, ICRF, EARTH_MOON_ROTATING"
    if frame == "LOCAL" and kind not in PLACES:
        return "a spacecraft has no frame LOCAL", "LVLH, ICRF, EARTH_MOON_ROTATING"
    return None


def _all_terminals(scenario: Scenario) -> Iterator[tuple[str, Terminal]]:
    """Every terminal of a scenario with its place in the file: by name, and inline on nodes."""
    for name, terminal in scenario.terminals.items():
        yield f"terminals.{name}", terminal
    for kind in ("spacecraft", "constellations", "ground_stations", "assets"):
        for index, record in enumerate(getattr(scenario, kind)):
            for k, entry in enumerate(record.terminals):
                if not isinstance(entry, str):
                    yield f"{kind}.{index}.terminals.{k}", entry


def _check_span(orbit: Any, scenario: Scenario) -> None:
    """Raises InputError for an orbit that the scenario's fidelity or span cannot have."""
    if getattr(orbit, "frame", None) in EARTH_FRAMES and scenario.fidelity != "ephemeris":
        raise InputError(
            f"an Earth-centred orbit is not flown in fidelity {scenario.fidelity}", key="frame",
            value=orbit.frame, allowed="fidelity: ephemeris, or a frame about the Moon",
        )  # fmt: skip
    if orbit.kind not in ("oem", "spk"):
        return
    from orbits.ephemeris import De440
    from orbits.exchange import read_oem, read_spk

    ends_s = [0.0, scenario.duration_s]
    try:
        if orbit.kind == "oem":
            read_oem(orbit.file, De440.open()).rebased(scenario.start).at(ends_s)
        else:
            read_spk(orbit.file, orbit.naif_id, scenario.start, ends_s)
    except InputError as fault:
        raise InputError(
            f"{orbit.file}: {fault.what}", key="file", value=orbit.file, allowed=fault.allowed
        ) from fault  # fmt: skip


def _check_orbit(orbit: Any) -> None:
    if orbit.kind in ("oem", "spk"):
        if not Path(orbit.file).is_file():
            raise InputError(
                f"{orbit.file}: no such file", key="file", value=orbit.file,
                allowed="a path relative to the scenario file",
            )  # fmt: skip
        return
    if orbit.kind not in THREE_BODY:
        return
    try:
        periodic_orbit(orbit)
    except InputError as fault:
        given = [n for n in PARAMETERS if getattr(orbit, n, None) is not None]
        raise InputError(
            fault.what, key=fault.key or (given[0] if given else None), value=fault.value,
            allowed=fault.allowed,
        ) from fault  # fmt: skip
