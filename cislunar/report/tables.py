"""The report's words and tables, each number taken from a product table and given its unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cislunar import display as fmt
from cislunar.plots.bars import cause_hours
from cislunar.report import (
    demand,
    fixes,
    independence,
    offers,
    origins,
    robustness,
    scores,
    worth,
)
from cislunar.report.answer import answer_sentences, needs_table, why_sentences
from cislunar.report.cells import (
    Cell,
    Row,
    badge,
    cause,
    head,
    number,
    service,
)
from cislunar.report.conflicts import conflicts
from cislunar.report.limits import limit_sentences
from cislunar.report.method import method_sentences
from cislunar.report.sensitivity import sensitivity
from cislunar.report.supply import supply_rows
from cislunar.text import Text

WORST_GAPS = 25
HELD = re.compile(r"Earth orientation \(UT1, pole\) is (?:held|modelled) (after|before) ([0-9-]+),")


def context(results, text: Text) -> dict[str, Any]:
    """Everything the template prints, by section."""
    scenario = results.scenario
    version = results.manifest.get("versions", {}).get("cislunar-planner", "")
    return {
        "title": title_of(scenario, text.language),
        "subtitle": text(
            "report.subtitle", days=f"{scenario.duration_days:g}",
            start=scenario.start.utc_text(0.0, 0).replace("T", " ").replace("Z", " UTC"),
        ),
        "answer": answer_sentences(results, text),
        "limits": limit_sentences(results, text),
        "scenario_rows": _scenario(results, text),
        "notes": _notes(results, text),
        "method": method_sentences(results, text),
        "overview": scores.overview(results, text),
        "scorecard": scores.scorecard(results, text),
        "positioning": scores.positioning(results, text),
        "signals": fixes.signals(results, text),
        "gathered": fixes.gathered(results, text),
        "within": fixes.within(results, text),
        "traverse": fixes.traverse(results, text),
        "demand": demand.demand_table(results, text),
        "needs": demand.needs_table(results, text),
        "gaps": _gaps(results, text),
        "why": why_sentences(results, text),
        "sensitivity": sensitivity(results, text),
        "fills": offers.fills(results, text),
        "portfolio": offers.portfolio(results, text),
        "worth": [
            *worth.parts(results, text), *robustness.parts(results, text),
            *independence.parts(results, text),
        ],
        "supply": {
            "head": head(
                text, "node", "kind", "operator", "orbit", "terminals", "confidence", numbers=()
            ),
            "rows": [
                Row((
                    Cell(r.name, "named", entries=(r.full_name,) if r.full_name else ()),
                    Cell(r.kind, "k"), Cell(r.operator), Cell(r.where), Cell(r.terminals),
                    badge(r.confidence, text, r.loose),
                ))
                for r in supply_rows(results, text)
            ],
        },
        "network_lead": text(
            "network.lead",
            when=scenario.start.utc_text(float(scenario.duration_s) / 2.0, 0),
        ),
        "assumptions": origins.assumptions(results, text),
        "conflicts": conflicts(results, text),
        "sources": origins.sources(results, text),
        "repro": _repro(results, text),
        "footer": text("footer.note", version=version),
    }  # fmt: skip


def title_of(scenario, language: str) -> str:
    """The scenario's title in a language, or its name."""
    title = getattr(scenario, "title", None)
    if isinstance(title, dict):
        return title.get(language) or next(iter(title.values()), scenario.name)
    return title or scenario.name


def _notes(results, text):
    """The run's statements; a statement may be one string or one a language."""
    return [_note(note, text) for note in results.manifest.get("notes") or ()]


def _note(note, text):
    if isinstance(note, dict):
        return note.get(text.language, next(iter(note.values())))
    held = HELD.match(note)
    return text(f"note.held_{held[1]}", date=held[2]) if held else note


def _scenario(results, text):
    scenario = results.scenario
    kinds = [n.kind for n in results.nodes]
    return [
        (text("scenario.name"), scenario.name),
        (text("scenario.epoch"), scenario.start.utc_text(0.0, 0)),
        (
            text("scenario.span"),
            text(
                "scenario.span_value", days=f"{scenario.duration_days:g}",
                step=f"{scenario.step_s:g}",
            ),
        ),
        (text("scenario.fidelity"), text.either(f"fidelity.{scenario.fidelity}", "")),
        (text("scenario.forces"), _forces(scenario, text)),
        (
            text("scenario.nodes"),
            text(
                "scenario.nodes_value", spacecraft=kinds.count("spacecraft"),
                stations=kinds.count("station"), assets=kinds.count("asset"),
                contacts=f"{len(results.contacts):,}",
            ),
        ),
        (text("scenario.policy"), _policy(scenario, text)),
    ]  # fmt: skip


def _forces(scenario, text):
    if scenario.fidelity != "ephemeris":
        return text("scenario.forces_closed")
    model = scenario.force_model
    if isinstance(model, str):
        degree, bodies, srp = 20, ("earth", "sun", "jupiter", "venus"), True
    else:
        degree, bodies, srp = model.moon_degree, model.bodies, model.srp
    return text(
        "scenario.forces_value", degree=degree,
        bodies=text("list.joiner").join(text(f"body.{b}") for b in bodies),
        srp=text("scenario.on" if srp else "scenario.off"),
    )  # fmt: skip


def _policy(scenario, text):
    policy = scenario.policy
    if policy is None or not policy.groups:
        return text("scenario.policy_none")
    pairs = [
        text("scenario.policy_self", a=a) if a == b else text("scenario.policy_pair", a=a, b=b)
        for a, b in policy.share
    ]
    comma = text("list.joiner")
    groups = text("scenario.policy_joiner").join(
        text("scenario.policy_group", group=g, members=comma.join(m))
        for g, m in policy.groups.items()
    )
    return text("scenario.policy_members", pairs=comma.join(pairs), groups=groups)


def _gaps(results, text):
    frame = results.gaps.sort_values(
        ["severity", "duration_s", "gap_id"], ascending=[False, False, True], kind="stable"
    ).head(WORST_GAPS)
    rows = []
    for r in frame.to_dict(orient="records"):
        rows.append(
            Row((
                Cell(str(r["gap_id"]), "k"), Cell(str(r["place"]), "k"),
                Cell(service(r["service"], text)),
                Cell(_minute(r["start_utc"]), "k"), Cell(_minute(r["end_utc"]), "k"),
                number(fmt.duration(r["duration_s"], text)),
                cause(r["cause"], text),
                number(fmt.percent(r["severity"], 2)),
                Cell(text.either(f"edge.{r['edge']}", str(r["edge"]))),
            ))
        )  # fmt: skip
    return {
        "head": head(
            text, "gap", "place", "service", "from", "to", "duration", "cause", "severity", "edge",
            numbers=("duration", "severity"),
        ),
        "rows": rows,
        "lead": text("gaps.lead", shown=len(rows), total=f"{len(results.gaps):,}"),
        **_cause_totals(results, text),
    }  # fmt: skip


def _cause_totals(results, text):
    """Hours by cause: every service, and of those that somebody needs."""
    needs = needs_table(results)
    judged = set(zip(needs["asset"], needs["service"], strict=True))
    hours: Any = cause_hours(results)
    hours["needed"] = [
        h if k in judged else 0.0
        for h, k in zip(hours["hours"], zip(hours["place"], hours["service"], strict=True),
                        strict=True)
    ]  # fmt: skip
    services = list(dict.fromkeys(hours["service"]))
    table = hours.pivot_table(
        index="cause", columns="service", values="hours", aggfunc="sum", fill_value=0.0
    )
    needed = hours.groupby("cause")["needed"].sum()
    total, wanted = float(hours["hours"].sum()), float(needed.sum())
    order = sorted(table.index, key=lambda c: (-needed[c], -table.loc[c].sum()))
    rows = []
    for code in order:
        rows.append(
            Row((
                cause(code, text),
                *(number(fmt.number(table.loc[code, s])) for s in services),
                number(fmt.number(float(table.loc[code].sum()))),
                number(fmt.number(needed[code])),
                number(fmt.percent(needed[code] / wanted if wanted else None)),
            ))
        )  # fmt: skip
    if rows:
        rows.append(
            Row(
                (
                    Cell(text("gaps.all")),
                    *(number(fmt.number(table[s].sum())) for s in services),
                    number(fmt.number(total)), number(fmt.number(wanted)),
                    number(fmt.percent(1.0 if wanted else None)),
                ),
                total=True,
            )
        )  # fmt: skip
    unit = text("unit.h")
    columns = [(text("col.cause_short"), "")]
    columns += [(f"{service(s, text)} ({unit})", "n") for s in services]
    columns += [
        (f"{text('gaps.all')} ({unit})", "n"), (f"{text('gaps.needed')} ({unit})", "n"),
        (text("col.share_needed"), "n"),
    ]  # fmt: skip
    return {"totals_head": columns, "totals": rows}


def _minute(utc) -> str:
    return str(utc)[:16].replace("T", " ")


def _repro(results, text):
    manifest = results.manifest

    def listed(mapping, form: Callable[[Any], str] = str, word: Callable[[str], str] = str):
        pairs = (mapping or {}).items()
        return text("list.joiner").join(f"{word(k)} {form(v)}" for k, v in pairs)

    def count(name: str) -> str:
        return text.either(f"count.{name}", name)

    def stage(name: str) -> str:
        return text.either(f"stage.{name}", name)

    rows = [
        (text("repro.command"), manifest.get("command", "cislunar run scenario.resolved.yaml")),
        (text("repro.hash"), manifest.get("scenario_sha256", fmt.NONE)),
        (text("repro.versions"), listed(manifest.get("versions"))),
        (text("repro.counts"), listed(manifest.get("counts"), lambda v: f"{v:,}", count)),
        (text("repro.wall"), listed(manifest.get("wall_s"), lambda v: f"{v:.1f} s", stage)),
    ]
    return [(key, value or fmt.NONE) for key, value in rows]
