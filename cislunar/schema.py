"""The records of a scenario: every key of the file, its bounds and its unit; no behaviour.

All records are frozen and refuse unknown keys. Any record may carry its provenance: sources, date,
confidence and, for an assumption, the reason.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Tag, model_validator

from cislunar.condition_records import Atmosphere, Condition, Maintenance
from cislunar.fields import (
    Angle,
    Date,
    Decibel,
    Elevation,
    Fraction,
    Height,
    Instant,
    Latitude,
    Longitude,
    Metres,
    Name,
    Nation,
    NonNegative,
    Oku,
    Positive,
    Range,
    Rate,
    Seconds,
    first_day,
    refuse,
)
from cislunar.orbit_records import Orbit
from cislunar.records import Record, Sourced, key
from cislunar.terminal_records import Terminal

Service = Literal["relay", "direct", "forward", "crosslink", "positioning"]


def _text_or_record(value: Any) -> str:
    return "text" if isinstance(value, str) else "record"


TerminalEntry = Annotated[
    Union[Annotated[str, Tag("text")], Annotated[Terminal, Tag("record")]],  # noqa: UP007
    Discriminator(_text_or_record),
]

# --- needs -------------------------------------------------------------------------------------


_OF_ANY = ("availability_frac", "availability_basis", "max_gap_s")
_OF_LINKS = ("min_rate_bps", "latency_s", "volume_bit_per_day", "store_and_forward")
_OF_FIXES = ("accuracy_m", "max_pdop", "max_gdop")


class Need(Sourced):
    """What a user asks of one service."""

    id: str | None = key("id of the service class, for reports")
    service: Service = key("relay, direct, forward, crosslink or positioning", ...)
    min_rate_bps: Rate | None = key(
        "rate that must close on every hop for one user, bit/s; 1e6 where absent (communication)"
    )
    availability_frac: Fraction | None = key("share of the time that must be served")
    availability_basis: Literal["span", "each-earth-day", "worst-24h"] = key(
        "over the whole span, in every UTC day, or in the worst rolling 24 h", "span"
    )
    max_gap_s: Seconds | None = key("longest gap allowed, s")
    latency_s: Seconds | None = key("largest latency allowed, s")
    volume_bit_per_day: NonNegative | None = key("information to deliver, bit a day")
    accuracy_m: Annotated[float, Range(0, 1e7, "m", low_open=True)] | None = key(
        "position accuracy, m"
    )
    accuracy_basis: Literal["rms", "p95", "3sigma"] = key("meaning of accuracy_m", "3sigma")
    axes: Literal["horizontal", "3d"] = key("axes of accuracy_m", "3d")
    max_pdop: Positive | None = key("largest PDOP of a usable solution")
    max_gdop: Positive | None = key("largest GDOP of a usable solution")
    store_and_forward: bool | None = key("true: data may wait on board")

    @model_validator(mode="after")
    def _asks_what_the_service_has(self):
        fix = self.service == "positioning"
        for name in _OF_LINKS if fix else _OF_FIXES:
            if getattr(self, name) is not None:
                raise refuse(
                    f"not asked of {self.service}",
                    ", ".join((*_OF_ANY, *(_OF_FIXES if fix else _OF_LINKS))), name,
                )  # fmt: skip
        return self

    @property
    def rate_bps(self) -> float:
        """The rate that must close, bit/s: ``min_rate_bps`` or the default 1e6."""
        return 1e6 if self.min_rate_bps is None else self.min_rate_bps


NeedEntry = Annotated[
    Union[Annotated[str, Tag("text")], Annotated[Need, Tag("record")]],  # noqa: UP007
    Discriminator(_text_or_record),
]

# --- nodes -------------------------------------------------------------------------------------


class SignalError(Sourced):
    """The error of a navigation source's signal, 1 sigma: a catalogue's error budget, or one's own.

    Either the whole ``sise_m``, or its two parts.
    """

    id: str | None = key("name of the budget, for reports")
    sise_m: Annotated[float, Range(0, 1e6, "m", low_open=True)] | None = key(
        "signal-in-space error of a range, m; absent: from its two parts"
    )
    ephemeris_m: Metres | None = key("part of it from the ephemeris, m")
    clock_m: Metres | None = key("part of it from the clock, m")
    timing_m: Metres = key("offset of its time scale that no clock state absorbs, m", 0.0)
    velocity_mm_s: Annotated[float, Range(0, 1e6, "mm/s", low_open=True)] | None = key(
        "error of the range rate, mm/s; says how long the signal's error lasts"
    )
    whole_range: bool = key(
        "true: receiver noise and multipath are in it, and a run adds none of its own", False
    )
    basis: str | None = key("what was published, and how this follows from it")
    basis_ja: str | None = key("the same in Japanese, for reports")

    @property
    def signal_m(self) -> float:
        """Signal-in-space error, 1 sigma in m, without ``timing_m``."""
        if self.ephemeris_m is not None and self.clock_m is not None:
            return math.hypot(self.ephemeris_m, self.clock_m)
        assert self.sise_m is not None
        return self.sise_m

    @model_validator(mode="after")
    def _one_error(self):
        parts = self.ephemeris_m is not None and self.clock_m is not None
        if self.sise_m is None and not parts:
            raise refuse("the signal's error is not determined", "sise_m, or both of its parts")
        if self.signal_m == 0.0:
            raise refuse("a signal without error", "more than 0 m")
        # a published whole is rounded, but is the sum of its parts
        if self.sise_m is not None and parts and abs(self.signal_m / self.sise_m - 1.0) > 0.01:
            raise refuse(
                f"sise_m is {self.sise_m:g} and its parts make {self.signal_m:g}",
                "the root sum of squares of the parts",
            )
        return self


SIGNAL_KEY = (
    "error of the navigation signal that it sends: a catalogue's error budget or a record; "
    "absent: that of its system in the record uere"
)


class StartDates(Record):
    """Service start (or end) as planned, with the earliest and latest date for other cases."""

    early: Date | None = key("earliest plausible date")
    nominal: Date | None = key("the date that runs use")
    late: Date | None = key("latest plausible date")
    basis: str | None = key("where the dates are from")
    basis_ja: str | None = key("the same in Japanese, for reports")


def _start_tag(value: Any) -> str:
    return "record" if isinstance(value, (dict, StartDates)) else "text"


ServiceStart = Annotated[
    Union[Annotated[Date, Tag("text")], Annotated[StartDates, Tag("record")]],  # noqa: UP007
    Discriminator(_start_tag),
]


class Aperture(Record):
    """One antenna (or several alike) of a node that its terminals share, whatever their band."""

    terminals: tuple[Name, ...] = key("ids of the node's terminals that use it", ..., min_length=1)
    beams: Annotated[int, Range(1, 1000, whole=True)] = key("partners it serves at once", 1)


class Served(Sourced):
    """What all nodes share: a name, an operator, terminals and when they serve."""

    name: Name = key("name of the node, unique in the scenario", ...)
    operator: Name | None = key("operator id; belongs to interoperability groups")
    group: str | None = key("interoperability group in the catalogue; information, policy decides")
    nation: Nation | None = key("nation code")
    status: str | None = key("status of the programme")
    terminals: tuple[TerminalEntry, ...] = key("terminals: names or inline records", ())
    service_start: ServiceStart | None = key(
        "date, or {early, nominal, late}; a year or month alone begins at its end"
    )
    service_start_qualifier: str | None = key("how firm the date is: NET, by, about, ...")
    service_end: ServiceStart | None = key(
        "first instant out of service, or {early, nominal, late}; a year or month ends at its end"
    )
    service_end_basis: str | None = key("where the end date is from")
    outages: tuple[tuple[Instant, Instant], ...] = key("list of [from, to] out of service", ())
    clock: str | None = key("clock kind of the catalogue, for navigation sources")
    max_range_km: Positive | None = key("longest range its links work at, km")
    access_conditions: Condition | None = key(
        "what else must hold for it to see any other node: conditions under all, any, not"
    )
    maintenance: tuple[Maintenance, ...] = key("windows out of service that come back", ())
    priority: Annotated[float, Range(0, 1e6, low_open=True)] = key(
        "weight of its served time where links contend", 1.0
    )
    apertures: dict[str, Aperture] = key(
        "antennas that several terminals share, by name: {terminals, beams}", {}
    )
    storage_bit: Positive | None = key("data it can hold for later, bit; absent: no limit")

    @model_validator(mode="after")
    def _outages_run_forward(self):
        from orbits.epoch import Epoch

        for begin, end in self.outages:
            if Epoch.parse(begin) >= Epoch.parse(end):
                raise refuse(f"the outage {begin} ends before it begins", "[from, to], from < to")
        return self

    @model_validator(mode="after")
    def _ends_after_it_starts(self):
        begin, end = (
            dates.nominal if isinstance(dates, StartDates) else dates
            for dates in (self.service_start, self.service_end)
        )
        if begin and end and (begin == end or first_day(begin) > first_day(end)):
            raise refuse(
                f"{self.name} serves from {begin} and ends at {end}", "an end after the start"
            )
        return self


class Flown(Served):
    orbit: Orbit = key("the orbit", ...)
    mass_kg: Annotated[float, Range(0, 1e7, "kg", low_open=True)] | None = key("mass, kg")
    area_m2: Annotated[float, Range(0, 1e6, "m2", low_open=True)] | None = key(
        "area that the Sun sees, m2; solar pressure acts only where mass and area are given"
    )
    area_to_mass_m2_kg: Annotated[float, Range(0, 100, "m2/kg", low_open=True)] | None = key(
        "area over mass, m2/kg, where only the ratio is known"
    )
    cr: Annotated[float, Range(0, 3)] = key("radiation pressure coefficient", 1.3)
    baseline: bool = key("false: enters a scenario only by name", True)
    eirp_override_dbw: Decibel | None = key("EIRP that replaces the terminals', dBW")
    error_budget: SignalError | None = key(SIGNAL_KEY)

    @model_validator(mode="after")
    def _mass_and_area(self):
        if (self.mass_kg is None) != (self.area_m2 is None) and self.area_m2 is not None:
            raise refuse("area_m2 is given without mass_kg", "both, or neither")
        if self.area_to_mass_m2_kg is not None and self.area_m2 is not None:
            raise refuse("area_m2 and area_to_mass_m2_kg are both given", "one of them")
        return self


class Spacecraft(Flown):
    """One spacecraft."""


class Constellation(Flown):
    """Spacecraft on one orbit, spread by plane and phase; members are name-1, name-2, ..."""

    planes: Annotated[int, Range(1, 200, whole=True)] = key("number of planes", 1)
    per_plane: Annotated[int, Range(1, 1000, whole=True)] = key("members a plane", ...)
    phasing_deg: Angle = key("mean anomaly from one plane to the next, deg", 0.0)

    @model_validator(mode="after")
    def _can_spread(self):
        if self.orbit.kind in ("state", "oem", "spk"):
            raise refuse(
                f"an orbit of kind {self.orbit.kind} cannot be spread over a constellation",
                "keplerian, dro, halo, nrho, lyapunov, butterfly",
            )
        if self.planes * self.per_plane > 2000:
            raise refuse(f"{self.planes * self.per_plane} members", "at most 2000")
        return self


class Place(Served):
    latitude_deg: Latitude = key("latitude, deg", ...)
    longitude_deg: Longitude = key("longitude, deg, east-positive", ...)
    height_m: Height = key("height, m", 0.0)
    min_elevation_deg: Elevation = key("elevation below which no terminal works, deg", 5.0)
    horizon: str | None = key("horizon file: azimuth_deg elevation_deg a line")


class GroundStation(Place):
    """An Earth station; WGS84 geodetic latitude, height above the ellipsoid."""

    network: str | None = key("network it belongs to")
    antennas: Annotated[int, Range(0, 1000, whole=True)] | None = key(
        "antennas that serve lunar users"
    )
    lunar_time_share: Annotated[float, Range(0, 1, "frac", low_open=True)] = key(
        "share of the visible time given to lunar users; applied to scores, not to contacts", 1.0
    )
    attenuation_95_percent_db: dict[
        Literal["s", "x", "ka"], tuple[Annotated[float, Range(0, 100, "dB")], ...]
    ] = key("atmosphere at 10, 20 and 90 deg of elevation, exceeded 5 % of the year, dB", {})
    atmosphere: Atmosphere | None = key("how the air attenuates here; absent: the scenario's")
    cloud_free_frac: Fraction | None = key(
        "chance that the sky is clear for optical links; enters the availability to expect only"
    )

    @model_validator(mode="after")
    def _three_points(self):
        for band, row in self.attenuation_95_percent_db.items():
            if len(row) != 3:
                raise refuse(f"attenuation in {band} has {len(row)} values", "3: 10, 20, 90 deg")
        return self


class Asset(Place):
    """A place on the Moon: MOON_ME planetocentric latitude, height above 1737.4 km."""

    site: str | None = key("catalogue site whose coordinates stand in")
    site_kind: str | None = key("robotic, crewed, base, observatory or probe")
    japan_relevance: str | None = key("high, medium, low or none")
    needs: tuple[NeedEntry, ...] = key("need profiles: a name, names, or inline records", ())
    weight: Annotated[float, Range(0, 1e6)] = key("weight in the scores", 1.0)
    path: tuple[tuple[Instant, Latitude, Longitude, Height], ...] | None = key(
        "waypoints of a place that moves: [utc, latitude_deg, longitude_deg, height_m]"
    )
    mast_height_m: Metres | None = key("antenna height above the ground, m")
    serves_radius_km: Positive | None = key("serves surface users within, km")
    correction_radius_km: Positive | None = key("differential corrections hold within, km")
    eirp_override_dbw: Decibel | None = key("EIRP that replaces the terminals', dBW")
    error_budget: SignalError | None = key(SIGNAL_KEY)

    @model_validator(mode="after")
    def _moves_in_the_open(self):
        if self.path is not None and self.horizon is not None:
            raise refuse("a horizon belongs to one place, and this one moves", "path or horizon")
        return self


class Region(Sourced):
    """A part of the Moon's surface to map: bounds, or a polygon."""

    name: Name = key("name of the region", ...)
    latitude_min_deg: Latitude = key("southern bound, deg", -90.0)
    latitude_max_deg: Latitude = key("northern bound, deg", 90.0)
    longitude_min_deg: Longitude = key("western bound, deg", -180.0)
    longitude_max_deg: Longitude = key("eastern bound, deg", 180.0)
    polygon_lon_lat_deg: tuple[tuple[Longitude, Latitude], ...] | None = key(
        "polygon: [longitude, latitude] of its corners, deg"
    )
    centre_lon_lat_deg: tuple[Longitude, Latitude] | None = key(
        "centre of a cap: [longitude, latitude], deg; with radius_deg"
    )
    radius_deg: Annotated[float, Range(0, 180, "deg", low_open=True)] | None = key(
        "radius of the cap as an angle at the Moon's centre, deg"
    )
    height_m: NonNegative = key("height of the map cells above the sphere, m", 0.0)
    altitude_max_km: NonNegative | None = key("top of the service volume, km; information only")
    cell_count: Annotated[int, Range(1, 200_000, whole=True)] = key(
        "number of map cells, about", 500
    )
    min_elevation_deg: Elevation = key("elevation mask of the map cells, deg", 5.0)

    @model_validator(mode="after")
    def _not_empty(self):
        if self.latitude_min_deg >= self.latitude_max_deg:
            raise refuse("the region is empty", "latitude_min_deg below latitude_max_deg")
        if self.polygon_lon_lat_deg is not None and len(self.polygon_lon_lat_deg) < 3:
            raise refuse("the polygon has fewer than 3 corners", "3 corners or more")
        if (self.centre_lon_lat_deg is None) != (self.radius_deg is None):
            raise refuse("half of a cap", "centre_lon_lat_deg and radius_deg together")
        return self


# --- policy, options, outputs ------------------------------------------------------------------


class Policy(Record):
    """Who may use whose nodes: operators in groups, and pairs of groups that share."""

    case: str | None = key(
        "named case that gives groups and share: all-share, lunanet-only, japan-alone, without-us"
    )
    networks: dict[str, tuple[Name, ...]] = key(
        "operators of the networks lunanet and china that a case sorts; absent: the catalogue's", {}
    )
    groups: dict[str, tuple[Name, ...]] = key("operators of each group", {})
    share: tuple[tuple[str, str], ...] = key("pairs of groups that share: [[a, b], ...]", ())

    @model_validator(mode="after")
    def _known_groups(self):
        for index, pair in enumerate(self.share):
            for group in pair:
                if group not in self.groups:
                    allowed = ", ".join(self.groups) or "a group of policy.groups"
                    raise refuse(f"no group is named {group!r}", allowed, f"share.{index}")
        return self

    def permits(self, a: str | None, b: str | None) -> bool:
        """True where operators ``a`` and ``b`` may talk.

        Without groups everyone may. With groups an operator may talk to itself and to the members
        of groups its own groups share with; a node without operator is bound by no policy.

        >>> both = Policy(groups={"x": ["a", "b"], "y": ["c"]}, share=[["x", "x"]])
        >>> both.permits("a", "b"), both.permits("a", "c"), both.permits("c", "c")
        (True, False, True)
        """
        if not self.groups or a is None or b is None or a == b:
            return True
        mine = {g for g, members in self.groups.items() if a in members}
        theirs = {g for g, members in self.groups.items() if b in members}
        return any(
            (p in mine and q in theirs) or (q in mine and p in theirs) for p, q in self.share
        )


class Money(Record):
    low: Oku = key("low estimate, oku yen", ...)
    mid: Oku = key("the value rankings use, oku yen", ...)
    high: Oku = key("high estimate, oku yen", ...)


class ExtraTerminals(Record):
    on: str = key("which spacecraft they are added to", ...)
    terminals: tuple[TerminalEntry, ...] = key("terminals added", ...)


class Additions(Record):
    """What an option adds to a scenario."""

    spacecraft: tuple[Spacecraft, ...] = key("spacecraft", ())
    constellations: tuple[Constellation, ...] = key("constellations", ())
    ground_stations: tuple[GroundStation, ...] = key("Earth stations", ())
    assets: tuple[Asset, ...] = key("assets on the Moon", ())
    spacecraft_terminals: tuple[ExtraTerminals, ...] = key("terminals on existing craft", ())


class Option(Sourced):
    """Something that could be built to fill gaps."""

    id: Name = key("id of the option", ...)
    nation: Nation | None = key("nation code")
    adds: Additions = key("what it adds", ...)
    services: tuple[Service, ...] = key("services it helps", ())
    cost_oku_jpy: Money = key("cost, oku yen (1e8 yen): low, mid, high", ...)
    cost_basis: str | None = key("how the cost was made up")
    cost_basis_ja: str | None = key("the same in Japanese, for reports")
    annual_operations_oku_jpy: Oku | None = key("operations, oku yen a year")
    available_from: Date | None = key("first year of service")
    available_basis: str | None = key("why that year")
    available_basis_ja: str | None = key("the same in Japanese, for reports")
    lifetime_years: Annotated[float, Range(0, 200, "years", low_open=True)] | None = key("life")
    development_years: Annotated[int, Range(1, 30, "years", whole=True)] | None = key(
        "fiscal years over which the cost is spent; absent: those of a like published project"
    )
    maturity_trl: Annotated[int, Range(1, 9, whole=True)] | None = key("technology readiness")
    requires: tuple[dict[str, Any], ...] = key("what must exist: list of {any_of: [...]}", ())
    stationkeeping_m_s_per_year: NonNegative | None = key("cost to stay, m/s a year")
    not_computable: str | None = key("why this option cannot be computed yet; it is then skipped")


class Contention(Record):
    """How links that want the same terminal, antenna or beam are decided between."""

    method: Literal["auto", "exact", "greedy", "none"] = key(
        "auto: exact where small, else greedy; none: every link as if it were alone", "auto"
    )
    set_up_s: Seconds = key("time a beam or channel needs before it serves a new partner, s", 0.0)
    minimum_contact_s: Seconds = key("a link is not granted for less, s", 0.0)
    navigation_priority: Annotated[float, Range(0, 1e6, low_open=True)] = key(
        "weight of the time a navigation signal is on, where its antenna also serves links", 1.0
    )


class Accumulation(Record):
    """Positioning of users that stand still and gather ranges and Doppler over time."""

    window_min: Annotated[float, Range(0, 1e5, "min", low_open=True)] = key(
        "how long a user gathers from every start, min", 60.0
    )
    step_s: Annotated[float, Range(1, 3600, "s")] = key(
        "time from one range and Doppler of a source to the next, s", 60.0
    )
    start_step_min: Annotated[float, Range(0, 1e5, "min", low_open=True)] = key(
        "time from one start to the next, min", 120.0
    )
    clock: str | None = key("receiver's clock; absent: the asset's own, else tcxo")
    height_sigma_m: Annotated[float, Range(0, 1e5, "m", low_open=True)] | None = key(
        "how well the height is known (terrain), 1 sigma, m; absent: not at all"
    )
    two_way: tuple[Name, ...] = key("spacecraft and Earth stations ranged to and back", ())
    sources: tuple[Name, ...] | None = key("only these navigation sources; absent: all")
    signal_correlation_s: Annotated[float, Range(0, 1e9, "s", low_open=True)] | None = key(
        "how long signal errors last whose rate is not published, s"
    )
    wander_1h_m: NonNegative = key("how far a slow user's odometry strays in an hour, m", 0.0)
    speed_sigma_m_s: NonNegative = key("error of a slow user's speed, 1 sigma, m/s", 0.0)
    doppler: bool = key("Doppler is used", True)
    ranges: bool = key("ranges are used", True)
    assets: tuple[Name, ...] | None = key("only these assets; absent: all with a receiver")


class ContactRules(Record):
    """How contacts are cut."""

    delay_tolerance_s: Annotated[float, Range(0, 10, "s", low_open=True)] | None = key(
        "a contact is split where its light time would vary by more, s; absent: not split"
    )


class Attribution(Record):
    """Of which options shares are found, and how."""

    options: Literal["matter", "all"] = key(
        "matter: the options of the best set and those that fill most, every set of them; all: "
        "the whole pool, in sampled orders if more than ten (minutes)",
        "matter",
    )
    orders: Annotated[int, Range(2, 100_000, whole=True)] = key("orders sampled", 100)
    seed: Annotated[int, Range(0, 2**32 - 1, whole=True)] = key("seed of the orders", 1)


class Outputs(Record):
    report: tuple[Literal["en", "ja"], ...] = key("languages of the report", ("en", "ja"))
    formats: tuple[Literal["html", "pdf", "pptx"], ...] = key("formats of the report", ("html",))


class ForceModelRecord(Record):
    moon_degree: Annotated[int, Range(0, 100, whole=True)] = key("degree of the harmonics", 20)
    bodies: tuple[Literal["earth", "sun", "jupiter", "venus"], ...] = key(
        "point masses beside the Moon", ("earth", "sun", "jupiter", "venus")
    )
    srp: bool = key("solar pressure where mass and area are given", True)


ForceModelEntry = Annotated[
    Union[  # noqa: UP007
        Annotated[Literal["standard"], Tag("text")], Annotated[ForceModelRecord, Tag("record")]
    ],
    Discriminator(_text_or_record),
]
Title = Annotated[
    Union[Annotated[str, Tag("text")], Annotated[dict[Literal["en", "ja"], str], Tag("record")]],  # noqa: UP007
    Discriminator(_text_or_record),
]
