"""Slides of a run for pasting into a proposal: native tables, and the figures as pictures."""

from __future__ import annotations

from cislunar.plots import frontier, gathered, maps, still, still_bars, timeline
from cislunar.report import pdf, summary, tables
from cislunar.report.answer import needs_table
from cislunar.report.slide_parts import EDGE, HIGH, MOST_ROWS, TOP, WIDE, Deck
from cislunar.text import Text

BODY = WIDE - 2 * EDGE


def deck(results, text: Text) -> bytes:
    """The slides of one language as the bytes of a .pptx file.

    Raises InputError where python-pptx (the extra ``office``) is not installed.
    """
    made = Deck(text)
    words = tables.context(results, text)
    brief = summary.summary(results, text, words)
    judged = needs_table(results)
    pairs = set(zip(judged["asset"], judged["service"], strict=True))
    _state(made, results, words, brief, pairs)
    _figures(made, results, text, pairs)
    _options(made, results, words, brief)
    slide = made.slide(brief["conditions"])
    made.say(slide, words["limits"], EDGE, TOP, BODY, 12)
    made.origins(words["assumptions"])
    return made.to_bytes()


def _state(made: Deck, results, words, brief, pairs) -> None:
    """The answer, who has what is needed, and the causes of what is missing."""
    slide = made.slide(words["title"], words["subtitle"])
    made.say(slide, words["answer"], EDGE, TOP, BODY, 13)
    rows = brief["matrix"]["rows"]
    for k in range(0, len(rows), MOST_ROWS):
        slide = made.slide(brief["state"], brief["matrix"]["note"])
        made.matrix(slide, brief["matrix"]["head"], rows[k : k + MOST_ROWS])
    if pairs and len(results.gaps):
        slide = made.slide(brief["causes"])
        made.picture(slide, still_bars.static_causes(results, made.text, pairs), EDGE, TOP, 7.6)
        made.say(slide, brief["said"], 8.3, TOP, WIDE - 8.3 - EDGE, 12)


def _figures(made: Deck, results, text, pairs) -> None:
    """Timelines, accuracy against time, maps and orbits."""
    for service in timeline.services(results):
        if any(s == service for _, s in pairs):
            title = text("timeline.title", service=text.either(f"service.{service}", service))
            shape = (BODY, HIGH - TOP - 0.4)
            figure = still.static_timeline(results, service, text, shape=shape)
            made.picture(made.slide(title), figure, EDGE, TOP, BODY)
    for asset in gathered.distinct(results, pdf.PAPER_CURVES):
        figure = gathered.static_accumulation(results, asset, text)
        made.picture(made.slide(text("section.accumulation")), figure, EDGE, TOP, BODY)
    coverage = results.coverage
    mapped = coverage is not None and coverage.sizes.get("cell", 0)
    for region in maps.regions(coverage) if mapped else ():
        drawn = [v for v in pdf.PAPER_MAPS if pdf.is_mapped(coverage, v)]
        slide = made.slide(text("section.map")) if drawn else None
        for n, variable in enumerate(drawn):
            figure = still.static_map(results, variable, region, text)
            made.picture(slide, figure, EDGE + n * BODY / 2, TOP, BODY / 2)
    if results.trajectories:
        figure = still.static_orbits(results, text)
        made.picture(made.slide(text("paper.orbits")), figure, EDGE, TOP, BODY)


def _options(made: Deck, results, words, brief) -> None:
    """What each option fills for its cost, the chosen set, and what they are worth."""
    text, hangs = made.text, words["sensitivity"]
    if hangs["rows"]:
        made.tables(text("section.sensitivity"), hangs["lead"], hangs["head"], hangs["rows"])
    if brief["options"]["rows"]:
        figure = still_bars.static_fills(results, text, most=12, width=9.0)
        made.picture(made.slide(brief["proposal"]), figure, EDGE, TOP, BODY)
    fills = words["fills"]
    if fills["rows"]:
        made.tables(text("section.fills"), fills["lead"], fills["head"], fills["rows"])
    if brief["chosen"]["rows"]:
        slide = made.slide(brief["effect"], brief["chosen_lead"])
        made.table(slide, brief["chosen"]["head"], brief["chosen"]["rows"], EDGE, TOP, BODY)
        below = TOP + 0.5 + 0.36 * len(brief["chosen"]["rows"])
        made.say(slide, brief["cautions"], EDGE, below, BODY, 12)
    for part in words["worth"]:
        if part["id"] == "frontier" and len(results.frontier) > 1:
            slide = made.slide(part["title"], part["lead"])
            figure = frontier.static_frontier(results, text, width=9.0)
            made.picture(slide, figure, EDGE, TOP, BODY)
        made.tables(part["title"], part["lead"], part["head"], part["rows"])
