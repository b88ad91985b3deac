"""Metrics that are Python functions: of a file beside the trade, or of an installed module.

The text of what was loaded is kept: a process that lives long, such as a worker of a cluster, must
not take the code it has for what a file says meanwhile.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from cislunar.outside import beside
from orbits.errors import InputError

ALLOWED = "module:function, of a file beside the trade or importable"
MOST_BYTES = 1_000_000
_lock = threading.RLock()
_sources: dict[str, str] = {}  # by the name of the loaded module


def find_function(
    name: str, folder: Path | None = None, file: str | None = None
) -> Callable[[Any], Any]:
    """The function ``module:function``; InputError where it cannot be had.

    ``folder``: the trade's, where ``module.py`` is looked for first. Its code is run.
    """
    return _found(name, folder, file)[0]


def source_of(name: str, folder: Path | None = None) -> str:
    """The text of the module of ``module:function``, as it was when it was loaded."""
    return _sources.get(_found(name, folder, None)[1].__name__, name)


def _found(
    name: str, folder: Path | None, file: str | None
) -> tuple[Callable[[Any], Any], ModuleType]:
    module, _, function = name.partition(":")
    try:
        with _lock:
            home = (None if folder is None else _beside(module, folder)) or _installed(module)
        found = getattr(home, function)
    except (Exception, SystemExit) as fault:  # a module may fail in any way
        said = " ".join(f"{type(fault).__name__}: {fault}".split())
        raise InputError(
            f"{name!r} cannot be had ({said})", file=file, key="metrics", value=name,
            allowed=ALLOWED,
        ) from None  # fmt: skip
    if not callable(found):
        raise InputError(
            f"{name!r} is not a function", file=file, key="metrics", value=name, allowed=ALLOWED
        )
    return found, home


def _installed(module: str) -> ModuleType:
    found = importlib.import_module(module)
    if found.__name__ not in _sources:
        try:
            _sources[found.__name__] = inspect.getsource(found)
        except (OSError, TypeError):  # compiled: there is no text
            _sources[found.__name__] = module
    return found


def _beside(module: str, folder: Path) -> ModuleType | None:
    """The module of a file in the folder, run once for what it holds; None where there is none."""
    path = Path(beside(folder, module.replace(".", "/") + ".py", "trade"))
    if not path.is_file():
        return None
    with path.open("rb") as source:
        content = source.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError("too large", file=str(path), allowed=f"{MOST_BYTES} bytes")
    mark = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()[:16]
    name = f"cislunar_trade_{module.replace('.', '_')}_{mark}"
    if name not in sys.modules:
        made = ModuleType(name)
        made.__file__ = str(path)
        sys.modules[name] = made
        sys.path.append(str(folder))  # last, and only now: what it imports may stand beside it too
        try:
            exec(compile(content, str(path), "exec"), made.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        finally:
            sys.path.remove(str(folder))
        _sources[name] = content.decode("utf-8", "replace")
    return sys.modules[name]
