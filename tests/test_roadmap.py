"""A roadmap against single runs, against hand-made dates, and through the command line."""

import json
import random
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pypdfium2
import pytest
import yaml
from pptx import Presentation

import cislunar
from cislunar.cli import app
from cislunar.pipeline import run
from cislunar.roadmap import run as roadmaps
from cislunar.roadmap.file import (
    DRACONIC_MONTH_DAYS,
    Roadmap,
    RoadmapRecord,
    load_roadmap,
    resolved_roadmap,
)
from cislunar.roadmap.run import load_roadmap_results, run_roadmap, run_start
from cislunar.roadmap.story import answers, case_curves, milestones_title
from cislunar.roadmap.years import yearly_gaps
from cislunar.scenario import resolved_yaml
from cislunar.text import Text
from orbits.errors import InputError

PICTURE = 13  # MSO_SHAPE_TYPE
NEED = [{"service": s, "availability_frac": 0.05} for s in ("relay", "positioning")]


def orbit(k):
    return {
        "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
        "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 180 * (k % 2),
        "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 72.0 * k,
    }  # fmt: skip


def small(**more):
    """A far-side site served from 2028-06 on: four relays with navigation, one Earth station."""
    dates = {"early": "2027-06-01", "nominal": "2028-06-01", "late": "2029-06-01"}
    return {
        "name": "small", "title": {"en": "Small", "ja": "小"}, "years": [2027, 2030],
        "starts_per_year": 2, "days": 1.0,
        "slips": {"later": {"nodes": ["r-0", "r-1", "r-2", "r-3"], "years": 2,
                            "title": {"en": "relays late", "ja": "中継の遅延"}}},
        "dates": ["early"], "policies": ["japan-alone"],
        "milestones": {"far": {"places": ["far"], "title": {"en": "far side", "ja": "裏側"}}},
        "base": {
            "fidelity": "kepler", "step_s": 120,
            "spacecraft": [
                {"name": f"r-{k}", "operator": "jaxa", "orbit": orbit(k), "service_start": dates,
                 "terminals": ["relay-s", "relay-x-earth", "afs-transmitter"]}
                for k in range(4)
            ],
            "ground_stations": [{"from": "misasa", "longitude_deg": 0.0}],
            "assets": [
                {"name": "far", "operator": "jaxa", "latitude_deg": -80, "longitude_deg": 180,
                 "terminals": ["user-s-medium", "afs-receiver"], "needs": NEED},
                {"name": "late", "operator": "jaxa", "latitude_deg": -60, "longitude_deg": 180,
                 "service_start": "2029-01-01", "service_end": "2029-12-31",
                 "terminals": ["user-s-medium", "afs-receiver"], "needs": NEED},
            ],
        },
        **more,
    }  # fmt: skip


def written(folder, **more):
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({"roadmap": small(**more)}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roadmap")
    roadmap = load_roadmap(written(folder))
    return run_roadmap(roadmap, folder / "out", workers=1), folder


def test_starts_see_every_phase_of_the_month_once():
    for count in (1, 2, 3, 4, 6):
        record = RoadmapRecord(**small(starts_per_year=count, days=4.0))
        phases = sorted((d / DRACONIC_MONTH_DAYS) % 1.0 for d in record.starts_days)
        steps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + 1], strict=True)]
        assert all(abs(s - 1 / count) < 1.5 / DRACONIC_MONTH_DAYS for s in steps)


def test_supply_opens_with_its_dates_and_slips(done):
    results, _ = done
    scores = results.scores
    far = scores[(scores.place == "far") & (scores.service == "relay")]
    served = far.groupby(["case", "year"])["availability_frac"].mean().unstack()
    # starts are on 03-01 and 08-25: in 2028 the second only
    assert served.loc["nominal", 2027] == 0.0
    assert served.loc["nominal", 2029] > 0.05
    assert served.loc["nominal", 2028] == pytest.approx(
        far[(far.case == "nominal") & (far.year == 2028) & (far.start == 2)][
            "availability_frac"
        ].iloc[0]
        / 2
    )
    # a year early and two years late are the same curve moved by 12 and 24 months
    by_start = far.set_index(["case", "year", "start"])["availability_frac"]
    for year, start in ((2028, 2), (2029, 1), (2029, 2), (2030, 1)):
        assert by_start["nominal", year, start] > 0.0
    for year, start in ((2027, 2), (2028, 1), (2028, 2)):
        assert by_start["early", year, start] == by_start["nominal", year, start] or (
            by_start["nominal", year, start] == 0.0 and by_start["early", year, start] > 0.0
        )
    assert served.loc["later", 2029] == 0.0
    assert by_start["later", 2030, 1] == 0.0
    assert by_start["later", 2030, 2] == by_start["nominal", 2030, 2]
    first = results.milestones.set_index(["case", "milestone", "service"])["first_year"]
    assert first["nominal", "far", "relay"] == 2029
    assert first["early", "far", "relay"] == 2028
    assert pd.isna(first["later", "far", "relay"])


def test_demand_counts_within_its_dates_only(done):
    results, _ = done
    assert set(results.scores[results.scores.place == "late"].year) == {2029}


def test_accounts_add_up(done):
    results, folder = done
    scores = results.scores
    assert (scores.served_s + scores.gap_s - scores.demand_s).abs().max() < 1e-6
    pieces = pd.concat(
        pd.read_csv(p) for p in sorted((folder / "out" / "runs").glob("*/pieces.csv"))
    )
    by_piece = pieces.groupby(["case", "year", "start", "place", "service"])["hours"].sum()
    keys = ["case", "year", "start", "place", "service"]
    for key, row in scores.set_index(keys).iterrows():
        assert by_piece.get(key, 0.0) * 3600 == pytest.approx(row["gap_s"], abs=1.0)
    by_year = results.gaps.groupby(["case", "year"])["place_hours"].sum()
    for key, hours in (scores.groupby(["case", "year"])["gap_s"].sum() / 3600.0).items():
        assert by_year[key] == pytest.approx(hours, abs=1e-2)
    named = results.named_gaps.groupby("case")["place_hours"].sum()
    assert named["nominal"] == pytest.approx(by_year["nominal"].sum(), abs=1e-2)


def test_gaps_open_and_close(done):
    gaps = done[0].gaps
    gaps = gaps[(gaps.case == "nominal") & (gaps.service == "relay")].set_index(
        ["name_en", "year"]
    )  # fmt: skip
    gone = "relay, south pole, no provider"
    assert gaps.loc[(gone, 2027), "state"] == "opens"
    assert gaps.loc[(gone, 2028), "state"] == "open"
    assert gaps.loc[(gone, 2029), "state"] == "closes"
    assert gaps.loc[(gone, 2029), "place_hours"] == 0.0
    assert gaps.loc[(gone, 2029), "users"] == 1  # it still asks: the gap is closed by supply


def test_a_gap_that_comes_back_reopens():
    columns = ["run", "gap_id", "place", "service", "region", "cause", "hours", "severity",
               "weight", "case", "year"]  # fmt: skip
    pieces = pd.DataFrame(
        [(f"{y}-1", f"{y}", "a", "relay", "far-low", "mask", 2.0, 0.1, 1.0, "nominal", y)
         for y in (2026, 2027, 2029)], columns=columns,
    )  # fmt: skip
    demand = pd.DataFrame(
        [(f"{y}-1", f"{y}-03", "a", "relay", "far-low", 1.0, 24.0, "nominal", y)
         for y in range(2026, 2031)],
        columns=["run", "month", "place", "service", "region", "weight", "demand_h", "case",
                 "year"],
    )  # fmt: skip
    table = yearly_gaps(pieces, demand, (2026, 2030))
    assert table["state"].tolist() == ["opens", "open", "closes", "reopens", "closes"]
    assert table["hours_per_month"].iloc[0] == pytest.approx(2.0 / 24.0 * 730.5)


def test_a_stopped_roadmap_goes_on(done, tmp_path, monkeypatch):
    results, _ = done
    roadmap = load_roadmap(written(tmp_path, years=[2028, 2029]))
    ran, real = [], roadmaps.run_start

    def stops(roadmap, year, number):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append((year, number))
        return real(roadmap, year, number)

    monkeypatch.setattr(roadmaps, "run_start", stops)
    with pytest.raises(KeyboardInterrupt):
        run_roadmap(roadmap, tmp_path / "out", workers=1)
    assert not json.loads((tmp_path / "out" / "manifest.json").read_text())["finished"]
    monkeypatch.setattr(roadmaps, "run_start", real)
    again = run_roadmap(roadmap, tmp_path / "out", workers=1)
    assert again.manifest["starts_run"] == 1
    assert again.manifest["finished"]
    whole = results.scores[results.scores.year.isin([2028, 2029])].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.scores, whole)
    assert run_roadmap(roadmap, tmp_path / "out", workers=1).manifest["starts_run"] == 0
    # another question of the same folder is another roadmap: nothing is taken over
    changed = load_roadmap(written(tmp_path, years=[2028, 2028], days=0.5))
    assert run_roadmap(changed, tmp_path / "out", workers=1).manifest["starts_run"] == 2


def plain(text):
    """Text without what a line's end changes: spaces and hyphens."""
    return re.sub(r"[\s\ufffe\u00ad-]", "", text)


def test_the_command_writes_a_page_in_each_language(tmp_path):
    from typer.testing import CliRunner

    path = written(tmp_path, years=[2028, 2029], starts_per_year=1, policies=[], dates=[],
                   formats=["html", "pdf"])  # fmt: skip
    told = CliRunner().invoke(app, ["check", str(path)])
    assert "2 starts" in told.stdout
    told = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "o"), "--workers",
                                    "1"])  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "What is needed at the far side" in told.stdout
    for language, words in (("en", "How gaps open and close"), ("ja", "途絶の発生と解消")):
        page = (tmp_path / "o" / f"roadmap.{language}.html").read_text(encoding="utf-8")
        assert words in page
        # it asks nothing of the network: all that leads there is what a reader may click
        assert not re.search(r"src=.https?:|<(?!a )[^>]*href=.https?:", page)
        assert (tmp_path / "o" / f"heat_map_relay.{language}.png").stat().st_size > 5000
        assert "IPAexGothic" in page
        # where the figures come from: every record, and what is assumed or unverified in it
        said = Text(language)
        for section in ("assumptions", "sources"):
            assert f"<h2>{said(f'section.{section}')}</h2>" in page
        known = Text(language)("confidence.assumption")
        assert "<td><code>r-0</code></td>" in page
        assert f'<span class="badge assumption">{known}</span>' in page
        height = said("assumptions.fields", fields=said("field.height_m"))
        assert f'<div class="small loose">{height}</div>' in page
        assert "track.sfo.jaxa.jp" in page
    before = (tmp_path / "o" / "roadmap.en.pdf").read_bytes()
    told = CliRunner().invoke(app, ["report", str(tmp_path / "o"), "--format", "pdf,pptx"])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "o" / "roadmap.en.pdf").read_bytes() == before
    for language, words in (("en", "How gaps open and close"), ("ja", "途絶の発生と解消")):
        paper = pypdfium2.PdfDocument(tmp_path / "o" / f"roadmap.{language}.pdf")
        assert [round(x) for x in paper[0].get_size()] == [842, 595]
        said = plain("".join(p.get_textpage().get_text_bounded() for p in paper))
        lines = answers(load_roadmap_results(tmp_path / "o"), language)
        sections = [Text(language)(f"section.{s}") for s in ("assumptions", "sources")]
        height = Text(language)("assumptions.fields", fields=Text(language)("field.height_m"))
        for line in (words, *lines, *sections, height, "track.sfo.jaxa.jp"):
            assert plain(line) in said, line
        show = Presentation(str(tmp_path / "o" / f"roadmap.{language}.pptx"))
        shapes = [shape for slide in show.slides for shape in slide.shapes]
        on_slides = [shape.text_frame.text for shape in shapes if shape.has_text_frame]
        assert [x for x in lines if not any(x in said for said in on_slides)] == []
        unsure = Text(language)("assumptions.named", names="misasa")
        assert any(unsure in words for words in on_slides)
        cells = [c.text for s in shapes if s.has_table for row in s.table.rows for c in row.cells]
        assert "2029" in cells
        assert sum(shape.shape_type == PICTURE for shape in shapes) == 4
        for shape in shapes:
            assert shape.left >= 0
            assert shape.left + shape.width <= show.slide_width
            assert shape.top + shape.height <= show.slide_height
    scores = pd.read_csv(tmp_path / "o" / "roadmap_scores.csv")
    assert set(scores["year"]) == {2028, 2029}


def test_a_finished_roadmap_is_told_from_its_tables_alone(done, tmp_path):
    """What the run returned, whatever became of the starts; a case may be called by a number."""
    results, folder = done
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    shutil.rmtree(out / "runs")
    again = load_roadmap_results(out)
    for name in ("scores", "gaps", "named_gaps", "milestones", "supply", "options"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(results, name))
    assert {r["id"] for r in again.sources} > {"r-0", "misasa", "far", "late", "relay-s", "uere"}
    assert again.sources == results.sources


def test_a_case_may_be_called_by_a_number(tmp_path):
    made = small(years=[2029, 2029], starts_per_year=1, dates=[], policies=[])
    made["slips"] = {"2031": made["slips"]["later"]}
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({"roadmap": made}), encoding="utf-8")
    found = run_roadmap(load_roadmap(path), tmp_path / "out", workers=1)
    assert set(found.milestones["case"]) == set(found.scores["case"]) == {"nominal", "2031"}
    assert "relays late" in " ".join(answers(found, "en"))


def test_formats_are_the_roadmaps_or_else_its_bases(tmp_path):
    base = small()["base"]
    own = load_roadmap(written(tmp_path, formats=["pdf"]))
    assert own.formats == ("pdf",)
    assert load_roadmap(written(tmp_path)).formats == ("html",)
    asked = load_roadmap(written(tmp_path, base={**base, "outputs": {"formats": ["html", "pptx"]}}))
    assert asked.formats == ("html", "pptx")
    # another form of the report is no other roadmap: what was run stays
    assert own.digest() == load_roadmap(written(tmp_path)).digest()


def test_slides_that_cannot_be_made_are_told_before_anything_runs(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setitem(__import__("sys").modules, "pptx", None)
    path = written(tmp_path, formats=["pptx"])
    told = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "o")])
    assert told.exit_code == 2
    assert "python-pptx" in told.output
    assert not (tmp_path / "o").exists()


def test_a_need_is_called_by_its_profile(tmp_path):
    """SCaN phase 2 is named only where that is what the places ask for."""
    base = small()["base"]
    for needs, words in ((NEED, "What is needed"), ("scan-phase-2", "SCaN phase 2")):
        assets = [{**base["assets"][0], "needs": needs}]
        roadmap = load_roadmap(written(tmp_path, base={**base, "assets": assets}))
        asked = SimpleNamespace(roadmap=roadmap)
        assert milestones_title(asked, Text("en")).startswith(words)


def test_a_written_out_roadmap_is_the_roadmap(tmp_path):
    roadmap = load_roadmap(written(tmp_path))
    again = tmp_path / "again.yaml"
    again.write_text(resolved_roadmap(roadmap), encoding="utf-8")
    read = load_roadmap(again)
    assert resolved_yaml(read.base) == resolved_yaml(roadmap.base)
    same = {"base"}
    assert read.record.model_dump(exclude=same) == roadmap.record.model_dump(exclude=same)


def test_words_say_what_the_tables_say(done):
    lines = answers(done[0], "en")
    assert "relay first met in 2029, and in every year after to 2030" in lines[0]
    late = next(line for line in lines if line.startswith('Case "relays late"'))
    assert "not met in any year from 2027 to 2030" in late
    assert len(answers(done[0], "ja")) == len(lines)


def test_curves_of_cases_are_the_means_of_the_scores(done):
    """One line a case; each point the mean over places and starts, rings where all are met."""
    results = done[0]
    (ax,) = case_curves(results, "relay").axes
    mine = results.scores[(results.scores.place == "far") & (results.scores.service == "relay")]
    lines = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    titles = [results.roadmap.case_title(c, "en") for c in results.roadmap.record.cases]
    assert list(lines) == titles
    for case, title in zip(results.roadmap.record.cases, titles, strict=True):
        own = mine[mine["case"] == case].groupby("year")
        x, y = lines[title].get_data()
        assert list(x) == list(own.groups)
        assert list(y) == pytest.approx(100 * own["availability_frac"].mean())
    rings = ax.lines[1].get_xdata()
    assert list(rings) == [2029, 2030]


def test_faults_of_the_file(tmp_path):
    cases = [
        ({"years": [2031, 2030]}, "roadmap.years"),
        ({"starts_per_year": 12}, "roadmap.starts_per_year"),
        ({"policies": ["nobody"]}, "roadmap.policies"),
        ({"slips": {"x": {"nodes": ["moonlight"], "years": 1}}}, "roadmap.slips"),
        ({"milestones": {"m": {"places": ["nowhere"]}}}, "roadmap.milestones.m.places"),
        ({"first_start": "02-30"}, "roadmap.first_start"),
        ({"base": {"epoch": "2030-01-01T00:00:00 UTC"}}, "roadmap.base.epoch"),
        ({"base": {"spacecrafts": []}}, "spacecrafts"),
    ]
    for more, where in cases:
        with pytest.raises(InputError) as fault:
            load_roadmap(written(tmp_path, **more))
        assert where in str(fault.value), more


def test_the_roadmap_of_2030_is_the_run_of_2030(evidence):
    """The start of 2030-03-01 of a roadmap on japan_2030, cut short, is japan_2030 cut short."""
    base = cislunar.load_scenario("configs/japan_2030.yaml")
    short = base.model_copy(
        update={"duration_days": 1.0, "step_s": 120.0, "options": (), "regions": ()}
    )
    record = RoadmapRecord(name="r", base="x", years=(2030, 2030), starts_per_year=1, days=1.0)
    tables = run_start(Roadmap(record, short), 2030, 1)
    results = run(short, quiet=True)
    scores = tables["scores"].set_index(["place", "service"])
    comm = results.comm_scores.set_index(["asset", "service"])
    places = results.positioning_scores.set_index("asset")
    worst = 0.0
    for (place, service), row in scores.iterrows():
        theirs = places.loc[place] if service == "positioning" else comm.loc[(place, service)]
        worst = max(worst, abs(row["availability_frac"] - theirs["availability_frac"]))
        assert row["verdict"] == theirs["verdict"], (place, service)
    needed = {(n.name, need.service) for n in results.nodes for need in n.needs}
    assert set(scores.index) == needed
    named = results.named_gaps
    assert named["place_hours"].sum() == pytest.approx(tables["pieces"]["hours"].sum(), abs=1e-3)
    evidence(
        "roadmap", "the same start and span as a run of its own", len(scores), worst, 1e-9, "frac",
        "every place and needed service of japan_2030, a day from 2030-03-01",
    )  # fmt: skip


def test_a_roadmap_with_files_goes_anywhere_and_knows_what_they_hold(tmp_path):
    """Its horizon comes along; another horizon under the same name is another roadmap."""
    ridge, made = tmp_path / "in" / "ridge.txt", small(years=[2029, 2029], starts_per_year=1)
    ridge.parent.mkdir()
    made |= {"dates": [], "policies": [], "slips": {}}
    made["base"]["assets"][0]["horizon"] = "ridge.txt"
    path = ridge.with_name("r.yaml")
    path.write_text(yaml.safe_dump({"roadmap": made}), encoding="utf-8")
    digests, out = [], tmp_path / "out"
    for height in (1, 60, 1):
        ridge.write_text(f"0 {height}\n180 {height}\n")
        roadmap = load_roadmap(path)
        digests.append(roadmap.digest())
        assert run_roadmap(roadmap, out, workers=1).manifest["starts_run"] == 1
    assert digests[0] == digests[2] != digests[1]
    moved = tmp_path / "elsewhere"
    out.rename(moved)
    ridge.unlink()
    results = load_roadmap_results(moved)
    assert results.roadmap.digest() == digests[0]
    table = moved / "runs" / "2029-1" / "scores.csv"
    whole = table.read_bytes()
    table.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert run_roadmap(results.roadmap, moved, workers=1).manifest["starts_run"] == 1  # mended
    assert table.read_bytes() == whole
    table = moved / "roadmap_scores.csv"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(
        InputError, match=r"roadmap_scores\.csv: has \d+ rows; allowed: the \d+ rows"
    ):
        load_roadmap_results(moved)
    table.write_text("")
    with pytest.raises(InputError, match=r"roadmap_scores\.csv: is cut short"):
        load_roadmap_results(moved)


def test_what_a_user_wrote_in_a_roadmap_reaches_page_paper_and_terminal_as_words(tmp_path):
    """Titles with markup and steering signs: shown, not run, in all three."""
    from typer.testing import CliRunner

    nasty = "<script>alert(1)</script>{{7*7}}#panic(1) $x_$ \x1b[31mred \u202e \u2028\nend"
    made = small(years=[2028, 2028], starts_per_year=1, policies=[], dates=[], title=nasty)
    made["slips"]["later"]["title"] = made["milestones"]["far"]["title"] = nasty
    path, out = tmp_path / "r.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump({"roadmap": made}), encoding="utf-8")
    told = CliRunner().invoke(app, ["run", str(path), "--out", str(out), "--workers", "1"])
    assert told.exit_code == 0, told.output
    assert "alert(1)" in told.stdout
    assert all(line.isprintable() for line in told.stdout.split("\n"))
    told = CliRunner().invoke(app, ["report", str(out), "--format", "html,pdf,pptx"])
    assert told.exit_code == 0, told.output
    assert "<script>" not in load_roadmap_results(out)._repr_html_()
    for language in ("en", "ja"):
        page = (out / f"roadmap.{language}.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}#panic(1)" in page
        paper = pypdfium2.PdfDocument(out / f"roadmap.{language}.pdf")
        said = plain("".join(p.get_textpage().get_text_bounded() for p in paper))
        assert "alert(1)</script>{{7*7}}#panic(1)" in said


@pytest.mark.slow
def test_a_roadmap_killed_at_any_moment_goes_on_to_the_same_tables(done, tmp_path):
    """kill -9 of the command alone, its processes left over; then others begin, and one ends."""
    folder, out = done[1], tmp_path / "out"
    command = [sys.executable, "-m", "cislunar", "run", str(folder / "small.yaml"), "--out", str(out),
               "--workers", "2", "--no-report", "--quiet"]  # fmt: skip
    rng, kept = random.Random(), []
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wanted = len(list(out.glob("runs/*-*/done.json"))) + 1
        while process.poll() is None and len(list(out.glob("runs/*-*/done.json"))) < wanted:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 0.5))
        process.kill()
        process.communicate()
        kept.append({p: p.read_bytes() for p in sorted(out.glob("runs/[0-9]*-*/*"))})
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and json.loads((out / "manifest.json").read_text())["finished"]:
        time.sleep(0.02)
    time.sleep(1.0)
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    said = first.communicate()[1]
    assert first.returncode == 0, said
    if second.returncode:  # it came while the first held the folder
        assert second.returncode == 2
        assert "another process is writing" in second.stderr
    for earlier in kept:
        assert all(path.read_bytes() == data for path, data in earlier.items())
    assert json.loads((out / "manifest.json").read_text())["starts_run"] < 8
    for path in (folder / "out").glob("*.csv"):
        assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    assert not list(out.glob("**/.*.part"))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_options_raise_is_told_by_runs_with_them(tmp_path):
    """A fifth relay at the first start of 2028, against a run of the scenario that has it."""
    more = {
        "id": "fifth", "cost_oku_jpy": {"low": 20, "mid": 40, "high": 80}, "name_en": "Fifth relay",
        "available_from": "2031", "lifetime_years": 5,
        "adds": {"spacecraft": [{"name": "r-4", "operator": "jaxa", "orbit": orbit(4) | {
            "mean_anomaly_deg": 180.0}, "terminals": ["relay-s", "relay-x-earth"]}]},
    }  # fmt: skip
    asked = small(years=[2028, 2029], starts_per_year=1, slips={}, dates=[], policies=[],
                  option_years=[2029, 2029])  # fmt: skip
    asked["base"] |= {"options": [more]}
    asked["base"]["spacecraft"] = asked["base"]["spacecraft"][:1]
    for asset in asked["base"]["assets"]:  # one of the two is not there yet: it is left out
        asset |= {
            "nation": "JP",
            "service_start": "2029-06-01" if asset["name"] == "late" else None,
        }
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump({"roadmap": asked}), encoding="utf-8")
    roadmap = load_roadmap(path)
    found = run_roadmap(roadmap, tmp_path / "out", workers=1)
    plain = roadmap.scenario(2029, 1).model_copy(update={"options": ()})
    again = {}
    for name, craft in (("before", ()), ("after", roadmap.base.options[0].adds.spacecraft)):
        scenario = plain.model_copy(update={"spacecraft": (*plain.spacecraft, *craft)})
        scores = run(scenario, quiet=True).comm_scores
        again[name] = float(
            scores[(scores["asset"] == "far") & (scores["service"] == "relay")][
                "availability_frac"
            ].iloc[0]
        )
    row = found.options[(found.options["place"] == "far") & (found.options["service"] == "relay")]
    assert len(row) == 1
    assert float(row["raised_frac"].iloc[0]) == pytest.approx(
        again["after"] - again["before"], abs=1e-5
    )
    assert again["after"] - again["before"] > 0.05
    assert set(found.options["place"]) == {"far"}
    assert load_roadmap_results(tmp_path / "out").options["raised_frac"].tolist() == pytest.approx(
        found.options["raised_frac"].tolist(), abs=1e-9
    )
    from cislunar.roadmap.tables import tables

    for language in ("en", "ja"):
        shown = [
            c.text for _, _, _, rows in tables(found, Text(language)) for r in rows for c in r.cells
        ]
        assert "Fifth relay" in shown
        # what stands beside it follows from the product file
        kept = pd.read_csv(tmp_path / "out" / "roadmap_options.csv")
        kept = kept[(kept["place"] == "far") & (kept["service"] == "relay")].iloc[0]
        at = shown.index("Fifth relay")
        raised = 100.0 * kept["gap_hours_filled"] / (24.0 * roadmap.record.days)
        # not there in March 2029, which is said; points, not per cent; the cost with its range
        assert shown[at + 1 : at + 3] == ["2031*", f"{raised:.1f}"]
        assert shown[at + 3] == "40 (20–80)"
        assert shown[at + 4] == f"{raised / kept['cost_oku_jpy']:.3f}"
        lead = next(lead for _, lead, head, _ in tables(found, Text(language)) if len(head) == 8)
        assert {"en": "150 JPY/USD", "ja": "1米ドル150円"}[language] in lead


def test_options_of_a_roadmap_need_a_pool(tmp_path):
    for asked, key in (
        ({"option_years": [2028]}, "option_years"),
        ({"option_years": [2040]}, "2040"),
    ):
        with pytest.raises(InputError, match=key):
            load_roadmap(written(tmp_path, **asked))
