"""What if a programme comes later: a scenario with the service dates of some nodes moved."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from typing import Any

from cislunar import catalog
from cislunar.scenario import Scenario
from cislunar.schema import StartDates
from orbits.errors import InputError

KINDS = ("spacecraft", "constellations", "ground_stations", "assets")


def later(date: str, months: int) -> str:
    """A date (ISO text; a year or a month alone too) so many months later.

    A day that the month lacks becomes its last; the time of day stays.

    >>> later("2029-06-01", 24), later("2028", 24), later("2028-02", 11), later("2028-02-29", 12)
    ('2031-06-01', '2030', '2029-01', '2029-02-28')
    """
    date = date.strip()
    year, month = int(date[:4]), int(date[5:7] or 1)
    if len(date) == 4 and months % 12:
        month = 12  # a year alone begins at its end, and so does December
        date = f"{year:04d}-12"
    total = year * 12 + month - 1 + months
    year, month = total // 12, total % 12 + 1
    if len(date) == 4:
        return f"{year:04d}"
    if len(date) == 7:
        return f"{year:04d}-{month:02d}"
    day = min(int(date[8:10]), calendar.monthrange(year, month)[1])
    return f"{year:04d}-{month:02d}-{day:02d}{date[10:]}"


def with_slip(scenario: Scenario, names: Iterable[str], months: int) -> Scenario:
    """The scenario with the named nodes' service starting, and ending, ``months`` later.

    ``names`` are nodes, constellations, catalogue ids, or groups of these. The end moves with the
    start: a craft that comes later lives as long. Raises InputError for a name that no node of
    the scenario has, and for a node without a start.
    """
    names = list(names)
    members: dict[str, str] = {}  # what a node may be called: the name that was asked for
    for name in names:
        group = catalog.get("groups", name)
        for member in (name,) if group is None else group["members"]:
            members[member] = name
    used: set[str] = set()
    update: dict[str, tuple[Any, ...]] = {}
    for kind in KINDS:
        records = []
        for record in getattr(scenario, kind):
            asked = members.get(record.name) or members.get(record.catalog_id or "")
            if asked is not None:
                used.add(asked)
                record = _moved(record, months)
            records.append(record)
        update[kind] = tuple(records)
    for name in names:
        if name not in used:
            raise InputError(
                f"no node of the scenario is, or belongs to, {name!r}", key="slips", value=name,
                allowed="names of nodes, catalogue ids or groups of the scenario",
            )  # fmt: skip
    return scenario.model_copy(update=update)


def _moved(record: Any, months: int) -> Any:
    if record.service_start is None:
        raise InputError(f"{record.name} has no service_start that could slip", key="slips")
    moved = {"service_start": _shifted(record.service_start, months)}
    if record.service_end is not None:
        moved["service_end"] = _shifted(record.service_end, months)
    return record.model_copy(update=moved)


def _shifted(dates: Any, months: int) -> Any:
    if not isinstance(dates, StartDates):
        return later(dates, months)
    cases = {
        case: later(value, months)
        for case in catalog.CASES
        if (value := getattr(dates, case)) is not None
    }
    return dates.model_copy(update=cases)
