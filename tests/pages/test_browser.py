"""The pages in a browser: drawn without a fault, without the network, within the window."""

from __future__ import annotations

import json
import os
import re
import shutil
from urllib.parse import urlsplit

import pytest

from cislunar.plots import timeline
from cislunar.report import write_report
from cislunar.text import LANGUAGES, Text

PATIENCE_S = 120.0  # of a busy machine
WIDTHS_PX = (1280, 390)  # a desk's screen, a telephone's
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
OVER_THE_EDGE = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > wide + 1 && !e.closest('.scroll, .figure');
}).map(e => e.tagName + ' ' + e.textContent.slice(0, 40));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser: the packages chromium and chromium-driver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options, webdriver.ChromeService(driver, log_output=os.devnull))
    made.set_page_load_timeout(PATIENCE_S)
    made.set_script_timeout(PATIENCE_S)
    yield made
    made.quit()


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("opened")
    write_report(results, folder)
    return folder


def until(browser, expression: str):
    """Waits for JavaScript to be true, and gives its value."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, PATIENCE_S).until(
        lambda b: b.execute_script(f"return {expression}")
    )


def open_page(browser, path):
    browser.get(path.as_uri())
    wait_for_figures(browser)


def wait_for_figures(browser):
    until(
        browser,
        "document.readyState === 'complete' && [...document.querySelectorAll('.figure')]"
        ".every(f => !f.offsetParent || f.querySelector('.main-svg'))",
    )


def addresses(browser, folder):
    """What the folder's pages asked for since the last call."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["documentURL"].startswith(folder.as_uri())
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reader_walks_through_the_page(browser, folder, results, language):
    """All tabs, a hover, a filter and the other language: no word on the console, no request."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    browser.set_window_size(1280, 1000)
    open_page(browser, folder / f"report.{language}.html")
    text = Text(language)

    for button in browser.find_elements(By.CSS_SELECTOR, "[role=tab]"):
        button.click()
        wait_for_figures(browser)
        panel = browser.find_element(By.ID, button.get_attribute("aria-controls"))
        assert button.get_attribute("aria-selected") == "true"
        assert panel.is_displayed()
        assert panel.find_element(By.CSS_SELECTOR, ".main-svg").is_displayed()
        beside = panel.find_elements(By.XPATH, "../*[contains(@class, 'panel')]")
        assert [p.get_attribute("id") for p in beside if p.is_displayed()] == [
            panel.get_attribute("id")
        ]

    browser.find_element(By.ID, "tab-timeline-relay").click()
    gap = max(
        browser.find_elements(By.CSS_SELECTOR, "#panel-timeline-relay .trace:nth-child(2) .point"),
        key=lambda bar: bar.rect["width"],
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", gap)
    ActionChains(browser).move_to_element(gap).perform()
    label = until(
        browser,
        "[...document.querySelectorAll('#panel-timeline-relay .hoverlayer .hovertext')]"
        ".map(e => e.textContent).join('')",
    )
    places = timeline.places(results, "relay")
    causes = {text(f"cause.{c}") for c in set(results.gap_causes["cause"])}
    assert any(place in label for place in places), label
    assert any(cause in label for cause in causes), label
    assert "UTC" in label

    table = "[...document.querySelectorAll('#scorecard-table tbody tr')]"
    verdict = Select(browser.find_element(By.CSS_SELECTOR, "select[data-filter=verdict]"))
    verdict.select_by_value("not-met")
    shown = until(browser, f"{table}.filter(r => !r.hidden).map(r => r.dataset.verdict)")
    assert set(shown) == {"not-met"}
    assert len(shown) == (results.comm_scores["verdict"] == "not-met").sum()

    other = next(code for code in LANGUAGES if code != language)
    browser.find_element(By.CSS_SELECTOR, f"a.language[lang={other}]").click()
    until(browser, f"document.documentElement.lang === '{other}'")
    wait_for_figures(browser)

    assert [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    asked = addresses(browser, folder)
    own = {(folder / f"report.{code}.html").as_uri() for code in LANGUAGES}
    assert own <= set(asked)  # the log does tell
    assert [a for a in set(asked) - own if urlsplit(a).scheme not in ("data", "blob")] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS_PX)
def test_nothing_runs_over_the_edge(browser, folder, language, width):
    size_of(browser, width)
    try:
        open_page(browser, folder / f"report.{language}.html")
        assert browser.execute_script("return document.documentElement.clientWidth") == width
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(OVER_THE_EDGE) == []
        outside = browser.execute_script(
            "return [...document.querySelectorAll('.figure')].filter(f => f.offsetParent &&"
            " f.querySelector('.main-svg').getBoundingClientRect().right > innerWidth + 1)"
            ".map(f => f.dataset.figure)"
        )
        assert outside == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("language", LANGUAGES)
def test_signs_come_from_the_page_where_the_reader_has_no_font(browser, folder, language):
    """Every Japanese sign is drawn, by the reader's font or by the one inside the page."""
    open_page(browser, folder / f"report.{language}.html")
    # wherever words stand, the page's own font is among those that may draw them
    assert (
        browser.execute_script(
            "return [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some("
            "n => n.nodeType === 3 && /[\u2e80-\uffef]/.test(n.textContent))"
            " && !['SCRIPT', 'STYLE'].includes(e.tagName)"
            " && !getComputedStyle(e).fontFamily.includes('IPAexGothic'))"
            ".map(e => e.tagName + ' ' + e.textContent.slice(0, 30))"
        )
        == []
    )
    loaded = browser.execute_async_script(
        "const done = arguments[0];"
        "document.fonts.load('12px IPAexGothic', '億円').then(f => done(f.length))"
    )
    assert loaded == 1
    widths = browser.execute_script(
        "const pen = document.createElement('canvas').getContext('2d');"
        "pen.font = '40px IPAexGothic';"
        "return ['億', '円'].map(s => pen.measureText(s).width)"
    )
    assert widths == [40, 40]


@pytest.fixture(params=["roadmap", "sweep"])
def plain_pages(request):
    """A folder of pages without figures to touch, and the stem of their names."""
    if request.param == "roadmap":
        return request.getfixturevalue("roadmap")[1], "roadmap"
    pytest.importorskip("distributed")
    return request.getfixturevalue("swept"), "report"


def size_of(browser, width, height=900):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )


@pytest.mark.filterwarnings("default")  # of Dask's own threads and sockets
@pytest.mark.parametrize("language", LANGUAGES)
def test_roadmap_and_sweep_open_as_they_stand(browser, plain_pages, language):
    """No word on the console, no request, every picture drawn, every sign there, no overflow."""
    folder, stem = plain_pages
    page = folder / f"{stem}.{language}.html"
    browser.get_log("browser")
    addresses(browser, folder)
    try:
        for width in WIDTHS_PX:
            size_of(browser, width)
            browser.get(page.as_uri())
            until(browser, "document.readyState === 'complete' && document.body.offsetHeight > 0")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert (
                browser.execute_script(OVER_THE_EDGE.replace(".scroll, .figure", ".scroll, .wide"))
                == []
            )
            drawn = browser.execute_script(
                "return [...document.images].map(i => i.complete && i.naturalWidth > 100)"
            )
            assert len(drawn) >= 2
            assert all(drawn)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.execute_script("return document.documentElement.lang") == language
    if language == "ja":
        assert browser.execute_script("return document.fonts.check('12px IPAexGothic', '億')")
    assert [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    asked = addresses(browser, folder)
    assert page.as_uri() in asked
    assert [a for a in set(asked) - {page.as_uri()} if urlsplit(a).scheme != "data"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_roadmap_leads_to_its_other_language(browser, roadmap, language):
    from selenium.webdriver.common.by import By

    other = next(code for code in LANGUAGES if code != language)
    browser.get((roadmap[1] / f"roadmap.{language}.html").as_uri())
    link = until(browser, "document.querySelector('a.language')")
    assert link.get_attribute("lang") == other
    browser.find_element(By.CSS_SELECTOR, f"a.language[lang={other}]").click()
    until(browser, f"document.documentElement.lang === '{other}'")


def test_ticks_of_a_short_timeline_are_told_apart(browser, made_of, tmp_path):
    """Half a day: ticks tell the time of day, and no two of them say the same."""
    write_report(made_of(days=0.5), tmp_path, ("en",))
    open_page(browser, tmp_path / "report.en.html")
    ticks = until(
        browser,
        "[...document.querySelectorAll('[id^=panel-timeline]:not([hidden]) .xtick text')]"
        ".map(e => e.textContent)",
    )
    assert len(set(ticks)) == len(ticks) > 2
    assert all(re.search(r"\d\d:\d\d", tick) for tick in ticks)
