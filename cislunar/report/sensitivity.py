"""What the answer hangs on: the run with one thing worse at a time."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.report.cells import Cell, Row, number, service
from cislunar.text import Text

PLANNED, ALL = "as-planned", "all"


def sensitivity(results, text: Text) -> dict[str, Any]:
    """One row a case: unserved hours more by service, and needs with less than they ask."""
    frame = results.sensitivity
    if frame.empty:
        return {"lead": "", "head": [], "rows": []}
    services = [s for s in style.SERVICES if s in set(frame["service"])]
    by_case = {case: part.set_index("service") for case, part in frame.groupby("case", sort=False)}
    rows = []
    for case, part in by_case.items():
        cells = [
            number(
                fmt.number(float(part.loc[s, "unserved_h"]))
                if case == PLANNED
                else text("sensitivity.more", hours=fmt.number(float(part.loc[s, "change_h"]))),
                fmt.percent(float(part.loc[s, "availability_frac"])),
            )
            for s in (*services, ALL)
        ]
        below = f"{int(part.loc[ALL, 'below_asked'])} / {int(part.loc[ALL, 'needs'])}"
        rows.append(Row((Cell(_case(str(case), results, text), "w"), *cells, number(below))))
    heads = [
        (text("col.case"), ""), *((service(s, text), "n") for s in services),
        (text("col.all_services"), "n"), (text("col.below_asked"), "n"),
    ]  # fmt: skip
    return {"lead": text("sensitivity.lead"), "head": heads, "rows": rows}


def _case(case: str, results, text: Text) -> str:
    steps = results.manifest["sensitivity"]
    return text(
        f"sensitivity.{case}", db=f"{steps['link_db']:g}", deg=f"{steps['mask_deg']:g}",
        percent=f"{100.0 * (steps['error_factor'] - 1.0):g}", count=len(steps["assumed_craft"]),
    )  # fmt: skip
