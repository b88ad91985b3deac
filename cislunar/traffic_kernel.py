"""Compiled: streams of data booked through contacts, each as early as what is free allows.

Free time of a contact is a chain of segments. A stream takes one segment of every contact on its
way, contiguously: a hop may send on what is still arriving, but never outruns it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orbits.compiled import njit

LEAST_S = 1e-6  # what is left of a contact under this is nothing
LEAST_SHARE = 1e-9  # of a batch, a smaller rest is nothing
NONE = -1


@njit(cache=True, nogil=True)
def _grown(array, size) -> Any:
    if size < array.size:
        return array
    return np.concatenate((array, np.empty(max(size + 1 - array.size, array.size), array.dtype)))


@njit(cache=True, nogil=True)
def _alive(following, c):
    """The first contact at or after ``c`` with free time; the way there is remembered."""
    root = c
    while following[root] != root:
        root = following[root]
    while following[c] != root:
        following[c], c = root, following[c]
    return root


@njit(cache=True, nogil=True)
def _search(
    source, now, targets, transit, barred, pairs, pair_target, pair_owlt, contacts, start, reach,
    owlt, following, head, seg_start, seg_end, seg_next, arrive, hops, contact, segment, previous,
):  # fmt: skip
    """Labels of the earliest arrival of a first bit; the target that is reached first, or -1."""
    count = arrive.size
    arrive[:] = np.inf
    hops[:] = count + 1
    done = np.zeros(count, dtype=np.bool_)
    arrive[source], hops[source] = now, 0
    while True:
        u = -1
        for n in range(count):
            if done[n] or arrive[n] == np.inf:
                continue
            if u < 0 or (arrive[n], hops[n]) < (arrive[u], hops[u]):
                u = n
        if u < 0:
            return NONE
        if targets[u] and u != source:
            return u
        done[u] = True
        if u != source and (not transit[u] or barred[u]):
            continue
        t = arrive[u]
        for p in range(pairs[u], pairs[u + 1]):
            v = pair_target[p]
            if done[v] or not (transit[v] or targets[v]):
                continue
            # contacts of a pair by start; reach is the latest end so far
            low, high = contacts[p], contacts[p + 1]
            c = _alive(following, low + np.searchsorted(reach[low:high], t, side="right"))
            while c < high and start[c] + pair_owlt[p] <= arrive[v]:
                s = head[c]
                while s >= 0 and seg_end[s] - max(seg_start[s], t) < LEAST_S:
                    s = seg_next[s]
                if s >= 0:
                    there = max(seg_start[s], t) + owlt[c]
                    if (there, hops[u] + 1) < (arrive[v], hops[v]):
                        arrive[v], hops[v] = there, hops[u] + 1
                        contact[v], segment[v], previous[v] = c, s, u
                c = _alive(following, c + 1)


@njit(cache=True, nogil=True)
def _fits(bits, now, way, segments, rate, owlt, seg_start, seg_end, begin):
    """True where a stream fits into its segments; ``begin`` gets when each hop starts."""
    first = last = now
    for i in range(way.size):
        c, s = way[i], segments[i]
        seconds = bits / rate[c]
        x = max(seg_start[s], first, last - seconds)
        if x + seconds > seg_end[s]:
            return False
        begin[i] = x
        first = x + owlt[c]
        last = x + seconds + owlt[c]
    return True


@njit(cache=True, nogil=True)
def _held(node, low, high, kept, kept_start, kept_end, kept_bit, kept_next, now):
    """The most that is stored at a node at any time in ``[low, high)``, bit."""
    # what has gone for good is forgotten
    k, before = kept[node], -1
    while k >= 0:
        if kept_end[k] <= now:
            if before < 0:
                kept[node] = kept_next[k]
            else:
                kept_next[before] = kept_next[k]
        else:
            before = k
        k = kept_next[k]
    most = 0.0
    i = kept[node]
    at = low
    while True:
        if low <= at < high:
            total = 0.0
            k = kept[node]
            while k >= 0:
                if kept_start[k] <= at < kept_end[k]:
                    total += kept_bit[k]
                k = kept_next[k]
            most = max(most, total)
        if i < 0:
            return most
        at = kept_start[i]
        i = kept_next[i]


@njit(cache=True, nogil=True)
def simulate(
    ready, bit, source, kind, targets, transit, storage, pairs, pair_target, pair_owlt, contacts,
    start, end, reach, owlt, rate,
):  # fmt: skip
    """Every stream booked in turn, by the way on which its first bit arrives earliest.

    ``ready, bit, source, kind``: batches by the time they are ready (s). ``targets, transit`` (one
    row a kind): where they may end, and through which nodes they may go. ``storage`` (bit) of each
    node. Contacts are sorted by pair and start: ``pairs[u]`` is the first pair from node u,
    ``contacts[p]`` the first contact of pair p, ``pair_owlt`` its least light time, ``reach`` the
    latest end among a pair's contacts so far. Returns the hops as arrays - batch, stream,
    contact, start (s), bits - and for each batch the bits that are left over and dropped.
    """
    size, count = start.size, storage.size
    following = np.arange(size + 1)
    head = np.arange(size)
    seg_start, seg_end = start.copy(), end.copy()
    seg_next = np.full(size, NONE)
    segs = size
    arrive, hops = np.empty(count), np.empty(count, dtype=np.int64)
    contact, segment, previous = (
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.int64),
    )
    barred = np.zeros(count, dtype=np.bool_)
    kept = np.full(count, NONE)
    kept_start, kept_end, kept_bit = np.empty(64), np.empty(64), np.empty(64)
    kept_next = np.empty(64, dtype=np.int64)
    keeps = 0
    out_batch, out_stream, out_contact = (
        np.empty(256, dtype=np.int64),
        np.empty(256, dtype=np.int64),
        np.empty(256, dtype=np.int64),
    )
    out_start, out_bit = np.empty(256), np.empty(256)
    used, streams = 0, 0
    left, dropped = bit.copy(), np.zeros(bit.size)
    way, segments, begin = (
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.int64),
        np.empty(count),
    )
    for b in range(bit.size):
        now, home, k = ready[b], source[b], kind[b]
        barred[:] = False
        while left[b] > 0.0:
            goal = _search(
                home, now, targets[k], transit[k], barred, pairs, pair_target, pair_owlt, contacts,
                start, reach, owlt, following, head, seg_start, seg_end, seg_next, arrive, hops,
                contact, segment, previous,
            )  # fmt: skip
            if goal < 0:
                break
            n = hops[goal]
            v = goal
            for i in range(n - 1, -1, -1):
                way[i], segments[i] = contact[v], segment[v]
                v = previous[v]
            amount = left[b]
            if not _fits(amount, now, way[:n], segments[:n], rate, owlt, seg_start, seg_end, begin):
                low, high = 0.0, amount
                for _ in range(60):
                    middle = 0.5 * (low + high)
                    if _fits(
                        middle, now, way[:n], segments[:n], rate, owlt, seg_start, seg_end, begin
                    ):
                        low = middle
                    else:
                        high = middle
                amount = low
                _fits(amount, now, way[:n], segments[:n], rate, owlt, seg_start, seg_end, begin)
            # what waits must find room: less is sent, or another way is sought
            full, again = NONE, True
            while again and full < 0:
                again = False
                _fits(amount, now, way[:n], segments[:n], rate, owlt, seg_start, seg_end, begin)
                v = home
                for i in range(n):
                    c = way[i]
                    if storage[v] < np.inf:
                        come = now if i == 0 else begin[i - 1] + owlt[way[i - 1]]
                        gone = begin[i] + amount / rate[c]
                        room = storage[v] - _held(
                            v, come, gone, kept, kept_start, kept_end, kept_bit, kept_next, now
                        )
                        if room < LEAST_SHARE * bit[b]:
                            full = i
                            break
                        if room < amount:
                            amount, again = room, True
                            break
                    v = _node_after(c, pair_target, contacts)
            if full == 0:
                break  # the source itself can hold no more
            if full > 0:
                barred[_node_after(way[full - 1], pair_target, contacts)] = True
                continue
            v = home
            for i in range(n):
                c, s = way[i], segments[i]
                x, y = begin[i], begin[i] + amount / rate[c]
                if storage[v] < np.inf:
                    kept_start, kept_end = _grown(kept_start, keeps), _grown(kept_end, keeps)
                    kept_bit, kept_next = _grown(kept_bit, keeps), _grown(kept_next, keeps)
                    kept_start[keeps] = now if i == 0 else begin[i - 1] + owlt[way[i - 1]]
                    kept_end[keeps], kept_bit[keeps] = y, amount
                    kept_next[keeps], kept[v] = kept[v], keeps
                    keeps += 1
                out_batch, out_stream = _grown(out_batch, used), _grown(out_stream, used)
                out_contact, out_start = _grown(out_contact, used), _grown(out_start, used)
                out_bit = _grown(out_bit, used)
                out_batch[used], out_stream[used], out_contact[used] = b, streams, c
                out_start[used], out_bit[used] = x, amount
                used += 1
                # the segment loses [x, y)
                if seg_end[s] - y >= LEAST_S:
                    seg_start, seg_end = _grown(seg_start, segs), _grown(seg_end, segs)
                    seg_next = _grown(seg_next, segs)
                    seg_start[segs], seg_end[segs] = y, seg_end[s]
                    seg_next[segs], seg_next[s] = seg_next[s], segs
                    segs += 1
                seg_end[s] = x
                while head[c] >= 0 and (
                    seg_end[head[c]] - seg_start[head[c]] < LEAST_S or seg_end[head[c]] <= now
                ):
                    head[c] = seg_next[head[c]]
                if head[c] < 0:
                    following[c] = c + 1
                v = _node_after(c, pair_target, contacts)
            streams += 1
            left[b] -= amount
            if left[b] < LEAST_SHARE * bit[b]:
                left[b] = 0.0
        if left[b] > 0.0 and storage[home] < np.inf:
            room = storage[home] - _held(
                home, now, np.inf, kept, kept_start, kept_end, kept_bit, kept_next, now
            )
            dropped[b] = max(0.0, left[b] - max(room, 0.0))
            left[b] -= dropped[b]
            if left[b] > 0.0:
                kept_start, kept_end = _grown(kept_start, keeps), _grown(kept_end, keeps)
                kept_bit, kept_next = _grown(kept_bit, keeps), _grown(kept_next, keeps)
                kept_start[keeps], kept_end[keeps], kept_bit[keeps] = now, np.inf, left[b]
                kept_next[keeps], kept[home] = kept[home], keeps
                keeps += 1
    return (
        out_batch[:used], out_stream[:used], out_contact[:used], out_start[:used], out_bit[:used],
        left, dropped,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _node_after(c, pair_target, contacts):
    return pair_target[np.searchsorted(contacts, c, side="right") - 1]
