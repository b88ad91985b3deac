"""The orbits a scenario can ask for, by ``kind``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cislunar.fields import Angle, Instant, Kilometres, Range, Resonance, refuse
from cislunar.records import Record, key
from orbits.constants import EARTH_RADIUS_KM, MOON_RADIUS_KM

FRAMES = (
    "MOON_ICRF", "EARTH_ICRF", "EMB_ICRF", "MOON_ME", "MOON_PA", "MOON_OP", "ITRF",
    "EARTH_MOON_ROTATING",
)  # fmt: skip
FrameName = Literal[
    "MOON_ICRF", "EARTH_ICRF", "EMB_ICRF", "MOON_ME", "MOON_PA", "MOON_OP", "ITRF",
    "EARTH_MOON_ROTATING",
]  # fmt: skip
ElementFrame = Literal["MOON_ICRF", "EARTH_ICRF", "MOON_ME", "MOON_PA", "MOON_OP", "ITRF"]


def _one_of(record: Record, names: tuple[str, ...]) -> None:
    given = [n for n in names if getattr(record, n) is not None]
    if len(given) != 1:
        said = " and ".join(given) if given else "none of its parameters"
        raise refuse(f"a {record.kind} orbit got {said}", f"exactly one of {', '.join(names)}")  # type: ignore[attr-defined]


Days = Annotated[float, Range(0, 1000, "days", low_open=True)]
Point = Literal["L1", "L2"]
Branch = Literal["northern", "southern"]


class DroOrbit(Record):
    """Distant retrograde orbit about the Moon."""

    kind: Literal["dro"] = key("dro", ...)
    amplitude_km: Kilometres | None = key(
        "distance from the Moon's centre at the near-side x-axis crossing, km"
    )
    period_days: Days | None = key("period in the rotating frame, days")
    resonance: Resonance | None = key("synodic resonance p:q")
    phase_deg: Angle = key("360 x time / period since the near-side crossing, deg", 0.0)
    amplitude_z_km: Kilometres | None = key("largest |z| of a spatial DRO, km")
    vertical_phase_deg: Angle | None = key(
        "phase of a spatial DRO's vertical oscillation at its near-side crossing, deg: "
        "0 rising through the plane, 90 (default) highest"
    )

    @model_validator(mode="after")
    def _parameter(self):
        _one_of(self, ("amplitude_km", "period_days", "resonance"))
        return self


class HaloOrbit(Record):
    """Halo orbit about L1 or L2."""

    kind: Literal["halo"] = key("halo", ...)
    libration_point: Point = key("L1 or L2", ...)
    branch: Branch = key("northern or southern", ...)
    amplitude_z_km: Kilometres = key("largest |z|, km", ...)
    phase_deg: Angle = key("360 x time / period since apolune, deg", 0.0)


class NrhoOrbit(Record):
    """Near-rectilinear halo orbit."""

    kind: Literal["nrho"] = key("nrho", ...)
    libration_point: Point = key("L1 or L2", ...)
    branch: Branch = key("northern or southern", ...)
    perilune_km: Annotated[float, Range(MOON_RADIUS_KM, 1e5, "km", low_open=True)] | None = key(
        "least distance from the Moon's centre, km"
    )
    period_days: Days | None = key("period in the rotating frame, days")
    resonance: Resonance | None = key("synodic resonance p:q")
    phase_deg: Angle | None = key(
        "360 x time / period since apolune, deg; absent: the eclipse-avoiding phase"
    )

    @model_validator(mode="after")
    def _parameter(self):
        _one_of(self, ("perilune_km", "period_days", "resonance"))
        return self


class LyapunovOrbit(Record):
    """Planar Lyapunov orbit about L1 or L2."""

    kind: Literal["lyapunov"] = key("lyapunov", ...)
    libration_point: Point = key("L1 or L2", ...)
    amplitude_km: Kilometres | None = key("half of the extent along x, km")
    period_days: Days | None = key("period in the rotating frame, days")
    resonance: Resonance | None = key("synodic resonance p:q")
    phase_deg: Angle = key(
        "360 x time / period since the crossing with vy > 0 nearest the Moon, deg", 0.0
    )

    @model_validator(mode="after")
    def _parameter(self):
        _one_of(self, ("amplitude_km", "period_days", "resonance"))
        return self


class ButterflyOrbit(Record):
    """Butterfly orbit, bifurcated from the L2 NRHOs."""

    kind: Literal["butterfly"] = key("butterfly", ...)
    branch: Branch = key("northern or southern", ...)
    perilune_km: Annotated[float, Range(MOON_RADIUS_KM, 1e5, "km", low_open=True)] | None = key(
        "least distance from the Moon's centre, km"
    )
    period_days: Days | None = key("period in the rotating frame, days")
    resonance: Resonance | None = key("synodic resonance p:q")
    phase_deg: Angle = key("360 x time / period since the northernmost point, deg", 0.0)

    @model_validator(mode="after")
    def _parameter(self):
        _one_of(self, ("perilune_km", "period_days", "resonance"))
        return self


class KeplerianOrbit(Record):
    """Osculating elements about the frame's centre, on its axes frozen at ``epoch``."""

    kind: Literal["keplerian"] = key("keplerian", ...)
    frame: ElementFrame = key("frame of the elements", ...)
    epoch: Instant | None = key("instant the elements are osculating at; default the scenario's")
    semi_major_axis_km: Kilometres = key("semi-major axis, km", ...)
    eccentricity: Annotated[float, Range(0, 1, high_open=True)] = key("eccentricity", ...)
    inclination_deg: Annotated[float, Range(0, 180, "deg")] = key("inclination, deg", ...)
    raan_deg: Angle = key("right ascension of the ascending node, deg", ...)
    argument_of_periapsis_deg: Angle = key("argument of periapsis, deg", ...)
    mean_anomaly_deg: Angle = key("mean anomaly, deg", ...)

    @model_validator(mode="after")
    def _above_ground(self):
        earth = self.frame in ("EARTH_ICRF", "ITRF")
        body, radius_km = ("Earth", EARTH_RADIUS_KM) if earth else ("Moon", MOON_RADIUS_KM)
        low_km = self.semi_major_axis_km * (1 - self.eccentricity)
        if low_km <= radius_km:
            raise refuse(
                f"the orbit crosses the {body}: periapsis {low_km:.1f} km from its centre",
                f"semi_major_axis_km x (1 - eccentricity) above {radius_km} km",
            )
        return self


class StateOrbit(Record):
    """A state at an instant, flown in either direction."""

    kind: Literal["state"] = key("state", ...)
    frame: FrameName = key("frame of the state; velocities are relative to it", ...)
    epoch: Instant | None = key("instant of the state; default the scenario's")
    state_km_km_s: tuple[Annotated[float, Range(-2e7, 2e7, "km or km/s")], ...] = key(
        "x, y, z in km, vx, vy, vz in km/s", ..., min_length=6, max_length=6
    )

    @model_validator(mode="after")
    def _above_ground(self):
        distance_km = sum(x * x for x in self.state_km_km_s[:3]) ** 0.5
        earth = self.frame in ("EARTH_ICRF", "ITRF")
        body, radius_km = ("Earth", EARTH_RADIUS_KM) if earth else ("Moon", MOON_RADIUS_KM)
        centred = self.frame not in ("EMB_ICRF", "EARTH_MOON_ROTATING")
        if centred and distance_km <= radius_km:
            raise refuse(
                f"the position is inside the {body}: {distance_km:.1f} km from its centre",
                f"above {radius_km} km",
            )
        return self


class OemOrbit(Record):
    """A trajectory read from a CCSDS OEM file."""

    kind: Literal["oem"] = key("oem", ...)
    file: str = key("path, relative to the scenario file", ..., min_length=1)


class SpkOrbit(Record):
    """A trajectory read from an SPK kernel."""

    kind: Literal["spk"] = key("spk", ...)
    file: str = key("path, relative to the scenario file", ..., min_length=1)
    naif_id: Annotated[int, Range(-1_000_000_000, 1_000_000_000, whole=True)] = key(
        "NAIF id of the body in the kernel", ...
    )


Orbit = Annotated[
    DroOrbit
    | HaloOrbit
    | NrhoOrbit
    | LyapunovOrbit
    | ButterflyOrbit
    | KeplerianOrbit
    | StateOrbit
    | OemOrbit
    | SpkOrbit,
    Field(discriminator="kind"),
]
