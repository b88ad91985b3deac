"""What the rows of a sweep depend on, hashed: the trade, its base, files, functions, the program.

A row may be kept only as long as all of it is the same. What a hash cannot see is read again: the
files a scenario names may be changed between two starts of a sweep, or while it runs.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cislunar.outside import outside_allowed
from cislunar.sweep import shared
from cislunar.sweep.functions import find_function, source_of
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import Base, ChangedError, mark_of, prepared
from orbits.errors import InputError

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


def _source(function: Callable[..., Any]) -> str:
    """The text of a function; its name where it has none to be read."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"


def functions_of(
    trade: Trade, given: Mapping[str, Callable[..., Any]] | None, folder: Path
) -> dict[str, str]:
    """The source of every function that measures, by metric: those given, else their modules."""
    given = given or {}
    return {
        name: _source(given[name]) if name in given else source_of(str(metric.function), folder)
        for name, metric in trade.metrics.items()
        if metric.function is not None
    }


def files_hash(trade: Trade, base: Base) -> str:
    """One hash of the files that a trade and its base name."""
    return _hash(files_of(trade, base))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Marks(NamedTuple):
    """Hashes of what a worker must have as the process has that began the sweep."""

    trade: str  # with its base
    code: str
    files: str
    functions: str  # those that the trade names; others are sent


def marks_of(
    began: Mapping[str, Any],
    trade: Trade,
    folder: Path,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Marks:
    """The marks of a sweep of ``identity``; ``functions`` are sent to the workers."""
    own = _named_hash(trade, tuple(functions or ()), folder)
    return Marks(began["trade_sha256"], began["code_sha256"], began["files_sha256"], own)


@lru_cache(maxsize=8)
def fit(
    text: str, folder: str, file: str | None, marks: Marks, sent: tuple[str, ...], _outside: bool
) -> tuple[Trade, Base, dict[str, Callable[..., Any]]]:
    """Trade, base and the metrics' functions for a worker.

    ``sent``: metrics whose functions came with the work. Files are looked at once a sweep, however
    many variants ask. Raises ChangedError where anything here is not as in ``marks``.
    """
    if shared.code_hash() != marks.code:
        raise ChangedError("the worker has another version of this program")
    trade, base = prepared(text, folder, file, marks.trade)
    if files_hash(trade, base) != marks.files:
        raise ChangedError("the worker has other files of those that the scenarios read")
    try:
        own = {n: find_function(f, Path(folder)) for n, f in _named(trade, sent).items()}
        here = _named_hash(trade, sent, Path(folder))
    except InputError as fault:
        raise ChangedError(f"the worker lacks a function of the metrics ({fault})") from None
    if here != marks.functions:
        raise ChangedError("the worker has another version of the metrics' functions: restart it")
    return trade, base, own


def _named(trade: Trade, sent: Collection[str]) -> dict[str, str]:
    """The functions that a trade names, ``module:function`` by metric, but those that are sent."""
    metrics = {n: m.function for n, m in trade.metrics.items() if n not in sent}
    return {n: f for n, f in metrics.items() if f is not None}


def _named_hash(trade: Trade, sent: Collection[str], folder: Path) -> str:
    return _hash({n: source_of(f, folder) for n, f in _named(trade, sent).items()})


def identity(
    trade: Trade,
    text: str,
    base: Base,
    functions: Mapping[str, Callable[..., Any]] | None,
    folder: Path,
) -> dict[str, Any]:
    """What a manifest says of a sweep before it runs: its trade and the hashes of all it reads."""
    return {
        "name": trade.name,
        "trade": json.loads(text),
        "trade_sha256": mark_of(text, base),
        "files_sha256": files_hash(trade, base),
        "functions_sha256": _hash(functions_of(trade, functions, folder)),
        "code_sha256": shared.code_hash(),
    }
