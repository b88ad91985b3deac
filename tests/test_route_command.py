"""``cislunar route`` on plans in all three forms gives the published routes."""

import json

import pytest
from typer.testing import CliRunner

from cislunar.cli import app


@pytest.fixture
def tutorial(validation, tmp_path):
    """The routing tutorial's contact plan as ION text (rates in bytes a second) and HDTN JSON."""
    case = validation("routing.yaml", "sabr_tutorial_v1")
    rows = case["inputs"]["contacts"]
    ion = tmp_path / "plan.ionrc"
    ion.write_text(
        "".join(
            f"a contact +{s} +{e} {a} {b} {125 * r}\na range +{s} +{e} {a} {b} {d}\n"
            for _, a, b, s, e, r, d in rows
        )
    )
    hdtn = tmp_path / "plan.json"
    hdtn.write_text(
        json.dumps(
            {
                "contacts": [
                    {"contact": i, "source": a, "dest": b, "startTime": s, "endTime": e,
                     "rateBitsPerSec": 1000 * r, "owlt": d}
                    for i, a, b, s, e, r, d in rows
                ]
            }
        )
    )  # fmt: skip
    return case, ion, hdtn


@pytest.mark.parametrize("form", [1, 2])
def test_all_seven_routes(tutorial, form):
    case, path = tutorial[0], tutorial[form]
    done = CliRunner().invoke(
        app, ["route", str(path), "--from", "1", "--to", "5", "--k", "10", "--json"]
    )
    assert done.exit_code == 0, done.output
    routes = json.loads(done.stdout)["routes"]
    assert [r["arrival_s"] for r in routes] == case["expected"]["bdt_list"]
    assert [r["first_hop"] for r in routes[:3]] == [
        str(n) for n in case["expected"]["first_three_next_hops"]
    ]
    assert set(routes[0]) == {
        "arrival_s", "hops", "contacts", "first_hop", "valid_until_s", "volume_bit",
    }  # fmt: skip


def test_what_cannot_be_asked_is_one_line(tutorial, tmp_path):
    path = tutorial[1]
    for args in (
        ["route", str(path), "--from", "1", "--to", "99"],
        ["route", str(tmp_path / "none.json"), "--from", "1", "--to", "5"],
        ["route", str(path), "--from", "1", "--to", "5", "--at", "nan"],
    ):
        done = CliRunner().invoke(app, args)
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1
    none = CliRunner().invoke(app, ["route", str(path), "--from", "1", "--to", "5", "--at", "60"])
    assert none.exit_code == 0
    assert "no route" in none.stdout
