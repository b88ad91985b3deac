"""Compiling kernels with a disk cache that knows everything a kernel is made from.

numba keeps compiled code until the file of the kernel changes. A kernel also contains the kernels
that it calls and the numbers that it names, which may stand in other files: by numba's own rule an
edit there would go on giving the old answers without a word. Here the cache's stamp has them too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def njit(**options: Any) -> Callable[[Callable], Any]:
    """A decorator like ``numba.njit``, with a cache that sees edits of callees and constants.

    >>> @njit(cache=False)
    ... def twice(x):
    ...     return 2 * x
    >>> twice(3)
    6
    """

    def compiled(function: Callable) -> Any:
        kernel: Any = numba.njit(**options)(function)
        if options.get("cache"):
            kernel._cache._cache_file._source_stamp = stamp(function)
        return kernel

    return compiled


def stamp(function: Callable) -> tuple:
    """What the compiled form of a function depends on: sources (path, time, size) and constants."""
    parts: set = set()
    _collect(function, parts, set())
    return tuple(sorted(parts, key=repr))


def _collect(function, parts, seen):
    if function in seen:
        return
    seen.add(function)
    path = function.__code__.co_filename
    try:
        found = os.stat(path)
        parts.add((path, found.st_mtime_ns, found.st_size))
    except OSError:  # a function typed in: numba keeps no cache of it
        parts.add((path, 0, 0))
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        callee = getattr(value, "py_func", None) or getattr(value, "_defn", None)
        if callable(callee) and hasattr(callee, "__code__"):
            _collect(callee, parts, seen)
        elif isinstance(value, (bool, int, float, complex, str, tuple)):
            parts.add((name, repr(value)))
        elif isinstance(value, np.ndarray):
            parts.add((name, value.dtype.str, value.shape, value.tobytes()))


def _names(code):
    """The global names in a function's code and in the code nested within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from _names(constant)
