"""Attenuation of radio by the air over an Earth station: ITU-R P.676, P.618 and P.840.

Through the optional package ``itur`` (``pip install cislunar-planner[atmosphere]``): gases, cloud,
rain and scintillation combined as P.618 asks. Links take it at three elevations and interpolate
linearly in the cosecant, as they do with the catalogue's figures.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.nodes import Node

POINTS_DEG = (10.0, 20.0, 90.0)
HIGHEST_DEG = 89.9  # the recommendation's approximation ends at 90 and itur warns there


def slant_attenuation_db(
    latitude_deg: float,
    longitude_deg: float,
    height_m: float,
    frequency_mhz: float,
    elevation_deg,
    availability_percent: float,
    diameter_m: float = 1.0,
) -> np.ndarray:
    """Attenuation in dB not exceeded for ``availability_percent`` of an average year.

    ``elevation_deg`` of any shape, 5 to 90; the station is WGS84. One row each of gases, cloud,
    rain, scintillation and total: shape (5, ...). Raises InputError where ``itur`` is absent.
    """
    try:
        import itur
    except ImportError:
        raise InputError(
            "the ITU-R atmosphere needs the optional package itur", key="atmosphere.model",
            value="itu-r", allowed="pip install 'cislunar-planner[atmosphere]', or catalogue",
        ) from None  # fmt: skip
    angles = np.minimum(np.atleast_1d(np.asarray(elevation_deg, dtype=float)), HIGHEST_DEG)
    exceeded = 100.0 - availability_percent
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own notes on validity, which the bounds above keep
        for angle in angles.ravel():
            parts: Any = itur.atmospheric_attenuation_slant_path(
                latitude_deg, longitude_deg, frequency_mhz * 1e-3, float(angle), exceeded,
                diameter_m * itur.u.m, hs=max(height_m, 0.0) * 1e-3, return_contributions=True,
            )  # fmt: skip
            out.append([float(np.squeeze(x.value)) for x in parts])
    return np.array(out).T.reshape(5, *angles.shape)


@lru_cache(maxsize=1024)
def attenuation_points_db(
    latitude_deg: float,
    longitude_deg: float,
    height_m: float,
    frequency_mhz: float,
    availability_percent: float,
    diameter_m: float = 1.0,
) -> tuple[float, float, float]:
    """Total attenuation in dB at 10, 20 and 90 deg of elevation; see ``slant_attenuation_db``."""
    total = slant_attenuation_db(
        latitude_deg, longitude_deg, height_m, frequency_mhz, POINTS_DEG, availability_percent,
        diameter_m,
    )[4]  # fmt: skip
    return float(total[0]), float(total[1]), float(total[2])


def station_air(node_a: Node, node_b: Node, band: str):
    """The station of a pair and its attenuation in dB at 10, 20 and 90 deg for a band, or None.

    The catalogue's tables are for x and ka, computed ones for the bands of the station's terminals;
    other bands and stations without a table have none.
    """
    for node in (node_a, node_b):
        if node.kind == "station" and band:
            points = node.attenuation.get(band, node.attenuation.get(atmosphere_band(band)))
            return None if points is None else (node.name, tuple(float(p) for p in points))
    return None


def atmosphere_band(band: str) -> str:
    """The name under which a band's attenuation is tabulated: s, x, ka or the band itself."""
    head = band.split("_")[0].lower()
    return {"k": "ka"}.get(head, head)


def air_notes(nodes: Iterable[Node]) -> list[dict[str, str]]:
    """What the air over the Earth stations of a run was taken to be, in English and Japanese."""
    stations = [n for n in nodes if n.kind == "station" and n.attenuation]
    modelled = [n for n in stations if n.atmosphere]
    listed = [n for n in stations if not n.atmosphere]
    notes = []
    if modelled:
        names = ", ".join(f"{n.name} ({n.atmosphere})" for n in modelled)
        notes.append(
            {
                "en": f"Air by ITU-R P.676, P.618 and P.840, availability of the year: {names}.",
                "ja": f"大気減衰はITU-R P.676・P.618・P.840による（年間稼働率）：{names}。",
            }
        )
    if listed:
        notes.append(
            {
                "en": f"Air over {len(listed)} Earth stations: the catalogue's attenuation, "
                "exceeded 5 % of the year.",
                "ja": f"地上局{len(listed)}局の大気減衰はカタログの値（年間の5 %で超過）。",
            }
        )
    warmed = [n.name for n in stations if n.air_noise]
    if warmed:
        notes.append(
            {
                "en": f"Air adds its noise to receivers (ITU-R P.618): {', '.join(warmed)}.",
                "ja": f"大気雑音による受信性能の低下（ITU-R P.618）を考慮：{', '.join(warmed)}。",
            }
        )
    if len(warmed) < len(stations):
        notes.append(
            {
                "en": "Air attenuates only, without its own noise, over "
                f"{len(stations) - len(warmed)} Earth stations (atmosphere.noise adds it).",
                "ja": f"地上局{len(stations) - len(warmed)}局では大気の減衰のみを考慮し、"
                "大気雑音は加えていない（atmosphere.noiseで考慮できる）。",
            }
        )
    return notes
