"""From results to a page: tables and figures into the template."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from cislunar.report import figures, tables
from cislunar.report.webfont import with_signs
from cislunar.text import Text

HERE = Path(__file__).parent


def page(results, text: Text, languages: Sequence[str] = ()) -> str:
    """The whole page of one language as a string, with links to those in other languages."""
    context = tables.context(results, text)
    drawn = figures.figures(results, text)
    tabs = figures.tabs(drawn, text)
    return filled(
        "report.html", text, languages, script=_read("report.js"), plotly=_plotly(), tabs=tabs,
        figures={name: encode(spec) for name, spec in drawn.items()}, **context,
    )  # fmt: skip


def filled(template: str, text: Text, languages: Sequence[str], **context) -> str:
    """A page of one language from a template beside this file, its styles and signs inside it."""
    others = [code for code in languages if code != text.language]
    made = _environment().get_template(template)
    return with_signs(
        made.render(t=text, lang=text.language, others=others, css=_read("report.css"), **context)
    )


@lru_cache(maxsize=1)
def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment


def _read(name: str):
    from markupsafe import Markup

    return Markup((HERE / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _plotly():
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())


def encode(spec: dict):
    """A figure as JSON that may stand inside a script element, arrays as packed numbers."""
    from markupsafe import Markup

    text = json.dumps(_lean(spec), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " "))


def _lean(value):
    if isinstance(value, dict):
        return {k: _lean(v) for k, v in value.items() if v is not None}
    if isinstance(value, np.ndarray):
        return _packed(value)
    if isinstance(value, (list, tuple)):
        return [_lean(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _packed(array):
    if array.dtype.kind not in "fiu":
        return [_lean(v) for v in array.tolist()]
    if array.dtype.kind == "f":
        # seconds and dates need all digits; places on a picture do not
        wide = array.size and np.nanmax(np.abs(array), initial=0.0) > 1e9
        array = array.astype("<f8" if wide else "<f4")
        kind = "f8" if wide else "f4"
    else:
        array, kind = array.astype("<i4"), "i4"
    out = {"dtype": kind, "bdata": base64.b64encode(array.tobytes()).decode("ascii")}
    if array.ndim > 1:
        out["shape"] = ", ".join(map(str, array.shape))
    return out
