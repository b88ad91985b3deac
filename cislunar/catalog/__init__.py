"""The catalogue: what is known of stations, sites, relays, terminals, needs, costs and options.

Records are YAML in the keys of the scenario file, each with sources, date and confidence. A kind is
read on first use; nothing is read at import.
"""

from __future__ import annotations

import copy
import difflib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from cislunar.catalog.supply import CASES, SUPPLY, serves, service_dates
from orbits.errors import InputError

__all__ = [
    "CASES", "SUPPLY", "describe", "find", "get", "in_service", "kinds", "kinds_of", "load",
    "names", "near", "operator_nations", "service_dates",
]  # fmt: skip

_FOLDER = Path(__file__).parent
# kind -> file; the order is the order of search, so a spacecraft wins over a programme of its name
_FILES = {
    "relays": "relays.yaml",
    "constellations": "constellations.yaml",
    "stations": "stations.yaml",
    "sites": "sites.yaml",
    "regions": "regions.yaml",
    "terminals": "terminals.yaml",
    "terminal-groups": "terminal_groups.yaml",
    "options": "options.yaml",
    "needs": "needs.yaml",
    "groups": "groups.yaml",
    "policies": "policies.yaml",
    "services": "services.yaml",
    "error-budgets": "error_budgets.yaml",
    "bands": "bands.yaml",
    "codings": "codings.yaml",
    "modcods": "modcods.yaml",
    "published-terminals": "published_terminals.yaml",
    "link-model": "link_model.yaml",
    "requirements": "requirements.yaml",
    "costs": "costs.yaml",
    "cost-units": "cost_units.yaml",
    "risks": "risks.yaml",
    "programmes": "programmes.yaml",
    "published-relays": "published_relays.yaml",
    "stationkeeping": "stationkeeping.yaml",
    "insertion-costs": "insertion_costs.yaml",
    "glossary": "glossary.yaml",
}


def kinds() -> tuple[str, ...]:
    """The kinds of record, in the order of search.

    >>> "stations" in kinds()
    True
    """
    return tuple(_FILES)


def near(name: str, known, count: int = 3) -> str:
    """Text listing the ``known`` names most like ``name``, for an error message.

    >>> near("queqiao", ["queqiao-2", "dro-1", "queqiao-2"]), near("nope", ["note-5"])
    ('one of queqiao-2', 'see `cislunar catalog list`')
    """
    names, word = list(dict.fromkeys(known)), str(name)
    close = difflib.get_close_matches(word, names, n=count, cutoff=0.65)
    if len(word) > 2:  # a part of a name is meant for it
        close += [n for n in names if word in str(n) and n not in close]
    close = close[:count]
    return "one of " + ", ".join(close) if close else "see `cislunar catalog list`"


@cache
def _read(kind: str) -> dict[str, dict[str, Any]]:
    import yaml

    text = (_FOLDER / _FILES[kind]).read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    records = yaml.load(text, Loader=loader)  # our own file, and the safe loader
    return {record["id"]: record for record in records}


def load(kind: str) -> dict[str, dict[str, Any]]:
    """The records of a kind by id (a copy; change it freely).

    >>> load("stations")["misasa"]["latitude_deg"]
    36.141
    """
    if kind not in _FILES:
        raise InputError(f"{kind!r} is not a kind of record", value=kind, allowed=", ".join(_FILES))
    return copy.deepcopy(_read(kind))


def get(kind: str, name: str) -> dict[str, Any] | None:
    """One record of a kind (a copy), or None."""
    record = _read(kind).get(name)
    return None if record is None else copy.deepcopy(record)


def names(kind: str) -> tuple[str, ...]:
    """The ids of a kind, in the order of its file."""
    return tuple(_read(kind))


def in_service(
    date: str, case: str = "nominal", kinds: tuple[str, ...] = SUPPLY
) -> dict[str, dict[str, Any]]:
    """The records (copies) of supply that serve at a date, by id: relays, stations and the rest.

    ``date`` is ISO text; a year or a month asks for what serves at some time of it. ``case`` picks
    early, nominal or late dates. Concepts and candidates, which have no dates, are no supply.

    >>> "moonlight-comsat" in in_service("2029-06-01"), "moonlight-comsat" in in_service("2029-05")
    (True, False)
    """
    return {
        name: copy.deepcopy(record)
        for kind in kinds
        for name, record in _read(kind).items()
        if serves(record, date, case)
    }


@cache
def operator_nations() -> dict[str, str]:
    """The nation of each operator: that of most of its records (the first code of each).

    >>> operator_nations()["jaxa"]
    'JP'
    """
    seen: dict[str, Counter] = {}
    for kind in ("stations", "relays", "constellations", "sites"):
        for record in _read(kind).values():
            operator, nation = record.get("operator"), record.get("nation")
            if operator and nation:
                seen.setdefault(operator, Counter())[nation.split("/")[0]] += 1
    return {operator: codes.most_common(1)[0][0] for operator, codes in sorted(seen.items())}


def kinds_of(name: str) -> tuple[str, ...]:
    """The kinds that have a record called ``name``, in the order of search.

    >>> kinds_of("scan-phase-2")
    ('regions', 'needs', 'requirements')
    """
    return tuple(kind for kind in _FILES if name in _read(kind))


def find(name: str, kind: str | None = None) -> dict[str, Any]:
    """The record called ``name`` of any kind (a copy) with its ``kind``; InputError if none.

    Of several kinds the first in the order of search, or the one asked for.

    >>> find("queqiao-2")["kind"], find("scan-phase-2", "needs")["kind"]
    ('relays', 'needs')
    """
    if kind is not None and name not in load(kind):
        raise InputError(
            f"{name!r} is not one of the {kind}", value=name, allowed=near(name, names(kind))
        )
    for one in _FILES if kind is None else (kind,):
        record = get(one, name)
        if record is not None:
            return {"kind": one, **{k: v for k, v in record.items() if k != "kind"}, **(
                {"record_kind": record["kind"]} if "kind" in record else {}
            )}  # fmt: skip
    everything = [n for kind in _FILES for n in _read(kind)]
    raise InputError(
        f"{name!r} is not in the catalogue", value=name, allowed=near(name, everything)
    )


def _lines(value: Any, indent: int) -> list[str]:
    pad = "  " * indent
    if isinstance(value, dict):
        out = []
        for k, v in value.items():
            if isinstance(v, (dict, list)) and v and not _flat(v):
                out += [f"{pad}{k}:", *_lines(v, indent + 1)]
            else:
                out.append(f"{pad}{k}: {_plain(v)}")
        return out
    if isinstance(value, list):
        out = []
        for item in value:
            if isinstance(item, (dict, list)) and not _flat(item):
                inner = _lines(item, indent + 1)
                out += [f"{pad}- {inner[0].strip()}", *inner[1:]]
            else:
                out.append(f"{pad}- {_plain(item)}")
        return out
    return [f"{pad}{_plain(value)}"]


def _flat(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return all(not isinstance(v, (dict, list)) for v in items) and len(str(value)) <= 80


def _plain(value: Any) -> str:
    if value is None:
        return "not published"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value) if value else "none"
    return str(value)


def describe(record: dict[str, Any]) -> str:
    """A readable text of a record: its values, then confidence, reason, conflicts and sources.

    >>> print(describe({"id": "x", "confidence": "assumption", "reason": "no data"}))
    x
      confidence: assumption
      reason: no data
      sources: none
    """
    last = ("confidence", "field_confidence", "reason", "conflicts", "sources")
    head = str(record.get("id", record.get("name", "record")))
    names_ = [record[k] for k in ("name_en", "name_ja") if record.get(k)]
    out = [head + (f"  ({' / '.join(names_)})" if names_ else "")]
    body = {k: v for k, v in record.items() if k not in (*last, "id", "name_en", "name_ja")}
    if body.get("date") is None:
        body.pop("date", None)
    out += _lines(body, 1)
    out += _lines({k: record[k] for k in last[:-1] if record.get(k)}, 1)
    sources = record.get("sources") or []
    if not sources:
        out.append("  sources: none")
    else:
        out.append("  sources:")
        for source in sources:
            parts = [source.get("title"), source.get("date"), source.get("url")]
            out.append("    - " + ", ".join(str(p) for p in parts if p))
    return "\n".join(out)
