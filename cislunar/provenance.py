"""Where a run's values come from: every record it used, with sources and confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cislunar.options.economics import COMPARED, PROJECT_YEARS
from cislunar.schema import Asset

if TYPE_CHECKING:
    from cislunar.scenario import Scenario

# catalogue services whose values enter every run
RULES = ("link-rule", "uere", "station-rules", "site-weights", "service-start-rule")
# and what may go otherwise than planned, where there are options
RISKS = ("option-slip", "loss-craft", "loss-landing", "loss-station")
# keys whose values say what a record is, in the order they are shown
TELLING = (
    "orbit", "latitude_deg", "longitude_deg", "min_elevation_deg", "service_start", "transmit",
    "receive", "attenuation_95_percent_db", "lunar_time_share", "cost_oku_jpy", "cost_basis",
    "available_from", "service", "availability_frac", "availability_basis", "min_rate_bps",
    "accuracy_m", "max_gap_s", "latency_s", "volume_bit_per_day", "sise_m", "velocity_mm_s",
    "basis",
)  # fmt: skip
# and which of them say it in the entry's ``values``, with where a cost and a date are from
VALUES = (*TELLING, "available_basis", "annual_operations_oku_jpy", "lifetime_years")
# of a rule: what is told beside, and what is not told
BESIDE = (
    "kind", "id", "name_en", "name_ja", "sources", "confidence", "reason", "reason_ja", "note",
    "note_ja", "date", "conflicts", "category", "derived", "based_on", "attempts",
)  # fmt: skip
GIVEN = {
    "reason": "given in the scenario file", "reason_ja": "シナリオファイルで与えた値である。",
}  # fmt: skip
SHOWN = 300  # characters of a summary


def records_used(scenario: Scenario, names: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """``(kind, id, record)`` of everything the named nodes and the option pool rest on."""
    names = set(names)
    used_terminals: set[str] = set()
    for kind, records in (
        ("spacecraft", scenario.spacecraft),
        ("constellation", scenario.constellations),
        ("station", scenario.ground_stations),
        ("asset", scenario.assets),
    ):
        for record in records:
            members = kind == "constellation" and any(
                n.startswith(f"{record.name}-") for n in names
            )
            if record.name in names or members:
                yield kind, record.name, record
                yield from _signal(record)
                used_terminals.update(t for t in record.terminals if isinstance(t, str))
                if isinstance(record, Asset):
                    yield from _needs(
                        record.name, [n for n in record.needs if not isinstance(n, str)]
                    )
    asked = {n for a in scenario.assets for n in a.needs if isinstance(n, str)}
    for name, profile in scenario.needs.items():
        if name in asked:
            yield from _needs(name, profile)
    for option in scenario.options:
        yield "option", option.id, option
        for records in (
            option.adds.spacecraft, option.adds.constellations, option.adds.ground_stations,
            option.adds.assets, option.adds.spacecraft_terminals,
        ):  # fmt: skip
            for added in records:
                yield from _signal(added)
                used_terminals.update(t for t in added.terminals if isinstance(t, str))
    for name in sorted(used_terminals):
        if name in scenario.terminals:
            yield "terminal", name, scenario.terminals[name]


def _needs(name: str, needs: Sequence[Any]) -> Iterator[tuple[str, str, Any]]:
    """The needs of a profile or an asset; of several of one service each by its own class."""
    services = [need.service for need in needs]
    for need in needs:
        several = services.count(need.service) > 1 and need.id
        yield "need", f"{name}/{need.service}" + (f"/{need.id}" if several else ""), need


def _signal(record: Any) -> Iterator[tuple[str, str, Any]]:
    """The error budget that a record names for its signal, if it names one."""
    budget = getattr(record, "error_budget", None)
    if budget is not None:
        yield "error-budget", budget.id, budget


def collect(scenario: Scenario, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """``assumptions`` (not primary, wholly or in a field) and ``sources`` of the records used.

    One entry a record: id, kind, names, what it says (``summary``; ``values`` by key), confidence,
    single fields of other confidence, reason, conflicts and sources; plus the catalogue rules that
    every run applies. Texts have a Japanese twin, ``reason_ja`` and so on.
    """
    entries = [_entry(kind, name, record.model_dump(mode="json", exclude_none=True))
               for kind, name, record in records_used(scenario, names)]  # fmt: skip
    entries += [_rule(name) for name in (*RULES, *(money_records() if scenario.options else ()))]
    entries = _merged(entries)
    return {
        "assumptions": [
            e
            for e in entries
            if e["confidence"] != "primary" or "assumption" in e["field_confidence"].values()
        ],
        "sources": entries,
    }


def money_records() -> tuple[str, ...]:
    """The catalogue records that costs, comparisons, years of development and risks rest on.

    >>> {"regular-flight", "sat-100kg-nav", "loss-landing"} <= set(money_records())
    True
    """
    from cislunar import catalog

    years = (record for _, record in PROJECT_YEARS.values())
    units = catalog.load("cost-units")
    rests_on = (record for unit in units.values() for record in unit["based_on"])
    return tuple(dict.fromkeys((*RISKS, *COMPARED.values(), *years, *units, *rests_on)))


def price_basis() -> dict[str, str]:
    """What costs are stated in: first and last year of published figures, yen a dollar and euro.

    >>> price_basis()["usd"], price_basis()["eur"]
    ('150', '165')
    """
    from cislunar import catalog

    published = [catalog.get("costs", name) or {} for name in money_records()]
    years = sorted(str(record["year"]) for record in published if record.get("year"))
    rates = catalog.find("fact-conventions")["fx_assumption"]
    return {
        "first": years[0], "last": years[-1],
        "usd": f"{rates['jpy_per_usd']:g}", "eur": f"{rates['jpy_per_eur']:g}",
    }  # fmt: skip


def _entry(kind: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    loose = {k: v for k, v in data.get("field_confidence", {}).items() if v != "primary"}
    given = data.get("confidence")
    scenario_own = given is None and not data.get("catalog_id")
    return {
        "id": name,
        "kind": kind,
        "catalog_id": data.get("catalog_id"),
        "name": {k: data.get(f"name_{k}") or _profile(kind, data, k) or name for k in ("en", "ja")},
        "summary": _summary(data),
        "values": _values(data, VALUES),
        # a value written in the scenario file itself is the author's own assumption
        "confidence": "assumption" if scenario_own else given or "unverified",
        "field_confidence": loose,
        "overridden": data.get("overridden", []),
        **_reason(data, GIVEN if scenario_own else {}),
        "conflicts": data.get("conflicts", []),
        "sources": data.get("sources", []),
    }


def _profile(kind: str, data: dict[str, Any], language: str) -> str | None:
    """The name of the catalogue profile that a need is of."""
    from cislunar import catalog

    if kind != "need" or not data.get("catalog_id"):
        return None
    return (catalog.get("needs", data["catalog_id"]) or {}).get(f"name_{language}")


def _rule(name: str) -> dict[str, Any]:
    from cislunar import catalog

    data = catalog.find(name)
    text = {k: v for k, v in data.items() if k not in ("kind", "id", "sources", "confidence")}
    priced = _priced(text)
    says = data.get("summary_en")  # of what would be too long to tell value by value
    return {
        "id": name,
        "kind": "rule",
        "catalog_id": name,
        "name": {"en": data.get("name_en") or name, "ja": data.get("name_ja") or name},
        "summary": says or _short("; ".join(f"{k}: {v}" for k, v in text.items())),
        **({"summary_ja": data["summary_ja"]} if says else {}),
        "values": {} if says else _values(priced, [k for k in priced if k not in BESIDE]),
        "confidence": data.get("confidence") or "assumption",
        "field_confidence": {},
        "overridden": [],
        **_reason(data, {}),
        "conflicts": data.get("conflicts", []),
        "sources": data.get("sources", []),
    }


def _priced(data: dict[str, Any]) -> dict[str, Any]:
    """The same with a unit cost's low, mid and high as an option has them, with their unit."""
    bounds = ("low", "mid", "high")
    if not all(k in data for k in bounds):
        return data
    return {"cost_oku_jpy": {k: data[k] for k in bounds}} | {
        k: v for k, v in data.items() if k not in bounds
    }


def _reason(data: dict[str, Any], otherwise: dict[str, Any]) -> dict[str, Any]:
    """The reason of a record in both languages; without one its note, or what is said instead."""
    for key in ("reason", "note"):
        if data.get(key):
            twin = data.get(f"{key}_ja")
            return {"reason": data[key]} | ({"reason_ja": twin} if twin else {})
        if otherwise:
            break
    return otherwise or {"reason": None}


def _values(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The values of these keys that a record has, with their Japanese twins."""
    return {
        k: data[k]
        for key in keys
        for k in dict.fromkeys((key, f"{key}_ja"))
        if data.get(k) not in (None, "", [], {})
    }


def _summary(data: dict[str, Any]) -> str:
    parts = []
    for key in TELLING:
        if key in data:
            value = data[key]
            if isinstance(value, dict):
                value = ", ".join(f"{k} {v}" for k, v in value.items() if k != "note")
            parts.append(f"{key}: {value}")
    return _short("; ".join(parts))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _merged(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a kind and id: a record that several nodes share is listed once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        found.setdefault((entry["kind"], entry["id"]), entry)
    return list(found.values())


def assumed_craft(nodes: Iterable[Any], confidence: Mapping[str, str | None]) -> list[str]:
    """Spacecraft whose orbit or another main value is an assumption, or unverified, by name.

    ``confidence`` is that of the records by their id; a node may state its own.
    """
    return [
        n.name
        for n in nodes
        if n.kind == "spacecraft"
        and (n.confidence or confidence.get(n.name)) in ("assumption", "unverified")
    ]
