"""From what a user wrote to what a scenario holds: include, ``{from: ...}`` and catalogue names.

Works on plain mappings, before the records are checked, and gathers every fault it meets. A
resolved mapping goes through unchanged, so that a written-out scenario loads as itself.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from cislunar import catalog, policy_cases, schema, terminal_records
from cislunar.faults import MOST_FAULTS, raise_all
from cislunar.fields import show
from cislunar.outside import beside
from cislunar.records import Record
from orbits.errors import InputError

NODE_LISTS = {
    "spacecraft": ("relays", schema.Spacecraft),
    "constellations": ("constellations", schema.Constellation),
    "ground_stations": ("stations", schema.GroundStation),
    "assets": ("sites", schema.Asset),
}
_LIST_OF_KIND = {
    "relays": "spacecraft",
    "constellations": "constellations",
    "stations": "ground_stations",
    "sites": "assets",
    "regions": "regions",
    "options": "options",
}


class Resolver:
    """Turns a user's mapping into one without names to look up."""

    def __init__(self, raw: dict[str, Any], folder: Path, file: str | None):
        self.raw = raw
        self.folder = folder
        self.file = file
        self.faults: list[InputError] = []
        self.terminals: dict[str, Any] = {}
        self.needs: dict[str, Any] = {}

    def fault(self, key: str, what: str, allowed: str | None = None, value: Any = None) -> None:
        self.faults.append(InputError(what, file=self.file, key=key, value=value, allowed=allowed))
        if len(self.faults) >= MOST_FAULTS:
            raise_all(self.faults)

    def resolve(self) -> dict[str, Any]:
        """The mapping with every name resolved; faults are in ``self.faults``."""
        out = dict(self.raw)
        own = self._mapping("terminals")
        self.needs = copy.deepcopy(self._mapping("needs"))
        for name, record in own.items():
            self.terminals[name] = self._terminal_record(record, f"terminals.{name}", name)
        self._include(out)
        for key, (kind, model) in NODE_LISTS.items():
            if key in out:
                out[key] = self._nodes(out[key], key, kind, model)
        if "regions" in out:
            out["regions"] = self._regions(out["regions"])
        out["options"] = self._options(out.get("options"))
        if "policy" in out:
            out["policy"] = self._policy(out["policy"], out)
        for name, profile in list(self.needs.items()):
            self.needs[name] = self._profile(profile, f"needs.{name}")
        if self.terminals or "terminals" in out:
            out["terminals"] = self.terminals
        if self.needs or "needs" in out:
            out["needs"] = self.needs
        return {k: v for k, v in out.items() if v is not None}

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self.raw.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault(key, f"{show(value)} is not a mapping", "names and records")
            return {}
        return value

    def _list(self, value: Any, key: str) -> list[Any]:
        if value is None:
            return []
        if isinstance(value, (list, tuple)):
            return list(value)
        self.fault(key, f"{show(value)} is not a list", "a list")
        return []

    # include ------------------------------------------------------------------------------------

    def _include(self, out: dict[str, Any]) -> None:
        wanted = out.pop("include", None)
        wanted = [wanted] if isinstance(wanted, str) else self._list(wanted, "include")
        for index, name in enumerate(wanted):
            key = f"include.{index}"
            if not isinstance(name, str):
                self.fault(key, f"{show(name)} is not text", "a catalogue group or name")
                continue
            for kind, member in self._members(name, key):
                self._add(out, kind, member)

    def _members(self, name: str, key: str) -> list[tuple[str, str]]:
        group = catalog.get("groups", name)
        if group is not None:
            return [(group["kind_of_members"], m) for m in group["members"]]
        for kind in _LIST_OF_KIND:
            if catalog.get(kind, name) is not None:
                return [(kind, name)]
        known = [*catalog.names("groups"), *(n for k in _LIST_OF_KIND for n in catalog.names(k))]
        self.fault(key, f"{name!r} is not in the catalogue", catalog.near(name, known), name)
        return []

    def _add(self, out: dict[str, Any], kind: str, name: str) -> None:
        record = catalog.get(kind, name) or {}
        key = _LIST_OF_KIND[kind]
        entries: list[Any]
        if kind == "options":
            entries = [name]
        elif "members" in record:  # a reference set of single spacecraft
            key, entries = "spacecraft", [
                {**m, "catalog_id": name, **_provenance(record)} for m in record["members"]
            ]  # fmt: skip
        else:
            entries = [{"from": name}]
        present = out.get(key)
        if present is not None and not isinstance(present, (list, tuple)):
            return  # reported where the list is read
        have = [_name_of(e) for e in present or []]
        # what the file says itself wins over what an include brings
        out[key] = [*(present or []), *(e for e in entries if _name_of(e) not in have)]

    # nodes --------------------------------------------------------------------------------------

    def _nodes(self, value: Any, key: str, kind: str, model: type) -> list[Any]:
        done = []
        for index, entry in enumerate(self._list(value, key)):
            here = f"{key}.{index}"
            if isinstance(entry, Record):
                entry = entry.model_dump(exclude_unset=True)
            if not isinstance(entry, dict):
                self.fault(here, f"{show(entry)} is not a record", "{name: ...} or {from: ...}")
                continue
            entry = self._from(entry, here, kind, model)
            if entry is None:
                continue
            if "terminals" in entry:
                entry["terminals"] = self._terminal_list(entry["terminals"], f"{here}.terminals")
            if "needs" in entry:
                entry["needs"] = self._need_list(entry["needs"], f"{here}.needs")
            if isinstance(entry.get("error_budget"), str):
                entry["error_budget"] = {"from": entry["error_budget"]}
            if isinstance(budget := entry.get("error_budget"), dict):
                budget = self._from(
                    budget, f"{here}.error_budget", "error-budgets", schema.SignalError
                )
                own = {"id": f"{_name_of(entry)}/error_budget"}
                entry["error_budget"] = None if budget is None else own | budget
            self._clock(entry.get("clock"), f"{here}.clock")
            self._paths(entry, here)
            done.append(entry)
        return done

    def _from(self, entry: dict, here: str, kind: str, model: type) -> dict[str, Any] | None:
        """``entry`` with its catalogue record behind it; a fault and None if there is none."""
        if "from" not in entry:
            return dict(entry)
        own = {k: v for k, v in entry.items() if k != "from"}
        name = entry["from"]
        record = catalog.get(kind, name) if isinstance(name, str) else None
        if record is None or "members" in record:
            what = f"{show(name)} is not in the catalogue"
            allowed = catalog.near(name, catalog.names(kind))
            other = next((k for k in catalog.kinds() if catalog.get(k, str(name))), None)
            if record is not None:
                what, allowed = f"{name!r} is a set of spacecraft", f"include: [{name}]"
            elif other:
                what = f"{name!r} is in the catalogue under {other}, not {kind}"
            self.fault(f"{here}.from", what, allowed, name)
            return None
        base = {k: v for k, v in record.items() if k in model.model_fields}
        base.setdefault("name", name)
        if "id" in model.model_fields:
            base["id"] = name
            base.pop("name", None)
        base["catalog_id"] = name
        for place in ("latitude_deg", "longitude_deg"):
            if place in base and base[place] is None and place not in own:
                self.fault(
                    f"{here}.{place}", f"the position of {name!r} is not published",
                    "latitude_deg and longitude_deg beside from",
                )  # fmt: skip
                return None
        orbit = own.get("orbit")
        if isinstance(orbit, dict) and "kind" not in orbit and isinstance(base.get("orbit"), dict):
            own["orbit"] = {**base["orbit"], **orbit}
        changed = [k for k in own if k not in ("name", "id") and own[k] != base.get(k)]
        if changed:
            base["overridden"] = changed
            for key in changed:  # what the catalogue says in Japanese of a text that is replaced
                if f"{key}_ja" not in own:
                    base.pop(f"{key}_ja", None)
        return {k: v for k, v in {**base, **own}.items() if v is not None}

    def _clock(self, clock: Any, key: str) -> None:
        if clock is None:
            return
        known = [c["id"] for c in (catalog.get("services", "clocks") or {})["kinds"]]
        if clock not in known:
            self.fault(key, f"{show(clock)} is not a clock kind", ", ".join(known), clock)

    def _paths(self, entry: dict[str, Any], here: str) -> None:
        """Makes file names absolute, as seen from the scenario file, and keeps them beside it."""
        if isinstance(entry.get("horizon"), (str, Path)):
            entry["horizon"] = self._absolute(entry["horizon"], f"{here}.horizon")
        if "path_file" in entry:
            self._waypoints(entry, f"{here}.path_file")
        path = entry.get("path")
        if isinstance(path, (list, tuple)) and path and isinstance(path[0], (list, tuple)):
            for name, value in zip(("latitude_deg", "longitude_deg"), path[0][1:3], strict=False):
                entry[name] = value  # where the place is named, it is where the path begins
        orbit = entry.get("orbit")
        if isinstance(orbit, dict) and isinstance(orbit.get("file"), (str, Path)):
            file = self._absolute(orbit["file"], f"{here}.orbit.file")
            entry["orbit"] = {**orbit, "file": file}

    def _waypoints(self, entry: dict[str, Any], key: str) -> None:
        """Takes the waypoints of a CSV file into the scenario."""
        from cislunar.paths import read_waypoints

        file = entry.pop("path_file")
        if entry.get("path") is not None:
            self.fault(key, "path and path_file are both given", "one of them")
        elif not isinstance(file, (str, Path)):
            self.fault(key, f"{show(file)} is not a path", "a file name")
        else:
            before = len(self.faults)
            where = self._absolute(file, key)
            if len(self.faults) == before:  # a file that may not be named is not opened either
                try:
                    entry["path"] = read_waypoints(where)
                except InputError as fault:
                    self.fault(key, f"{fault.file}: {fault.what}", str(fault.allowed))
        if entry.get("path") is None:  # told above: that its place is missing too is no news
            for name in ("latitude_deg", "longitude_deg"):
                entry.setdefault(name, 0.0)

    def _absolute(self, path: str | Path, key: str) -> str:
        # what a program says itself is its own affair; a file may come from anyone
        try:
            return str(beside(self.folder, path, "scenario", anywhere=self.file is None))
        except InputError as fault:
            self.fault(key, fault.what, fault.allowed, path)
            return str(path)

    # terminals ----------------------------------------------------------------------------------

    def _terminal_record(self, record: Any, key: str, name: str | None = None) -> Any:
        if isinstance(record, Record):
            record = record.model_dump(exclude_unset=True)
        if not isinstance(record, dict):
            return record
        done = self._from(record, key, "terminals", terminal_records.Terminal)
        if done is None:
            return None
        if name is not None and done.setdefault("id", name) != name and "from" in record:
            done["id"] = name
        return done

    def _terminal_list(self, value: Any, key: str) -> list[Any]:
        done: list[Any] = []
        value = [value] if isinstance(value, str) else value
        for index, entry in enumerate(self._list(value, key)):
            here = f"{key}.{index}"
            if not isinstance(entry, str):
                entry = self._terminal_record(entry, here)
                if entry is not None:
                    done.append(entry)
                continue
            done += [n for n in self._terminal_names(entry, here) if n not in done]
        return done

    def _terminal_names(self, name: str, key: str) -> list[str]:
        if name in self.terminals:
            return [name]
        record = catalog.get("terminals", name)
        if record is not None:
            self.terminals[name] = {
                **{k: v for k, v in record.items() if k in terminal_records.Terminal.model_fields},
                "catalog_id": name,
            }
            return [name]
        group = catalog.get("terminal-groups", name)
        if group is not None:
            return [n for member in group["terminals"] for n in self._terminal_names(member, key)]
        known = [*self.terminals, *catalog.names("terminals"), *catalog.names("terminal-groups")]
        self.fault(key, f"{name!r} is not a terminal", catalog.near(name, known), name)
        return []

    # needs --------------------------------------------------------------------------------------

    def _need_list(self, value: Any, key: str) -> list[Any]:
        value = [value] if isinstance(value, (str, dict)) else value
        done = []
        for index, entry in enumerate(self._list(value, key)):
            if isinstance(entry, str) and entry not in self.needs:
                record = catalog.get("needs", entry)
                if record is None:
                    known = [*self.needs, *catalog.names("needs")]
                    self.fault(
                        f"{key}.{index}" if len(value) > 1 else key,
                        f"{entry!r} is not a need profile", catalog.near(entry, known), entry,
                    )  # fmt: skip
                    continue
                self.needs[entry] = [
                    {**{k: record[k] for k in ("sources", "confidence", "date")
                        if record.get(k)},
                     **({} if need.get("reason") else _why(record)),
                     "catalog_id": entry, **need}
                    for need in record["needs"]
                ]  # fmt: skip
            done.append(entry)
        return done

    def _profile(self, value: Any, key: str) -> Any:
        """A profile is a list of needs; one record alone, or a profile's name, is meant as one."""
        if isinstance(value, dict):
            return [value]
        if isinstance(value, str):
            self._need_list([value], key)
            return self.needs.get(value, [])
        return value

    # policy -------------------------------------------------------------------------------------

    def _policy(self, value: Any, out: dict[str, Any]) -> Any:
        """A policy whose named case is spelled out for the operators of the scenario."""
        if not isinstance(value, dict) or "case" not in value or "groups" in value:
            return value
        if not isinstance(networks := value.get("networks") or {}, dict):
            return value
        places = [out, *(o["adds"] for o in out["options"] if isinstance(o, dict) and "adds" in o)]
        records = [
            r for p in places if isinstance(p, dict) for k in NODE_LISTS for r in p.get(k) or ()
        ]
        operators = policy_cases.operators_of(r for r in records if isinstance(r, dict))
        try:
            return {**value, **policy_cases.expand_case(value["case"], operators, networks)}
        except InputError as fault:
            self.fault(fault.key or "policy.case", fault.what, fault.allowed, fault.value)
            return None

    # regions and options ------------------------------------------------------------------------

    def _regions(self, value: Any) -> list[Any]:
        done = []
        for index, entry in enumerate(self._list(value, "regions")):
            entry = {"from": entry} if isinstance(entry, str) else entry
            if isinstance(entry, Record):
                entry = entry.model_dump(exclude_unset=True)
            if isinstance(entry, dict):
                entry = self._from(entry, f"regions.{index}", "regions", schema.Region)
            if entry is not None:
                done.append(entry)
        return done

    def _options(self, value: Any) -> list[Any]:
        value = ["japan"] if value is None else [value] if isinstance(value, str) else value
        done: list[Any] = []
        for index, entry in enumerate(self._list(value, "options")):
            here = f"options.{index}"
            if isinstance(entry, Record):
                entry = entry.model_dump(exclude_unset=True)
            if isinstance(entry, dict):
                done.append(self._option(entry, here))
                continue
            if not isinstance(entry, str):
                self.fault(here, f"{show(entry)} is not an option", "a catalogue name or a record")
                continue
            group = catalog.get("groups", entry)
            if group is not None and group["kind_of_members"] == "options":
                done += [self._option({"from": m}, here) for m in group["members"]]
            else:
                done.append(self._option({"from": entry}, here))
        unique: dict[str, Any] = {}
        for record in done:
            if isinstance(record, dict):
                unique.setdefault(str(record.get("id", len(unique))), record)
        return list(unique.values())

    def _option(self, entry: dict[str, Any], here: str) -> Any:
        record = self._from(entry, here, "options", schema.Option)
        if record is None or not isinstance(record.get("adds"), dict):
            return record
        adds = dict(record["adds"])
        for key, (kind, model) in NODE_LISTS.items():
            if key in adds:
                adds[key] = self._nodes(adds[key], f"{here}.adds.{key}", kind, model)
        if "spacecraft_terminals" in adds:
            adds["spacecraft_terminals"] = [
                {**e, "terminals": self._terminal_list(e.get("terminals"), f"{here}.terminals")}
                if isinstance(e, dict) else e
                for e in adds["spacecraft_terminals"]
            ]  # fmt: skip
        return {**record, "adds": adds}


def _name_of(entry: Any) -> Any:
    if isinstance(entry, dict):
        return entry.get("name", entry.get("from"))
    return entry if isinstance(entry, str) else getattr(entry, "name", None)


def _why(record: dict[str, Any]) -> dict[str, Any]:
    """The reason of a record in both languages, which stay together."""
    return {k: record[k] for k in ("reason", "reason_ja") if record.get(k)}


def _provenance(record: dict[str, Any]) -> dict[str, Any]:
    keys = ("sources", "confidence", "field_confidence", "date", "note", "note_ja")
    return {k: record[k] for k in keys if record.get(k)} | _why(record)
