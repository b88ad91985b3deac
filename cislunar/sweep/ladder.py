"""One scenario in every fidelity: what each model of the world does to each score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from orbits.errors import CislunarError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from cislunar.scenario import Scenario

FIDELITIES = ("kepler", "cr3bp", "ephemeris")  # from the plainest world to the real one
_TABLES = {"comm_scores": ["asset", "service"], "positioning_scores": ["asset"]}


def climb(scenario: Scenario, *, days: float | None = None, quiet: bool = True) -> pd.DataFrame:
    """The scores of a scenario in each fidelity, one row a score: a table with the changes.

    Columns: ``place``, ``service``, ``score``, then one a fidelity, and ``kepler_change`` and
    ``cr3bp_change``: that fidelity's value less the ephemeris's; empty where one has no value. Maps
    enter as area means of their regions, over the cells that have a value. ``days`` replaces the
    span. No option is run. A fidelity that the scenario cannot be run in is left out, and
    ``attrs["refused"]`` says why. Raises InputError where the ephemeris is.
    """
    import pandas as pd

    from cislunar import pipeline
    from cislunar.scenario import Scenario as Made

    found: dict[str, dict[tuple[str, str, str], float]] = {}
    refused: dict[str, str] = {}
    if days is not None and not days > 0.0:
        raise InputError("no span", key="--days", value=days, allowed="more than 0")
    for fidelity in reversed(FIDELITIES):
        content = {name: getattr(scenario, name) for name in type(scenario).model_fields}
        content |= {"fidelity": fidelity, "options": ()}
        if days is not None:
            content["duration_days"] = days
        try:
            results = pipeline.run(Made(**_plain(content)), quiet=quiet)
        except CislunarError as fault:
            if fidelity == "ephemeris":
                raise
            refused[fidelity] = str(fault)
            continue
        found[fidelity] = _scores(results)
    order = list(dict.fromkeys(key for scores in found.values() for key in scores))
    rows = []
    for place, service, score in order:
        row: dict[str, Any] = {"place": place, "service": service, "score": score}
        for fidelity in FIDELITIES:
            row[fidelity] = found.get(fidelity, {}).get((place, service, score))
        for fidelity in FIDELITIES[:-1]:
            mine, true = row[fidelity], row["ephemeris"]
            row[f"{fidelity}_change"] = None if mine is None or true is None else mine - true
        rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs["refused"] = refused
    return table


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Scenario fields as a file holds them, so that all are checked again."""
    from cislunar.records import Record

    def one(value: Any) -> Any:
        if isinstance(value, Record):
            return value.model_dump(exclude_unset=True)
        if isinstance(value, (tuple, list)):
            return [one(v) for v in value]
        if isinstance(value, dict):
            return {k: one(v) for k, v in value.items()}
        return value

    return {k: one(v) for k, v in content.items() if v is not None}


def _scores(results: Any) -> dict[tuple[str, str, str], float]:
    import pandas as pd

    out: dict[tuple[str, str, str], float] = {}
    for name, keys in _TABLES.items():
        frame = getattr(results, name)
        for row in frame.to_dict("records"):
            place = str(row["asset"])
            service = str(row.get("service", "positioning"))
            for column, value in row.items():
                if column in keys or str(column).startswith("need_"):
                    continue
                if isinstance(value, (int, float, np.number)) and bool(pd.notna(value)):
                    out[place, service, str(column)] = float(value)
    if results.coverage is not None:
        for region in np.unique(results.coverage["region"].values.astype(str)):
            keep = results.coverage["region"].values.astype(str) == region
            for figure in results.coverage.data_vars:
                values = np.asarray(results.coverage[figure].values, dtype=float)[keep]
                if np.isfinite(values).any():
                    out[str(region), "map", str(figure)] = float(np.nanmean(values))
    return out


_TOLD = ("availability_frac", "longest_gap_s", "latency_p95_s", "gdop_p50", "accuracy_3d_p95_m",
         "pdop_p50", "joint_availability_frac")  # fmt: skip


def _short(value: float) -> str:
    return f"{value:.4g}"


def printed(table: pd.DataFrame, *, every: bool = False) -> str:
    """The rows of a ladder that tell most, or ``every`` row, as text for a terminal."""
    told = table[table["score"].isin(_TOLD)]
    shown: Any = table if every else told
    text = shown.to_string(index=False, float_format=_short, na_rep="")
    if len(shown) < len(table):
        text += f"\n... and {len(table) - len(shown)} more scores: --all"
    for fidelity, why in table.attrs.get("refused", {}).items():
        text += f"\n{fidelity} is left out: {why}"
    return text
