"""The command line: reads arguments, prints results on stdout, faults and progress on stderr.

Exit codes: 0 done; 2 something in the files or the arguments is wrong; 3 a fault found only while
computing; 130 interrupted. Everything heavy is imported inside the command that needs it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from orbits.errors import ComputationError, InputError

app = typer.Typer(
    help="Plans communication and positioning for the Earth-Moon network.",
    no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip
catalog_app = typer.Typer(
    help="What is known, with sources.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(catalog_app, name="catalog")

WRONG_INPUT, FAILED, INTERRUPTED = 2, 3, 130
RETRY_S = 0.02  # between looks whether an import is over


@contextmanager
def exit_codes(file: str | None = None) -> Iterator[None]:
    """Turns the error family into one line a fault on stderr and the contract's exit code."""
    try:
        yield
    except InputError as fault:
        for line in getattr(fault, "lines", None) or [str(fault)]:
            _say(line if file is None or line.startswith(file) else f"{file}: {line}")
        raise typer.Exit(WRONG_INPUT) from None
    except ComputationError as fault:
        _say(f"{type(fault).__name__}: {fault}")
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        raise  # the reader of stdout has gone: the shell's business
    except OSError as fault:
        _say(f"{fault.strerror or fault}" + (f": {fault.filename}" if fault.filename else ""))
        raise typer.Exit(FAILED) from None
    except MemoryError:
        _say("out of memory")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        _say("interrupted")
        raise typer.Exit(INTERRUPTED) from None


def _outside(context: typer.Context, asked: bool) -> bool:
    """Lets the command read files outside a scenario's folder, where the user asks for it."""
    if asked:
        from cislunar.loading import allow_outside

        context.with_resource(allow_outside())
    return asked


Outside = Annotated[
    bool,
    typer.Option(
        "--allow-outside", callback=_outside, help="read files outside the scenario's folder"
    ),
]


def _say(line: str) -> None:
    print(" ".join(str(line).split("\n")), file=sys.stderr)


@app.command()
def run(
    scenario: Annotated[Path, typer.Argument(help="scenario file (YAML)", metavar="SCENARIO.yaml")],
    out: Annotated[
        Path | None, typer.Option(help="product folder; default out/<scenario name>")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="threads; default: all cores")] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress, no scorecard")] = False,
    allow_outside: Outside = False,
) -> None:
    """Runs a scenario, or a roadmap: prints the scorecard and writes the product folder."""
    with exit_codes():
        from cislunar.roadmap_file import is_roadmap

        if is_roadmap(scenario):
            _run_roadmap(scenario, out, workers, not no_report, quiet)
            return
        from cislunar.checks import check_scenario
        from cislunar.products import check_folder
        from cislunar.scenario import load_scenario

        chosen = load_scenario(scenario)
        check_scenario(chosen, str(scenario))
        folder = check_folder(out if out is not None else Path("out") / chosen.name)

        from cislunar import pipeline

        with exit_codes(str(scenario)):
            results = pipeline.run(chosen, workers=workers, quiet=quiet)
        results.save(folder, report=not no_report)
        if not quiet:
            from rich.console import Console

            from cislunar.report.scorecard import scorecard

            Console().print(scorecard(results))
        print(folder)
        if not no_report:
            for form in chosen.outputs.formats:
                for language in chosen.outputs.report:
                    print(folder / f"report.{language}.{form}")


def _run_roadmap(
    file: Path, out: Path | None, workers: int | None, report: bool, quiet: bool
) -> None:
    from cislunar.checks import check_scenario
    from cislunar.roadmap_file import load_roadmap

    roadmap = load_roadmap(file)
    check_scenario(roadmap.base, str(file))

    from cislunar.roadmap import run_roadmap
    from cislunar.roadmap_report import answers, write_report

    folder = out if out is not None else Path("out") / roadmap.name
    with exit_codes(str(file)):
        results = run_roadmap(roadmap, folder, workers=workers, say=None if quiet else _say)
    if not quiet:
        for line in answers(results, "en"):
            print(line)
    print(folder)
    if report:
        for path in write_report(results, folder):
            print(path)


@app.command()
def sweep(
    trade: Annotated[Path, typer.Argument(help="trade file (YAML)", metavar="TRADE.yaml")],
    out: Annotated[Path | None, typer.Option(help="folder; default out/<trade name>")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="variants at once; default: all cores")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="address of a Dask scheduler", metavar="ADDRESS")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with an unfinished one")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress, no summary")] = False,
    allow_outside: Outside = False,
) -> None:
    """Runs every variant of a trade; what is finished is kept through kills."""
    with exit_codes():
        from cislunar.sweep.engine import sweep as run_trade
        from cislunar.sweep.page import summary, write_page
        from cislunar.sweep.trade import load_trade

        chosen = load_trade(trade)
        folder = out if out is not None else Path("out") / chosen.name
        done = run_trade(
            chosen, folder, trade_folder=trade.resolve().parent, file=str(trade), workers=workers,
            scheduler=scheduler, resume=resume, quiet=quiet,
        )  # fmt: skip
        pages = write_page(done)
        if not quiet:
            print(summary(done))
        for path in (done.folder, *pages):
            print(path)


@app.command()
def ladder(
    scenario: Annotated[Path, typer.Argument(help="scenario file (YAML)", metavar="SCENARIO.yaml")],
    out: Annotated[Path | None, typer.Option(help="FILE.csv to write the table to")] = None,
    days: Annotated[float | None, typer.Option(help="another span, days")] = None,
    allow_outside: Outside = False,
) -> None:
    """Scores a scenario in kepler, cr3bp and ephemeris fidelity, and tells what changes."""
    with exit_codes(str(scenario)):
        from cislunar.scenario import load_scenario
        from cislunar.sweep.ladder import climb, printed

        table = climb(load_scenario(scenario), days=days)
        print(printed(table))
        if out is not None:
            table.to_csv(out, index=False, lineterminator="\n")
            print(out)


def _check_trade(file: Path) -> bool:
    """True, and a line printed, if a file is a valid trade; False if it means a scenario."""
    from cislunar.yamlio import read_mapping

    raw = read_mapping(file)
    if not {"base", "metrics"} <= set(raw):
        return False
    from cislunar.sweep.trade import trade_from
    from cislunar.sweep.variants import check_trade

    chosen = trade_from(raw, str(file))
    found = check_trade(chosen, file.resolve().parent, str(file))
    print(
        f"{file}: trade {chosen.name} is valid: {chosen.most_variants(len(found))} variants "
        f"({chosen.design.kind}), {len(chosen.axes)} axes, {len(chosen.metrics)} metrics"
    )
    return True


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="scenario file (YAML)", metavar="FILE.yaml")],
    allow_outside: Outside = False,
) -> None:
    """Validates a scenario or a roadmap and runs nothing."""
    with exit_codes():
        if _check_trade(file):
            return
        from cislunar.roadmap_file import is_roadmap, load_roadmap

        if is_roadmap(file):
            from cislunar.checks import check_scenario

            roadmap = load_roadmap(file)
            check_scenario(roadmap.base, str(file))
            print(
                f"{file}: roadmap {roadmap.name} is valid: {len(roadmap.runs())} starts of "
                f"{roadmap.record.days:g} days, {len(roadmap.record.cases)} cases"
            )
            return
        from cislunar.checks import check_scenario
        from cislunar.nodes import expand_nodes
        from cislunar.scenario import load_scenario

        scenario = load_scenario(file)
        check_scenario(scenario, str(file))
        kinds = [node.kind for node in expand_nodes(scenario)]
        print(
            f"{file}: scenario {scenario.name} is valid: {kinds.count('spacecraft')} spacecraft, "
            f"{kinds.count('station')} Earth stations, {kinds.count('asset')} lunar assets, "
            f"{len(scenario.options)} options, {scenario.duration_days:g} days"
        )


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="product folder of a finished run", metavar="DIR")],
    lang: Annotated[str, typer.Option(help="languages, separated by commas")] = "en,ja",
    format: Annotated[str, typer.Option(help="html, pdf, pptx, separated by commas")] = "html",
    allow_outside: Outside = False,
) -> None:
    """Rewrites the report of a finished run or sweep."""
    with exit_codes():
        from cislunar.text import LANGUAGES

        languages = _listed(lang, LANGUAGES, "--lang")

        if (folder / "variants.parquet").is_file():
            from cislunar.sweep.engine import load_sweep
            from cislunar.sweep.page import write_page

            _listed(format, ("html",), "--format")
            for path in write_page(load_sweep(folder), languages):
                print(path)
            return

        from cislunar.report import FORMATS, write_report
        from cislunar.results import load_results

        formats = _listed(format, FORMATS, "--format")
        for path in write_report(load_results(folder), folder, languages, formats):
            print(path)


def _listed(text: str, allowed: tuple[str, ...], key: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
    if not words or any(w not in allowed for w in words):
        raise InputError(
            f"{text!r} is not a list of {', '.join(allowed)}", key=key, value=text,
            allowed=", ".join(allowed),
        )  # fmt: skip
    return words


@app.command()
def orbit(
    family: Annotated[
        str,
        typer.Argument(help="dro, halo, nrho, lyapunov, butterfly, keplerian", metavar="FAMILY"),
    ],
    amplitude_km: Annotated[
        float | None, typer.Option(help="DRO: near-side crossing; Lyapunov: half extent, km")
    ] = None,
    amplitude_z_km: Annotated[
        float | None, typer.Option(help="halo, spatial DRO: largest |z|, km")
    ] = None,
    vertical_phase_deg: Annotated[
        float | None, typer.Option(help="spatial DRO: 0 rising, 90 highest at the crossing, deg")
    ] = None,
    period_days: Annotated[float | None, typer.Option(help="period, rotating frame, days")] = None,
    resonance: Annotated[str | None, typer.Option(help="synodic resonance p:q")] = None,
    perilune_km: Annotated[
        float | None, typer.Option(help="NRHO, butterfly: perilune radius, km")
    ] = None,
    libration_point: Annotated[str | None, typer.Option(help="L1 or L2")] = None,
    branch: Annotated[str | None, typer.Option(help="northern or southern")] = None,
    phase_deg: Annotated[float | None, typer.Option(help="phase at the epoch, deg")] = None,
    frame: Annotated[str | None, typer.Option(help="keplerian: frame of the elements")] = None,
    semi_major_axis_km: Annotated[float | None, typer.Option(help="keplerian, km")] = None,
    eccentricity: Annotated[float | None, typer.Option(help="keplerian")] = None,
    inclination_deg: Annotated[float | None, typer.Option(help="keplerian, deg")] = None,
    raan_deg: Annotated[float | None, typer.Option(help="keplerian, deg")] = None,
    argument_of_periapsis_deg: Annotated[float | None, typer.Option(help="keplerian, deg")] = None,
    mean_anomaly_deg: Annotated[float | None, typer.Option(help="keplerian, deg")] = None,
    fidelity: Annotated[str, typer.Option(help="cr3bp or ephemeris")] = "cr3bp",
    epoch: Annotated[str | None, typer.Option(help="first instant, UTC, TDB or TT")] = None,
    days: Annotated[float, typer.Option(help="span to fly, days")] = 28.0,
    out: Annotated[Path | None, typer.Option(help="FILE.oem or FILE.bsp to write")] = None,
    station_keeping: Annotated[
        int | None, typer.Option(min=1, help="craft to keep there for the span: annual cost")
    ] = None,
    navigation_km: Annotated[float | None, typer.Option(help="1 sigma, each axis, km")] = None,
    navigation_m_s: Annotated[float | None, typer.Option(help="1 sigma, each axis, m/s")] = None,
    insertion_km: Annotated[float | None, typer.Option(help="1 sigma, each axis, km")] = None,
    insertion_m_s: Annotated[float | None, typer.Option(help="1 sigma, each axis, m/s")] = None,
    execution_fixed_m_s: Annotated[
        float | None, typer.Option(help="1 sigma of an impulse's size, m/s")
    ] = None,
    execution_frac: Annotated[
        float | None, typer.Option(help="1 sigma of an impulse's size, as a share of it")
    ] = None,
    pointing_deg: Annotated[
        float | None, typer.Option(help="1 sigma of an impulse's direction, deg")
    ] = None,
    minimum_m_s: Annotated[float | None, typer.Option(help="least impulse fired, m/s")] = None,
    desaturation_m_s: Annotated[
        float | None, typer.Option(help="1 sigma of momentum dumps, each axis, m/s")
    ] = None,
    revolutions_ahead: Annotated[
        float | None, typer.Option(help="how far ahead an impulse aims")
    ] = None,
    box_deg: Annotated[
        float | None, typer.Option(help="DRO, keplerian: phase it may drift, deg")
    ] = None,
    hold: Annotated[str, typer.Option(help="DRO, keplerian: phase, period or transfer")] = "phase",
    seed: Annotated[int, typer.Option(min=0, help="of the drawn errors")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Builds one orbit and prints its figures."""
    errors = {
        "insertion_km": insertion_km, "insertion_m_s": insertion_m_s,
        "navigation_km": navigation_km, "navigation_m_s": navigation_m_s,
        "execution_fixed_m_s": execution_fixed_m_s, "execution_frac": execution_frac,
        "pointing_deg": pointing_deg, "minimum_m_s": minimum_m_s,
        "desaturation_m_s": desaturation_m_s,
    }  # fmt: skip
    keeping = None if station_keeping is None else {
        "samples": station_keeping, "seed": seed, "revolutions_ahead": revolutions_ahead,
        "box_deg": box_deg, "hold": hold,
        "errors": {name: value for name, value in errors.items() if value is not None},
    }  # fmt: skip
    keys = {
        "amplitude_km": amplitude_km, "amplitude_z_km": amplitude_z_km,
        "vertical_phase_deg": vertical_phase_deg,
        "period_days": period_days, "resonance": resonance, "perilune_km": perilune_km,
        "libration_point": libration_point, "branch": branch, "phase_deg": phase_deg,
        "frame": frame, "semi_major_axis_km": semi_major_axis_km, "eccentricity": eccentricity,
        "inclination_deg": inclination_deg, "raan_deg": raan_deg,
        "argument_of_periapsis_deg": argument_of_periapsis_deg,
        "mean_anomaly_deg": mean_anomaly_deg,
    }  # fmt: skip
    given = {name: value for name, value in keys.items() if value is not None}
    with exit_codes():
        from cislunar.one_orbit import build_one, printed

        figures = build_one(
            family, given, fidelity=fidelity, epoch=epoch, days=days, out=out, keeping=keeping
        )
        if as_json:
            import json

            print(json.dumps(figures, ensure_ascii=False, allow_nan=False, indent=2))
        else:
            print(printed(figures))
        if out is not None and not as_json:
            print(out)


@app.command()
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


@app.command()
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
        from cislunar.plan_files import read_plan, write_plan

        write_plan(read_plan(plan), out)
        print(out)


@app.command()
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
        found = find(load_results(folder), rates, draws=draws, seed=seed)
        for loss in found.critical.head(20).to_dict("records"):
            if loss["places"]:
                print(
                    f"{loss['case']} {loss['lost']}: {loss['lost_h']:.1f} h of service lost at "
                    f"{loss['places']} places, longest gap {loss['longest_gap_s'] / 3600:.1f} h"
                )
        for path in write_resilience(found, folder):
            print(path)


@app.command()
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
        from cislunar.dem_files import open_dem
        from cislunar.horizon import horizon_profile
        from cislunar.horizon_file import horizon_text, write_horizon

        found = horizon_profile(
            [open_dem(path) for path in dems], latitude, longitude,
            height_above_ground_m=height_m, azimuth_step_deg=azimuth_step_deg,
            max_range_km=max_range_km,
        )  # fmt: skip
        for remark in found.remarks:
            _say(f"remark: {remark}")
        if out is None:
            print(horizon_text(found.horizon()), end="")
        else:
            write_horizon(found.horizon(), out)
            print(out)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="contact plan file", metavar="BEFORE")],
    after: Annotated[Path, typer.Argument(help="contact plan file", metavar="AFTER")],
    out: Annotated[Path | None, typer.Option(help="FILE.csv to write all differences to")] = None,
) -> None:
    """Tells in which intervals two contact plans differ."""
    with exit_codes():
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
            found.to_csv(out, index=False, lineterminator="\n")
            print(out)


@catalog_app.command("list")
def catalog_list(
    kind: Annotated[str | None, typer.Argument(help="kind of record", metavar="[KIND]")] = None,
    at: Annotated[
        str | None, typer.Option(help="only what serves at a date, or within a month or year")
    ] = None,
    case: Annotated[str, typer.Option(help="dates with --at: early, nominal, late")] = "nominal",
) -> None:
    """Lists the kinds of record, or the records of one kind; with --at those in service then."""
    with exit_codes():
        from cislunar import catalog

        if at is not None:
            if kind is not None and kind not in catalog.SUPPLY:
                raise InputError(
                    f"{kind!r} has no service dates", key="KIND", value=kind,
                    allowed=", ".join(catalog.SUPPLY),
                )  # fmt: skip
            asked = catalog.SUPPLY if kind is None else (kind,)
            for name, record in catalog.in_service(at, case, asked).items():
                begin, end = catalog.service_dates(record, case) or ("", "")
                span = f"{begin or 'at work':<10} - {'no end' if end == '9999' else end:<10}"
                print(f"{name:<34} {span} {record.get('name_en') or ''}".rstrip())
            return
        if kind is None:
            for name in catalog.kinds():
                print(f"{name:<20} {len(catalog.names(name)):>4}")
            return
        for name, record in catalog.load(kind).items():
            words = record.get("name_en") or record.get("title_en") or record.get("en") or ""
            print(f"{name:<34} {record.get('confidence') or '':<14} {words}".rstrip())


@catalog_app.command("show")
def catalog_show(
    name: Annotated[str, typer.Argument(help="id of a record", metavar="NAME")],
) -> None:
    """Prints one record with its confidence and sources."""
    with exit_codes():
        from cislunar import catalog

        print(catalog.describe(catalog.find(name)))


@app.command()
def example(
    name: Annotated[str, typer.Argument(help="minimal", metavar="[minimal]")] = "minimal",
) -> None:
    """Prints a scenario to start from."""
    with exit_codes():
        from importlib.resources import files

        known = sorted(p.name for p in files("cislunar").joinpath("examples").iterdir())
        if f"{name}.yaml" not in known:
            raise InputError(
                f"no example {name!r}", value=name,
                allowed=", ".join(n.removesuffix(".yaml") for n in known if n.endswith(".yaml")),
            )  # fmt: skip
        text = files("cislunar").joinpath("examples", f"{name}.yaml").read_text(encoding="utf-8")
        print(text, end="")


@app.command()
def schema(
    what: Annotated[
        str, typer.Argument(help="scenario or trade", metavar="[scenario|trade]")
    ] = "scenario",
) -> None:
    """Prints the JSON schema of the scenario file or the trade file."""
    with exit_codes():
        import json

        if what == "trade":
            from cislunar.sweep.trade import json_schema
        elif what == "scenario":
            from cislunar.scenario import json_schema
        else:
            raise InputError(f"no schema of {what!r}", value=what, allowed="scenario, trade")

        print(json.dumps(json_schema(), ensure_ascii=False, indent=2))


def main() -> None:
    """The entry point of the ``cislunar`` command."""
    if (
        hasattr(signal, "setitimer")
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)
    try:
        app(prog_name="cislunar")
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Interrupts, but not inside an import: compiled modules turn that into faults of their own."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, RETRY_S)
            return
        frame = frame.f_back
    raise KeyboardInterrupt
