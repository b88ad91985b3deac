"""Scenarios: the validated, fully resolved content of a scenario file.

``load_scenario`` reads a file; ``Scenario(...)`` takes the same keys from Python. Both resolve
``include``, ``{from: id}`` and catalogue names, and raise one :class:`InputError` for what is
wrong (:class:`InputErrors` when there is more than one fault; ``.lines`` has one line for each).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError, model_validator

from cislunar.clocks import clocks
from cislunar.condition_records import Atmosphere, PairCondition
from cislunar.faults import InputErrors, as_faults, raise_all
from cislunar.fields import Instant, Name, Oku, Range, refuse
from cislunar.loading import Resolver
from cislunar.paths import make_path
from cislunar.records import Record, key
from cislunar.schema import (
    Accumulation,
    Asset,
    Attribution,
    Constellation,
    ContactRules,
    Contention,
    ForceModelEntry,
    ForceModelRecord,
    GroundStation,
    Need,
    Option,
    Outputs,
    Policy,
    Region,
    Spacecraft,
    Terminal,
    Title,
)
from cislunar.yamlio import read_mapping
from orbits.constants import DAY_S
from orbits.epoch import Epoch
from orbits.errors import InputError

__all__ = [
    "InputErrors", "Scenario", "distinct", "json_schema", "load_scenario", "resolved_yaml",
]  # fmt: skip

MAX_SAMPLES = 2_000_000
_LAST = "2050-12-31T23:59:59 UTC"


@lru_cache(maxsize=256)
def _parsed(text: str) -> Epoch:
    return Epoch.parse(text)


class Scenario(Record):
    """Everything one run needs, frozen. Units are the last word of each name.

    >>> s = Scenario(name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[])
    >>> s.start.utc_text(), s.duration_s, s.fidelity
    ('2030-03-01T00:00:00.000Z', 86400.0, 'ephemeris')
    """

    schema_version: Literal[1] = key("version of this file format", 1)
    name: Name = key("name of the scenario; becomes the folder's name", ...)
    title: Title | None = key("title, text or {en, ja}")
    note: str | None = key("free text")
    epoch: Instant = key("first instant of the analysis, with scale UTC, TDB or TT", ...)
    duration_days: Annotated[float, Range(0, 3660, "days", low_open=True)] = key(
        "length of the analysis, days", ...
    )
    step_s: Annotated[float, Range(1, 600, "s")] = key("sampling step; edges are refined, s", 60.0)
    fidelity: Literal["ephemeris", "cr3bp", "kepler"] = key("what world it is", "ephemeris")
    force_model: ForceModelEntry = key("standard, or its parts", "standard")
    service_date_case: Literal["early", "nominal", "late"] = key(
        "which of the dates {early, nominal, late} nodes start at", "nominal"
    )
    spacecraft: tuple[Spacecraft, ...] = key("spacecraft", ())
    constellations: tuple[Constellation, ...] = key("constellations", ())
    ground_stations: tuple[GroundStation, ...] = key("Earth stations", ())
    assets: tuple[Asset, ...] = key("places on the Moon that use or give service", ())
    regions: tuple[Region, ...] = key("regions of the Moon to map", ())
    terminals: dict[Name, Terminal] = key("terminals by name", {})
    needs: dict[Name, tuple[Need, ...]] = key("need profiles by name", {})
    policy: Policy = key("who may use whose nodes", Policy())
    atmosphere: Atmosphere = key("how the air over Earth stations attenuates", Atmosphere())
    pair_conditions: tuple[PairCondition, ...] = key("conditions of single pairs of nodes", ())
    contention: Contention | None = key(
        "who is served when links contend; absent: every link as if it were alone"
    )
    contacts: ContactRules = key("how contacts are cut", ContactRules())
    accumulation: Accumulation | None = key("positioning gathered over time; absent: not computed")
    options: tuple[Option, ...] = key("the pool that may fill gaps; default the group japan", ())
    attribution: Attribution = key("whom to credit with what options fill", Attribution())
    budget_oku_jpy: Oku | None = key("budget of a portfolio, oku yen (1e8 yen)")
    sensitivity: bool = key(
        "true: score the run again with links, horizons, ranging errors and supply made worse",
        False,
    )
    outputs: Outputs = key("reports to write", Outputs())

    def __repr__(self) -> str:
        counts = (
            (len(self.spacecraft) + sum(c.planes * c.per_plane for c in self.constellations),
             "spacecraft"),
            (len(self.ground_stations), "Earth stations"), (len(self.assets), "lunar assets"),
            (len(self.options), "options"),
        )  # fmt: skip
        return (
            f"Scenario({self.name}: {', '.join(f'{n} {what}' for n, what in counts)}, "
            f"{self.duration_days:g} days from {self.epoch}, {self.fidelity})"
        )

    __str__ = __repr__

    def __init__(self, _origin: tuple[Path, str | None] | None = None, /, **data: Any):
        folder, file = _origin or (Path.cwd(), None)
        resolver = Resolver(data, folder, file)
        resolved = resolver.resolve()
        faults = list(resolver.faults)
        try:
            super().__init__(**resolved)
        except ValidationError as error:
            faults += as_faults(error, resolved, file, type(self))
        raise_all(distinct(faults))

    @model_validator(mode="after")
    def _whole(self):
        names: dict[str, str] = {}
        for key_, kind, name in self._all_names():
            if name in names:
                raise refuse(
                    f"two nodes are named {name!r}: {names[name]} and {kind}",
                    "one node a name", f"{key_}.name",
                )  # fmt: skip
            names[name] = kind
        mapped: set[str] = set()
        for index, region in enumerate(self.regions):
            if region.name in mapped:
                raise refuse(
                    f"two regions are named {region.name!r}", "one region a name",
                    f"regions.{index}.name",
                )  # fmt: skip
            mapped.add(region.name)
        last = Epoch.parse(_LAST)
        if self.start + self.duration_s > last:
            raise refuse(
                f"the analysis ends after {last.utc_text()[:10]}, outside the ephemerides",
                "epoch + duration_days within 1900-01-01 to 2050-12-31", "duration_days",
            )  # fmt: skip
        samples = self.duration_s / self.step_s
        if samples > MAX_SAMPLES:
            raise refuse(
                f"{samples:.3g} samples", f"duration over step_s at most {MAX_SAMPLES}", "step_s"
            )
        for index, pair in enumerate(self.pair_conditions):
            for end in (pair.node, pair.toward):
                if end not in names:
                    raise refuse(
                        f"no node is named {end!r}", "a node of the scenario",
                        f"pair_conditions.{index}",
                    )  # fmt: skip
        for index, asset in enumerate(self.assets):
            if asset.path is not None:
                try:
                    make_path(asset.path, self.start, self.duration_s)
                except InputError as fault:
                    raise refuse(fault.what, str(fault.allowed), f"assets.{index}.path") from None
        self._check_accumulation(names)
        for where, owner in self._terminal_owners():
            for entry in owner.terminals:
                if isinstance(entry, str) and entry not in self.terminals:
                    raise refuse(
                        f"the terminal {entry!r} is not known", "a name of terminals",
                        f"{where}.terminals",
                    )  # fmt: skip
        for where, owner in self._terminal_owners():
            self._check_apertures(where, owner)
        for index, asset in enumerate(self.assets):
            for entry in asset.needs:
                if isinstance(entry, str) and entry not in self.needs:
                    raise refuse(
                        f"the need profile {entry!r} is not known", "a name of needs",
                        f"assets.{index}.needs",
                    )  # fmt: skip
        return self

    def _check_accumulation(self, names: dict[str, str]) -> None:
        asked = self.accumulation
        if asked is None:
            return
        for where in ("two_way", "sources", "assets"):
            for name in getattr(asked, where) or ():
                if name not in names:
                    raise refuse(
                        f"no node is named {name!r}", "a node of the scenario",
                        f"accumulation.{where}",
                    )  # fmt: skip
        if asked.clock is not None and asked.clock not in clocks():
            raise refuse(f"no clock {asked.clock!r}", ", ".join(clocks()), "accumulation.clock")
        if asked.window_min * 60.0 > self.duration_s:
            raise refuse(
                f"a window of {asked.window_min:g} min", "at most duration_days",
                "accumulation.window_min",
            )  # fmt: skip

    def _check_apertures(self, where: str, owner: Any) -> None:
        carried = [e if isinstance(e, str) else e.id for e in owner.terminals]
        taken: set[str] = set()
        for name, aperture in getattr(owner, "apertures", {}).items():
            for terminal in aperture.terminals:
                fault = None
                if terminal not in carried:
                    fault = f"the node has no terminal {terminal!r}"
                elif terminal in taken:
                    fault = f"{terminal!r} is in two apertures"
                if fault:
                    raise refuse(
                        fault, f"each of {carried} once", f"{where}.apertures.{name}.terminals"
                    )
                taken.add(terminal)

    def _all_names(self) -> Iterator[tuple[str, str, str]]:
        for k, craft in enumerate(self.spacecraft):
            yield f"spacecraft.{k}", "a spacecraft", craft.name
        for k, group in enumerate(self.constellations):
            for member in range(group.planes * group.per_plane):
                yield (
                    f"constellations.{k}",
                    f"a member of {group.name}",
                    f"{group.name}-{member + 1}",
                )
        for k, station in enumerate(self.ground_stations):
            yield f"ground_stations.{k}", "a ground station", station.name
        for k, asset in enumerate(self.assets):
            yield f"assets.{k}", "an asset", asset.name

    def _terminal_owners(self) -> Iterator[tuple[str, Any]]:
        lists = ("spacecraft", "constellations", "ground_stations", "assets")
        places: list[tuple[str, Any]] = [("", self)]
        places += [(f"options.{k}.adds.", option.adds) for k, option in enumerate(self.options)]
        for prefix, place in places:
            for kind in (*lists, "spacecraft_terminals"):
                for k, owner in enumerate(getattr(place, kind, ())):
                    yield f"{prefix}{kind}.{k}", owner

    @property
    def start(self) -> Epoch:
        """The epoch as an instant."""
        return _parsed(self.epoch)

    @property
    def duration_s(self) -> float:
        """Length of the analysis, s."""
        return self.duration_days * DAY_S

    @property
    def end(self) -> Epoch:
        """The first instant after the analysis."""
        return self.start + self.duration_s

    @property
    def forces(self) -> ForceModelRecord:
        """The force model written out; ``standard`` is its defaults."""
        return self.force_model if isinstance(self.force_model, ForceModelRecord) else (
            ForceModelRecord()
        )  # fmt: skip

    def title_in(self, language: str) -> str:
        """The title in ``en`` or ``ja``; the name where there is none."""
        if isinstance(self.title, dict):
            return self.title.get(language) or next(iter(self.title.values()), self.name)  # type: ignore[call-overload]
        return self.title or self.name


def distinct(faults: list[InputError]) -> list[InputError]:
    seen: dict[str, InputError] = {}
    for fault in faults:
        seen.setdefault(str(fault), fault)
    return list(seen.values())


def scenario_from(
    raw: dict[str, Any], folder: str | Path = ".", file: str | None = None
) -> Scenario:
    """The scenario of a mapping; names in it are looked up, paths are relative to ``folder``."""
    return Scenario((Path(folder), file), **{str(k): v for k, v in raw.items()})


def load_scenario(path: str | Path) -> Scenario:
    """The scenario in a YAML file, everything resolved.

    Files that it names must lie in its folder or below, unless read within
    ``cislunar.outside.allow_outside()``.

    Raises
    ------
    InputError
        One line for each fault: ``FILE: dotted.key: what is wrong; allowed: ...``.
    """
    raw = read_mapping(path)
    return scenario_from(raw, Path(path).resolve().parent, str(path))


_FILES = ("horizon", "file")  # keys whose text is a file's name


def file_names(value: Any) -> Iterator[str]:
    """The names of files in nested mappings and lists of a scenario's keys."""
    for key_, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list, tuple)):
            yield from file_names(item)
        elif key_ in _FILES and isinstance(item, str):
            yield item


def input_files(scenario: Scenario) -> list[str]:
    """The files that a scenario reads (orbits, horizons), absolute, each once, in order of name."""
    return sorted(set(file_names(_written(scenario))))


def digest_of(names: Iterable[str], folder: str | Path = ".") -> dict[str, str]:
    """SHA-256 of what the files hold that ``names`` say from ``folder``; those not there left out.

    A result is the same only as long as these are.
    """
    found = {}
    for name in sorted(set(names)):
        with suppress(OSError, ValueError):
            if (path := Path(folder) / name).is_file():
                with path.open("rb") as file:
                    found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _renamed(value: Any, files: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            k: files.get(v, v) if k in _FILES and isinstance(v, str) else _renamed(v, files)
            for k, v in value.items()
        }
    return [_renamed(v, files) for v in value] if isinstance(value, list) else value


def resolved_yaml(scenario: Scenario, files: Mapping[str, str] | None = None) -> str:
    """YAML text of the scenario with every default and catalogue record written out, and sources.

    Loading it gives an equal scenario. ``files`` gives other names to files that it reads.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):
        def ignore_aliases(self, data):
            return True

    content = _renamed(_written(scenario), files or {})
    content.setdefault("options", [])  # absent would mean the default pool
    head = "# every default and catalogue record written out; each key ends with its unit\n"
    return head + yaml.dump(
        content, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=110,
        default_flow_style=None,
    )  # fmt: skip


_PROVENANCE = (
    "reason", "reason_ja", "note", "note_ja", "confidence", "field_confidence", "conflicts",
    "overridden", "catalog_id", "date", "sources",
)  # fmt: skip


def _written(value: Any) -> Any:
    """Plain lists and mappings; a key is left out only where it is absent by default."""
    if isinstance(value, Record):
        fields = type(value).model_fields
        own = [n for n in fields if n not in _PROVENANCE]
        first = [n for n in ("id", "name", "kind") if n in own]
        order = [*first, *(n for n in own if n not in first)]
        order += [n for n in _PROVENANCE if n in fields]
        out = {}
        for name in order:
            item = getattr(value, name)
            empty = item is None or (isinstance(item, (tuple, dict)) and not item)
            if not (empty and item == fields[name].default):
                out[name] = _written(item)
        return out
    if isinstance(value, dict):
        return {k: _written(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_written(v) for v in value]
    return value


def json_schema() -> dict[str, Any]:
    """JSON schema of the scenario file as a user writes it (catalogue names allowed)."""
    schema = Scenario.model_json_schema()
    defs = schema["$defs"]
    for name, required in (
        ("Spacecraft", ["name", "orbit"]),
        ("Constellation", ["name", "orbit", "per_plane"]),
        ("GroundStation", ["name", "latitude_deg", "longitude_deg"]),
        ("Asset", ["name", "latitude_deg", "longitude_deg"]),
        ("Region", ["name"]),
        ("Terminal", ["role"]),
        ("SignalError", ["sise_m"]),
        ("Option", ["id", "adds", "cost_oku_jpy"]),
    ):
        record = defs[name]
        record["properties"]["from"] = {
            "type": "string", "description": "catalogue record to start from",
        }  # fmt: skip
        record.pop("required", None)
        record["anyOf"] = [{"required": ["from"]}, {"required": required}]
        if name == "SignalError":
            record["anyOf"].append({"required": ["ephemeris_m", "clock_m"]})
        if "error_budget" in record["properties"]:
            record["properties"]["error_budget"] = _or_text(record["properties"]["error_budget"])
        if name == "Asset":  # a path begins where the place is
            record["anyOf"] += [{"required": ["name", p]} for p in ("path", "path_file")]
            record["properties"]["path_file"] = {
                "type": "string",
                "description": "CSV of waypoints: utc, latitude_deg, longitude_deg, height_m",
            }
    defs["Asset"]["properties"]["needs"] = _or_text(defs["Asset"]["properties"]["needs"])
    part = {
        "type": "object", "not": {"required": ["kind"]},
        "description": "beside from: keys that replace those of the catalogue's orbit",
    }  # fmt: skip
    for name in ("Spacecraft", "Constellation"):
        whole = defs[name]["properties"]["orbit"]
        description = whole.pop("description")
        defs[name]["properties"]["orbit"] = {"anyOf": [whole, part], "description": description}
    top = schema["properties"]
    for name in ("regions", "options"):
        top[name]["items"] = {"anyOf": [{"type": "string"}, top[name]["items"]]}
    top["options"] = _or_text(top["options"])
    top["include"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "catalogue groups or names to add",
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Scenario of the cislunar planner"
    return json.loads(json.dumps(schema))


def _or_text(schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", "")
    schema.pop("default", None)
    return {"anyOf": [{"type": "string"}, schema], "description": description}
