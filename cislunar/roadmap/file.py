"""A roadmap file: which years, starts and cases of a scenario to run; and each as a scenario."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError, model_validator

from cislunar.catalog import get as catalogued
from cislunar.faults import as_faults, raise_all
from cislunar.fields import Name, Range, refuse
from cislunar.outside import beside
from cislunar.policy_cases import policy_cases, with_policy
from cislunar.records import Record, key
from cislunar.roadmap.slips import with_slip
from cislunar.scenario import (
    Scenario,
    digest_of,
    input_files,
    load_scenario,
    resolved_yaml,
    scenario_from,
)
from cislunar.schema import Title
from cislunar.yamlio import read_mapping
from orbits.errors import InputError

DRACONIC_MONTH_DAYS = 27.212220815  # the Earth's latitude at the Moon comes back (Meeus, 1998)
YEAR_DAYS = 365
NOMINAL = "nominal"


class Slip(Record):
    """Nodes that come later than planned."""

    nodes: tuple[str, ...] = key("nodes, catalogue ids or groups", ..., min_length=1)
    years: Annotated[float, Range(0, 20, "years", low_open=True)] = key("by how many years", ...)
    title: Title | None = key("title, text or {en, ja}")

    @property
    def months(self) -> int:
        return round(self.years * 12)


class Milestone(Record):
    """A question of a roadmap: from which year are the needs of some places met?"""

    places: tuple[Name, ...] = key("assets of the base", ..., min_length=1)
    services: tuple[str, ...] = key("services whose verdicts count", ("relay", "positioning"))
    title: Title | None = key("title, text or {en, ja}")


class RoadmapRecord(Record):
    """What stands under ``roadmap:``."""

    name: Name = key("name of the roadmap; becomes the folder's name", ...)
    title: Title | None = key("title, text or {en, ja}")
    base: str | dict[str, Any] = key("a scenario file, or a scenario without epoch and days", ...)
    years: tuple[int, int] = key("first and last year", ...)
    starts_per_year: Annotated[int, Range(1, 12, whole=True)] = key("runs a year", 3)
    first_start: str = key("month and day of the first start of a year, MM-DD", "03-01")
    days: Annotated[float, Range(0, 366, "days", low_open=True)] = key("length of a run", 10.0)
    dates: tuple[Literal["early", "late"], ...] = key("also with all dates early, late", ())
    slips: dict[Name, Slip] = key("also with some nodes later", {})
    policies: tuple[str, ...] = key("also under these policy cases", ())
    option_years: tuple[int, ...] = key(
        "years at whose first start each option of the base's pool is tried, as planned", ()
    )
    milestones: dict[Name, Milestone] = key("questions that the report answers", {})
    report: tuple[Literal["en", "ja"], ...] = key("languages of the report", ("en", "ja"))
    formats: tuple[Literal["html", "pdf", "pptx"], ...] | None = key(
        "formats of the report; default: those of the base's outputs"
    )

    @model_validator(mode="after")
    def _whole(self):
        if not 1990 <= self.years[0] <= self.years[1] <= 2049:
            raise refuse(f"years {list(self.years)}", "[first, last] within 1990 to 2049", "years")
        try:
            date.fromisoformat(f"2025-{self.first_start}")
        except ValueError:
            raise refuse(f"{self.first_start!r}", "MM-DD", "first_start") from None
        for case in self.policies:
            if case not in policy_cases():
                raise refuse(f"{case!r} is no policy case", ", ".join(policy_cases()), "policies")
        for year in self.option_years:
            if not self.years[0] <= year <= self.years[1]:
                raise refuse(
                    f"{year} is no year of it", f"within {list(self.years)}", "option_years"
                )
        names = [NOMINAL, *self.dates, *self.slips, *self.policies]
        if len(set(names)) < len(names):
            raise refuse("two cases have one name", f"one case a name, and not {NOMINAL}", "slips")
        last = self.starts_days[-1] + self.days
        left = YEAR_DAYS - date.fromisoformat(f"2025-{self.first_start}").timetuple().tm_yday + 1
        if last > left:
            raise refuse(
                f"the last run of a year ends {last - left:g} days after it",
                "an earlier first_start, fewer starts_per_year or days", "starts_per_year",
            )  # fmt: skip
        return self

    @property
    def starts_days(self) -> tuple[int, ...]:
        """Days from the first start of a year to each: even over the draconic month.

        What comes and goes with the month at a pole is whether the Earth is up; it follows the
        Earth's latitude seen from the Moon. Starts lie whole months and a part apart, so that
        runs of a part's length together see every phase once.
        """
        whole = int(YEAR_DAYS / DRACONIC_MONTH_DAYS / self.starts_per_year)
        apart = (whole + (1 / self.starts_per_year) % 1) * DRACONIC_MONTH_DAYS
        return tuple(round(k * apart) for k in range(self.starts_per_year))

    @property
    def cases(self) -> tuple[str, ...]:
        return (NOMINAL, *self.dates, *self.slips, *self.policies)


@dataclass(frozen=True, eq=False)
class Roadmap:
    """A roadmap that can be run: its record and the base scenario, everything resolved."""

    record: RoadmapRecord
    base: Scenario

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def formats(self) -> tuple[str, ...]:
        """Formats of the report: the roadmap's own, or else those that its base asks for."""
        return self.record.formats or self.base.outputs.formats

    def runs(self) -> tuple[tuple[int, int], ...]:
        """Every (year, number of the start from 1)."""
        first, last = self.record.years
        each = range(1, self.record.starts_per_year + 1)
        return tuple((year, k) for year in range(first, last + 1) for k in each)

    def option_runs(self) -> tuple[tuple[int, int], ...]:
        """The runs of the pool, as (year, 0)."""
        return tuple((year, 0) for year in dict.fromkeys(self.record.option_years))

    def start_text(self, year: int, number: int) -> str:
        first = date.fromisoformat(f"{year}-{self.record.first_start}")
        day = first + timedelta(days=self.record.starts_days[number - 1])
        return f"{day.isoformat()}T00:00:00 UTC"

    def scenario(self, year: int, number: int, case: str = NOMINAL) -> Scenario:
        """The scenario of one start under one case.

        Keplerian elements hold at every start: craft are kept in their orbits, and nobody
        publishes where in it they will be.
        """
        moved: dict[str, Any] = {
            "epoch": self.start_text(year, number), "duration_days": self.record.days,
            "spacecraft": tuple(_kept(s) for s in self.base.spacecraft),
            "constellations": tuple(_kept(c) for c in self.base.constellations),
        }  # fmt: skip
        return self.with_case(self.base.model_copy(update=moved), case)

    def with_case(self, scenario: Scenario, case: str) -> Scenario:
        record = self.record
        if case in record.dates:
            return scenario.model_copy(update={"service_date_case": case})
        if case in record.slips:
            slip = record.slips[case]
            return with_slip(scenario, slip.nodes, slip.months)
        if case in record.policies:
            return with_policy(scenario, case)
        if case != NOMINAL:
            raise InputError(f"no case {case!r}", value=case, allowed=", ".join(record.cases))
        return scenario

    def title_in(self, language: str) -> str:
        return titled(self.record.title, language, self.name)

    def case_title(self, case: str, language: str) -> str:
        """A case in words."""
        from cislunar.text import Text

        if case in self.record.slips:
            return titled(self.record.slips[case].title, language, case)
        if case in self.record.policies:
            found = catalogued("policies", case) or {}
            return str(found[f"name_{language}"])
        return Text(language)(f"roadmap.case.{case}")

    def digest(self) -> str:
        """What decides the outcome: the record, the base, its files, the program's version."""
        from importlib.metadata import version

        told = {"title", "milestones", "report", "formats", "base"}  # what is only said of it
        parts = (
            self.record.model_dump_json(exclude=told),
            resolved_yaml(self.base, digest_of(input_files(self.base))),  # wherever they lie
            version("cislunar-planner"),
        )  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def resolved_roadmap(roadmap: Roadmap, files: Mapping[str, str] | None = None) -> str:
    """YAML text of a roadmap with its base written out; loading it gives an equal roadmap.

    ``files`` gives other names to files that it reads.
    """
    import yaml

    base = yaml.safe_load(resolved_yaml(roadmap.base, files))
    for name in ("epoch", "duration_days"):
        del base[name]  # the roadmap's years and days say this
    record = roadmap.record.model_dump(mode="json", exclude_none=True) | {"base": base}
    content = {"schema_version": 1, "roadmap": record}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)


def titled(title: Any, language: str, otherwise: str) -> str:
    """A title in ``en`` or ``ja``; a plain one in either; ``otherwise`` where there is none."""
    if title is None:
        return otherwise
    if isinstance(title, str):
        return title
    return str(getattr(title, language, None) or dict(title).get(language) or otherwise)


def _kept(record: Any) -> Any:
    if record.orbit.kind != "keplerian" or record.orbit.epoch is None:
        return record
    return record.model_copy(update={"orbit": record.orbit.model_copy(update={"epoch": None})})


def is_roadmap(path: str | Path) -> bool:
    """True for a file whose only business is a roadmap (it has the key ``roadmap``)."""
    return "roadmap" in read_mapping(path)


def load_roadmap(path: str | Path) -> Roadmap:
    """The roadmap in a YAML file, its base resolved. Raises InputError, one line a fault."""
    path = Path(path)
    raw = read_mapping(path)
    given = raw.get("roadmap")
    for name in raw:
        if name not in ("roadmap", "schema_version"):
            raise InputError(
                "unknown key beside roadmap", file=str(path), key=name, allowed="schema_version"
            )
    if raw.get("schema_version", 1) != 1:
        raise InputError(
            f"{raw['schema_version']!r} is not one of the choices", file=str(path),
            key="schema_version", allowed="1",
        )  # fmt: skip
    if not isinstance(given, dict):
        raise InputError("not a mapping", file=str(path), key="roadmap", allowed="name, base, ...")
    try:
        record = RoadmapRecord.model_validate(given)
    except ValidationError as error:
        faults = as_faults(error, given, str(path), RoadmapRecord)
        raise_all(
            [
                InputError(
                    f.what, file=f.file, key=f"roadmap.{f.key}", value=f.value, allowed=f.allowed
                )
                for f in faults
            ]
        )
        raise
    return Roadmap(record, _base(record, path))


def _base(record: RoadmapRecord, path: Path) -> Scenario:
    first = f"{record.years[0]}-{record.first_start}T00:00:00 UTC"
    if isinstance(record.base, str):
        try:
            beside(path.resolve().parent, record.base, "roadmap")
        except InputError as fault:
            raise InputError(
                fault.what,
                file=str(path),
                key="roadmap.base",
                value=record.base,
                allowed=fault.allowed,
            ) from None
        base = load_scenario(path.parent / record.base)
    else:
        own = {"name": record.name, "options": [], **record.base}
        for name in ("epoch", "duration_days"):
            if name in record.base:
                raise InputError(
                    "the roadmap's years and days say this", file=str(path),
                    key=f"roadmap.base.{name}",
                )  # fmt: skip
        raw = {**own, "epoch": first, "duration_days": record.days}
        base = scenario_from(raw, path.resolve().parent, str(path))
    pool = base.options if record.option_years else ()
    if record.option_years and not pool:
        raise InputError("no options in the base", file=str(path), key="roadmap.option_years",
                         allowed="options: [...] in the base, or no option_years")  # fmt: skip
    base = base.model_copy(update={"options": pool, "regions": (), "sensitivity": False})
    roadmap = Roadmap(record, base)
    assets = {a.name for a in base.assets}
    for name, milestone in record.milestones.items():
        for place in milestone.places:
            if place not in assets:
                raise InputError(
                    f"no asset {place!r} in the base", file=str(path),
                    key=f"roadmap.milestones.{name}.places", value=place,
                )  # fmt: skip
    for case in record.cases:  # what a case gets wrong is known before anything runs
        try:
            roadmap.with_case(base, case)
        except InputError as fault:
            raise InputError(
                fault.what, file=str(path), key=f"roadmap.{fault.key}", value=fault.value,
                allowed=fault.allowed,
            ) from None  # fmt: skip
    return roadmap.base


def json_schema() -> dict[str, Any]:
    """JSON schema of the roadmap file.

    >>> json_schema()["required"]
    ['roadmap']
    """
    record = RoadmapRecord.model_json_schema()
    defs = record.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Roadmap of the cislunar planner",
        "type": "object",
        "properties": {
            "schema_version": {"const": 1, "description": "version of this file format"},
            "roadmap": {"$ref": "#/$defs/RoadmapRecord"},
        },
        "required": ["roadmap"],
        "additionalProperties": False,
        "$defs": {**defs, "RoadmapRecord": record},
    }
