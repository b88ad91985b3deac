"""What the rows of a sweep depend on, hashed: the trade, its base, files, functions, the program.

A row may be kept only as long as all of it is the same. What a hash cannot see is read again: the
files a scenario names may be changed between two starts of a sweep, or while it runs.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cislunar.outside import outside_allowed
from cislunar.sweep import shared
from cislunar.sweep.metrics import find_function
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import Base, mark_of

LONGEST_NAME = 1000  # characters; a longer text names no file

# keys of a manifest that must be the same for its rows to be kept, and what is said where not
MUST_BE_SAME = (
    ("trade_sha256", "the sweep there is of another trade"),
    ("files_sha256", "files that the scenarios read are not what they were"),
    ("functions_sha256", "functions of the metrics are not what they were"),
    ("code_sha256", "the sweep there is of another version of this program"),
)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def files_of(trade: Trade, base: Base) -> dict[str, str]:
    """Hashes of the files that any text of a trade or of its base names, by that text."""
    design: Any = trade.design
    found = {
        *_texts(base.content),
        *_texts([a.values for a in trade.axes.values() if a.values is not None]),
        *_texts(design.rows if design.kind == "rows" else ()),
    }
    home, out = base.folder.resolve(), {}
    for text in sorted(found):
        if not 0 < len(text) <= LONGEST_NAME or "\0" in text or "\n" in text:
            continue
        try:
            path = (home / text).resolve()
            if not path.is_file() or not (outside_allowed() or path.is_relative_to(home)):
                continue
            with path.open("rb") as source:
                out[text] = hashlib.file_digest(source, "sha256").hexdigest()
        except (OSError, ValueError, RuntimeError):
            continue  # no file that could be read: who reads it says what is wrong
    return out


def _source(function: Callable[..., Any], whole_module: bool) -> str:
    """The text of a function, or of its module; its name where it has none to be read."""
    try:
        module = inspect.getmodule(function) if whole_module else None
        return inspect.getsource(module or function)
    except (OSError, TypeError):
        return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"


def functions_of(trade: Trade, given: Mapping[str, Callable[..., Any]] | None) -> dict[str, str]:
    """The source of every function that measures, by metric: those given, else their modules."""
    given = given or {}
    return {
        name: _source(given[name], False)
        if name in given
        else _source(find_function(str(metric.function)), True)
        for name, metric in trade.metrics.items()
        if metric.function is not None
    }


def files_hash(trade: Trade, base: Base) -> str:
    """One hash of the files that a trade and its base name."""
    return _hash(files_of(trade, base))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def identity(
    trade: Trade, text: str, base: Base, functions: Mapping[str, Callable[..., Any]] | None
) -> dict[str, Any]:
    """What a manifest says of a sweep before it runs: its trade and the hashes of all it reads."""
    return {
        "name": trade.name,
        "trade": json.loads(text),
        "trade_sha256": mark_of(text, base),
        "files_sha256": files_hash(trade, base),
        "functions_sha256": _hash(functions_of(trade, functions)),
        "code_sha256": shared.code_hash(),
    }
