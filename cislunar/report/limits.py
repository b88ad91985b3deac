"""What the figures leave out, said beside the answer; each statement from the run's own inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cislunar import catalog
from cislunar import display as fmt
from cislunar.fields import date_instant
from cislunar.provenance import assumed_craft, price_basis
from cislunar.report import demand
from cislunar.report.cells import service, span_of
from cislunar.report.scores import SHARE
from cislunar.text import Text


def limit_sentences(results, text: Text) -> list[str]:
    """The limits that hold for this run, one sentence or two each."""
    assets = [n for n in results.nodes if n.kind == "asset"]
    days = f"{results.scenario.duration_days:g}"
    out = [text("limit.sample", days=days), *_supply(results, text)]
    if assets and len(results.comm_scores):
        out.append(_contention(results, text))
        out += _time_share(results, text)
    out += _places(results, text) + _dates(results, text) + _ends(results, text)
    smooth = sum(getattr(n, "horizon", None) is None for n in assets)
    if smooth:
        out.append(text("limit.terrain", count=smooth, total=len(assets)))
    out += _horizons(assets, text)
    if len(results.positioning_scores):
        gathered = len(results.accumulated_positioning) > 0
        out.append(text("limit.gathered" if gathered else "limit.positioning"))
    if len(results.fills):
        out.append(text("limit.cost", **price_basis()))
    return out


def _horizons(assets, text):
    """What horizon files say against themselves: too coarse, ends too soon, data missing."""
    by_remark: dict[str, list[str]] = {}
    for node in assets:
        horizon = getattr(node, "horizon", None)
        for remark in horizon.said("remark") if horizon is not None else ():
            by_remark.setdefault(remark, []).append(node.name)
    return [
        text("limit.horizon", assets=text("list.joiner").join(names), remark=remark)
        for remark, names in by_remark.items()
    ]


def _contention(results, text) -> str:
    decided = decided_words(results)
    return text("limit.contention") if decided is None else text("limit.contended", **decided)


def decided_words(results) -> dict[str, Any] | None:
    """How contention was decided: groups, how many in which way, the gap in %; None: it was not."""
    decided = results.manifest.get("contention")
    if decided is None:
        return None
    gap = f"{100.0 * decided['optimality_gap_frac']:.1f}"
    return {
        "groups": decided["groups"], "exact": decided["exact_groups"],
        "greedy": decided["greedy_groups"], "gap": gap,
    }  # fmt: skip


def _supply(results, text):
    craft = [n for n in results.nodes if n.kind == "spacecraft"]
    sure = {r["id"]: r.get("confidence") for r in results.sources if r["kind"] == "spacecraft"}
    assumed = assumed_craft(craft, sure)
    if not craft:
        return []
    return [text("limit.supply", count=len(assumed), total=len(craft))]


def _time_share(results, text):
    shares = [
        float(getattr(n, "lunar_time_share", 1.0)) for n in results.nodes if n.kind == "station"
    ]
    if not shares:
        return []
    out = text("limit.stations")
    frame: Any = results.comm_scores
    if SHARE in frame and min(shares) < 1.0:
        found = frame[frame["need_availability_frac"].notna() & frame[SHARE].notna()]
        if len(found):
            share, need, own = (
                found[column].astype(float)
                for column in (SHARE, "need_availability_frac", "availability_frac")
            )
            worse = (share < need - 1e-9) & (own >= need - 1e-9)
            low = found.loc[share.idxmin()]
            given = span_of(fmt.percent(min(shares), 0), fmt.percent(max(shares), 0), text)
            out += (" " if text.language == "en" else "") + text(
                "limit.share", given=given, count=int(worse.sum()), total=len(found),
                asset=low["asset"],
                service=service(low["service"], text), least=fmt.percent(low[SHARE]),
            )  # fmt: skip
    return [out]


def _dates(results, text):
    """What the scenario counts in this span though its catalogue record has other dates."""
    scenario, there = results.scenario, {n.name for n in results.nodes}
    items = []
    kinds = ("spacecraft", "ground_stations", "assets")
    for record in (r for kind in kinds for r in getattr(scenario, kind, ())):
        aside = {"service_start", "service_end"} & {*getattr(record, "overridden", ())}
        if record.name not in there or not aside:
            continue
        known = catalog.find(record.catalog_id)
        start, end = (_nominal(known.get(f"service_{edge}")) for edge in ("start", "end"))
        if start and date_instant(start) - scenario.start >= scenario.duration_s:
            items.append(text("limit.from", name=record.name, date=_told(start, text)))
        elif end and date_instant(end) - scenario.start <= 0.0:
            items.append(text("limit.until", name=record.name, date=_told(end, text)))
    return [text("limit.dates", items=text("list.joiner").join(items))] if items else []


def _nominal(date: Any) -> str:
    """A date of service as a catalogue record has it: its own, or the nominal one of three."""
    return str((date.get("nominal") if isinstance(date, dict) else date) or "")


def _told(date: str, text: Text) -> str:
    return text("limit.year", year=date) if len(date) == 4 else date


def _ends(results, text):
    there = {n.name for n in results.nodes}
    assets = getattr(results.scenario, "assets", ())
    dated, open_ended = open_ends(a for a in assets if a.name in there)
    return [text("limit.ends", count=open_ended, total=dated)] if open_ended else []


def open_ends(assets: Iterable[Any]) -> tuple[int, int]:
    """How many assets state a start of service, and how many of those no end."""
    dated = [a for a in assets if getattr(a, "service_start", None) is not None]
    return len(dated), sum(a.service_end is None for a in dated)


def _places(results, text):
    found = demand.places(results)
    shared = [p for p in found if len(p.members) > 1]
    if not shared:
        return []
    most = max(shared, key=lambda p: len(p.members))
    stand_in = sum(len(p.members) for p in found if p.sites)
    return [
        text(
            "limit.places", assets=sum(len(p.members) for p in found), places=len(found),
            most=len(most.members), where=demand.where(most.latitude_deg, most.longitude_deg, text),
            stand_in=stand_in,
        )
    ]  # fmt: skip
