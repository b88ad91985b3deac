"""Reports of a run: HTML pages, PDF and slides; and the scorecard for a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

FORMATS = ("html", "pdf", "pptx")


def check_formats(formats: Sequence[str]) -> None:
    """Raises InputError for slides where python-pptx (the extra ``office``) is not installed."""
    from importlib.util import find_spec

    from orbits.errors import InputError

    if "pptx" in formats and find_spec("pptx") is None:
        raise InputError(
            "slides need python-pptx", key="formats", value="pptx",
            allowed="html, pdf, or pip install 'cislunar-planner[office]'",
        )  # fmt: skip


def write_report(
    results,
    folder: str | os.PathLike,
    languages: Sequence[str] = ("en", "ja"),
    formats: Sequence[str] = ("html",),
) -> list[Path]:
    """The paths of ``report.<language>.<format>``, each written whole into an existing folder.

    An HTML page carries its scripts, figures and data inside it and asks nothing of the network; a
    PDF opens with a summary on one A4 page; slides (``pptx``) have tables and figures to paste, and
    need the extra ``office`` (InputError without it).
    """
    from cislunar.products import write_whole
    from cislunar.text import Text

    out = []
    for form in formats:
        make = _maker(form, languages)
        for language in languages:
            target = Path(folder) / f"report.{language}.{form}"
            write_whole(target, make(results, Text(language)))
            out.append(target)
    return out


def _maker(form: str, languages: Sequence[str]) -> Callable[..., bytes]:
    """What makes a report of one form from results and a language's words."""
    if form == "html":
        from cislunar.report.builder import page

        return lambda results, text: page(results, text, languages).encode("utf-8")
    if form == "pdf":
        from cislunar.report.pdf import document

        return document
    from cislunar.report.slides import deck

    return deck
