"""How results look in a notebook and at a prompt: names and values, numbers to six digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from html import escape
from typing import Any, ClassVar

import numpy as np


def _text(value: object) -> str:
    if isinstance(value, (float, complex)):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"array of {' x '.join(map(str, value.shape))}"
    if isinstance(value, (tuple, list, np.ndarray)):
        return ", ".join(_text(v) for v in value)
    return str(value)


def html_table(rows: Mapping[str, object]) -> str:
    """An HTML table with a row for each name; floats to six digits.

    >>> html_table({"rows": 3})
    "<table><tr><th style='text-align:left'>rows</th><td>3</td></tr></table>"
    """
    cells = ((escape(name), escape(_text(value))) for name, value in rows.items())
    body = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>" for name, value in cells
    )
    return f"<table>{body}</table>"


class Shown:
    """A result that shows its figures: the attributes named in ``SHOWN``, else its fields."""

    SHOWN: ClassVar[tuple[str, ...]] = ()

    def figures(self) -> dict[str, Any]:
        """What is shown, by name; what does not exist is left out."""
        this: Any = self
        names = self.SHOWN or tuple(f.name for f in fields(this))
        found = {name: getattr(self, name) for name in names}
        return {n: v for n, v in found.items() if not (v is None or (isinstance(v, str) and not v))}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={_text(value)}" for name, value in self.figures().items())
        return f"{type(self).__name__}({inside})"

    def _repr_html_(self) -> str:
        return html_table(self.figures())
