"""Tables that can be made again: kept while there is room for them."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

ROOM_BYTES = 256 * 2**20  # a month of 64 nodes stays whole; a year goes through it pair by pair


class OnDemand:
    """Arrays made on demand; those not asked for the longest are let go when room is short.

    >>> tables = OnDemand()
    >>> ones = tables.get("ones", lambda: np.ones(3))
    >>> tables.get("ones", lambda: np.zeros(3)) is ones
    True
    """

    def __init__(self, room_bytes: int = ROOM_BYTES):
        self._room, self._used, self._short = room_bytes, 0, False
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.RLock()  # a table may be made from others

    def get(self, key: Hashable, make: Callable[[], np.ndarray | tuple[np.ndarray, ...]]) -> Any:
        """The array, or tuple of arrays, under ``key``: as held, or made and held."""
        with self._lock:
            entry = self._held.get(key)
            if entry is None:
                made = make()
                arrays = made if isinstance(made, tuple) else (made,)
                entry = made, sum(a.nbytes for a in arrays)
                self._put(key, entry)
            self._held.move_to_end(key)
            return entry[0]

    def beside(self, array: np.ndarray, make: Callable[[], tuple[np.ndarray, ...]]) -> Any:
        """What is derived from ``array``, as ``get``; it does not keep the array itself alive."""
        with self._lock:
            key = id(array)
            entry = self._held.get(key)
            if entry is not None and entry[0][0]() is array:
                self._held.move_to_end(key)
                return entry[0][1]
            self._drop(key)  # of an array that is gone, whose number this one got
            made = make()
            self._put(key, ((weakref.ref(array), made), sum(a.nbytes for a in made)))
            return made

    def rest(self) -> None:
        """After a stage that asks for many: lets all go if there never was room for them."""
        with self._lock:
            if self._short:
                self._held.clear()
                self._used, self._short = 0, False

    def _put(self, key, entry) -> None:
        self._held[key] = entry
        self._used += entry[1]
        while self._used > self._room and len(self._held) > 1:
            self._short = True
            self._drop(next(iter(self._held)))

    def _drop(self, key) -> None:
        if key in self._held:
            self._used -= self._held.pop(key)[1]
