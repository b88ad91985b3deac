"""Compiled search for live paths among the nodes that forward.

Away from the edges of contacts the light time does not matter: where every contact of a path is up
for as long as a bundle can be under way, the network stands still, and a search by breadth finds
the path (``reachable``). Only where the two bounds part - contacts shortened, or lengthened, by
that time - are paths followed one by one, by the set of nodes that they run through
(``follow_paths``): those windows last seconds.

Sets of nodes are bits in ``words`` whole numbers of 62 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orbits.compiled import njit

# leftovers of subtracting nearly equal sets are noise of rounding; an edge is known to ~0.1 s
SLIVER_S = 1e-6
BITS = 62


@njit(cache=True, nogil=True)
def unite(node, start, end, count):
    """Sorted disjoint spans of each node from spans in any order: ``at``, starts, ends."""
    size = np.zeros(count + 1, dtype=np.int64)
    for i in range(node.size):
        size[node[i] + 1] += 1
    bucket = np.cumsum(size)
    place = bucket[:-1].copy()
    s = np.empty(node.size)
    e = np.empty(node.size)
    for i in range(node.size):
        s[place[node[i]]], e[place[node[i]]] = start[i], end[i]
        place[node[i]] += 1
    at = np.zeros(count + 1, dtype=np.int64)
    used = 0
    for n in range(count):
        low, high = bucket[n], bucket[n + 1]
        begin = used
        if high - low == 1:
            s[used], e[used] = s[low], e[low]
            used += 1
        elif high > low:
            order = np.argsort(s[low:high])
            ss, ee = s[low:high][order], e[low:high][order]
            for i in range(high - low):
                if used > begin and ss[i] <= e[used - 1]:
                    e[used - 1] = max(e[used - 1], ee[i])
                else:
                    s[used], e[used] = ss[i], ee[i]
                    used += 1
        at[n + 1] = used
    return at, s[:used], e[:used]


@njit(cache=True, nogil=True)
def _subtract(s, e, used, cut_s, cut_e, out_s, out_e):
    """Spans ``s, e`` (the first ``used``) less the cuts, all sorted and disjoint: how many."""
    size = 0
    for i in range(used):
        begin = s[i]
        k = np.searchsorted(cut_e, begin, side="right")
        while k < cut_s.size and cut_s[k] < e[i]:
            if cut_s[k] - begin > SLIVER_S:
                out_s[size], out_e[size] = begin, cut_s[k]
                size += 1
            begin = max(begin, cut_e[k])
            k += 1
        if e[i] - begin > SLIVER_S:
            out_s[size], out_e[size] = begin, e[i]
            size += 1
    return size


@njit(cache=True, nogil=True)
def grown(array, room) -> Any:
    """The array with at least ``room`` more places, and at least twice as many."""
    return np.concatenate((array, np.empty(max(array.size, room), dtype=array.dtype)))


# --- the network standing still --------------------------------------------------------------


@njit(cache=True, nogil=True)
def _reached(up, direct, without, hops, live, fresh):
    """Fills ``live`` with the nodes that reach the target in at most ``hops``, without one."""
    count, words = up.shape
    live[:] = direct
    if without >= 0:
        live[without // BITS] &= ~(1 << (without % BITS))
    for _ in range(hops - 1):
        more = False
        fresh[:] = 0
        for n in range(count):
            word, flag = n // BITS, 1 << (n % BITS)
            if n == without or live[word] & flag:
                continue
            for w in range(words):
                if up[n, w] & live[w]:
                    fresh[word] |= flag
                    more = True
                    break
        if not more:
            return
        for w in range(words):
            live[w] |= fresh[w]


@njit(cache=True, nogil=True)
def reachable(pair, start, end, count, hops, across):
    """When each node reaches the target over links that are up at the same instant: node, spans.

    ``pair``: source x (count + 1) + target for each span of a link, the target of all being node
    ``count``. ``across``: in at most ``hops`` beyond a first link to another node, and not back.
    """
    words = (count + BITS - 1) // BITS
    when = np.concatenate((start, end))
    order = np.argsort(when)
    open_links = np.zeros(count * (count + 1), dtype=np.int64)
    up = np.zeros((count, words), dtype=np.int64)
    direct = np.zeros(words, dtype=np.int64)
    live, fresh = np.zeros(words, dtype=np.int64), np.zeros(words, dtype=np.int64)
    since, is_live = np.zeros(count), np.zeros(count, dtype=np.bool_)
    room = 256
    node, s, e = np.empty(room, dtype=np.int64), np.empty(room), np.empty(room)
    used, i = 0, 0
    while i < when.size:
        now = when[order[i]]
        changed = False
        while i < when.size and when[order[i]] == now:
            k = order[i]
            opens = k < start.size
            p = pair[k] if opens else pair[k - start.size]
            open_links[p] += 1 if opens else -1
            i += 1
            u, v = p // (count + 1), p % (count + 1)
            here = open_links[p] > 0
            if v == count:
                was = (direct[u // BITS] >> (u % BITS)) & 1
                if (was == 1) != here:
                    direct[u // BITS] ^= 1 << (u % BITS)
                    changed = True
            else:
                was = (up[u, v // BITS] >> (v % BITS)) & 1
                if (was == 1) != here:
                    up[u, v // BITS] ^= 1 << (v % BITS)
                    changed = True
        if not changed:
            continue
        if not across:
            _reached(up, direct, -1, hops, live, fresh)
        for n in range(count):
            if across:
                found = False
                for w in range(words):  # a neighbour that is there in one hop
                    found = found or (up[n, w] & direct[w]) != 0
                if not found:
                    _reached(up, direct, n, hops, live, fresh)
                    for w in range(words):
                        found = found or (up[n, w] & live[w]) != 0
            else:
                found = (live[n // BITS] >> (n % BITS)) & 1 == 1
            if found and not is_live[n]:
                since[n] = now
            elif is_live[n] and not found:
                if used == s.size:
                    node, s, e = grown(node, 0), grown(s, 0), grown(e, 0)
                node[used], s[used], e[used] = n, since[n], now
                used += 1
            is_live[n] = found
    return node[:used], s[:used], e[:used]


# --- path by path ----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _find(slots, node, sets, chain_node, chain_sets):
    """The slot of a node and a set: empty (-1), or the number of their chain."""
    key = node * 1000003
    for w in range(sets.size):
        key = (key ^ sets[w]) * 0x1E3779B97F4A7C15
        key ^= key >> 29
    at = key & (slots.size - 1)
    while slots[at] >= 0:
        g = slots[at]
        if chain_node[g] == node:
            same = True
            for w in range(sets.size):
                same = same and chain_sets[g, w] == sets[w]
            if same:
                return at
        at = (at + 1) & (slots.size - 1)
    return at


@njit(cache=True, nogil=True)
def follow_paths(low, high, u, v, start, end, owlt, at, base_s, base_e, count, most, across):
    """Spans from which a path is live, found within windows ``low``..``high``: node, start, end.

    Contacts ``u``, ``v``, ... are sorted by start; ``base`` are the spans of paths of one hop of
    each node. Paths of ``most`` hops at most, none through a node twice; with ``across`` only
    paths whose first hop is one of the contacts.
    """
    words = (count + BITS - 1) // BITS
    room = 1024
    out_n, out_s, out_e = np.empty(room, dtype=np.int64), np.empty(room), np.empty(room)
    out = 0
    active, alive, upcoming = np.empty(u.size, dtype=np.int64), 0, 0
    slots = np.full(256, -1, dtype=np.int64)
    wanted = np.zeros(words, dtype=np.int64)
    x, y, xx, yy = np.empty(64), np.empty(64), np.empty(64), np.empty(64)
    two = np.full(count * count, -1, dtype=np.int64)  # chains of two nodes
    for z in range(low.size):
        begin, finish = low[z], high[z]
        while upcoming < u.size and start[upcoming] < finish:
            active[alive] = upcoming
            alive += 1
            upcoming += 1
        kept = 0
        for k in range(alive):
            if end[active[k]] > begin:
                active[kept] = active[k]
                kept += 1
        alive = kept
        # this window's contacts by target
        into = np.zeros(count + 2, dtype=np.int64)
        for k in range(alive):
            into[v[active[k]] + 2] += 1
        for n in range(count):
            into[n + 2] += into[n + 1]
        c_u = np.empty(alive, dtype=np.int64)
        c_s, c_e, c_o = np.empty(alive), np.empty(alive), np.empty(alive)
        for k in range(alive):
            c = active[k]
            p = into[v[c] + 1]
            into[v[c] + 1] += 1
            c_u[p], c_o[p] = u[c], owlt[c]
            c_s[p], c_e[p] = max(start[c], begin), min(end[c], finish)
        # paths of one hop
        room = 16
        node, s, e = np.empty(room, dtype=np.int64), np.empty(room), np.empty(room)
        used = 0
        for n in range(count):
            spans_e = base_e[at[n] : at[n + 1]]
            i = at[n] + np.searchsorted(spans_e, begin, side="right")
            while i < at[n + 1] and base_s[i] < finish:
                if used == s.size:
                    node, s, e = grown(node, 0), grown(s, 0), grown(e, 0)
                node[used], s[used] = n, max(base_s[i], begin)
                e[used] = min(base_e[i], finish)
                used += 1
                i += 1
        one_at, one_s, one_e = unite(node[:used], s[:used], e[:used], count)
        chain_at, chain_s, chain_e = one_at, one_s, one_e
        chain_node = np.arange(count)
        sets = np.zeros((count, words), dtype=np.int64)
        for n in range(count):
            sets[n, n // BITS] |= 1 << (n % BITS)
        two[:] = -1
        two_at, two_s, two_e = one_at, one_s, one_e
        for hop in range(1, most + 1):
            if out + chain_s.size > out_n.size:
                out_n, out_s = grown(out_n, chain_s.size), grown(out_s, chain_s.size)
                out_e = grown(out_e, chain_s.size)
            if not across:
                for g in range(chain_node.size):
                    for i in range(chain_at[g], chain_at[g + 1]):
                        out_n[out], out_s[out], out_e[out] = chain_node[g], chain_s[i], chain_e[i]
                        out += 1
            if hop == most:
                break
            # one hop more: by the node that sends and the set of nodes, whatever their order
            slots[:] = -1
            room = 64
            next_node = np.empty(room, dtype=np.int64)
            next_sets = np.empty((room, words), dtype=np.int64)
            node, s, e = np.empty(room, dtype=np.int64), np.empty(room), np.empty(room)
            chains, used = 0, 0
            for g in range(chain_node.size):
                if chain_at[g] == chain_at[g + 1]:
                    continue
                for c in range(into[chain_node[g]], into[chain_node[g] + 1]):
                    n = c_u[c]
                    word, flag = n // BITS, 1 << (n % BITS)
                    if sets[g, word] & flag:
                        continue
                    k = -1
                    for i in range(chain_at[g], chain_at[g + 1]):
                        first = max(c_s[c], chain_s[i] - c_o[c])
                        last = min(c_e[c], chain_e[i] - c_o[c])
                        if last - first <= SLIVER_S:
                            continue
                        if k < 0:
                            wanted[:] = sets[g]
                            wanted[word] |= flag
                            place = _find(slots, n, wanted, next_node, next_sets)
                            k = slots[place]
                            if k < 0:
                                if chains == next_node.size:
                                    next_node = grown(next_node, 0)
                                    next_sets = np.concatenate((next_sets, next_sets))
                                k = chains
                                next_node[k] = n
                                next_sets[k] = wanted
                                slots[place] = k
                                chains += 1
                                if 2 * chains > slots.size:
                                    slots = np.full(4 * slots.size, -1, dtype=np.int64)
                                    for h in range(chains):
                                        slots[
                                            _find(
                                                slots, next_node[h], next_sets[h], next_node,
                                                next_sets,
                                            )
                                        ] = h  # fmt: skip
                        if used == s.size:
                            node, s, e = grown(node, 0), grown(s, 0), grown(e, 0)
                        node[used], s[used], e[used] = k, first, last
                        used += 1
            if chains == 0:
                break
            next_at, new_s, new_e = unite(node[:used], s[:used], e[:used], chains)
            if across:
                if out + new_s.size > out_n.size:
                    out_n, out_s = grown(out_n, new_s.size), grown(out_s, new_s.size)
                    out_e = grown(out_e, new_s.size)
                for g in range(chains):
                    for i in range(next_at[g], next_at[g + 1]):
                        out_n[out], out_s[out], out_e[out] = next_node[g], new_s[i], new_e[i]
                        out += 1
            # what a path through one or two of the same nodes serves need not go on
            room = new_s.size + 16
            kept_s, kept_e = np.empty(room), np.empty(room)
            kept_at = np.zeros(chains + 1, dtype=np.int64)
            kept = 0
            for g in range(chains):
                n = next_node[g]
                size = next_at[g + 1] - next_at[g]
                need = size + one_s.size + two_s.size + 4
                if x.size < need:
                    x, y, xx, yy = grown(x, need), grown(y, need), grown(xx, need), grown(yy, need)
                x[:size] = new_s[next_at[g] : next_at[g + 1]]
                y[:size] = new_e[next_at[g] : next_at[g + 1]]
                a, b = one_at[n], one_at[n + 1]
                if b > a:
                    size = _subtract(x, y, size, one_s[a:b], one_e[a:b], xx, yy)
                    x, xx, y, yy = xx, x, yy, y
                if hop > 1:
                    for m in range(count):
                        if size == 0:
                            break
                        k = two[n * count + m]
                        if k < 0 or (next_sets[g, m // BITS] >> (m % BITS)) & 1 == 0:
                            continue
                        a, b = two_at[k], two_at[k + 1]
                        if b > a:
                            size = _subtract(x, y, size, two_s[a:b], two_e[a:b], xx, yy)
                            x, xx, y, yy = xx, x, yy, y
                if kept + size > kept_s.size:
                    kept_s, kept_e = grown(kept_s, size), grown(kept_e, size)
                kept_s[kept : kept + size], kept_e[kept : kept + size] = x[:size], y[:size]
                kept += size
                kept_at[g + 1] = kept
            if kept == 0:
                break
            chain_node, sets, chain_at = next_node[:chains], next_sets[:chains], kept_at
            chain_s, chain_e = kept_s[:kept], kept_e[:kept]
            if hop == 1:
                two_at, two_s, two_e = chain_at, chain_s, chain_e
                for g in range(chains):
                    for m in range(count):
                        if m != chain_node[g] and (sets[g, m // BITS] >> (m % BITS)) & 1:
                            two[chain_node[g] * count + m] = g
    return out_n[:out], out_s[:out], out_e[:out]
