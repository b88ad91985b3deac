"""The answer in a paragraph, and the reasons behind it, made from the run's own tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cislunar import display as fmt
from cislunar.plots.bars import cause_hours, option_label
from cislunar.text import Text

WORST = 3
CAUSES = 3


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
    gap = "" if text.language == "ja" else " "
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
            line += gap + text("answer.not_computable", count=unknown)
        out.append(line + gap + _by_service(needs, text))
        worst = _worst(needs, text)
        if worst:
            out.append(worst + _longest(results, needs, text, gap))
    causes = _causes(results, text)
    if causes:
        out.append(causes)
    best = _best(results, text, gap)
    if best:
        out.append(best)
    return out


def _by_service(needs, text):
    items = [
        text(
            "answer.service_item", service=text.either(f"service.{service}", str(service)),
            met=int((part["verdict"] == "met").sum()), total=len(part),
        )
        for service, part in needs.groupby("service", sort=False)
    ]  # fmt: skip
    return text("answer.by_service", items=text("answer.joiner").join(items))


def _worst(needs, text):
    missed = needs[needs["verdict"] == "not-met"].dropna(subset=["achieved", "need"])
    missed = missed.assign(short=missed["need"] - missed["achieved"])
    missed = missed[missed["short"] > 0].sort_values(
        ["short", "asset", "service"], ascending=[False, True, True], kind="stable"
    )
    if missed.empty:
        return ""
    items = [
        text(
            "answer.worst_item", asset=r.asset,
            service=text.either(f"service.{r.service}", r.service),
            achieved=fmt.percent(r.achieved), need=fmt.percent(r.need),
        )
        for r in missed.head(WORST).itertuples()
    ]  # fmt: skip
    return text("answer.worst", items=text("answer.joiner").join(items))


def _longest(results, needs, text, gap):
    judged = set(zip(needs["asset"], needs["service"], strict=True))
    frame = results.gaps
    mine = frame[[k in judged for k in zip(frame["place"], frame["service"], strict=True)]]
    if mine.empty:
        return ""
    top = mine.loc[mine["duration_s"].astype(float).idxmax()]
    return gap + text(
        "answer.longest", duration=fmt.duration(top["duration_s"], text), asset=top["place"],
        service=text.either(f"service.{top['service']}", str(top["service"])),
    )  # fmt: skip


def _causes(results, text):
    hours: Any = cause_hours(results)
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


def _best(results, text, gap):
    frame = results.fills
    if frame.empty:
        return ""
    hours = _numbers(frame["gap_hours_filled"]).fillna(0.0)
    if hours.max() <= 0:
        return text("answer.none_fills", count=len(frame))
    top = frame.loc[hours.idxmax()].to_dict()
    line = text(
        "answer.best", name=option_label(top, text.language),
        hours=fmt.number(top["gap_hours_filled"], 0), share=fmt.percent(top["share_filled_frac"]),
        cost=fmt.oku(top["cost_oku_jpy"]),
        low=fmt.oku(top.get("cost_low_oku_jpy")), high=fmt.oku(top.get("cost_high_oku_jpy")),
    )  # fmt: skip
    value = _numbers(frame["gap_hours_per_oku_jpy"])
    if value.notna().any():
        cheap = frame.loc[value.idxmax()].to_dict()
        line += gap + text(
            "answer.best_value", name=option_label(cheap, text.language),
            ratio=fmt.number(cheap["gap_hours_per_oku_jpy"], 1),
        )  # fmt: skip
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
                    "why.far_side", assets=", ".join(o["assets"]),
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
