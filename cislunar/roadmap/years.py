"""What years bring: named gaps that open and close, and from when the needs of places are met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cislunar.named_gaps import KEY, gap_name, name_gaps, years_text
from cislunar.roadmap.file import Roadmap

if TYPE_CHECKING:
    import pandas as pd


def yearly_gaps(pieces: pd.DataFrame, demand: pd.DataFrame, years: tuple[int, int]) -> pd.DataFrame:
    """One row a case, year and named gap: hours a month, users, and whether it opens or closes.

    ``state``: it ``opens`` in a year where it was not there the year before, ``reopens`` if it
    was earlier, ``closes`` in a year (a row with no hours) after one with it, else is ``open``. A
    gap closes too when nobody asks any more: ``users`` counts who does.
    """
    import pandas as pd

    rows = []
    for case, of_case in pieces.groupby("case", sort=False):
        asked = demand[demand["case"] == case]
        ever: dict[tuple, bool] = {}
        before: set[tuple] = set()
        for year in range(years[0], years[1] + 1):
            part: Any = of_case[of_case["year"] == year]
            want: Any = asked[asked["year"] == year]
            table = name_gaps(part, want) if len(part) else name_gaps(of_case[:0], want)
            now = set()
            counted = want.groupby(["service", "region"])["place"].nunique()
            users: dict[tuple, int] = {key: int(n) for key, n in counted.items()}
            for row in table.to_dict("records"):
                key = tuple(row[k] for k in KEY)
                now.add(key)
                state = "open" if key in before else "reopens" if key in ever else "opens"
                rows.append((case, year, row, state, users[key[0], key[1]]))
                ever[key] = True
            for key in sorted(before - now):
                row = {**dict(zip(KEY, key, strict=True)), "place_hours": 0.0,
                       "hours_per_month": 0.0, "severity": 0.0, "users_affected": 0,
                       "gap_count": 0}  # fmt: skip
                rows.append((case, year, row, "closes", users.get(key[:2], 0)))
            before = now
    wanted = ("service", "region", "cause", "users_affected", "place_hours", "hours_per_month",
              "severity", "gap_count", "season")  # fmt: skip
    return pd.DataFrame(
        [
            {
                "case": case, "year": year,
                **{f"name_{lang}": gap_name(row["service"], row["region"], row["cause"], lang)
                   for lang in ("en", "ja")},
                **{name: row.get(name, "") for name in wanted}, "users": users, "state": state,
            }
            for case, year, row, state, users in rows
        ],
        columns=[
            "case", "year", "name_en", "name_ja", *wanted, "users", "state",
        ],
    )  # fmt: skip


def find_milestones(roadmap: Roadmap, scores: Any) -> pd.DataFrame:
    """For each case, question and service: first year met, since when for good, worst figures.

    A year meets a need where the verdict of every start and place is ``met``. ``first_year`` is
    empty where none does; ``lasting_from`` is the first of the years met up to the last one.
    """
    import pandas as pd

    rows = []
    years = range(roadmap.record.years[0], roadmap.record.years[1] + 1)
    for case in roadmap.record.cases:
        for name, question in roadmap.record.milestones.items():
            mine = scores[(scores["case"] == case) & scores["place"].isin(question.places)]
            met: dict[str, dict[int, bool]] = {}
            for service in question.services:
                part = mine[mine["service"] == service]
                by_year = dict(tuple(part.groupby("year")))
                # every place must be there: one that is not demanded yet answers nothing
                count = len(question.places) * roadmap.record.starts_per_year
                met[service] = {
                    y: y in by_year and len(by_year[y]) == count
                    and bool((by_year[y]["verdict"] == "met").all())
                    for y in years
                }  # fmt: skip
                worst = part.groupby("year")["availability_frac"].min()
                rows.append((case, name, service, met[service], worst))
            if len(question.services) > 1:
                together = {y: all(m[y] for m in met.values()) for y in years}
                rows.append((case, name, "all", together, None))
    out = []
    for case, name, service, met_in, worst in rows:
        first = next((y for y in years if met_in[y]), None)
        lasting = None
        for y in reversed(years):
            if not met_in[y]:
                break
            lasting = y
        out.append(
            {
                "case": case, "milestone": name, "service": service, "first_year": first,
                "lasting_from": lasting, "years_met": years_text(y for y in years if met_in[y]),
                "worst_availability_last_year_frac":
                    None if worst is None or years[-1] not in worst else float(worst[years[-1]]),
            }
        )  # fmt: skip
    frame = pd.DataFrame(out)
    kinds = {"first_year": "Int64", "lasting_from": "Int64"}
    if len(frame):
        frame = frame.astype(kinds | {"worst_availability_last_year_frac": "Float64"})
    return frame
