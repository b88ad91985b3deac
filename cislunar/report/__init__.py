"""Reports of a run: HTML pages, PDF and slides; and the scorecard for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("html", "pdf", "pptx")


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
    out: list[Path] = []
    for form in formats:
        if form == "html":
            from cislunar.report.builder import write
        elif form == "pdf":
            from cislunar.report.pdf import write
        else:
            from cislunar.report.slides import write
        out += write(results, Path(folder), tuple(languages))
    return out
