"""The worst files of every kind, as large as they may be: read or refused within 1 GiB.

Each is read by a process of its own, which tells the most memory it ever held, with all that the
program loads. ``python tests/test_reader_memory.py [NAME ...]`` prints the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cislunar.plan_files import MOST_ATTRIBUTES, MOST_TAGS

ROOT = Path(__file__).parent.parent
PLAN = 32_000_000  # bytes of a contact plan
HEAD = "contact_id,source,target,start_s,end_s,rate_bps,owlt_s\n"
HDTN = '{"source":%d,"dest":%d,"startTime":0,"endTime":1,"rateBitsPerSec":1,"owlt":1},'
EDGE = (
    '<edge source="a" target="b"><data key="s">0</data><data key="e">1</data><data key="r">1</data>'
    '<data key="o">1</data></edge>'
)
OEM = "CCSDS_OEM_VERS = 2.0\nCENTER_NAME = MOON\nREF_FRAME = ICRF\nTIME_SYSTEM = TDB\nMETA_STOP\n"
GRAPH, END = "<graphml><graph edgedefault='directed'>", "</graph></graphml>"
KEYS = "".join(
    f'<key id="{k[0]}" for="edge" attr.name="{k}" attr.type="double"/>'
    for k in ("start_s", "end_s", "rate_bps", "owlt_s")
)


def filled(head: str, row: str, tail: str = "", most: int = PLAN, count: int = 10**9) -> str:
    """As many rows as fit between head and tail, at most ``count``."""
    return head + row * min(count, (most - len(head) - len(tail)) // len(row)) + tail


def numbered(head: str, row: str, tail: str = "", most: int = PLAN, count: int = 10**9) -> str:
    """As many rows as fit, every ``%d`` in them a number of its own."""
    rows, size, k = [], len(head) + len(tail), 0
    per_row = row.count("%")
    while k < count:
        text = row % tuple(range(k * per_row + 1, (k + 1) * per_row + 1))
        size += len(text)
        if size > most:
            break
        rows.append(text)
        k += 1
    return head + "".join(rows) + tail


def marked(head: str, row: str, tail: str = END, count: int = 10**9) -> str:
    """As many rows as fit with the tags and attributes that GraphML may have."""
    tags, attributes = (MOST_TAGS - 50) // row.count("<"), MOST_ATTRIBUTES - 50
    count = min(count, PLAN // len(row), tags, attributes // max(row.count("="), 1))
    return head + "".join(row % k if "%" in row else row for k in range(count)) + tail


def json_list(head: str, row: str, tail: str, **more) -> str:
    made = numbered if "%d" in row else filled
    return made(head, row, "", **more).rstrip(",") + tail


# name: (ending, what reads it, the text)
WORST = {
    "csv: short rows": (".csv", "plan", lambda: filled(HEAD, "c,a,b,0,1,1,1\n")),
    "csv: most contacts, own names": (
        ".csv", "plan", lambda: numbered(HEAD, "c%d,a%d,b%d,0.5,1.5,1.5,1.5\n", count=499_999)),
    "csv: empty lines": (".csv", "plan", lambda: filled(HEAD, "\n")),
    "csv: many columns": (".csv", "plan", lambda: numbered(HEAD[:-1], ",x%d") + "\n1,2\n"),
    "csv: wide rows": (".csv", "plan", lambda: filled(HEAD + "1,2,3", ",x")),
    "ion: contacts": (".ionrc", "plan", lambda: filled("# x\n", "a contact +0 +1 1 2 1\n")),
    "ion: own ranges": (".ionrc", "plan", lambda: numbered("# x\n", "a range +0 +1 %d %d 1\n")),
    "ion: most contacts": (
        ".ionrc", "plan", lambda: numbered("a range +0 +9999999 1 2 1\n", "a contact +%d +%d 1 2 1\n", count=499_999)),
    "ion: names": (".ionrc", "plan", lambda: numbered("# x\n", "# node %d a\n")),
    "ion: one line": (".ionrc", "plan", lambda: filled("# x\na contact", " 1")),
    "hdtn: contacts": (".json", "plan", lambda: json_list('{"contacts":[', HDTN, "]}")),
    "hdtn: nodes": (".json", "plan", lambda: json_list('{"contacts":[],"nodes":{', '"%d":"a%d",', "}}")),
    "json: objects": (".json", "plan", lambda: json_list('{"contacts":[', '{"a":1},', "]}", count=999_990)),
    "json: empty objects": (".json", "plan", lambda: json_list('{"contacts":[', "{},", "]}", count=999_990)),
    "json: lists": (".json", "plan", lambda: json_list('{"contacts":[', "[1],", "]}", count=2_999_990)),
    "json: numbers": (".json", "plan", lambda: json_list('{"contacts":[', "1.5,", "]}")),
    "json: words": (".json", "plan", lambda: json_list('{"contacts":[', '"ab",', "]}")),
    "json: wide signs": (".json", "plan", lambda: json_list('{"contacts":["\U0001f680",', '"\u3042b",', "]}", most=16_000_000)),
    "tvg: contacts": (
        ".json", "plan", lambda: json_list(
            '{"contact_type":"Contact_v2","vertices":{},"edges":[{"contacts":[',
            '["a","b",0,1,[[0,1,0,1]]],', "]}]}", count=499_999)),
    "tvg: vertices": (
        ".json", "plan", lambda: json_list('{"contact_type":"Contact_v2","edges":[],"vertices":{', '"%d":1,', "}}")),
    "node-link: edges": (
        ".json", "plan", lambda: json_list('{"nodes":[],"edges":[', '{"source":%d,"target":%d},', "]}")),
    "node-link: nodes": (".json", "plan", lambda: json_list('{"edges":[],"nodes":[', '{"id":%d},', "]}")),
    "node-link: whole": (
        ".json", "plan", lambda: json_list(
            '{"nodes":[],"edges":[', '{"source":1,"target":2,"start_s":0,"end_s":1,"rate_bps":1,"owlt_s":1},', "]}")),
    "graphml: edges": (".graphml", "plan", lambda: marked(GRAPH, '<edge source="a" target="b"/>')),
    "graphml: whole": (".graphml", "plan", lambda: marked(f"<graphml>{KEYS}{GRAPH[9:]}", EDGE)),
    "graphml: nodes": (".graphml", "plan", lambda: marked(GRAPH, '<node id="%d"/>', count=99_999)),
    "graphml: attributes": (".graphml", "plan", lambda: numbered(GRAPH[:-1], ' a%d=""', END.replace("<", "/><", 1).replace("</graph>", ""), count=999_900)),
    "graphml: elements": (".graphml", "plan", lambda: marked("<graphml>", '<a b="c"/>', "</graphml>")),
    "graphml: empty elements": (".graphml", "plan", lambda: marked("<graphml>", "<a/>", "</graphml>")),
    "graphml: too many": (".graphml", "plan", lambda: filled("<graphml>", "<a/>", "</graphml>")),
    "oem: states": (".oem", "oem", lambda: numbered(OEM, "2030-01-01T00:00:00.%06d 9000 0 0 0 1 0\n", most=128 << 20, count=999_998)),
    "oem: keys": (".oem", "oem", lambda: numbered("CCSDS_OEM_VERS = 2.0\n", "k%d=1\n", most=128 << 20)),
    "oem: one line": (".oem", "oem", lambda: filled("CCSDS_OEM_VERS = 2.0\nTIME_SYSTEM = TDB\n", "1 ", most=128 << 20)),
    "oem: frames": (".oem", "oem", lambda: numbered("", "REF_FRAME=%d\nMETA_STOP\n", most=128 << 20)),
    "horizon: rows": (".txt", "horizon", lambda: numbered("", "0.%06d 1\n", most=4_000_000)),
    "horizon: commas": (".txt", "horizon", lambda: filled("0 1\n", ",", most=4_000_000)),
    "waypoints: rows": (".csv", "waypoints", lambda: filled("utc,latitude_deg,longitude_deg\n", "x,1,1\n", most=4_000_000)),
    "waypoints: commas": (".csv", "waypoints", lambda: filled("", ",", most=4_000_000)),
    "waypoints: too large": (".csv", "waypoints", lambda: filled("", "a,", most=64_000_000)),
    "yaml: values": (".yaml", "scenario", lambda: filled("a: [", "x,", "]", most=499_000)),
    "yaml: keys": (".yaml", "trade", lambda: numbered("base: {", "k%d: 1,\n", "}", count=124_000)),
    "yaml: lists": (".yaml", "roadmap", lambda: filled("roadmap: [", "[],", "]", most=740_000)),
    "yaml: one word": (".yaml", "scenario", lambda: filled("a: ", "x", most=9_999_000)),
    "yaml: wide word": (".yaml", "scenario", lambda: filled("a: \U0001f680", "x", most=9_990_000)),
    "yaml: comments": (".yaml", "scenario", lambda: filled("a: 1\n", "#\n", most=9_999_000)),
    "yaml: merged": (".yaml", "failures", lambda: "a: &a {b: 1}\n" + "".join(f"c{k}: *a\n" for k in range(999))),
    "pds3: label": (".lbl", "dem", lambda: numbered("PDS_VERSION_ID = PDS3\n", "K%d = 1\n", "END\n", most=990_000)),
}  # fmt: skip

READ = """
import json, sys
sys.path[:0] = sys.argv[3:]
from orbits.errors import InputError
what, path = sys.argv[1:3]
if what == "plan":
    from cislunar.plan_files import read_plan as read
elif what == "oem":
    from orbits.exchange import read_oem as read
elif what == "horizon":
    from cislunar.terrain.horizon_file import read_horizon as read
elif what == "waypoints":
    from cislunar.paths import read_waypoints as read
elif what == "scenario":
    from cislunar.scenario import load_scenario as read
elif what == "trade":
    from cislunar.sweep.trade import load_trade as read
elif what == "roadmap":
    from cislunar.roadmap.file import load_roadmap as read
elif what == "failures":
    from cislunar.losses import read_failure_rates as read
elif what == "dem":
    from cislunar.terrain.dem_files import open_dem as read
try:
    kept, said = read(path), "read"
except InputError as fault:
    lines = getattr(fault, "lines", None) or [str(fault)]
    assert all("\\n" not in line and len(line) < 3500 for line in lines)
    said = lines[0][:60]
status = open("/proc/self/status").read().splitlines()
peak = int(next(x for x in status if x.startswith("VmHWM")).split()[1])
print(json.dumps({"said": said.replace(path, "FILE"), "peak_mib": peak >> 10}))
"""


def told(name: str, room: Path) -> dict:
    """What a process says that reads one of the worst files: ``said`` and ``peak_mib``."""
    ending, what, text = WORST[name]
    path = room / f"worst{ending}"
    path.write_text(text(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", READ, what, str(path), str(ROOT)],
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system tells no peak")
@pytest.mark.parametrize("name", WORST)
def test_the_worst_file_is_read_or_refused_within_1_gib(name, tmp_path):
    assert told(name, tmp_path)["peak_mib"] < 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for case in sys.argv[1:] or WORST:
            found = told(case, Path(folder))
            print(f"{case:32s} {found['peak_mib']:5d} MiB  {found['said']}", flush=True)
