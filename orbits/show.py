"""How results look in a notebook: two columns of names and values."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def html_table(rows: Mapping[str, object]) -> str:
    """An HTML table with a row for each name; floats to six digits.

    >>> html_table({"rows": 3})
    "<table><tr><th style='text-align:left'>rows</th><td>3</td></tr></table>"
    """
    cells = (
        (escape(name), escape(f"{value:.6g}" if isinstance(value, float) else str(value)))
        for name, value in rows.items()
    )
    body = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>" for name, value in cells
    )
    return f"<table>{body}</table>"
