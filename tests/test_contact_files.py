"""Contact plans written for ION and HDTN and read back, against the published formats."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.contact_files import (
    hdtn_plan,
    ion_text,
    merged_contacts,
    node_numbers,
    read_contacts_csv,
    read_hdtn,
    read_ion,
    write_hdtn,
    write_ion,
)
from cislunar.contact_table import ContactTable
from cislunar.plan_files import read_plan
from cislunar.routing import best_routes
from orbits.epoch import Epoch
from orbits.errors import InputError

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")


def commands(text):
    return [line for line in text.splitlines() if line.startswith("a ")]


def test_formats_and_units_of_rate(validation, evidence):
    case = validation("routing.yaml", "contact_plan_formats")["expected"]
    plan = ContactTable.of_rows([("0", "1", "2", 0, 60, 1e6, 1.28)])
    assert commands(ion_text(plan, light_time="nearest")) == case["ion"]["lines"]
    wanted = json.loads(case["hdtn"]["object"])
    assert hdtn_plan(plan, light_time="nearest")["contacts"] == wanted["contacts"]
    # the default rounds light time up, and says so in the file
    text = ion_text(plan)
    assert commands(text)[1] == "a range +0 +60 1 2 2"
    assert "rounded up" in text
    ion_rate = int(commands(text)[0].split()[-1])
    hdtn_rate = hdtn_plan(plan)["contacts"][0]["rateBitsPerSec"]
    trip = case["round_trip"]
    off = abs(ion_rate - trip["ion_rate_bytes_per_s"]) + abs(
        hdtn_rate - trip["hdtn_rateBitsPerSec"]
    )
    evidence("contact plans for ION and HDTN", "ionrc manual, HDTN plans (validation/routing.yaml)",
             4, off, 0, "lines", "file formats are exact; ION counts bytes, HDTN bits")  # fmt: skip


def test_round_trips_keep_names_epoch_and_contacts(tmp_path):
    plan = ContactTable.of_rows(
        [("x", "usuda", "dro-1", 10, 70, 2e6, 1.4), ("y", "dro-1", "rim", 20, 60, 8e5, 0.2)],
        epoch=EPOCH,
    )
    write_ion(plan, tmp_path / "plan.ionrc")
    write_hdtn(plan, tmp_path / "plan.json")
    for path in (tmp_path / "plan.ionrc", tmp_path / "plan.json"):
        back = read_plan(path)
        assert back.names == plan.names
        assert abs(back.epoch - EPOCH) < 1e-6
        np.testing.assert_array_equal(back.start_s, plan.start_s)
        np.testing.assert_array_equal(back.end_s, plan.end_s)
        np.testing.assert_array_equal(back.rate_bps, plan.rate_bps)
        np.testing.assert_array_equal(back.owlt_s, [1.0, 2.0])
        assert best_routes(back, "usuda", "rim")[0].nodes == ("usuda", "dro-1", "rim")
    raw = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert raw["nodes"] == {"1": "dro-1", "2": "rim", "3": "usuda"}
    assert node_numbers(["7", "3"]) == {"3": 3, "7": 7}


def test_an_epoch_between_seconds_moves_times_not_contacts(tmp_path):
    plan = ContactTable.of_rows(
        [("1", "a", "b", 0.0, 10.0, 8e6, 0.5)], epoch=Epoch.parse("2030-03-01T00:00:00.25 UTC")
    )
    assert commands(ion_text(plan))[0] == "a contact +1 +10 1 2 1000000"
    assert "@ 2030/03/01-00:00:00" in ion_text(plan)


@st.composite
def overlapping(draw):
    count = draw(st.integers(1, 8))
    rows = []
    for i in range(count):
        start = draw(st.floats(0, 50))
        ends = draw(st.sampled_from([("a", "b"), ("b", "a")]))
        rows.append((str(i), *ends, start, start + draw(st.floats(0.1, 30)),
                     draw(st.sampled_from([8e3, 64e3, 1e6])), draw(st.floats(0.0, 3.0))))  # fmt: skip
    return ContactTable.of_rows(rows)


@settings(max_examples=60, deadline=None)
@given(overlapping())
def test_written_contacts_never_overlap_or_promise_more(plan):
    merged = merged_contacts(plan)
    for t in np.arange(0.05, 80.0, 0.31):
        for a in (0, 1):
            up = (plan.source == a) & (plan.start_s <= t) & (t < plan.end_s)
            one = (merged.source == a) & (merged.start_s <= t) & (t < merged.end_s)
            assert one.sum() == min(1, up.sum())
            if up.any():
                assert merged.rate_bps[one] == plan.rate_bps[up].max()
    lines = [line.replace("+", "").split()[1:] for line in commands(ion_text(plan))]
    contacts, ranges = (
        [tuple(map(int, words)) for kind, *words in lines if kind == wanted]
        for wanted in ("contact", "range")
    )
    assert all(e > s for s, e, *_ in contacts)
    seen: dict = {}
    for s, e, a, b, rate in contacts:
        assert all(e <= x or y <= s for x, y in seen.setdefault((a, b), []))
        seen[a, b].append((s, e))
        for t in np.arange(s, e):
            # whole seconds inside a piece, so some contact is open throughout at that rate
            up = (plan.source == a - 1) & (plan.start_s <= t + 1e-5) & (plan.end_s > t)
            assert 8 * rate <= plan.rate_bps[up].max()
    # every contact has one range over all of it
    for s, e, a, b, _ in contacts:
        low, high = min(a, b), max(a, b)
        pieces = [(max(s, r[0]), min(e, r[1])) for r in ranges if r[2:4] == (low, high)]
        assert sum(max(0, y - x) for x, y in pieces) == e - s


def test_reading_what_ion_allows(tmp_path):
    path = tmp_path / "net.ionrc"
    path.write_text(
        "1 1 ''\n"
        "@ 2030/03/01-00:00:00\n"
        "a contact -1 -1 4 4 0\n"
        "a contact +0 0 1 3 1000\n"
        "a contact +0 +60 2 1 125000 0.9  # backwards\n"
        "a contact 2030/03/01-00:01:40 2030/03/01-00:02:00 1 2 10\n"
        "a range +0 +30 1 2 1\na range +30 +120 1 2 2\n"
        "s\n",
        encoding="utf-8",
    )
    plan = read_ion(path)
    assert plan.names == ("1", "2")
    rows = np.column_stack((plan.start_s, plan.end_s, plan.rate_bps, plan.owlt_s))
    wanted = [(100, 120, 80, 2), (0, 30, 1e6, 1), (30, 60, 1e6, 2)]
    np.testing.assert_allclose(rows, wanted, atol=1e-6)  # 2e-8: UTC seconds counted in TDB
    assert plan.epoch == EPOCH


def test_older_hdtn_rate_is_in_megabits(tmp_path):
    path = tmp_path / "old.json"
    contact = {"contact": 0, "source": 1, "dest": 2, "startTime": 0, "endTime": 9, "owlt": 1}
    path.write_text(json.dumps({"contacts": [{**contact, "rate": 2}]}), encoding="utf-8")
    assert read_hdtn(path).rate_bps.tolist() == [2e6]


def test_our_own_table(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text(
        "contact_id,source,target,start_s,end_s,start_utc,rate_bps,owlt_s\n"
        "c000001,a,b,60.000,120.500,2030-03-01T00:01:00.000Z,1000000,1.281\n",
        encoding="utf-8",
    )
    plan = read_plan(path)
    assert (plan.names, plan.contact_id[0]) == (("a", "b"), "c000001")
    assert (plan.start_s[0], plan.end_s[0], plan.owlt_s[0]) == (60.0, 120.5, 1.281)
    assert abs(plan.epoch - EPOCH) < 1e-3
    assert read_contacts_csv(path).rate_bps[0] == 1e6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a contact plan"),
        ("hello", "not a contact plan"),
        ("{", "not JSON"),
        ('{"contacts": {}}', "list of contacts"),
        ('{"contacts": []}', "no contacts"),
        ('{"contacts": [{"source": 1}]}', "contacts.0"),
        ('{"contacts": [{"source": 1, "dest": 1, "startTime": 0, "endTime": 1, '
         '"rateBitsPerSec": 1, "owlt": 0}]}', "two different nodes"),
        ("a contact +0 +60 1 2 x\n", "line 1"),
        ("a contact +0 +60 1 2 10\n", "no range"),
        ("a contact +60 +0 1 2 10\na range +0 +60 1 2 1\n", "line 1: the contact ends"),
        ("contact_id,source,target,rate_bps\n", "no column start_s"),
    ],
)  # fmt: skip
def test_bad_plan_files_are_one_line(tmp_path, text, says):
    path = tmp_path / "plan.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as fault:
        read_plan(path)
    assert "\n" not in str(fault.value)
    assert str(fault.value).startswith(str(path))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path / "none.csv")


@settings(max_examples=30, deadline=None)
@given(overlapping())
def test_pieces_of_a_contact_have_ids_of_their_own(plan):
    ids = merged_contacts(plan).contact_id.tolist()
    assert len(set(ids)) == len(ids)
    assert {i.split(".")[0] for i in ids} <= set(plan.contact_id)
