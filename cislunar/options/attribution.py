"""Who is to be credited with what a set of options fills together.

A game: players, and a value for every set of them (hours filled). ``add_one`` is what a player
fills alone, ``leave_one_out`` what all the others lack without it; where players overlap the first
add up to more than the whole, where they need each other to less. The Shapley value is the mean of
what a player adds over all orders in which they may come: its shares add up to the whole, players
that are alike have like shares, and one that never adds anything has none (L. S. Shapley, 1953).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from orbits.errors import InputError

EXACT_PLAYERS = 16  # 65,536 sets; beyond, orders are sampled
Value = Callable[[frozenset[str]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of each player (rows) in each of the keys (columns), in the value's unit.

    ``standard_error`` is 0 where every set was counted; of sampled orders it is that of the mean.
    ``pairs``: what each pair of orders gave, (pairs, players, keys).
    """

    players: tuple[str, ...]
    add_one: np.ndarray
    leave_one_out: np.ndarray
    shapley: np.ndarray
    standard_error: np.ndarray
    whole: np.ndarray
    exact: bool
    orders: int = 0
    seed: int | None = None
    pairs: np.ndarray | None = None

    @property
    def method(self) -> str:
        """How the shares were found, for a table: ``exact``, or how many orders were sampled."""
        return "exact" if self.exact else f"sampled {self.orders} orders, seed {self.seed}"

    def standard_error_of(self, keys: np.ndarray) -> np.ndarray:
        """The standard error (players,) of each player's share of several keys together.

        Keys share their orders, so that their errors go together and do not add as squares.
        """
        if self.pairs is None:
            return np.zeros(len(self.players))
        return _error(self.pairs[:, :, keys].sum(axis=2))

    def _repr_html_(self) -> str:
        import pandas as pd

        columns = {
            name: getattr(self, name).sum(axis=1)
            for name in ("add_one", "leave_one_out", "shapley")
        }
        return pd.DataFrame(columns, index=list(self.players)).to_html()


def shares(
    players: Sequence[str], value: Value, *, orders: int = 200, seed: int = 1,
    exact_players: int | None = None,
) -> Shares:  # fmt: skip
    """The shares of every player: exact up to ``exact_players`` (16), else of sampled orders.

    ``value(set of names)`` gives a vector (K,) of values, one a key; that of the empty set counts
    as the zero. Sampled orders come in pairs, one the reverse of the other, from ``seed``.

    >>> found = shares(["l", "r1", "r2"], lambda s: np.array([float("l" in s and len(s) > 1)]))
    >>> found.shapley.ravel().round(4).tolist()
    [0.6667, 0.1667, 0.1667]
    """
    players = tuple(players)
    if len(set(players)) != len(players):
        raise InputError("a player is named twice", value=", ".join(players))
    if orders < 2:
        raise InputError("too few orders", key="orders", value=orders, allowed=">= 2")
    base = np.asarray(value(frozenset()), dtype=float)

    def gain(names) -> np.ndarray:
        return np.asarray(value(frozenset(names)), dtype=float) - base

    zero = np.zeros((len(players), base.size))
    if not players:
        return Shares(players, zero, zero, zero, zero, np.zeros_like(base), True)
    if len(players) <= (EXACT_PLAYERS if exact_players is None else exact_players):
        table = np.array([
            gain(p for k, p in enumerate(players) if s >> k & 1) for s in range(2 ** len(players))
        ])  # fmt: skip
        return Shares(players, *_singles(table), shapley_exact(table), zero, table[-1], True)
    whole = gain(players)
    alone = np.array([gain([p]) for p in players])
    without = np.array([whole - gain(q for q in players if q != p) for p in players])
    pairs = _sampled(players, gain, orders, seed)
    return Shares(
        players, alone, without, pairs.mean(axis=0), _error(pairs), whole, False,
        2 * (orders // 2), seed, pairs,
    )  # fmt: skip


def shapley_exact(table: np.ndarray) -> np.ndarray:
    """The Shapley values (n, K) of a game given as the values (2^n, K) of all sets.

    Row s of the table is the set of the players whose bits are set in s.
    """
    count = int(table.shape[0]).bit_length() - 1
    sets = np.arange(table.shape[0])
    size = np.array([int(s).bit_count() for s in sets])
    weight = np.array([1.0 / (count * math.comb(count - 1, k)) for k in range(count)])
    out = np.empty((count, table.shape[1]))
    for k in range(count):
        without = sets[(sets >> k) & 1 == 0]
        added = table[without | (1 << k)] - table[without]
        out[k] = (weight[size[without], None] * added).sum(axis=0)
    return out


def _singles(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bits = [1 << k for k in range(int(table.shape[0]).bit_length() - 1)]
    full = table.shape[0] - 1
    return table[bits] - table[0], table[full] - table[[full ^ b for b in bits]]


def _sampled(players, gain, orders, seed):
    rng = np.random.default_rng(seed)
    number = {p: k for k, p in enumerate(players)}
    zero = np.zeros_like(gain(()))
    pairs = []
    for _ in range(orders // 2):
        order = [players[k] for k in rng.permutation(len(players))]
        total = np.zeros((len(players), zero.size))
        for way in (order, order[::-1]):  # the two of a pair err in opposite ways
            before, inside = zero, []
            for player in way:
                inside.append(player)
                now = gain(inside)
                total[number[player]] += now - before
                before = now
        pairs.append(total / 2.0)
    return np.array(pairs)


def _error(pairs: np.ndarray) -> np.ndarray:
    """The standard error of the mean over the first axis; infinite of a single pair."""
    if len(pairs) < 2:
        return np.full(pairs.shape[1:], np.inf)
    return pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs))
