"""Who asks for what, and where: places that assets share, and needs in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cislunar import catalog
from cislunar import display as fmt
from cislunar.needs import hardest_first, rate_bps, rms_limit_m
from cislunar.report.cells import Cell, Row, badge, head, number, said, service, unsure
from cislunar.text import Text
from orbits.constants import MOON_RADIUS_KM

SAME_PLACE_KM = 5.0  # nearer than this, two assets see one sky: together they are one sample


@dataclass(frozen=True)
class Place:
    """Assets that stand at one place: the first one's coordinates stand for all."""

    latitude_deg: float
    longitude_deg: float
    members: tuple[str, ...]
    sites: tuple[str, ...] = ()  # catalogue sites whose coordinates stand in


def places(results) -> list[Place]:
    """The distinct places of the assets, in the order of the first asset at each."""
    found: list[tuple[Any, list[str]]] = []
    for node in results.nodes:
        if node.kind != "asset":
            continue
        for first, members in found:
            if _apart_km(first, node) < SAME_PLACE_KM:
                members.append(node.name)
                break
        else:
            found.append((node, [node.name]))
    stand_in = {a.name: a.site for a in _records(results) if getattr(a, "site", None)}
    return [
        Place(
            first.latitude_deg, first.longitude_deg, tuple(members),
            tuple(dict.fromkeys(stand_in[m] for m in members if m in stand_in)),
        )
        for first, members in found
    ]  # fmt: skip


def _records(results):
    return getattr(results.scenario, "assets", ())


def _apart_km(a, b) -> float:
    lat1, lat2 = math.radians(a.latitude_deg), math.radians(b.latitude_deg)
    lon = math.radians(a.longitude_deg - b.longitude_deg)
    half = (
        math.sin((lat1 - lat2) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(lon / 2) ** 2
    )
    return 2 * MOON_RADIUS_KM * math.asin(math.sqrt(min(half, 1.0)))


def where(latitude_deg: float, longitude_deg: float, text: Text) -> str:
    """A place in words: ``89.45° S, 137.31° W``."""
    longitude_deg = 180.0 - (180.0 - longitude_deg) % 360
    lat = text("place.north" if latitude_deg >= 0 else "place.south", n=f"{abs(latitude_deg):.2f}")
    lon = text("place.east" if longitude_deg >= 0 else "place.west", n=f"{abs(longitude_deg):.2f}")
    return lat + text("list.joiner") + lon


def heading(place: Place, text: Text) -> str:
    """The heading of a place in a table, which says how many assets share it."""
    out = where(place.latitude_deg, place.longitude_deg, text)
    if len(place.members) > 1:
        out += text("place.shared", count=len(place.members))
    if place.sites:
        out += text("place.stand_in", sites=text("list.joiner").join(place.sites))
    return out


def full_name(node, text: Text) -> str:
    """The node's name in a language, empty where it has none of its own."""
    name = getattr(node, f"name_{text.language}", None) or getattr(node, "name_en", None)
    return name if name and name != node.name else ""


def needs_of(results, asset: str, wanted: str) -> list[Any]:
    """An asset's needs of one service; the figures of the tables are for the first of them."""
    for node in results.nodes:
        if node.name == asset:
            return hardest_first(getattr(node, "needs", ()), wanted)
    return []


def basis(need, text: Text) -> str:
    """The basis of a need's availability in words."""
    return text(f"basis.{getattr(need, 'availability_basis', None) or 'span'}")


def accuracy(need, text: Text) -> str:
    """A need's accuracy in its own measure, and the RMS that it permits."""
    if need is None or getattr(need, "accuracy_m", None) is None:
        return ""
    return text(
        "need.accuracy", n=f"{need.accuracy_m:g}",
        basis=text(f"accuracy.{need.accuracy_basis or 'rms'}"),
        axes=text(f"axes.{need.axes or '3d'}"), rms=f"{rms_limit_m(need):.1f}",
    )  # fmt: skip


def level(results, asset: str, accuracy_m: float, axes: str, text: Text) -> str:
    """``25 m (3σ, 3D)``: an accuracy that an asset needs, with the measure that its need is in."""
    how = [text(f"axes.{axes}")]
    for need in needs_of(results, asset, "positioning"):
        if need.accuracy_m == accuracy_m:
            how.insert(0, text(f"accuracy.{need.accuracy_basis or 'rms'}"))
            break
    return text("need.level", n=f"{accuracy_m:g}", how=text("list.joiner").join(how))


def criteria(need, text: Text) -> str:
    """Everything that a need asks, in words and units."""
    parts = []
    if need.service != "positioning":
        parts.append(text("need.rate", n=fmt.rate(rate_bps(need))))
    if need.availability_frac is not None:
        share = fmt.percent(need.availability_frac)
        parts.append(text("need.availability", n=share, basis=basis(need, text)))
    for name, key, form in (
        ("max_gap_s", "need.max_gap", lambda v: fmt.duration(v, text)),
        ("latency_s", "need.latency", lambda v: fmt.duration(v, text)),
        ("volume_bit_per_day", "need.volume", fmt.volume),
    ):
        if getattr(need, name, None) is not None:
            parts.append(text(key, n=form(getattr(need, name))))
    if accuracy(need, text):
        parts.append(accuracy(need, text))
    for name, key in (("max_pdop", "need.pdop"), ("max_gdop", "need.gdop")):
        if getattr(need, name, None) is not None:
            parts.append(text(key, n=f"{getattr(need, name):g}"))
    return text("list.joiner").join(parts)


def demand_table(results, text: Text) -> dict[str, Any]:
    """Every asset by place: who, what it can do, what it asks for, how sure."""
    nodes = {n.name: n for n in results.nodes if n.kind == "asset"}
    loose = {r["id"]: unsure(r, text) for r in results.sources if r.get("kind") == "asset"}
    found = places(results)
    rows = []
    for place in found:
        rows.append(Row(group=heading(place, text)))
        for name in place.members:
            node = nodes[name]
            profile = getattr(node, "need_name", None)
            weight = float(getattr(node, "weight", 0.0))
            rows.append(
                Row((
                    Cell(name, "named", entries=tuple(filter(None, [full_name(node, text)]))),
                    Cell(node.operator or fmt.NONE),
                    number(f"{node.min_elevation_deg:g}°"),
                    _horizon(getattr(node, "horizon", None), text),
                    Cell(", ".join(_terminal(t) for t in node.terminals) or fmt.NONE),
                    Cell(profile or fmt.NONE, "k"),
                    number(f"{weight:g}"),
                    badge(node.confidence, text, loose.get(name, "")),
                ))
            )  # fmt: skip
    columns = ("asset", "operator", "mask", "terrain", "terminals", "profile", "weight",
               "confidence")  # fmt: skip
    shared = sum(len(p.members) for p in found if len(p.members) > 1)
    return {
        "head": head(text, *columns, numbers=("mask", "weight")),
        "rows": rows,
        "lead": text("demand.lead", assets=len(nodes), places=len(found), shared=shared),
    }


def _horizon(horizon, text: Text) -> Cell:
    """Whether terrain counts, and where its horizon is from."""
    if horizon is None:
        return Cell(text("demand.smooth"), "named")
    dems = zip(horizon.said("dem"), horizon.said("dem_pixel_m"), strict=False)
    from_dems = tuple(text("demand.dem", file=file, pixel=pixel) for file, pixel in dems)
    return Cell(
        text("demand.terrain"), "named",
        entries=tuple(filter(None, [horizon.file])) + (from_dems or (text("demand.unsourced"),)),
    )  # fmt: skip


def _terminal(terminal) -> str:
    if isinstance(terminal, str):
        return terminal
    return getattr(terminal, "id", None) or getattr(terminal, "name", "") or ""


def needs_table(results, text: Text) -> dict[str, Any]:
    """Every need of every profile in use, with who has it and how sure it is."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for node in results.nodes:
        for need in getattr(node, "needs", ()):
            profile = getattr(need, "catalog_id", None) or getattr(node, "need_name", None)
            key = (profile or fmt.NONE, str(need.service), criteria(need, text))
            found.setdefault(key, [need]).append(node.name)
    rows = [
        Row((
            _profile(profile, text), Cell(service(name, text), "k"), Cell(asked, "w"),
            number(str(len(users)), _short(users, text)),
            Cell(_why(need, text) or fmt.NONE, "w"),
            badge(need.confidence, text),
        ))
        for (profile, name, asked), (need, *users) in sorted(
            found.items(), key=lambda item: item[0][0]
        )
    ]  # fmt: skip
    return {
        "head": head(
            text, "profile", "service", "criteria", "users", "reason", "confidence",
            numbers=("users",),
        ),
        "rows": rows,
    }  # fmt: skip


def _profile(name: str, text: Text) -> Cell:
    """A profile by its id and, if it is of the catalogue, its name."""
    known = (catalog.get("needs", name) or {}).get(f"name_{text.language}")
    return Cell(name, "named", entries=(known,) if known else ())


def _why(need: Any, text: Text) -> str:
    """A need's reason, or its note, in the language of the report where it has one."""
    key = "reason" if need.reason else "note"
    return said({k: getattr(need, k) for k in (key, f"{key}_ja")}, text, key)


def _short(names, text, most=3):
    listed = text("list.joiner").join(names[:most])
    return listed + (f" +{len(names) - most}" if len(names) > most else "")
