"""Named nodes of a scenario: constellations expanded, windows in seconds, terminals looked up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from cislunar.condition_records import Maintenance, asks_azimuth
from cislunar.fields import date_instant
from cislunar.link_models.atmosphere import attenuation_points_db
from cislunar.paths import Path, make_path
from cislunar.scenario import Scenario
from cislunar.schema import Aperture, Constellation, Need, Served, SignalError, StartDates
from cislunar.terminal_records import Terminal
from cislunar.terrain.horizon_file import Horizon, read_horizon
from orbits.constants import DAY_S
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.intervals import Intervals


@dataclass(frozen=True, eq=False)
class Node:
    """One place that sends or receives. Angles in deg here, as in the file; heights in m."""

    name: str
    kind: str  # "spacecraft", "station" or "asset"
    operator: str | None = None
    terminals: tuple[Terminal, ...] = ()
    orbit: Any = None
    mass_kg: float | None = None
    area_m2: float | None = None
    cr: float = 1.3
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    height_m: float = 0.0
    path: Path | None = None  # where it goes, for an asset that moves
    min_elevation_deg: float = 0.0
    horizon: Horizon | None = None
    needs: tuple[Need, ...] = ()
    need_name: str | None = None
    weight: float = 0.0
    service: Intervals = field(default_factory=Intervals)  # seconds of the span when it serves
    constellation: str | None = None
    clock: str | None = None
    serves_radius_km: float | None = None
    correction_radius_km: float | None = None
    eirp_override_dbw: float | None = None
    error_budget: SignalError | None = None  # of its navigation signal; None: its system's
    lunar_time_share: float = 1.0
    antennas: int | None = None
    confidence: str | None = None
    catalog_id: str | None = None
    attenuation: dict[str, tuple[float, ...]] = field(default_factory=dict)
    name_en: str | None = None
    name_ja: str | None = None
    site_kind: str | None = None
    max_range_km: float | None = None
    priority: float = 1.0
    apertures: dict[str, Aperture] = field(default_factory=dict)
    storage_bit: float | None = None
    # what else must hold toward others: (a partner's name, or None for all, and the condition)
    conditions: tuple[tuple[str | None, Any], ...] = ()
    cloud_free_frac: float | None = None
    # which model the attenuation is from, with its availability; None: the catalogue's figures
    atmosphere: str | None = None
    air_noise: bool = False  # whether what attenuates also adds its noise to receivers here

    @property
    def needs_north(self) -> bool:
        """True where something is asked in azimuth here: terrain, a sector, a fixed antenna."""
        if self.kind == "spacecraft":
            return False
        return (
            self.horizon is not None
            or any(asks_azimuth(entry) for _, entry in self.conditions)
            or any(
                t.antenna is not None
                and t.antenna.pointing_mode == "fixed"
                and t.antenna.boresight_frame == "LOCAL"
                for t in self.terminals
            )
        )

    def mask_deg(self, terminal: Terminal) -> float:
        """Elevation below which ``terminal`` of this node does not work, deg."""
        own = terminal.min_elevation_deg
        return self.min_elevation_deg if own is None else own


def service_window(record: Served, start: Epoch, duration_s: float, case: str) -> Intervals:
    """When a node serves, as seconds of ``[0, duration_s)``.

    ``case`` picks early, nominal or late; where it is not given, nominal holds. A year or a month
    alone begins (and ends) at its end.
    """
    begin, end = record.service_start, record.service_end
    if isinstance(begin, StartDates):
        begin = getattr(begin, case) or begin.nominal
        if begin is None:
            raise InputError(
                f"{record.name} has no {case} start: it is not planned to serve",
                key="service_start", allowed="a date",
            )  # fmt: skip
    low = 0.0 if begin is None else max(0.0, date_instant(begin) - start)
    high = duration_s
    if isinstance(end, StartDates):
        end = getattr(end, case) or end.nominal
    if end is not None:
        high = min(duration_s, date_instant(end) - start)
    window = Intervals.from_pairs([(low, high)] if high > low else [])
    outages = [*maintenance_windows(record.maintenance, start, duration_s)]
    outages += [(Epoch.parse(a) - start, Epoch.parse(b) - start) for a, b in record.outages]
    return window - Intervals.from_pairs(outages) if outages else window


_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def maintenance_windows(
    rules: tuple[Maintenance, ...], start: Epoch, duration_s: float
) -> list[tuple[float, float]]:
    """Windows out of service that come back, as seconds past ``start`` that touch the span.

    >>> rule = Maintenance(every="week", weekday="wed", at=6.0, hours=4.0)
    >>> found = maintenance_windows((rule,), Epoch.parse("2030-03-01T00:00:00 UTC"), 14 * 86400.0)
    >>> [(round(a), round(b)) for a, b in found]
    [(453600, 468000), (1058400, 1072800)]
    """
    found = []
    for rule in rules:
        first = date.fromisoformat(start.utc_text()[:10]) - timedelta(days=8)
        days = int(duration_s // DAY_S) + 10
        for day in (first + timedelta(days=k) for k in range(days)):
            if rule.every == "week" and _WEEK[day.weekday()] != rule.weekday:
                continue
            begin = Epoch.parse(f"{day.isoformat()}T00:00:00 UTC") - start
            begin += rule.at * 3600.0
            if begin + rule.hours * 3600.0 > 0.0 and begin < duration_s:
                found.append((begin, begin + rule.hours * 3600.0))
    return found


def member_orbits(constellation: Constellation) -> tuple[Any, ...]:
    """The orbits of a constellation's members, plane by plane.

    Keplerian: planes 360 / planes apart in node, members 360 / per_plane apart in mean anomaly,
    ``phasing_deg`` more from one plane to the next. Three-body: all along one orbit, evenly.
    """
    orbit: Any = constellation.orbit
    planes, each = constellation.planes, constellation.per_plane
    count = planes * each
    if orbit.kind != "keplerian":
        if count == 1:
            return (orbit,)
        first = orbit.phase_deg or 0.0
        return tuple(
            orbit.model_copy(update={"phase_deg": (first + 360.0 * k / count) % 360.0})
            for k in range(count)
        )
    return tuple(
        orbit.model_copy(
            update={
                "raan_deg": (orbit.raan_deg + 360.0 * p / planes) % 360.0,
                "mean_anomaly_deg": (
                    orbit.mean_anomaly_deg + 360.0 * k / each + constellation.phasing_deg * p
                ) % 360.0,
            }
        )
        for p in range(planes)
        for k in range(each)
    )  # fmt: skip


def _common(record: Served, scenario: Scenario) -> dict[str, Any]:
    return {
        "operator": record.operator,
        "terminals": tuple(
            scenario.terminals[t] if isinstance(t, str) else t for t in record.terminals
        ),
        "service": service_window(
            record, scenario.start, scenario.duration_s, scenario.service_date_case
        ),
        "clock": record.clock,
        "confidence": record.confidence,
        "catalog_id": record.catalog_id,
        "name_en": record.name_en,
        "name_ja": record.name_ja,
        "max_range_km": record.max_range_km,
        "conditions": (
            () if record.access_conditions is None else ((None, record.access_conditions),)
        ),
        "priority": record.priority,
        "apertures": dict(record.apertures),
        "storage_bit": record.storage_bit,
    }


def _flown(record: Any, scenario: Scenario) -> dict[str, Any]:
    mass_kg, area_m2 = record.mass_kg, record.area_m2
    if record.area_to_mass_m2_kg is not None:
        # only the ratio acts on an orbit: a unit mass carries it where no mass is known
        mass_kg = mass_kg or 1.0
        area_m2 = record.area_to_mass_m2_kg * mass_kg
    return {
        **_common(record, scenario), "kind": "spacecraft", "mass_kg": mass_kg,
        "area_m2": area_m2, "cr": record.cr, "eirp_override_dbw": record.eirp_override_dbw,
        "error_budget": record.error_budget,
    }  # fmt: skip


def _place(record: Any, scenario: Scenario) -> dict[str, Any]:
    return {
        **_common(record, scenario), "latitude_deg": record.latitude_deg,
        "longitude_deg": record.longitude_deg, "height_m": record.height_m,
        "min_elevation_deg": record.min_elevation_deg,
        "horizon": None if record.horizon is None else read_horizon(record.horizon),
    }  # fmt: skip


def _refuse_unknown_warmth(terminal: Any) -> None:
    """Raises InputError where noise cannot be added to a radio receiver: its own is unknown."""
    half = terminal.receive
    if half is not None and half.band is not None and half.temperature_k is None:
        raise InputError(
            "noise of the air (atmosphere.noise) needs the receiver's own",
            key=f"terminals.{terminal.id}.receive.system_noise_temperature_k",
            value=None, allowed="a temperature in K, or gain_dbi with g_over_t_db_k",
        )  # fmt: skip


def _air(station: Any, scenario: Scenario) -> dict[str, Any]:
    """A station's attenuation: the catalogue's figures, or computed for its terminals' bands."""
    model = station.atmosphere or scenario.atmosphere
    if model.noise:
        for name in station.terminals:
            _refuse_unknown_warmth(scenario.terminals[name] if isinstance(name, str) else name)
    if model.model == "catalogue":
        listed = dict(station.attenuation_95_percent_db)
        return {"attenuation": listed, "air_noise": model.noise}
    found: dict[str, tuple[float, ...]] = {}
    for name in station.terminals:
        terminal = scenario.terminals[name] if isinstance(name, str) else name
        diameter_m = terminal.antenna.diameter_m if terminal.antenna is not None else None
        for half in (terminal.transmit, terminal.receive):
            if half is None or half.band is None or half.frequency_mhz is None:
                continue
            found[half.band] = attenuation_points_db(
                station.latitude_deg, station.longitude_deg, station.height_m,
                half.frequency_mhz, model.availability_percent, diameter_m or 1.0,
            )  # fmt: skip
    said = f"itu-r {model.availability_percent:g} %"
    return {"attenuation": found, "atmosphere": said, "air_noise": model.noise}


def nodes_of(records: Any, scenario: Scenario) -> tuple[Node, ...]:
    """Nodes of anything with the four lists (a scenario, or what an option adds to one)."""
    nodes: list[Node] = []
    for craft in records.spacecraft:
        nodes.append(Node(name=craft.name, orbit=craft.orbit, **_flown(craft, scenario)))
    for group in records.constellations:
        shared = _flown(group, scenario)
        for k, orbit in enumerate(member_orbits(group)):
            nodes.append(
                Node(name=f"{group.name}-{k + 1}", orbit=orbit, constellation=group.name, **shared)
            )
    for station in records.ground_stations:
        nodes.append(
            Node(
                name=station.name, kind="station", lunar_time_share=station.lunar_time_share,
                antennas=station.antennas, **_air(station, scenario),
                cloud_free_frac=station.cloud_free_frac,
                **_place(station, scenario),
            )
        )  # fmt: skip
    for asset in records.assets:
        place = _place(asset, scenario)
        place["height_m"] += asset.mast_height_m or 0.0
        if asset.path is not None:
            place["path"] = make_path(
                asset.path, scenario.start, scenario.duration_s, mast_m=asset.mast_height_m or 0.0
            )
        needs: list[Need] = []
        for entry in asset.needs:
            needs += scenario.needs[entry] if isinstance(entry, str) else [entry]
        named = [e if isinstance(e, str) else "inline" for e in asset.needs]
        nodes.append(
            Node(
                name=asset.name, kind="asset", needs=tuple(needs),
                need_name=" + ".join(dict.fromkeys(named)) or None, weight=asset.weight,
                serves_radius_km=asset.serves_radius_km,
                correction_radius_km=asset.correction_radius_km,
                eirp_override_dbw=asset.eirp_override_dbw, error_budget=asset.error_budget,
                site_kind=asset.site_kind, **place,
            )
        )  # fmt: skip
    return tuple(nodes)


def expand_nodes(scenario: Scenario) -> tuple[Node, ...]:
    """The nodes of a scenario: spacecraft, constellation members, stations, assets, in that order.

    Raises InputError for a horizon file that cannot be used.
    """
    pairs = scenario.pair_conditions
    if not pairs:
        return nodes_of(scenario, scenario)
    return tuple(
        replace(
            n,
            conditions=(*n.conditions, *((p.toward, p.require) for p in pairs if p.node == n.name)),
        )
        for n in nodes_of(scenario, scenario)
    )
