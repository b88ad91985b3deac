"""The air over the Earth stations of a run: what it takes from a link, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cislunar.nodes import Node


def station_air(node_a: Node, node_b: Node, band: str):
    """The station of a pair and its attenuation in dB at 10, 20 and 90 deg for a band, or None.

    The catalogue's tables are for x and ka, computed ones for the bands of the station's terminals;
    other bands and stations without a table have none.
    """
    for node in (node_a, node_b):
        if node.kind == "station" and band:
            points = node.attenuation.get(band, node.attenuation.get(_tabulated(band)))
            return None if points is None else (node.name, tuple(float(p) for p in points))
    return None


def _tabulated(band: str) -> str:
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
