"""Beside the positioning scorecard: signals and their errors, what time gathers, traverses."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.positioning import positioning_need
from cislunar.positioning.accumulated import CLOCK_SHARE, SHARED_CLOCK
from cislunar.report import demand
from cislunar.report.cells import Cell, Row, badge, head, number, said, service
from cislunar.report.scores import joined
from cislunar.text import Text


def signals(results, text: Text) -> dict[str, Any]:
    """The navigation sources of the run by error budget, one row a budget."""
    names = ("nav_sources", "budget", "sise", "lasts", "basis", "confidence")
    grouped: dict[tuple, list[str]] = {}
    for row in results.provenance.get("signal_errors", ()):
        told = [row[k] for k in ("budget", "sise_m", "correlation_s", "whole_range", "confidence")]
        grouped.setdefault((*told, said(row, text, "basis")), []).append(row["source"])
    rows = []
    for (budget, sise_m, lasts_s, whole, sure, basis), sources in grouped.items():
        rows.append(
            Row((
                Cell(text("list.joiner").join(sources), "w"), Cell(str(budget)),
                number(fmt.number(sise_m, 2), text("signals.whole") if whole else ""),
                number(fmt.duration(lasts_s, text)),
                Cell(basis or fmt.NONE, "w"), badge(sure, text),
            ))
        )  # fmt: skip
    return {
        "head": head(text, *names, numbers=("sise", "lasts")),
        "rows": rows,
        "lead": text("signals.lead"),
    }


def gathered(results, text: Text) -> dict[str, Any]:
    """What each asset knows after gathering over time, and how soon it knows enough."""
    names = ("asset", "nodes", "accuracy_need", "time_to_need", "reached", "gathered_horizontal",
             "gathered_3d", "weak")  # fmt: skip
    table: Any = results.accumulated_positioning
    if "source_names" not in table:  # nothing gathered, or a folder of an earlier version
        return {"head": [], "rows": [], "lead": ""}
    curve: Any = results.accumulated_against_time
    rows = []
    for r in table.to_dict(orient="records"):
        mine = curve[(curve["asset"] == r["asset"]) & (curve["elapsed_s"] == r["window_s"])]
        ends = {c: mine[mine["component"] == c].iloc[0] for c in ("horizontal", "3d")}
        errors = [
            " / ".join(fmt.metres(ends[c][f"r95_{p}_m"]) for p in ("p50", "p95")) for c in ends
        ]
        rows.append(
            Row((
                Cell(str(r["asset"]), "w"),
                Cell(_named(r), "named", entries=(text("gathered.clock", clock=r["clock"]),)),
                Cell(demand.accuracy(_need(results, r["asset"]), text) or fmt.NONE, "r"),
                number(" / ".join(fmt.duration(r[f"time_to_need_{p}_s"], text)
                                  for p in ("p50", "p95"))),
                number(fmt.percent(r["reached_frac"])), *(number(e) for e in errors),
                Cell(weak_words(r, text), "w"),
            ))
        )  # fmt: skip
    return {
        "head": head(text, *names, numbers=names[3:7]),
        "rows": joined(rows, results, text),
        "lead": _how(results, text) if rows else "",
    }


def _how(results, text: Text) -> str:
    """What was measured, for how long, and what else was known: the scenario's own settings."""
    how = results.scenario.accumulation
    parts = [k for k, used in (("ranges", how.ranges), ("doppler", how.doppler),
                               ("two_way", bool(how.two_way))) if used]  # fmt: skip
    out = text(
        "gathered.lead", window=fmt.duration(how.window_min * 60.0, text),
        step=fmt.duration(how.step_s, text), every=fmt.duration(how.start_step_min * 60.0, text),
        starts=f"{int(results.accumulated_positioning['starts'].max()):,}",
        measured=text("gathered.and").join(text(f"gathered.{p}") for p in parts),
    )  # fmt: skip
    more = []
    if how.height_sigma_m is not None:
        more.append(text("gathered.height", n=f"{how.height_sigma_m:g}"))
    if how.signal_correlation_s is not None:
        more.append(text("gathered.lasts", n=fmt.duration(how.signal_correlation_s, text)))
    return (" " if text.language == "en" else "").join([out, *more])


def _named(row: dict) -> str:
    """Who was in view at all; a table read from a file has no text where it was empty."""
    names = row.get("source_names")
    return names.replace(" ", ", ") if isinstance(names, str) else fmt.NONE


def _need(results, asset: str):
    return next((positioning_need(n) for n in results.nodes if n.name == asset), None)


def weak_words(row: dict, text: Text) -> str:
    """The direction about which an asset knows least at the end of its window, in words."""
    unknown = int(row["undetermined"])
    if unknown == 4:
        return text("weak.nothing")
    parts = {k: float(row[f"weak_{k}_frac"]) for k in ("east", "north", "up", "clock")}
    if abs(parts["clock"]) >= CLOCK_SHARE:
        said = text("weak.clock")
    else:
        length = sum(parts[k] ** 2 for k in ("east", "north", "up")) ** 0.5
        said = text("weak.place", **{k: f"{parts[k] / length:+.2f}" for k in parts if k != "clock"})
        said += text("weak.with_clock") if abs(parts["clock"]) > SHARED_CLOCK else ""
    if unknown:
        return text("weak.unknown", count=unknown, direction=said)
    return text("weak.known", direction=said, sigma=fmt.metres(row["weak_sigma_m"]))


def within(results, text: Text) -> dict[str, Any]:
    """The availability of "X m within Y minutes": a row an asset and accuracy, in space."""
    frame: Any = results.accumulated_availability
    rows, columns = [], []
    if len(frame):
        times = sorted(set(frame["within_s"]))
        columns = [(fmt.duration(s, text), "n") for s in times]
        shown = frame[(frame["axes"] == "3d") | (frame["basis"] == "need")]
        for (asset, basis, axes, level), part in shown.groupby(
            ["asset", "basis", "axes", "accuracy_m"], sort=False
        ):
            share = dict(zip(part["within_s"], part["availability_frac"], strict=True))
            said = text("within.level", n=f"{level:g}")
            if basis == "need":
                said = text("within.need", level=demand.level(results, asset, level, axes, text))
            rows.append(
                Row((Cell(str(asset), "w"), Cell(said),
                     *(number(fmt.percent(share.get(s))) for s in times)))
            )  # fmt: skip
    return {
        "head": [*head(text, "asset", "accuracy_within"), *columns],
        "rows": joined(rows, results, text),
        "lead": text("within.lead"),
    }


def traverse(results, text: Text) -> dict[str, Any]:
    """The legs of every asset that moves: what it has on the way."""
    names = ("asset", "leg", "from", "to", "length", "visible", "fix_share", "accuracy_way")
    legs = results.traverse.to_dict(orient="records") if _moves(results) else []
    services = [
        s for s in ("relay", "direct", "forward", "positioning")
        if any(not fmt.missing(r[f"{s}_availability_frac"]) for r in legs)
    ]  # fmt: skip
    rows = [
        Row((
            Cell(str(r["asset"]), "w"), number(fmt.number(r["leg"], 0)),
            *(Cell(str(r[k])[:16].replace("T", " "), "k") for k in ("start_utc", "end_utc")),
            number(fmt.number(r["length_km"], 1)),
            number(f"{fmt.number(r['visible_min'], 0)} / {fmt.number(r['visible_mean'], 1)}"),
            number(fmt.percent(r["fix_frac"])),
            number(" / ".join(fmt.metres(r[f"accuracy_3d_{p}_m"]) for p in ("p50", "p95"))),
            *(
                number(fmt.percent(r[f"{s}_availability_frac"]),
                       text("traverse.gap", gap=fmt.duration(r[f"{s}_longest_gap_s"], text)))
                for s in services
            ),
        ))
        for r in legs
    ]  # fmt: skip
    return {
        "head": [
            *head(text, *names, numbers=("leg", *names[4:])),
            *((service(s, text), "n") for s in services),
        ],
        "rows": rows,
        "lead": text("traverse.lead"),
    }


def _moves(results) -> bool:
    return any(n.path is not None for n in results.nodes)
