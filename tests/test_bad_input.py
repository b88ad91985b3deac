"""Bad input: each fault is one line that names file, key and what is allowed; never a traceback."""

from __future__ import annotations

import numpy as np
import pytest

from cislunar.checks import check_scenario
from cislunar.faults import InputErrors
from cislunar.scenario import load_scenario
from cislunar.yamlio import MAX_BYTES, read_mapping
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.exchange import read_oem, write_oem
from orbits.trajectory import Trajectory

HEAD = "name: x\nepoch: '2030-03-01T00:00:00 UTC'\nduration_days: 1\noptions: []\n"
DRO = "{kind: dro, amplitude_km: 70000}"
SITE = "{name: a, latitude_deg: -89, longitude_deg: 0"
ELEMENTS = (
    "{{kind: keplerian, frame: MOON_OP, semi_major_axis_km: {a}, eccentricity: {e}, "
    "inclination_deg: 56, raan_deg: 0, argument_of_periapsis_deg: 90, mean_anomaly_deg: 0}}"
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


def craft(orbit, more=""):
    return f"{HEAD}spacecraft: [{{name: d, orbit: {orbit}{more}}}]\n"


def with_(**lines):
    text = HEAD
    for key, value in lines.items():
        kept = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
        text = "\n".join([*kept, f"{key}: {value}"]) + "\n"
    return text


# what is written, the key in the message, words in the message
FAULTS = {
    "unknown key": (with_(spacecrafts="[]"), "spacecrafts", "did you mean spacecraft"),
    "unknown key inside": (craft("{kind: dro, amplitude_km: 7e4, phase: 1}"),
                           "spacecraft.0.orbit.phase", "did you mean phase_deg"),
    "misspelt kind": (craft("{kind: drone, amplitude_km: 7e4}"),
                      "spacecraft.0.orbit.kind", "did you mean dro"),
    "no kind": (craft("{amplitude_km: 7e4}"), "spacecraft.0.orbit.kind", "missing"),
    "nan": (with_(duration_days=".nan"), "duration_days", "not finite"),
    "infinity": (with_(duration_days=".inf"), "duration_days", "not finite"),
    "huge": (with_(duration_days="1" + "0" * 500), "duration_days", "not finite"),
    "negative duration": (with_(duration_days="-3"), "duration_days", "out of range"),
    "no duration": (with_(duration_days="0"), "duration_days", "out of range"),
    "too long": (with_(duration_days="4000"), "duration_days", "out of range"),
    "boolean": (with_(duration_days="true"), "duration_days", "not a number"),
    "text": (with_(duration_days="a week"), "duration_days", "not a number"),
    "epoch before": (with_(epoch="'1899-12-31T00:00:00 TDB'"), "epoch", "1900-01-01 to 2050-12-31"),
    "epoch after": (with_(epoch="'2051-01-01T00:00:00 UTC'"), "epoch", "1900-01-01 to 2050-12-31"),
    "span past the end": (with_(epoch="'2050-12-20T00:00:00 UTC'", duration_days="30"),
                          "duration_days", "2050-12-31"),
    "not an epoch": (with_(epoch="tomorrow"), "epoch", "YYYY-MM-DD"),
    "no such day": (with_(epoch="'2030-02-30T00:00:00 UTC'"), "epoch", "YYYY-MM-DD"),
    "step": (with_(step_s="0.5"), "step_s", "1 to 600"),
    "fidelity": (with_(fidelity="ephemeral"), "fidelity", "ephemeris, cr3bp, kepler"),
    "latitude 95": (with_(assets="[{name: a, latitude_deg: 95, longitude_deg: 0}]"),
                    "assets.0.latitude_deg", "-90 to 90 deg"),
    "two nodes of one name": (with_(assets=f"[{SITE}}}, {SITE}}}]"),
                              "assets.1.name", "two nodes are named 'a'"),
    "a member's name taken": (
        f"{HEAD}constellations: [{{name: d, per_plane: 2, orbit: {DRO}}}]\n"
        f"spacecraft: [{{name: d-2, orbit: {DRO}}}]\n", "constellations.0.name", "'d-2'"),
    "a station's name taken": (with_(include="[dsn]", assets="[{name: dsn-madrid, latitude_deg: 0,"
                                     " longitude_deg: 0}]"), "assets.0.name", "dsn-madrid"),
    "name with a path": (with_(name="../x"), "name", "letters, digits"),
    "a missing choice": (craft("{kind: halo, branch: southern, amplitude_z_km: 10000}"),
                         "spacecraft.0.orbit.libration_point", "missing; allowed: L1, L2"),
    "a missing number": (craft(ELEMENTS.format(a=9000, e=0.1).replace("semi_major_axis_km: 9000, ", "")),
                         "spacecraft.0.orbit.semi_major_axis_km",
                         "missing; allowed: semi-major axis, km"),
    "another language": (with_(title="{english: x}"), "title.english",
                         "'english' is not one of the choices; allowed: en, ja"),
    "a group for a pair": (with_(policy="{groups: {a: [jaxa]}, share: [a]}"), "policy.share.0",
                           "'a' is refused; allowed: a list"),
    "an accuracy of a relay": (with_(needs="{n: [{service: relay, accuracy_m: 25}]}"),
                               "needs.n.0.accuracy_m", "not asked of relay; allowed: avail"),
    "a latency of a fix": (with_(needs="{n: [{service: positioning, latency_s: 5}]}"),
                           "needs.n.0.latency_s", "not asked of positioning; allowed: avail"),
    "hyperbolic": (craft(ELEMENTS.format(a=9000, e=1.2)),
                   "spacecraft.0.orbit.eccentricity", "below 1"),
    "negative axis": (craft(ELEMENTS.format(a=-9000, e=0.2)),
                      "spacecraft.0.orbit.semi_major_axis_km", "above 0"),
    "Moon-crossing": (craft(ELEMENTS.format(a=3000, e=0.6)), "spacecraft.0.orbit",
                      "crosses the Moon"),
    "inside the Moon": (craft("{kind: state, frame: MOON_ICRF, state_km_km_s: [1e3,0,0,0,1,0]}"),
                        "spacecraft.0.orbit", "inside the Moon"),
    "a short state": (craft("{kind: state, frame: MOON_ICRF, state_km_km_s: [2e3,0,0,0,1]}"),
                      "spacecraft.0.orbit.state_km_km_s", "at least 6"),
    "two parameters": (craft("{kind: dro, amplitude_km: 7e4, resonance: '2:1'}"),
                       "spacecraft.0.orbit", "exactly one of"),
    "no parameter": (craft("{kind: nrho, libration_point: L2, branch: southern}"),
                     "spacecraft.0.orbit", "exactly one of"),
    "resonance": (craft("{kind: dro, resonance: 9/2}"), "spacecraft.0.orbit.resonance", "p:q"),
    "frame": (craft(ELEMENTS.format(a=9000, e=0.2).replace("MOON_OP", "ECI")),
              "spacecraft.0.orbit.frame", "MOON_OP"),
    "unknown terminal": (craft(DRO, ", terminals: [relay_s]"), "spacecraft.0.terminals.0",
                         "relay-s"),
    "unknown record": (with_(spacecraft="[{from: quegiao-2}]"), "spacecraft.0.from", "queqiao-2"),
    "wrong list": (with_(spacecraft="[{from: misasa}]"), "spacecraft.0.from", "under stations"),
    "unknown include": (with_(include="[dns]"), "include.0", "dsn"),
    "unknown option": (with_(options="[lnss-2]"), "options.0.from", "lnss-1"),
    "unknown need": (with_(assets=f"[{SITE}, needs: scan-2}}]"), "assets.0.needs", "scan-phase-2"),
    "unknown clock": (craft(DRO, ", clock: quartz"), "spacecraft.0.clock", "mini-rafs"),
    "unpublished place": (with_(assets="[{from: kr-private-lander-2030}]"),
                          "assets.0.latitude_deg", "not published"),
    "unknown group": (with_(policy="{groups: {a: [x]}, share: [[a, b]]}"), "policy.share.0",
                      "no group is named 'b'; allowed: a"),
    "a list that is a record": (with_(spacecraft="{name: a}"), "spacecraft", "a list"),
    "a record that is text": (with_(spacecraft="[halo]"), "spacecraft.0", "not a record"),
    "service that ends before it starts": (
        craft(DRO, ", service_start: 2031, service_end: 2030-06"),
        "spacecraft.0", "d serves from 2031 and ends at 2030-06",
    ),
    "service that ends as it starts": (
        craft(DRO, ", service_start: {nominal: 2030-01}, service_end: 2030-01"),
        "spacecraft.0", "an end after the start",
    ),
    "outage backwards": (
        craft(DRO, ", outages: [['2030-03-03T00:00:00 UTC', '2030-03-02T00:00:00 UTC']]"),
        "spacecraft.0", "ends before"),
    "empty region": (with_(regions="[{name: r, latitude_min_deg: 5, latitude_max_deg: 1}]"),
                     "regions.0", "empty"),
    "two regions of one name": (
        with_(regions="[{name: r, latitude_max_deg: 0}, {name: r, latitude_min_deg: 0}]"),
        "regions.1.name", "two regions are named 'r'"),
    "month 13": (craft(DRO, ", service_start: 2028-13"), "spacecraft.0.service_start", "YYYY-MM"),
    "availability in percent": (
        with_(assets=f"[{SITE}, needs: [{{service: relay, availability_frac: 90}}]}}]"),
        "assets.0.needs.0.availability_frac", "0 to 1"),
    "schema version": (with_(schema_version="2"), "schema_version", "1"),
}  # fmt: skip

FILES = {
    "a list": ("- a\n- b\n", "holds a list"),
    "text": ("just words\n", "holds a str"),
    "empty": ("", "is empty"),
    "comments only": ("# nothing\n", "is empty"),
    "not YAML": ("name: [1, 2\n", "not YAML"),
    "tab": ("name:\n\t- x\n", "not YAML"),
    "two documents": ("name: x\n---\nname: y\n", "not YAML"),
    "python tag": ("name: !!python/object/apply:os.system ['true']\n", "tag"),
    "python name": ("name: !!python/name:os.system\n", "tag"),
    "own tag": ("name: !secret x\n", "tag"),
    "alias bomb": (BOMB, "expand"),
    "many aliases": ("a: &a x\nb: [" + "*a, " * 2000 + "]\n", "too many aliases"),
    "recursion": ("a: &a [*a]\n", "contains itself"),
    "deep": ("a: " + "[" * 5000 + "]" * 5000 + "\n", "nested too deeply"),
    "duplicate key": ("name: x\nname: y\n", "given twice"),
    "duplicate key inside": (HEAD + "policy: {groups: {}, groups: {}}\n", "given twice"),
    "a key that is a list": ("? [a, b]\n: c\n", "not text"),
    "unknown alias": ("a: *b\n", "not YAML"),
}


def write(tmp_path, content):
    path = tmp_path / "bad.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    assert "Traceback" not in line
    assert len(line) < 600
    assert [p.name for p in path.parent.iterdir()] in ([path.name], [])  # nothing written
    return line


@pytest.mark.parametrize("case", FAULTS)
def test_faults_in_the_content(tmp_path, case):
    text, key, words = FAULTS[case]
    path = write(tmp_path, text)
    line = refused(path)
    assert line.startswith(f"{path}: {key}: ")
    assert words in line
    assert "; allowed: " in line


@pytest.mark.parametrize("case", FILES)
def test_faults_of_the_file(tmp_path, case):
    text, words = FILES[case]
    assert words in refused(write(tmp_path, text))


def test_a_missing_file_and_a_folder(tmp_path):
    assert "no such file" in refused(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder"):
        load_scenario(tmp_path)


def test_a_hundred_megabytes_are_not_read(tmp_path):
    path = tmp_path / "bad.yaml"
    with path.open("wb") as out:
        out.truncate(100_000_000)
    assert "100.0 MB is too large" in refused(path)
    with path.open("wb") as out:
        out.truncate(MAX_BYTES + 1)
    assert "too large" in refused(path)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00n", b"name: \x00x\n", b"\x80\x81"])
def test_bytes_that_are_not_text(tmp_path, raw):
    refused(write(tmp_path, raw))


def test_a_byte_order_mark_is_fine(tmp_path):
    load_scenario(write(tmp_path, b"\xef\xbb\xbf" + HEAD.encode()))


def test_all_faults_come_at_once(tmp_path):
    path = write(tmp_path, with_(duration_days="-1", step_s="0", spacecraft="[{from: nobody}]",
                                 assets="[{name: a, latitude_deg: 95, longitude_deg: .nan}]"))  # fmt: skip
    with pytest.raises(InputErrors) as caught:
        load_scenario(path)
    lines = caught.value.lines
    assert len(lines) == 5
    assert str(caught.value).split("\n") == lines
    assert all(line.startswith(f"{path}: ") for line in lines)


def test_very_many_faults_are_cut_short(tmp_path):
    many = ", ".join("{name: a, latitude_deg: 95, longitude_deg: 0}" for _ in range(200))
    path = write(tmp_path, with_(assets=f"[{many}]"))
    with pytest.raises(InputErrors) as caught:
        load_scenario(path)
    assert len(caught.value.lines) == 41
    assert caught.value.lines[-1] == "... and 160 more"


def test_numbers_written_as_text_are_read(tmp_path):
    path = write(tmp_path, craft("{kind: dro, amplitude_km: '7e4', phase_deg: +1.5e1}"))
    assert load_scenario(path).spacecraft[0].orbit.amplitude_km == 70000.0


@pytest.mark.parametrize(
    ("orbit", "key"),
    [
        ("{kind: dro, amplitude_km: 1e6}", "amplitude_km"),
        ("{kind: dro, amplitude_km: 1800}", "amplitude_km"),
        ("{kind: dro, period_days: 0.01}", "period_days"),
        ("{kind: dro, amplitude_km: 70000, amplitude_z_km: 60000}", "amplitude_z_km"),
        ("{kind: halo, libration_point: L2, branch: southern, amplitude_z_km: 2e5}",
         "amplitude_z_km"),
        ("{kind: nrho, libration_point: L2, branch: southern, perilune_km: 9e4}", "perilune_km"),
        ("{kind: nrho, libration_point: L2, branch: southern, resonance: '99:1'}", "resonance"),
        ("{kind: oem, file: none.oem}", "file"),
        ("{kind: spk, file: none.bsp, naif_id: -1}", "file"),
    ],
)  # fmt: skip
def test_orbits_that_do_not_exist(tmp_path, orbit, key):
    path = write(tmp_path, craft(orbit))
    with pytest.raises(InputError) as caught:
        check_scenario(load_scenario(path), str(path))
    line = str(caught.value)
    assert line.startswith(f"{path}: spacecraft.0.orbit.{key}: ")
    assert "allowed: " in line
    assert "\n" not in line


def test_a_horizon_that_is_missing_or_wrong(tmp_path):
    path = write(tmp_path, with_(assets=f"[{SITE}, horizon: ridge.txt}}]"))
    with pytest.raises(InputError, match=r"assets\.0\.horizon: .*no such file"):
        check_scenario(load_scenario(path), str(path))
    (tmp_path / "ridge.txt").write_text("0 1\n500 2\n")
    with pytest.raises(InputError, match=r"assets\.0\.horizon: .*out of range"):
        check_scenario(load_scenario(path), str(path))
    (tmp_path / "ridge.txt").write_text("0 1\n180 2\n")
    check_scenario(load_scenario(path), str(path))


def test_a_craft_that_is_not_planned_to_serve(tmp_path):
    path = write(tmp_path, with_(spacecraft="[{from: ispace-alpine}]"))
    with pytest.raises(InputError, match=r"spacecraft\.0\.service_start: .*not planned"):
        check_scenario(load_scenario(path), str(path))
    given = write(tmp_path, with_(spacecraft="[{from: ispace-alpine, service_start: 2029}]"))
    check_scenario(load_scenario(given), str(given))


@pytest.mark.parametrize("fidelity", ["cr3bp", "kepler"])
def test_an_earth_centred_orbit_outside_the_ephemeris(tmp_path, fidelity):
    orbit = ELEMENTS.format(a=42164, e=0.1).replace("MOON_OP", "EARTH_ICRF")
    text = craft(orbit) + f"fidelity: {fidelity}\n"
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=r"bad\.yaml: spacecraft\.0\.orbit\.frame: an Earth-cen"):
        check_scenario(load_scenario(path), str(path))


def test_orbit_files_that_are_not_what_they_should_be(tmp_path):
    (tmp_path / "x.oem").write_text("just words\n")
    for orbit in ("{kind: oem, file: x.oem}", "{kind: spk, file: x.oem, naif_id: -5}"):
        path = write(tmp_path, craft(orbit))
        with pytest.raises(InputError, match=r"bad\.yaml: spacecraft\.0\.orbit\.file: .*x\.oem: "):
            check_scenario(load_scenario(path), str(path))


def test_an_orbit_file_that_ends_before_the_scenario(tmp_path):
    epoch = Epoch.parse("2030-03-01T00:00:00 UTC")
    t_s = np.arange(0.0, 3600.0 * 12, 600.0)
    states = np.tile([9000.0, 0.0, 0.0, 0.0, 0.7, 0.0], (t_s.size, 1))
    write_oem(Trajectory(epoch, t_s, states), tmp_path / "x.oem", object_name="X", object_id="-5")
    path = write(tmp_path, craft("{kind: oem, file: x.oem}"))
    with pytest.raises(InputError, match=r"bad\.yaml: spacecraft\.0\.orbit\.file: "):
        check_scenario(load_scenario(path), str(path))


def test_a_report_form_that_is_not_there(tmp_path):
    path = write(tmp_path, with_(outputs="{formats: [html, docx]}"))
    with pytest.raises(InputError, match=r"bad\.yaml: outputs\.formats.*docx.*html.*pdf.*pptx"):
        load_scenario(path)


def test_a_fault_found_while_computing_names_the_scenario(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from cislunar import pipeline
    from cislunar.cli import app

    def fails(*_args, **_kwargs):
        raise InputError("does not add up", allowed="something else")

    monkeypatch.setattr(pipeline, "run", fails)
    path = write(tmp_path, HEAD)
    ended = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert ended.exit_code == 2
    assert ended.stderr == f"{path}: does not add up; allowed: something else\n"
    assert not (tmp_path / "out").exists()


def test_read_mapping_names_what_it_read(tmp_path):
    with pytest.raises(InputError, match="a trade in YAML"):
        read_mapping(write(tmp_path, ""), "trade")


@pytest.mark.parametrize(
    ("words", "where"),
    [(["run"], "cislunar run: "), (["run", "--nope"], "cislunar run: "), (["nope"], "cislunar: "),
     (["run", "x.yaml", "--workers", "0"], "cislunar run: "), (["--nope"], "cislunar: "),
     (["run", "x.yaml", "--workers", "a\nb"], "cislunar run: "), (["run", "a", "b"], "cislunar run: "),
     (["catalog", "nope"], "cislunar catalog: "), (["catalog", "show", "nope"], "cislunar: "),
     (["route", "a", "--from", "b"], "cislunar route: "), (["schema", "nope"], "cislunar: "),
     (["orbit", "dro"], "cislunar: "), (["--version=3"], "cislunar: "),
     (["run", "x.yaml", "--quiet=1"], "cislunar")],
)  # fmt: skip
def test_faults_of_usage_are_told_in_one_line(words, where):
    from typer.testing import CliRunner

    from cislunar.cli import app

    ended = CliRunner().invoke(app, words, prog_name="cislunar")
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(where)
    assert ended.stderr.count("\n") == 1


def test_a_bad_item_of_a_list_is_one_fault(tmp_path):
    """pydantic counts the items that are right, and so would tell of a list that is too short."""
    for state, said in (("6000, 0, abc, 0, 0.9, 0", "'abc' is not a number"), ("1, 2", "2 items")):
        orbit = f"{{kind: state, frame: MOON_ICRF, state_km_km_s: [{state}]}}"
        with pytest.raises(InputError) as caught:
            load_scenario(write(tmp_path, craft(orbit)))
        (line,) = getattr(caught.value, "lines", None) or [str(caught.value)]
        assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [("CCSDS_OEM_VERS = 2.0\n" + "".join(f"k{k} = 1\n" for k in range(2000)), "too long"),
     ("CCSDS_OEM_VERS = 2.0\nTIME_SYSTEM = TDB\n" + "1 " * 10_000, "too long")],
    ids=["keys", "line"],
)  # fmt: skip
def test_an_oem_that_holds_too_much_is_refused(tmp_path, text, said):
    (tmp_path / "x.oem").write_text(text)
    with pytest.raises(InputError, match=said):
        read_oem(tmp_path / "x.oem")


def test_a_file_of_another_kind_names_its_command(tmp_path):
    from typer.testing import CliRunner

    from cislunar.cli import app

    for text, command, told in (
        (HEAD, "sweep", "is a scenario; allowed: cislunar run"),
        ("roadmap: {name: x}\n", "sweep", "is a roadmap; allowed: cislunar run"),
        ("name: t\nbase: x.yaml\naxes: {}\n", "run", "is a trade; allowed: cislunar sweep"),
    ):
        path = tmp_path / "x.yaml"
        path.write_text(text, encoding="utf-8")
        ended = CliRunner().invoke(app, [command, str(path)])
        assert (ended.exit_code, ended.stderr) == (2, f"{path}: {told} {path}\n")


@pytest.mark.parametrize(
    "words",
    [("ladder", "{}"), ("compare", "{}", "{}"), ("horizon", "{}", "--latitude=0", "--longitude=0"),
     ("orbit", "dro", "--amplitude-km=7e4", "--epoch=2030-03-01")],
)  # fmt: skip
def test_a_file_that_cannot_be_written_is_refused_first(tmp_path, words):
    """Before anything is read or computed: a ladder ran its three flights and then failed."""
    from typer.testing import CliRunner

    from cislunar.cli import app

    given = [w.format(tmp_path / "unread") for w in words]
    for out, what in ((tmp_path / "no" / "f.oem", f"{tmp_path / 'no'} is not a folder"),
                      (tmp_path, f"{tmp_path} is a folder")):  # fmt: skip
        ended = CliRunner().invoke(app, [*given, "--out", str(out)])
        told = f"cislunar: --out: {what}; allowed: a file in an existing folder\n"
        assert (ended.exit_code, ended.stderr) == (2, told)
