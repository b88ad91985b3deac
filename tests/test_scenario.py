"""Scenario files: what is read, what it becomes, and that writing it out loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import cislunar
from cislunar.checks import check_scenario
from cislunar.cli import app
from cislunar.fields import Range, resonance_ratio
from cislunar.scenario import Scenario, json_schema, load_scenario, resolved_yaml
from cislunar.schema import Policy
from cislunar.yamlio import parse_yaml, read_mapping
from orbits.errors import InputError

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SCENARIOS = [p for p in CONFIGS if "epoch" in yaml.safe_load(p.read_text(encoding="utf-8"))]

CONTRACT = """
schema_version: 1
name: my-scenario
title: {en: "one", ja: "一"}
epoch: "2030-01-01T00:00:00 UTC"
duration_days: 28
step_s: 60
fidelity: ephemeris
force_model: {moon_degree: 20, bodies: [earth, sun, jupiter, venus], srp: true}
include: [dsn]
spacecraft:
  - name: dro-1
    operator: jaxa
    orbit: {kind: dro, amplitude_km: 70000, phase_deg: 0}
    terminals: [relay-s, afs-transmitter]
    mass_kg: 400
    service_start: "2028"
  - name: halo-1
    orbit: {kind: halo, libration_point: L2, branch: southern, amplitude_z_km: 13000, phase_deg: 0}
  - name: nrho-1
    orbit: {kind: nrho, libration_point: L2, branch: southern, resonance: "9:2", phase_deg: 180}
  - name: elfo-1
    orbit: {kind: keplerian, frame: MOON_OP, semi_major_axis_km: 6541.4, eccentricity: 0.6,
            inclination_deg: 56.2, raan_deg: 0, argument_of_periapsis_deg: 90, mean_anomaly_deg: 0}
  - {name: flown, orbit: {kind: oem, file: path.oem}}
  - {name: kernel, orbit: {kind: spk, file: path.bsp, naif_id: -1176}}
  - {name: fixed, orbit: {kind: state, frame: EARTH_ICRF, epoch: "2030-01-02T00:00:00 TDB",
                          state_km_km_s: [1e5, 2e5, 3e5, 0.1, -0.2, 0.3]}}
  - {from: queqiao-2, orbit: {mean_anomaly_deg: 90}}
constellations:
  - name: lnss
    orbit: {kind: dro, amplitude_km: 7e4}
    planes: 2
    per_plane: 4
    phasing_deg: 45
ground_stations:
  - {name: misasa, latitude_deg: 36.14, longitude_deg: 138.35, height_m: 1500,
     min_elevation_deg: 10, terminals: [{from: station-54m-misasa-x, min_elevation_deg: 12}]}
assets:
  - {name: shackleton-rim, latitude_deg: -89.66, longitude_deg: 129.78, height_m: 0,
     min_elevation_deg: 5, horizon: ridge.txt, terminals: [my-radio], needs: my-need, weight: 1.0}
terminals:
  my-radio: {from: user-s-low, pointing_loss_db: 1.0}
regions:
  - {name: south-cap, latitude_max_deg: -80, cell_count: 500}
needs:
  my-need:
    - {service: relay, min_rate_bps: 1.0e+6, availability_frac: 0.9, availability_basis: span}
    - {service: positioning, accuracy_m: 25, accuracy_basis: 3sigma, axes: 3d,
       availability_frac: 0.8}
policy: {groups: {lunanet: [nasa, esa, jaxa, ispace], china: [cnsa, cas]},
         share: [[lunanet, lunanet], [china, china]]}
options: [lnss-1]
budget_oku_jpy: 500
outputs: {report: [en, ja], formats: [html]}
"""


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    return load_scenario(path)


def test_every_key_of_the_file_format_is_read(contract, tmp_path):
    s = contract
    assert s.start.utc_text() == "2030-01-01T00:00:00.000Z"
    assert s.duration_s == 28 * 86400.0
    assert s.title_in("ja") == "一"
    assert s.spacecraft[0].orbit.amplitude_km == 70000.0
    assert s.constellations[0].orbit.amplitude_km == 70000.0  # 7e4
    assert s.spacecraft[4].orbit.file == str(tmp_path / "path.oem")
    assert s.assets[0].horizon == str(tmp_path / "ridge.txt")
    queqiao = s.spacecraft[7]
    assert queqiao.orbit.mean_anomaly_deg == 90.0
    assert queqiao.orbit.semi_major_axis_km == 9837.4  # the rest of the catalogue's orbit
    assert queqiao.overridden == ("orbit",)
    assert queqiao.sources
    assert s.ground_stations[0].terminals[0].min_elevation_deg == 12.0
    assert [g.name for g in s.ground_stations[1:]] == [
        "dsn-goldstone",
        "dsn-canberra",
        "dsn-madrid",
    ]
    assert s.terminals["my-radio"].pointing_loss_db == 1.0
    assert s.terminals["my-radio"].transmit.eirp_dbw == 6.0
    assert s.needs["my-need"][1].accuracy_m == 25.0
    assert s.options[0].cost_oku_jpy.mid == 42.5
    assert s.forces.moon_degree == 20


def test_written_out_it_loads_as_itself(contract, tmp_path):
    text = resolved_yaml(contract)
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    again = load_scenario(path)
    assert again == contract
    assert resolved_yaml(again) == text
    assert "China Daily" in text  # sources travel along
    assert "include" not in yaml.safe_load(text)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_shipped_scenarios(path, tmp_path):
    loaded = load_scenario(path)
    assert loaded.name == path.stem
    check_scenario(loaded, str(path))
    out = tmp_path / "resolved.yaml"
    out.write_text(resolved_yaml(loaded), encoding="utf-8")
    assert load_scenario(out) == loaded


def test_japan_2030_is_what_was_asked_for():
    s = load_scenario(ROOT / "configs" / "japan_2030.yaml")
    assert s.epoch.startswith("2030-03-01")
    assert s.duration_days == 28
    names = {c.name for c in s.spacecraft}
    assert {"lnss-demo", "ispace-m2-5", "ispace-polar-relay", "lunar-pathfinder", "queqiao-2",
            "queqiao-1-type", "moonlight-comsat", "im-altus-1", "im-sat-5"} <= names  # fmt: skip
    assert {o.nation for o in s.options} == {"JP"}
    assert len(s.options) == 23
    lunanet = s.policy.groups["lunanet"]
    for node in (*s.spacecraft, *s.ground_stations, *s.assets):
        assert node.operator in lunanet or node.operator in s.policy.groups["china"], node.name
    for asset in s.assets:
        polar = asset.latitude_deg <= -84 and asset.operator in lunanet
        assert (asset.needs == ("scan-phase-2",)) == polar, asset.name
    assert not s.policy.permits("jaxa", "cnsa")
    assert s.policy.permits("jaxa", "telespazio")


def test_loading_loads_nothing_heavy():
    code = (
        "import sys; from cislunar.scenario import load_scenario;"
        f"load_scenario(r'{ROOT / 'configs' / 'japan_2030.yaml'}');"
        "print([m for m in ('astropy', 'numba', 'pandas', 'plotly', 'matplotlib', 'scipy',"
        " 'boinor', 'skyfield', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_of_the_package_is_nothing():
    code = "import sys, cislunar, orbits; print({'numpy', 'yaml', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_options_default_to_the_japanese_pool():
    base = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1}
    assert len(Scenario(**base).options) == 23
    assert Scenario(**base, options=[]).options == ()
    assert "options: []" in resolved_yaml(Scenario(**base, options=[]))


def test_a_scenario_of_spacecraft_alone_and_of_nothing():
    base = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": []}
    one = {"name": "a", "orbit": {"kind": "dro", "amplitude_km": 7e4}}
    assert len(Scenario(**base, spacecraft=[one]).spacecraft) == 1
    assert Scenario(**base).spacecraft == ()


def test_what_the_file_says_wins_over_an_include():
    s = Scenario(
        name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[], include=["lcrns"],
        spacecraft=[{"from": "im-sat-3", "orbit": {"raan_deg": 10}}],
    )  # fmt: skip
    assert [c.name for c in s.spacecraft].count("im-sat-3") == 1
    assert s.spacecraft[0].orbit.raan_deg == 10.0


def test_python_takes_quantities_times_and_numpy():
    import astropy.units as u
    from astropy.time import Time

    s = cislunar.Scenario(
        name="x", epoch=Time("2030-03-01T00:00:00", scale="tdb"), duration_days=48 * u.hour,
        options=[], assets=[{"name": "a", "latitude_deg": np.float64(-89), "longitude_deg": 1 * u.rad}],
        spacecraft=[{"name": "d", "orbit": {"kind": "dro", "amplitude_km": 7e7 * u.m}}],
    )  # fmt: skip
    assert s.start.tdb_text(decimals=0) == "2030-03-01T00:00:00"
    assert s.duration_days == 2.0
    assert s.spacecraft[0].orbit.amplitude_km == pytest.approx(70000.0)
    assert s.assets[0].longitude_deg == pytest.approx(57.29577951)


def test_records_are_frozen(contract):
    with pytest.raises(Exception, match="frozen"):
        contract.spacecraft[0].mass_kg = 1.0


def test_policy():
    policy = Policy(
        groups={"lunanet": ("jaxa", "nasa"), "china": ("cnsa",), "open": ("ksat",)},
        share=(("lunanet", "lunanet"), ("china", "china"), ("open", "lunanet")),
    )
    assert policy.permits("jaxa", "nasa")
    assert not policy.permits("jaxa", "cnsa")
    assert policy.permits("nasa", "ksat")
    assert policy.permits("ksat", "nasa")
    assert not policy.permits("ksat", "cnsa")
    assert policy.permits("isro", "isro")
    assert not policy.permits("isro", "jaxa")
    assert Policy().permits("jaxa", "cnsa")


# --- the JSON schema ---------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["scenario", "trade", "roadmap"])
def test_json_schema_files_are_current(what):
    """Write them with: make schema"""
    kept = (ROOT / "docs" / "schema" / f"{what}.schema.json").read_text(encoding="utf-8")
    told = CliRunner().invoke(app, ["schema", what])
    assert told.exit_code == 0
    assert json.loads(kept) == json.loads(told.stdout)


@pytest.mark.parametrize(
    ("what", "pattern"), [("trade", "trades/*.yaml"), ("roadmap", "roadmap*.yaml")]
)
def test_files_that_are_read_fit_their_schema(what, pattern):
    import jsonschema

    schema = json.loads((ROOT / "docs" / "schema" / f"{what}.schema.json").read_text("utf-8"))
    files = sorted((ROOT / "configs").glob(pattern))
    assert files
    for path in files:
        raw = json.loads(json.dumps(read_mapping(path)))
        jsonschema.validate(raw, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**raw, "no-such-key": 1}, schema)


def test_every_field_has_a_description_and_numbers_have_bounds():
    schema = json_schema()
    seen = 0

    def numbers(part, where):
        nonlocal seen
        if isinstance(part, dict):
            if part.get("type") in ("number", "integer") and "const" not in part:
                seen += 1
                assert "minimum" in part or "exclusiveMinimum" in part, where
                assert "maximum" in part or "exclusiveMaximum" in part, where
            for k, v in part.items():
                numbers(v, f"{where}.{k}")
        elif isinstance(part, list):
            for v in part:
                numbers(v, where)

    numbers(schema, "schema")
    assert seen > 100
    records = {"Scenario": schema, **schema["$defs"]}
    for name, record in records.items():
        for field, what in record.get("properties", {}).items():
            if name in ("Antenna",) and field == "kind":
                continue
            assert what.get("description"), f"{name}.{field}"
        assert record.get("additionalProperties") is False, name


# --- laws --------------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(value=finite, low=st.floats(-1e6, 1e6), width=st.floats(0.1, 1e6))
def test_a_range_accepts_exactly_its_numbers(value, low, width):
    limits = Range(low, low + width)
    if low <= value <= low + width:
        assert limits.check(value) == value
        assert limits.check(repr(value)) == value
    else:
        with pytest.raises(Exception, match="out of range"):
            limits.check(value)


@settings(deadline=None)
@given(value=st.sampled_from([True, False, None, "x", "", "nan", "inf", "1_0", [], {}, "0x10"]))
def test_what_is_not_a_number_is_refused(value):
    with pytest.raises(Exception, match=r"not a number|not finite"):
        Range(-1e9, 1e9).check(value)


@settings(deadline=None)
@given(p=st.integers(1, 99), q=st.integers(1, 99))
def test_resonance_is_q_over_p(p, q):
    assert resonance_ratio(f"{p}:{q}") == q / p


@settings(deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
        | st.text(alphabet="abcxyz 019-.,:#'\"é月"),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.text(alphabet="abcxyz_-", min_size=1), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_yaml_gives_back_what_was_written(value):
    text = yaml.safe_dump({"a": value}, allow_unicode=True)
    assert parse_yaml(text, "x") == {"a": value}


KEYS = st.sampled_from([
    "name", "epoch", "duration_days", "step_s", "fidelity", "force_model", "include", "spacecraft",
    "constellations", "ground_stations", "assets", "regions", "needs", "policy", "options",
    "budget_oku_jpy", "outputs", "terminals", "orbit", "kind", "from", "latitude_deg", "adds",
    "service_start", "horizon", "clock", "x", "file",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**400) | st.floats() | KEYS
    | st.sampled_from(["dro", "queqiao-2", "misasa", "relay-s", "lnss-1", "2028", "2030-13", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(extra=st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_is_written_ends_as_a_scenario_or_as_input_errors(extra):
    base = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": []}
    fault, loaded = None, None
    try:
        loaded = Scenario(**{**base, **extra})
    except InputError as error:
        fault = error
    if loaded is None:
        assert len(str(fault).split("\n")) == len(getattr(fault, "lines", [1]))
    else:
        assert Scenario(**parse_yaml(resolved_yaml(loaded), "x")) == loaded


def test_copies_and_pickles(contract):
    import copy
    import pickle

    assert copy.deepcopy(contract) == contract
    assert pickle.loads(pickle.dumps(contract)) == contract
    later = contract.model_copy(update={"epoch": "2031-01-01T00:00:00 UTC"})
    assert later.start - contract.start == pytest.approx(365 * 86400.0)
    assert Scenario.model_validate(contract.model_dump()) == contract
