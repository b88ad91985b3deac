"""The pool of options: what each adds, costs and requires, and the scenario with it added."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.scenario import Scenario

NODE_KINDS = ("spacecraft", "constellations", "ground_stations", "assets")
KINDS = (*NODE_KINDS, "spacecraft_terminals")
_UNNUMBERED = re.compile(r"-[a-z]?\d+$")


@dataclass(frozen=True)
class Option:
    """One entry of the pool, costs in 億円 (1e8 JPY); ``requires`` are any-of lists."""

    id: str
    cost_oku_jpy: float
    nation: str = ""
    name_en: str = ""
    name_ja: str = ""
    cost_low_oku_jpy: float | None = None
    cost_high_oku_jpy: float | None = None
    annual_operations_oku_jpy: float | None = None
    lifetime_years: float | None = None
    development_years: float | None = None
    dated: str = ""  # when the record was written
    available_from: str = ""
    requires: tuple[tuple[tuple[str, ...], str], ...] = ()  # (any of, what happens otherwise)
    not_computable: str = ""
    adds: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def added_names(self) -> frozenset[str]:
        """Names of the nodes and constellations that the option adds."""
        kinds = (kind for kind in KINDS if kind != "spacecraft_terminals")
        return frozenset(node["name"] for kind in kinds for node in self.adds.get(kind, ()))


def option_additions(option: Any) -> dict[str, list[dict[str, Any]]]:
    """What an option adds, in the scenario's keys: always the five lists, empty where nothing.

    ``option`` is a mapping or a record with ``adds``. ``spacecraft_terminals`` puts terminals on
    a spacecraft that exists already. Raises InputError for any other key.
    """
    record = _plain(option)
    adds = record.get("adds") or {}
    unknown = sorted(set(adds) - set(KINDS))
    if unknown:
        raise InputError(
            f"unknown {', '.join(unknown)}", key=f"options.{record.get('id')}.adds",
            allowed=", ".join(KINDS),
        )  # fmt: skip
    return {kind: [_plain(node) for node in adds.get(kind) or ()] for kind in KINDS}


def read_option(option: Any) -> Option:
    """The ``Option`` of a catalogue record or of a scenario's inline option."""
    if isinstance(option, Option):
        return option
    record = _plain(option)
    cost = record.get("cost_oku_jpy") or {}
    if not isinstance(cost, Mapping):
        cost = {"low": cost, "mid": cost, "high": cost}
    if cost.get("mid") is None:
        raise InputError("no cost", key=f"options.{record.get('id')}.cost_oku_jpy.mid")
    requires = tuple(
        (
            tuple(r.get("any_of") or ()),
            str(r.get("else") or r.get("else_") or r.get("otherwise") or ""),
        )
        for r in map(_plain, record.get("requires") or ())
    )
    available = record.get("available_from")
    return Option(
        id=record["id"],
        cost_oku_jpy=float(cost["mid"]),
        nation=record.get("nation") or "",
        name_en=record.get("name_en") or record["id"],
        name_ja=record.get("name_ja") or record.get("name_en") or record["id"],
        cost_low_oku_jpy=cost.get("low"),
        cost_high_oku_jpy=cost.get("high"),
        annual_operations_oku_jpy=record.get("annual_operations_oku_jpy"),
        lifetime_years=record.get("lifetime_years"),
        development_years=record.get("development_years"),
        dated=str(record.get("date") or ""),
        available_from="" if available is None else str(available),
        requires=requires,
        not_computable=record.get("not_computable") or "",
        adds=option_additions(record),
    )


def option_groups(options: Iterable[Any]) -> dict[str, str]:
    """``{option id: group}`` for the options that are versions of one another.

    Options that add a node of one name (``dro-relay-1`` of one, two or three), or a spacecraft
    named as one more of a constellation that another adds (``lnss-a1``, ``lnss``), are versions
    of one thing: they exclude one another, and one alone may fill nothing that the whole fills.
    The group has the name without its number; an option without versions has no group.
    """
    options = [read_option(option) for option in options]
    constellations = {c["name"] for option in options for c in option.adds["constellations"]}
    holders: dict[str, set[str]] = {}
    for option in options:
        for name in option.added_names:
            stem = _UNNUMBERED.sub("", name)
            holders.setdefault(stem if stem in constellations else name, set()).add(option.id)
    groups: dict[str, str] = {}
    for name, members in sorted(holders.items()):
        if len(members) > 1:
            known = sorted(groups[m] for m in members if m in groups)
            group = known[0] if known else _UNNUMBERED.sub("", name)
            merged = {m for m, g in groups.items() if g in known} | members
            groups.update(dict.fromkeys(merged, group))
    return groups


def requirements_of(
    option: Option, pool: Mapping[str, Option], present: frozenset[str], chosen: Iterable[str] = ()
) -> tuple[list[str], list[tuple[str, str]]]:
    """The options that must be added beside one, and notes (English, Japanese) that say so."""
    together: list[str] = []
    notes: list[tuple[str, str]] = []
    for any_of, otherwise in option.requires:
        if any(_met(item, present) or item in chosen or item in together for item in any_of):
            continue
        names = ", ".join(any_of)
        if otherwise:
            notes.append(
                (f"none of {names} is there: {otherwise}", f"{names}がいずれも無い: {otherwise}")
            )
            continue
        able = [pool[i] for i in any_of if i in pool and i != option.id]
        if not able:
            notes.append((f"requires one of {names}", f"次のいずれかが必要: {names}"))
            continue
        cheapest = min(able, key=lambda o: (o.cost_oku_jpy, o.id))
        together.append(cheapest.id)
        notes.append(
            (
                f"counted beside {cheapest.id}, which it requires and whose "
                f"{cheapest.cost_oku_jpy:g} 億円 come on top",
                f"前提となる{cheapest.name_ja}({cheapest.cost_oku_jpy:g}億円、別途)"
                "に追加した場合の効果",
            )
        )
    return together, notes


def node_tags(
    nodes: Iterable[Node],
    permits: Callable[[str | None, str | None], bool] = lambda a, b: True,
    home: str = "jaxa",
) -> frozenset[str]:
    """What requirements of options may be met by: names, catalogue ids, and kinds of node.

    ``any-relay``, ``any-navigation-source`` and ``partner-station`` (Ka band, not ``home``'s own)
    stand for requirements in words; only nodes that ``home`` may talk to count.
    """
    tags: set[str] = set()
    for node in nodes:
        tags |= {node.name} | ({node.catalog_id} if node.catalog_id else set())
        if not permits(home, node.operator):
            continue
        sends = [t for t in node.terminals if t.transmit is not None]
        if node.kind == "spacecraft" and any(t.role == "relay" for t in sends):
            tags.add("any-relay")
        if node.kind != "station" and any(t.role == "navigation" for t in sends):
            tags.add("any-navigation-source")
        if node.kind == "station" and node.operator != home and _hears_ka(node):
            tags.add("partner-station")
    return frozenset(tags)


def add_option(scenario: Scenario, option: Any) -> Scenario:
    """The scenario with one option added; see ``add_options``."""
    return add_options(scenario, [option])


def add_every(
    scenario: Scenario, options: Iterable[Any]
) -> tuple[Scenario, dict[str, frozenset[str]]]:
    """The scenario with options added side by side, versions of one another too, and who is whose.

    As ``add_options``, but terminals for a spacecraft are left out; the second is the names of the
    nodes that each option adds.
    """
    lone = [o.model_copy(update={"adds": _without_terminals(o.adds)}) for o in options]
    names: dict[str, frozenset[str]] = {}
    for option in lone:
        before = {name for _, _, name in scenario._all_names()}
        scenario = add_options(scenario, [option])
        names[option.id] = frozenset({n for _, _, n in scenario._all_names()} - before)
    return scenario, names


def _without_terminals(adds: Any) -> Any:
    return adds.model_copy(update={"spacecraft_terminals": ()})


def add_options(scenario: Scenario, options: Iterable[Any]) -> Scenario:
    """A new scenario with the options' nodes appended, in the order of the options.

    Added nodes serve from the start of the scenario to its end: the question is what an option
    would fill if it flew. A name that is taken gets the suffix ``-added`` (``-added-2``, ...).
    Terminals for "a relay of this pool" go to the first spacecraft that another of the options
    adds; InputError if there is none, or if a named spacecraft does not exist. ``options`` are
    records of the scenario's own pool (``scenario.options``), or their ids.
    """
    pool = {option.id: option for option in scenario.options}
    taken = {name for _, _, name in scenario._all_names()}
    lists: dict[str, list[Any]] = {kind: list(getattr(scenario, kind)) for kind in NODE_KINDS}
    carriers: list[tuple[str, str]] = []  # option, spacecraft it adds
    extras: list[tuple[str, Any]] = []
    for entry in options:
        option = pool.get(entry) if isinstance(entry, str) else entry
        if option is None:
            raise InputError(
                f"no option {entry!r} in the pool", key="options", allowed=", ".join(pool)
            )
        for kind in NODE_KINDS:
            for record in getattr(option.adds, kind):
                name = _free_name(record, taken)
                taken |= _member_names(record, name)
                always = {"name": name, "service_start": None, "service_end": None, "outages": ()}
                lists[kind].append(record.model_copy(update=always))
                if kind == "spacecraft":
                    carriers.append((option.id, name))
        extras += [(option.id, extra) for extra in option.adds.spacecraft_terminals]
    for owner, extra in extras:
        _add_terminals(lists["spacecraft"], owner, extra, carriers)
    return scenario.model_copy(update={kind: tuple(records) for kind, records in lists.items()})


def _add_terminals(spacecraft: list[Any], owner: str, extra: Any, carriers) -> None:
    named = {craft.name: index for index, craft in enumerate(spacecraft)}
    target = extra.on
    if target not in named:
        if " " not in target:
            raise InputError(
                f"no spacecraft {target!r} for the terminals of {owner}",
                key=f"options.{owner}.adds.spacecraft_terminals.on",
                allowed=", ".join(sorted(named)),
            )  # fmt: skip
        others = [name for option, name in carriers if option != owner]
        if not others:
            raise InputError(f"{owner} adds terminals to {target}, and none is there")
        target = others[0]
    craft = spacecraft[named[target]]
    spacecraft[named[target]] = craft.model_copy(
        update={"terminals": (*craft.terminals, *extra.terminals)}
    )


def _member_names(record: Any, name: str) -> set[str]:
    count = getattr(record, "planes", 0) * getattr(record, "per_plane", 0)
    return {f"{name}-{k + 1}" for k in range(count)} if count else {name}


def _free_name(record: Any, taken: set[str]) -> str:
    name, tries = record.name, 1
    while _member_names(record, name) & taken:
        name = f"{record.name}-added" + (f"-{tries}" if tries > 1 else "")
        tries += 1
    return name


def _met(item: str, present: frozenset[str]) -> bool:
    """A requirement by name, or in words: partner stations, any relay, any navigation node."""
    if item in present:
        return True
    words = item.lower()
    if "lans" in words:
        return "any-navigation-source" in present
    if "relay" in words and words.startswith("any"):
        return "any-relay" in present
    return "partner" in words and "station" in words and "partner-station" in present


def _hears_ka(node: Node) -> bool:
    """True where a terminal receives in Ka: the band plan says K_down for 26 GHz from the Moon."""
    bands = (str(t.receive.band).lower() for t in node.terminals if t.receive is not None)
    return any(band.startswith("ka") or band.split("_")[0] == "k" for band in bands)


def _plain(record: Any) -> dict[str, Any]:
    if isinstance(record, Mapping):
        return dict(record)
    if hasattr(record, "model_dump"):
        return record.model_dump(exclude_none=True, by_alias=True)
    raise InputError(f"{type(record).__name__} is not a record", key="options")
