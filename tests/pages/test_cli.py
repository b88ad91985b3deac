"""The command line: exit codes, one line a fault, results on stdout."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cislunar.cli import app, exit_codes
from orbits.errors import ComputationError, ConvergenceError

GOOD = """
name: one
epoch: "2030-03-01T00:00:00 UTC"
duration_days: 1
options: []
spacecraft:
  - {name: dro-1, orbit: {kind: dro, amplitude_km: 70000}}
"""


@pytest.fixture
def call():
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def scenario(tmp_path):
    def write(text=GOOD, **replaced):
        for old, new in replaced.items():
            text = text.replace(old, new)
        path = tmp_path / "scenario.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_good_scenario_checks(call, scenario):
    result = call("check", scenario())
    assert result.exit_code == 0
    assert "1 spacecraft" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("options:", "optoins:", "optoins"),
        ("kind: dro", "kind: drow", "drow"),
        ("duration_days: 1", "duration_days: .nan", "duration_days"),
        ("duration_days: 1", "duration_days: -1", "duration_days"),
        ("duration_days: 1", "duration_days: .inf", "duration_days"),
        ("2030-03-01", "1850-03-01", "epoch"),
        ("amplitude_km: 70000", "amplitude_km: 900000", "amplitude_km"),
        (GOOD, "- a\n- list\n", "mapping"),
        (GOOD, "", "empty"),
        (GOOD, "name: [1, 2", "YAML"),
        (GOOD, "name: !!python/object:os.system {}", ""),
    ],
)
def test_bad_scenario_is_refused_in_a_line_with_code_2(call, scenario, tmp_path, old, new, word):
    path = scenario(GOOD.replace(old, new))
    for command in (("check", path), ("run", path, "--out", tmp_path / "out")):
        result = call(*command)
        assert result.exit_code == 2
        assert result.stdout == ""
        lines = result.stderr.strip().splitlines()
        assert lines
        assert all(line.startswith(str(path)) for line in lines)
        assert word in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_missing_file_and_foreign_folder_are_refused(call, scenario, tmp_path):
    assert call("check", tmp_path / "none.yaml").exit_code == 2
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("dear diary", encoding="utf-8")
    result = call("run", scenario(), "--out", foreign)
    assert result.exit_code == 2
    assert [p.name for p in foreign.iterdir()] == ["diary.txt"]
    assert call("report", foreign).exit_code == 2


def test_report_refuses_languages_and_formats_it_does_not_have(call, tmp_path):
    assert call("report", tmp_path, "--lang", "fr").exit_code == 2
    assert call("report", tmp_path, "--format", "docx").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("dro", "--amplitude-km", "900000"),
        ("dro", "--amplitude-km", "nan"),
        ("dro",),
        ("dro", "--amplitude-km", "70000", "--period-days", "14"),
        ("halo", "--amplitude-z-km", "13000", "--branch", "sideways"),
        ("nrho", "--resonance", "nine"),
        ("keplerian", "--semi-major-axis-km", "1000"),
        ("keplerian", "--semi-major-axis-km", "6000", "--eccentricity", "1.2"),
        ("circle",),
        ("dro", "--amplitude-km", "70000", "--fidelity", "magic"),
        ("dro", "--amplitude-km", "70000", "--fidelity", "ephemeris"),
        ("dro", "--amplitude-km", "70000", "--out", "a.txt"),
        ("dro", "--amplitude-km", "70000", "--epoch", "2060-01-01", "--fidelity", "ephemeris"),
    ],
)
def test_impossible_orbits_are_refused_with_code_2(call, arguments):
    result = call("orbit", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "spacecraft.0" not in result.stderr


def test_orbit_json_has_the_contract_keys(call):
    result = call("orbit", "nrho", "--resonance", "9:2", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert list(found) == [
        "family", "mu", "lu_km", "tu_s", "state_nd", "period_nd", "period_days", "jacobi_nd",
        "stability_index", "perilune_km", "apolune_km", "amplitude_z_km",
    ]  # fmt: skip
    assert found["family"] == "nrho"
    assert len(found["state_nd"]) == 6
    # 2 / 9 of the mean synodic month of 29.530589 d
    assert found["period_days"] == pytest.approx(29.530589 * 2 / 9, abs=1e-6)


def test_flown_kepler_orbit_writes_an_oem_that_reads_back(call, tmp_path):
    path = tmp_path / "elfo.oem"
    result = call(
        "orbit", "keplerian", "--semi-major-axis-km", 6541.4, "--eccentricity", 0.6,
        "--inclination-deg", 56.2, "--argument-of-periapsis-deg", 90, "--fidelity", "ephemeris",
        "--epoch", "2030-03-01T00:00:00 UTC", "--days", 1, "--out", path, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["epoch_utc"] == "2030-03-01T00:00:00.000Z"
    assert found["frame"] == "MOON_ICRF"
    assert found["span_days"] == 1.0
    assert found["perilune_flown_km"]["least"] == pytest.approx(6541.4 * 0.4, rel=0.02)
    from orbits.exchange import read_oem

    read = read_oem(path)
    assert read.at(read.start_s) == pytest.approx(found["state_km_km_s"], abs=1e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_catalogue_lists_and_shows(call):
    assert "stations" in call("catalog", "list").stdout
    assert "misasa" in call("catalog", "list", "stations").stdout
    shown = call("catalog", "show", "queqiao-2").stdout
    assert "confidence" in shown
    assert "sources" in shown
    assert call("catalog", "show", "no-such-thing").exit_code == 2
    assert call("catalog", "list", "no-such-kind").exit_code == 2


def test_schema_is_a_json_schema(call):
    assert json.loads(call("schema").stdout)["properties"]["duration_days"]
    assert call("schema", "poem").exit_code == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ConvergenceError("no convergence", residual=1.0), 3),
        (ComputationError("impact\nat once"), 3),
        (OSError(28, "No space left on device", "out/x"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_faults_have_their_exit_codes_and_one_line(capsys, fault, code):
    import typer

    with pytest.raises(typer.Exit) as left, exit_codes():
        raise fault
    assert left.value.exit_code == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from cislunar.cli import app;"
        "CliRunner().invoke(app, ['--help']);"
        "heavy = {'numpy', 'pandas', 'numba', 'plotly', 'astropy', 'pydantic', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scorecard_prints_every_asset_and_verdict(results):
    from rich.console import Console

    from cislunar.report.scorecard import scorecard

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(scorecard(results))
    said = console.export_text()
    for asset in results.comm_scores["asset"]:
        assert asset in said
    assert "✗" in said
    assert "ELFO relay, single" in said
