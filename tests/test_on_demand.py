"""Tables made on demand: the same whatever the room, let go when it is short."""

import gc

import numpy as np

from cislunar.access import in_blocks
from cislunar.nodes import Node
from cislunar.on_demand import OnDemand
from cislunar.tracks import Tables

ROW = np.arange(10.0)  # 80 bytes


def test_what_fits_is_made_once_and_what_was_asked_for_longest_ago_goes_first():
    made = []

    def table(name):
        return lambda: made.append(name) or ROW + len(made)

    room = OnDemand(room_bytes=200)  # two rows
    for name in "ababcbac":
        room.get(name, table(name))
    # c puts out a, b stays; a puts out c; c puts out b
    assert made == ["a", "b", "c", "a", "c"]


def test_all_is_let_go_only_where_there_was_no_room():
    plenty, little = OnDemand(room_bytes=1000), OnDemand(room_bytes=100)
    for room in (plenty, little):
        for name in "ab":
            room.get(name, ROW.copy)
        room.rest()
    assert plenty.get("a", lambda: -ROW)[1] == 1.0
    assert little.get("b", lambda: -ROW)[1] == -1.0


def test_what_is_derived_goes_with_its_array_even_if_another_gets_its_number():
    room = OnDemand()
    for k in range(200):  # freed memory is used again, so numbers come back
        array = np.full(10, float(k))
        assert room.beside(array, lambda a=array: (2.0 * a,))[0][0] == 2.0 * k
        assert room.beside(array, lambda: (ROW,))[0][0] == 2.0 * k
        del array
    gc.collect()


def test_tables_are_held_or_made_and_shared_when_more_come():
    room = OnDemand()
    tables = Tables(room, {"craft": ROW, "site": lambda: 3.0 * ROW})
    more = tables.plus({"other": lambda: 4.0 * ROW})
    assert tables["craft"] is ROW
    assert more["site"] is tables["site"]
    assert more["other"][1] == 4.0
    assert list(more) == ["craft", "site", "other"]
    assert "other" not in tables
    assert len(tables) == 2


def test_pairs_of_the_same_places_come_together():
    nodes = {f"s{k:02}": Node(f"s{k:02}", "asset") for k in range(12)}
    nodes |= {f"c{k}": Node(f"c{k}", "spacecraft") for k in range(3)}
    pairs = [(c, s) for c in nodes if c[0] == "c" for s in nodes if s[0] == "s"]
    order = in_blocks(pairs, nodes)
    assert sorted(order) == sorted(pairs)
    places = [s for _, s in order]
    for k in range(0, 36, 12):  # four places at a time with all three craft
        assert len(set(places[k : k + 12])) == 4
