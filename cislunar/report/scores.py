"""The scorecards: an overview of assets by place, and the figures behind each verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cislunar import display as fmt
from cislunar.needs import rate_bps
from cislunar.plots import style
from cislunar.report import demand
from cislunar.report.cells import ICONS, Cell, Row, head, number, service, verdict
from cislunar.text import Text

SHARE = "availability_time_share_frac"


def overview(results, text: Text) -> dict[str, Any]:
    """One row an asset, grouped by place: availability and verdict of every service."""
    scores: dict[str, dict[str, tuple]] = {}
    for frame, fixed in ((results.comm_scores, None), (results.positioning_scores, "positioning")):
        for r in frame.to_dict(orient="records"):
            scores.setdefault(r["asset"], {})[fixed or r["service"]] = (
                r["availability_frac"], str(r["verdict"])
            )  # fmt: skip
    present = {s for row in scores.values() for s in row}
    services = [s for s in style.SERVICES if s in present]
    nodes = {n.name: n for n in results.nodes}
    rows = []
    for place in demand.places(results):
        members = [m for m in place.members if m in scores]
        if members:
            rows.append(Row(group=demand.heading(place, text)))
        for name in members:
            full = demand.full_name(nodes[name], text)
            cells = [Cell(name, "named", entries=(full,) if full else ())]
            for s in services:
                share, code = scores[name].get(s, (None, ""))
                cells.append(Cell(fmt.percent(share), "score", code, ICONS.get(code, "")))
            rows.append(Row(tuple(cells)))
    rates = [
        rate_bps(next(iter(demand.needs_of(results, asset, name)), None))
        for asset, row in scores.items()
        for name in row
        if name != "positioning"
    ]
    return {
        "head": [(text("col.asset"), ""), *((service(s, text), "n") for s in services)],
        "rows": rows,
        "lead": text(
            "scorecard.overview_lead", near=f"{demand.SAME_PLACE_KM:g}",
            low=fmt.rate(min(rates, default=None)), high=fmt.rate(max(rates, default=None)),
        ),
    }  # fmt: skip


def faults(results, row: dict, text: Text) -> list[str]:
    """What is missed of an asset's needs of a service, each at its own rate and basis."""
    if str(row["verdict"]) != "not-met":
        return []
    out, judged = [], judged_needs(results, row)
    for need in judged:
        said, missed = [], str(need["missed"]).split() if need["verdict"] == "not-met" else []
        if "availability_frac" in missed:
            said.append(
                text("fault.availability", got=fmt.percent(need["availability_frac"]),
                     asked=fmt.percent(need["need_availability_frac"]),
                     basis=text(f"basis.{need['availability_basis']}"))
            )  # fmt: skip
        for key, column in (("max_gap_s", "longest_gap_s"), ("latency_s", "latency_p95_s")):
            if key in missed and not fmt.missing(need[column]):
                got, most = (fmt.duration(need[k], text) for k in (column, f"need_{key}"))
                said.append(text(f"fault.{key}", got=got, asked=most))
        rate = float(need["min_rate_bps"])
        if said and rate < float(judged[0]["min_rate_bps"]):
            said = [text("fault.lower", rate=fmt.rate(rate), said=text("list.joiner").join(said))]
        out += said
        if "volume_bit_per_day" in missed:  # what one user can send is the same for all
            got, most = (
                fmt.volume(need[k]) for k in ("volume_bit_per_day", "need_volume_bit_per_day")
            )
            out.append(text("fault.volume", got=got, asked=most))
    return list(dict.fromkeys(out))


def judged_needs(results, row: dict) -> list[dict]:
    """The rows of ``comm_needs`` of one asset and service, the hardest need first."""
    frame = results.comm_needs
    if not len(frame):
        return []
    mine = (frame["asset"] == row["asset"]) & (frame["service"] == row["service"])
    return frame[mine].to_dict(orient="records")


def scorecard(results, text: Text) -> dict[str, Any]:
    """The communication table; assets of one place with the same figures share a row."""
    frame = results.comm_scores
    shared = SHARE in frame
    names = ["asset", "service", "verdict", "availability", "share_of_time", "need", "rate",
             "longest_gap", "gap_count", "latency", "undelivered", "volume"]  # fmt: skip
    if not shared:
        names.remove("share_of_time")
    rows = []
    for r in frame.to_dict(orient="records"):
        needs = demand.needs_of(results, r["asset"], r["service"])
        need = needs[0] if needs else None
        latency = fmt.NONE
        if not fmt.missing(r["latency_p50_s"]):
            latency = (
                f"{fmt.duration(r['latency_p50_s'], text)} / "
                f"{fmt.duration(r['latency_p95_s'], text)}"
            )
        asked = () if need is None else (demand.basis(need, text),)
        if len(needs) > 1:
            met = sum(n["verdict"] == "met" for n in judged_needs(results, r))
            asked = (*asked, text("need.more", count=len(needs), met=met))
        cells = [
            Cell(str(r["asset"]), "w"),
            Cell(service(r["service"], text), "k"),
            verdict(r["verdict"], text, *faults(results, r, text)),
            number(fmt.percent(r["availability_frac"])),
            number(fmt.percent(r.get(SHARE))),
            number(fmt.percent(r["need_availability_frac"]), *asked),
            number(fmt.rate(rate_bps(need))),
            number(
                f"{fmt.duration(r['longest_gap_s'], text)} / {fmt.duration(r['mean_gap_s'], text)}"
            ),
            number(fmt.number(r["gap_count"], 0)),
            number(latency),
            number(fmt.percent(r["undelivered_frac"])),
            number(fmt.volume(r["volume_bit_per_day"])),
        ]
        if not shared:
            del cells[4]
        rows.append(Row(tuple(cells), {"service": str(r["service"]), "verdict": str(r["verdict"])}))
    services = list(dict.fromkeys(str(s) for s in frame["service"]))
    verdicts = [v for v in ICONS if v in set(frame["verdict"].astype(str))]
    return {
        "head": head(text, *names, numbers=names[3:]),
        "rows": joined(rows, results, text),
        "services": [(s, service(s, text)) for s in services],
        "verdicts": [(v, text(f"verdict.{v}")) for v in verdicts],
    }


def positioning(results, text: Text) -> dict[str, Any]:
    """The positioning table; assets of one place with the same figures share a row."""
    columns = ("asset", "verdict", "availability", "need", "visible", "accuracy", "accuracy_need",
               "gdop", "pdop", "hdop", "vdop")  # fmt: skip
    rows = []
    for r in results.positioning_scores.to_dict(orient="records"):
        needs = demand.needs_of(results, r["asset"], "positioning")
        need = needs[0] if needs else None

        def several(*names, r=r):
            return " / ".join(fmt.metres(r[n]) for n in names)

        asked = () if need is None else (demand.basis(need, text),)
        wanted = demand.accuracy(need, text) or fmt.metres(r["need_accuracy_m"])
        rows.append(
            Row((
                Cell(str(r["asset"]), "w"),
                verdict(r["verdict"], text),
                number(fmt.percent(r["availability_frac"])),
                number(fmt.percent(r["need_availability_frac"]), *asked),
                number(f"{fmt.number(r['visible_min'], 0)} / {fmt.number(r['visible_mean'], 1)}"),
                number(fmt.metres(r["accuracy_3d_p95_m"])),
                Cell(wanted, "r"),
                number(several("gdop_p50", "gdop_p95", "gdop_worst")),
                number(several("pdop_p50", "pdop_p95")),
                number(several("hdop_p50", "hdop_p95")),
                number(several("vdop_p50", "vdop_p95")),
            ))
        )  # fmt: skip
    return {
        "head": head(text, *columns, numbers=columns[2:]),
        "rows": joined(rows, results, text),
    }


def joined(rows: list[Row], results, text: Text) -> list[Row]:
    """Rows in the order of places, those that differ in nothing but the asset made one."""
    places = demand.places(results)
    order = {name: k for k, place in enumerate(places) for name in place.members}
    out: dict[tuple, Row] = {}
    for row in sorted(rows, key=lambda row: order.get(row.cells[0].text, len(places))):
        first, *rest = row.cells
        key = (order.get(first.text), tuple(rest))
        if key in out:
            known = out[key].cells[0]
            first = replace(known, text=known.text + text("list.joiner") + first.text)
        out[key] = Row((first, *rest), row.data)
    return list(out.values())
