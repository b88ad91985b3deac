"""The commands on files: contact plans routed, exported and compared, losses, horizons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cislunar.cli_base import check_file, exit_codes, say
from orbits.errors import InputError


def route(
    plan: Annotated[
        Path,
        typer.Argument(
            help="contacts.csv, HDTN JSON, ION text or another plan file", metavar="PLAN"
        ),
    ],
    source: Annotated[str, typer.Option("--from", help="node that sends")],
    target: Annotated[str, typer.Option("--to", help="node that receives")],
    at: Annotated[float, typer.Option(help="sent at, seconds past the plan's epoch")] = 0.0,
    k: Annotated[int, typer.Option(min=1, max=1000, help="how many routes")] = 1,
    size_bit: Annotated[float, typer.Option(min=0.0, help="size of the bundle, bit")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Prints the best routes through a contact plan, earliest arrival first."""
    with exit_codes():
        import math

        from cislunar.plan_files import read_plan
        from cislunar.routing import best_routes

        for name, value in (("--at", at), ("--size-bit", size_bit)):
            if not math.isfinite(value):
                raise InputError("not a finite number", key=name, value=value, allowed="a number")
        table = read_plan(plan)
        routes = best_routes(table, source, [target], at, k, size_bit)
        if as_json:
            import json

            print(json.dumps({"routes": [r.as_dict() for r in routes]}, indent=2))
            return
        for r in routes:
            print(
                f"arrives {r.arrival_s:.3f} s, {r.hops} hops, sent by {r.valid_until_s:.3f} s, "
                f"{r.volume_bit:.0f} bit: {' > '.join(r.nodes)} ({', '.join(r.contacts)})"
            )
        if not routes:
            whole = f" for {size_bit:g} bit sent whole" if size_bit else ""
            print(f"no route from {source} to {target} at {at:g} s{whole}")
            for r in best_routes(table, source, [target], at, 1) if size_bit else ():
                print(f"in fragments: from {r.arrival_s:.3f} s, {r.volume_bit:.0f} bit a route")


def export(
    plan: Annotated[Path, typer.Argument(help="a contact plan file", metavar="PLAN")],
    out: Annotated[
        Path,
        typer.Argument(
            help="ends in .csv, .ionrc, .hdtn.json, .tvg.json, .graphml or .json (node-link)",
            metavar="FILE",
        ),
    ],
) -> None:
    """Writes a contact plan in another form."""
    with exit_codes():
        check_file(out, "FILE")
        from cislunar.plan_files import read_plan, write_plan

        write_plan(read_plan(plan), out)
        print(out)


def resilience(
    folder: Annotated[Path, typer.Argument(help="product folder of a finished run", metavar="DIR")],
    failures: Annotated[
        Path | None,
        typer.Option(help="failure rates (YAML): node, operator or kind: {mtbf_h, mttr_h}"),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=100_000, help="histories drawn")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of the random numbers")] = 0,
) -> None:
    """Scores a finished run with each node, nation and operator lost; writes resilience.csv."""
    with exit_codes():
        from cislunar.losses import read_failure_rates, write_resilience
        from cislunar.losses import resilience as find
        from cislunar.results import load_results

        rates = None if failures is None else read_failure_rates(failures)
        results = load_results(folder)
        with exit_codes(None if failures is None else str(failures)):
            found = find(results, rates, draws=draws, seed=seed)
        for loss in found.critical.head(20).to_dict("records"):
            if loss["places"]:
                print(
                    f"{loss['case']} {loss['lost']}: {loss['lost_h']:.1f} h of service lost at "
                    f"{loss['places']} places, longest gap {loss['longest_gap_s'] / 3600:.1f} h"
                )
        for path in write_resilience(found, folder):
            print(path)


def horizon(
    dems: Annotated[
        list[Path],
        typer.Argument(help="elevation models, the finest first", metavar="DEM..."),
    ],
    latitude: Annotated[float, typer.Option(help="of the site, deg, MOON_ME")],
    longitude: Annotated[float, typer.Option(help="of the site, deg east")],
    height_m: Annotated[float, typer.Option(help="of the eye or antenna above the ground, m")] = 0,
    azimuth_step_deg: Annotated[float, typer.Option(help="between rows, deg")] = 0.25,
    max_range_km: Annotated[float, typer.Option(help="how far to look, km")] = 200,
    out: Annotated[Path | None, typer.Option(help="horizon file to write; else stdout")] = None,
) -> None:
    """Finds a site's terrain horizon in elevation models (PDS3 IMG or LBL, GeoTIFF)."""
    with exit_codes():
        check_file(out)
        from cislunar.terrain.dem_files import open_dem
        from cislunar.terrain.horizon import horizon_profile
        from cislunar.terrain.horizon_file import horizon_text, write_horizon

        found = horizon_profile(
            [open_dem(path) for path in dems], latitude, longitude,
            height_above_ground_m=height_m, azimuth_step_deg=azimuth_step_deg,
            max_range_km=max_range_km,
        )  # fmt: skip
        for remark in found.remarks:
            say(f"remark: {remark}")
        if out is None:
            print(horizon_text(found.horizon()), end="")
        else:
            write_horizon(found.horizon(), out)
            print(out)


def compare(
    before: Annotated[Path, typer.Argument(help="contact plan file", metavar="BEFORE")],
    after: Annotated[Path, typer.Argument(help="contact plan file", metavar="AFTER")],
    out: Annotated[Path | None, typer.Option(help="FILE.csv to write all differences to")] = None,
) -> None:
    """Tells in which intervals two contact plans differ."""
    with exit_codes():
        check_file(out)
        from cislunar.contact_files import check_cells
        from cislunar.plan_compare import compare_plans, load_contacts

        found = compare_plans(load_contacts(before), load_contacts(after))
        for change, rows in found.groupby("change"):
            pairs = rows[["source", "target"]].drop_duplicates()
            print(
                f"{change}: {len(rows)} intervals, {rows['duration_s'].sum() / 3600:.3f} h, "
                f"{len(pairs)} pairs"
            )
        if found.empty:
            print("the plans are the same")
        if out is not None:
            check_cells({*found["source"], *found["target"]}, out)
            found.to_csv(out, index=False, lineterminator="\n")
            print(out)
