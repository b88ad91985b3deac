"""The command line: reads arguments, prints results on stdout, faults and progress on stderr.

Exit codes: 0 done; 2 something in the files or the arguments is wrong; 3 a fault found only while
computing; 130 interrupted. Everything heavy is imported inside the command that needs it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cislunar import cli_plans
from cislunar.cli_base import (
    INTERRUPTED,
    PROGRAM,
    CommandLine,
    Outside,
    check_file,
    exit_codes,
    listed,
    plain,
    say,
)
from orbits.errors import InputError

app = typer.Typer(
    cls=CommandLine,
    no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip
catalog_app = typer.Typer(
    cls=CommandLine,
    help="What is known, with sources.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(catalog_app, name="catalog")

RETRY_S = 0.02  # between looks whether an import is over


def _version(asked: bool) -> None:
    """Prints what is installed and which version of product folders it writes and reads."""
    if asked:
        from cislunar import __version__
        from cislunar.products import MAKER, SCHEMA_VERSION

        print(f"{MAKER} {__version__}, products of schema version {SCHEMA_VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="print name, version and the schema version of products",
        ),
    ] = False,
) -> None:
    """Plans communication and positioning for the Earth-Moon network."""


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
        from cislunar.roadmap.file import is_roadmap

        if is_roadmap(scenario):
            _run_roadmap(scenario, out, workers, not no_report, quiet)
            return
        _refuse_other(scenario, "trade", "cislunar sweep")
        from cislunar.checks import check_scenario
        from cislunar.products import check_folder
        from cislunar.report import check_formats
        from cislunar.scenario import load_scenario

        chosen = load_scenario(scenario)
        check_scenario(chosen, str(scenario))
        with exit_codes(str(scenario)):
            check_formats(() if no_report else chosen.outputs.formats)
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
    from cislunar.roadmap.file import load_roadmap

    roadmap = load_roadmap(file)
    check_scenario(roadmap.base, str(file))

    from cislunar.report import check_formats
    from cislunar.roadmap.report import write_report
    from cislunar.roadmap.run import run_roadmap
    from cislunar.roadmap.story import answers

    with exit_codes(str(file)):
        check_formats(roadmap.formats if report else ())

    folder = out if out is not None else Path("out") / roadmap.name
    with exit_codes(str(file)):
        results = run_roadmap(roadmap, folder, workers=workers, say=None if quiet else say)
    if not quiet:
        for line in answers(results, "en"):
            print(plain(line.replace("\n", " ")))
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

        _refuse_other(trade, "scenario", "cislunar run")
        _refuse_other(trade, "roadmap", "cislunar run")
        chosen = load_trade(trade)
        folder = out if out is not None else Path("out") / chosen.name
        done = run_trade(
            chosen, folder, trade_folder=trade.resolve().parent, file=str(trade), workers=workers,
            scheduler=scheduler, resume=resume, quiet=quiet,
        )  # fmt: skip
        pages = write_page(done)
        if not quiet:
            print(plain(summary(done)))
        for path in (done.folder, *pages):
            print(path)


@app.command()
def ladder(
    scenario: Annotated[Path, typer.Argument(help="scenario file (YAML)", metavar="SCENARIO.yaml")],
    out: Annotated[Path | None, typer.Option(help="FILE.csv to write the table to")] = None,
    days: Annotated[float | None, typer.Option(help="another span, days")] = None,
    every: Annotated[bool, typer.Option("--all", help="print every score")] = False,
    allow_outside: Outside = False,
) -> None:
    """Scores a scenario in kepler, cr3bp and ephemeris fidelity, and tells what changes."""
    with exit_codes():
        check_file(out)
    with exit_codes(str(scenario)):
        from cislunar.scenario import load_scenario
        from cislunar.sweep.ladder import climb, printed

        table = climb(load_scenario(scenario), days=days)
        print(printed(table, every=every))
        if out is not None:
            table.to_csv(out, index=False, lineterminator="\n")
            print(out)


def _refuse_other(file: Path, kind: str, command: str) -> None:
    """InputError for a file of another kind than the command's, which that command is for."""
    from cislunar.sweep.trade import is_trade
    from cislunar.yamlio import read_mapping

    raw = read_mapping(file)
    means = {
        "trade": is_trade(raw),
        "roadmap": "roadmap" in raw,
        "scenario": "duration_days" in raw and "base" not in raw,
    }
    if means[kind]:
        raise InputError(f"is a {kind}", file=str(file), allowed=f"{command} {file}")


def _check_trade(file: Path) -> bool:
    """True, and a line printed, if a file is a valid trade; False if it means a scenario."""
    from cislunar.sweep.trade import is_trade, trade_from
    from cislunar.yamlio import read_mapping

    raw = read_mapping(file)
    if not is_trade(raw):
        return False
    from cislunar.sweep.designs import left_out
    from cislunar.sweep.variants import check_trade

    chosen = trade_from(raw, str(file))
    found = check_trade(chosen, file.resolve().parent, str(file))
    lost = left_out(chosen, found)
    print(
        f"{file}: trade {chosen.name} is valid: {chosen.most_variants(len(found))} variants "
        f"({chosen.design.kind}), {len(chosen.axes)} axes, {len(chosen.metrics)} metrics"
        + (f", {lost} combinations left out by constraints" if lost else "")
    )
    return True


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="scenario, trade or roadmap file (YAML)", metavar="FILE.yaml")
    ],
    allow_outside: Outside = False,
) -> None:
    """Validates a scenario, a trade or a roadmap and runs nothing."""
    with exit_codes():
        if _check_trade(file):
            return
        from cislunar.roadmap.file import is_roadmap, load_roadmap

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
        from cislunar.common_band import band_notes
        from cislunar.nodes import expand_nodes
        from cislunar.policy_notes import policy_notes
        from cislunar.scenario import load_scenario

        scenario = load_scenario(file)
        check_scenario(scenario, str(file))
        nodes = expand_nodes(scenario)
        kinds = [node.kind for node in nodes]
        print(
            f"{file}: scenario {scenario.name} is valid: {kinds.count('spacecraft')} spacecraft, "
            f"{kinds.count('station')} Earth stations, {kinds.count('asset')} lunar assets, "
            f"{len(scenario.options)} options, {scenario.duration_days:g} days"
        )
        said = policy_notes(scenario.policy, nodes, scenario.options)
        for note in said + band_notes(nodes, scenario.policy):
            print(note["en"])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="product folder of a finished run", metavar="DIR")],
    lang: Annotated[str, typer.Option(help="languages, separated by commas")] = "en,ja",
    format: Annotated[str, typer.Option(help="html, pdf, pptx, separated by commas")] = "html",
    allow_outside: Outside = False,
) -> None:
    """Rewrites the report of a finished run, roadmap or sweep."""
    with exit_codes():
        from cislunar.text import LANGUAGES

        languages = listed(lang, LANGUAGES, "--lang")

        from cislunar.products import read_manifest

        kind = (read_manifest(folder) or {}).get("kind")
        if kind == "sweep":
            from cislunar.sweep.engine import load_sweep
            from cislunar.sweep.page import write_page

            listed(format, ("html",), "--format")
            for path in write_page(load_sweep(folder), languages):
                print(path)
            return

        if kind == "roadmap":
            from cislunar.report import FORMATS
            from cislunar.roadmap.report import write_report as write_roadmap
            from cislunar.roadmap.run import load_roadmap_results

            formats = listed(format, FORMATS, "--format")
            for path in write_roadmap(load_roadmap_results(folder), folder, languages, formats):
                print(path)
            return

        from cislunar.report import FORMATS, write_report
        from cislunar.results import load_results

        formats = listed(format, FORMATS, "--format")
        for path in write_report(load_results(folder), folder, languages, formats):
            print(path)


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
        check_file(out)
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


for command in (
    cli_plans.route, cli_plans.export, cli_plans.compare, cli_plans.resilience, cli_plans.horizon,
):  # fmt: skip
    app.command()(command)


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
    kind: Annotated[
        str | None, typer.Option(help="of this kind, where several have the name")
    ] = None,
) -> None:
    """Prints one record with its confidence and sources."""
    with exit_codes():
        from cislunar import catalog

        print(catalog.describe(catalog.find(name, kind)))
        others = [k for k in catalog.kinds_of(name)[1:] if kind is None]
        if others:
            say(f"remark: another {name!r} with --kind {' or --kind '.join(others)}")


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
        str,
        typer.Argument(help="scenario, trade or roadmap", metavar="[scenario|trade|roadmap]"),
    ] = "scenario",
) -> None:
    """Prints the JSON schema of the scenario file, the trade file or the roadmap file."""
    with exit_codes():
        import json

        if what == "trade":
            from cislunar.sweep.trade import json_schema
        elif what == "roadmap":
            from cislunar.roadmap.file import json_schema
        elif what == "scenario":
            from cislunar.scenario import json_schema
        else:
            raise InputError(
                f"no schema of {what!r}", value=what, allowed="scenario, trade, roadmap"
            )

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
        app(prog_name=PROGRAM)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    finally:
        if hasattr(signal, "setitimer"):  # one still set would kill an interpreter that is ending
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Interrupts, but not inside an import: compiled modules turn that into faults of their own."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, RETRY_S)
            return
        frame = frame.f_back
    raise KeyboardInterrupt
