"""The answer in a paragraph, and the reasons behind it, made from the run's own tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cislunar import display as fmt
from cislunar.plots.bars import cause_hours, option_label
from cislunar.report.cells import service, span_of
from cislunar.report.demand import level, needs_of
from cislunar.report.offers import NOTHING_H, differential, gap, is_later, year
from cislunar.text import Text

HOME = "JP"  # the nation whose assets are counted by themselves
CAUSES = 3
GATHERED = 3  # assets whose positioning over time is told


def needs_table(results) -> pd.DataFrame:
    """Every judged need: ``asset, service, verdict, achieved, need`` of both score tables."""
    comm = results.comm_scores[
        ["asset", "service", "verdict", "availability_frac", "need_availability_frac"]
    ]
    fix = results.positioning_scores[
        ["asset", "verdict", "availability_frac", "need_availability_frac"]
    ].assign(service="positioning")
    both: Any = pd.concat([comm, fix[comm.columns]], ignore_index=True) if len(fix) else comm
    both = both[both["verdict"] != "no-need"].copy()
    both["achieved"] = pd.to_numeric(both["availability_frac"], errors="coerce")
    both["need"] = pd.to_numeric(both["need_availability_frac"], errors="coerce")
    return both[["asset", "service", "verdict", "achieved", "need"]]


def answer_sentences(results, text: Text) -> list[str]:
    """The paragraphs a reader needs if nothing else is read."""
    needs = needs_table(results)
    days = f"{results.scenario.duration_days:g}"
    space = gap(text)
    out = []
    if needs.empty:
        out.append(text("answer.no_needs", days=days))
    else:
        count: Any = needs["verdict"].value_counts()
        line = text(
            "answer.needs", days=days, met=int(count.get("met", 0)), total=len(needs),
            missed=int(count.get("not-met", 0)),
        )  # fmt: skip
        unknown = int(count.get("not-computable", 0))
        if unknown:
            line += space + text("answer.not_computable", count=unknown)
        line += space + _by_service(needs, text)
        owners = _by_owner(results, needs, text)
        out.append(line + (space + owners if owners else ""))
        missed = _missed(results, needs, text)
        if missed:
            out.append(missed + _longest(results, needs, text, space))
        causes = _causes(results, needs, text)
        if causes:
            out.append(causes)
    out += _gathered(results, text)
    best = _best(results, text, space)
    if best:
        out.append(best)
    return out


def _counted(parts, text):
    items = [
        text("answer.service_item", service=name, met=int((part["verdict"] == "met").sum()),
             total=len(part))
        for name, part in parts
    ]  # fmt: skip
    return text("answer.joiner").join(items)


def _by_service(needs, text):
    parts = [(service(name, text), part) for name, part in needs.groupby("service", sort=False)]
    return text("answer.by_service", items=_counted(parts, text))


def _by_owner(results, needs, text):
    """Counts for Japan's own assets and for the rest by group; empty if no nation is known."""
    owner = {}
    groups = getattr(results.scenario.policy, "groups", None) or {}
    for asset in getattr(results.scenario, "assets", ()):
        if HOME in str(getattr(asset, "nation", None) or "").split("/"):
            owner[asset.name] = text("owner.home")
        else:
            mine = [g for g, members in groups.items() if asset.operator in members]
            owner[asset.name] = text.either(f"owner.{mine[0] if mine else ''}", text("owner.rest"))
    names = needs["asset"].map(owner)
    if text("owner.home") not in set(names) or names.nunique() < 2:
        return ""
    parts = sorted(needs.groupby(names, sort=False), key=lambda p: p[0] != text("owner.home"))
    return text("answer.by_owner", items=_counted(parts, text))


def _missed(results, needs, text):
    """What is missed, a service each: at how many assets, how much there is of what is asked."""
    missed = needs[needs["verdict"] == "not-met"].copy()
    if missed.empty:
        return ""
    missed["most"] = [
        max((n.availability_frac or 0.0 for n in needs_of(results, asset, name)), default=need)
        for asset, name, need in zip(
            missed["asset"], missed["service"], missed["need"], strict=True
        )
    ]
    items = []
    for name, part in missed.groupby("service", sort=False):
        key = "answer.missed_fix" if name == "positioning" else "answer.missed_item"
        asked = fmt.percent(part["most"].max())
        got = span_of(
            fmt.percent(part["achieved"].min()), fmt.percent(part["achieved"].max()), text
        )
        total = int((needs["service"] == name).sum())
        items.append(
            text(key, service=service(name, text), count=len(part), total=total, got=got,
                 asked=asked)
        )  # fmt: skip
    out = text("answer.missed", items=text("answer.joiner").join(items))
    full = int((missed["achieved"] >= missed["most"]).sum())
    return out + (gap(text) + text("answer.other_grounds", count=full) if full else "")


def _longest(results, needs, text, space):
    mine = _needed(results.gaps, needs)
    if mine.empty:
        return ""
    top = mine.loc[mine["duration_s"].astype(float).idxmax()]
    ties = int((mine["duration_s"].astype(float) >= float(top["duration_s"]) - 1.0).sum())
    key = "answer.longest" if ties == 1 else "answer.longest_several"
    return space + text(
        key, duration=fmt.duration(top["duration_s"], text), asset=top["place"],
        service=service(top["service"], text), count=ties,
        seen=text("answer.at_least") if str(top["edge"]) != "none" else "",
    )  # fmt: skip


def _needed(frame, needs):
    """The rows of a table of places and services that somebody needs."""
    judged = set(zip(needs["asset"], needs["service"], strict=True))
    return frame[[k in judged for k in zip(frame["place"], frame["service"], strict=True)]]


def _causes(results, needs, text):
    hours: Any = _needed(cause_hours(results), needs)
    total = float(hours["hours"].sum())
    if total <= 0:
        return ""
    by_cause = hours.groupby("cause")["hours"].sum().sort_values(ascending=False)
    items = [
        text(
            "answer.cause_item", share=fmt.percent(value / total),
            cause=text.either(f"cause.{cause}", str(cause)),
        )
        for cause, value in by_cause.head(CAUSES).items()
    ]  # fmt: skip
    return text(
        "answer.causes", hours=fmt.number(total, 0), items=text("answer.joiner").join(items)
    )


def _gathered(results, text):
    """What time brings: how soon, how often and with which nodes an asset has what it needs."""
    table: Any = results.accumulated_positioning
    out = []
    if "source_names" not in table:
        return out
    asked = table[table["need_rms_m"].notna() & table["source_names"].notna()]
    for r in asked.head(GATHERED).to_dict(orient="records"):
        names = r["source_names"].split()
        values = {
            "asset": r["asset"], "window": fmt.duration(r["window_s"], text),
            "need": level(results, r["asset"], float(r["need_accuracy_m"]), r["need_axes"], text),
            "nodes": text("list.joiner").join(names), "count": len(names),
            "share": fmt.percent(r["reached_frac"]),
        }  # fmt: skip
        if fmt.missing(r["time_to_need_p50_s"]):
            out.append(text("answer.gathered_few", **values))
        else:
            median = fmt.duration(r["time_to_need_p50_s"], text)
            out.append(text("answer.gathered", median=median, **values))
    return out


def _best(results, text, space):
    frame = results.fills
    if frame.empty:
        return ""
    hours = _numbers(frame["gap_hours_filled"]).fillna(0.0)
    if hours.max() < NOTHING_H:
        return text("answer.none_fills", count=len(frame))
    ranked = hours.sort_values(ascending=False, kind="stable")
    top = frame.loc[ranked.index[0]].to_dict()
    line = text(
        "answer.best", name=option_label(top, text.language),
        hours=fmt.number(top["gap_hours_filled"], 0), share=fmt.percent(top["share_filled_frac"]),
        cost=fmt.oku(top["cost_oku_jpy"]),
        low=fmt.oku(top.get("cost_low_oku_jpy")), high=fmt.oku(top.get("cost_high_oku_jpy")),
    )  # fmt: skip
    caution = differential(results.scenario.options, str(top["option"]), text)
    if caution:
        line += space + caution
    if is_later(top):
        line += space + text("answer.later", year=year(top))
    value = _numbers(frame["gap_hours_per_oku_jpy"])
    if value.notna().any():
        cheap = frame.loc[value.idxmax()].to_dict()
        ratio = fmt.number(cheap["gap_hours_per_oku_jpy"], 1)
        if cheap["option"] == top["option"]:
            line += space + text("answer.best_value_same", ratio=ratio)
        else:
            name = option_label(cheap, text.language)
            line += space + text("answer.best_value", name=name, ratio=ratio)
    after = [frame.loc[k].to_dict() for k in ranked.index[1:3] if ranked[k] >= NOTHING_H]
    if after:
        items = [
            text("answer.next_item", name=option_label(r, text.language),
                 hours=fmt.number(r["gap_hours_filled"], 0), cost=fmt.oku(r["cost_oku_jpy"]))
            for r in after
        ]  # fmt: skip
        line += space + text("answer.next", items=text("answer.joiner").join(items))
    return line


def _numbers(column: Any) -> Any:
    """A column as floats, empty cells as not-a-number."""
    found: Any = pd.to_numeric(column, errors="coerce")
    return found.astype(float)


def why_sentences(results, text: Text) -> list[str]:
    """The run's checks of common sense in words; they stand in the products as numbers."""
    found = getattr(results, "provenance", {}).get("observations")
    if found is None:
        from cislunar.observations import observe

        found = observe(results)
    out = []
    for o in found:
        if o["kind"] == "far-side":
            out.append(
                text(
                    "why.far_side", assets=text("list.joiner").join(o["assets"]),
                    elevation=_angle(o["elevation_max_deg"]),
                    share=fmt.percent(o["access_frac"]),
                )
            )  # fmt: skip
            continue
        angles = {
            "above0": fmt.percent(o["above_0_frac"]), "above5": fmt.percent(o["above_5_frac"]),
            "highest": _angle(o["elevation_max_deg"]), "tilt": _angle(o["tilt_deg"]),
        }  # fmt: skip
        if o["kind"] == "pole-earth":
            out.append(text("why.pole", lowest=_angle(o["elevation_min_deg"]), **angles))
        elif o["tilt_deg"] < 0.5:
            out.append(text("why.dro_flat", name=o["name"]))
        else:
            out.append(text("why.dro", name=o["name"], **angles))
    return out


def _angle(degrees) -> str:
    return f"{float(degrees):.1f}".replace("-", "−")
