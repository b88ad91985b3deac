"""Files are read back by other people's readers: oem and spiceypy."""

import numpy as np
import pytest

from orbits.constants import GM_MOON_KM3_S2
from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError
from orbits.exchange import read_oem, read_spk, thinned, write_oem, write_spk
from orbits.trajectory import Trajectory


@pytest.fixture(scope="module")
def ellipse():
    """An eccentric two-body orbit, period 13.2 h, sampled each minute for three days."""
    a, e = 6541.4, 0.6
    epoch = Epoch.parse("2030-03-01T00:00:00 UTC")
    t = np.arange(0.0, 3 * 86400 + 1, 60.0)
    mean = np.sqrt(GM_MOON_KM3_S2 / a**3) * t
    big = mean + e * np.sin(mean)
    for _ in range(50):
        big = big - (big - e * np.sin(big) - mean) / (1 - e * np.cos(big))
    rate = np.sqrt(GM_MOON_KM3_S2 / a**3) / (1 - e * np.cos(big))
    b = a * np.sqrt(1 - e * e)
    states = np.stack(
        [
            a * (np.cos(big) - e), b * np.sin(big) * 0.6, b * np.sin(big) * 0.8,
            -a * np.sin(big) * rate, b * np.cos(big) * rate * 0.6, b * np.cos(big) * rate * 0.8,
        ],
        axis=1,
    )  # fmt: skip
    return Trajectory(epoch, t, states, name="ellipse")


def test_thinning_keeps_the_trajectory_to_a_centimetre(ellipse):
    less = thinned(ellipse)
    assert less.t_s.size < ellipse.t_s.size / 3
    assert np.abs(less.at(ellipse.t_s)[:, :3] - ellipse.states[:, :3]).max() < 1e-5


def test_oem_read_by_the_oem_package(ellipse, tmp_path, evidence):
    from oem import OrbitEphemerisMessage

    path = tmp_path / "ellipse.oem"
    write_oem(thinned(ellipse), path, object_name="ELLIPSE", object_id="-100001")
    message = OrbitEphemerisMessage.open(path)
    (segment,) = message.segments
    assert segment.metadata["CENTER_NAME"] == "MOON"
    assert segment.metadata["TIME_SYSTEM"] == "TDB"
    worst = 0.0
    for state in list(segment.states)[::7]:
        epoch = state.epoch.tdb
        t = (epoch.jd1 - 2451545.0 - ellipse.epoch.day) * 86400 + (
            epoch.jd2 * 86400 - ellipse.epoch.second
        )
        worst = max(worst, np.abs(state.position - ellipse.at(t)[:3]).max())
    evidence(
        "OEM export", "oem package reading the file", 1, worst * 1000, 1.0, "m",
        "the file carries nine decimals of a second and of a kilometre",
    )  # fmt: skip
    back = read_oem(path)
    assert np.abs(back.rebased(ellipse.epoch).at(ellipse.t_s[1:-1])[:, :3]
                  - ellipse.states[1:-1, :3]).max() < 2e-5  # fmt: skip


def test_spk_read_by_spiceypy(ellipse, tmp_path, evidence):
    path = tmp_path / "two.bsp"
    write_spk({"a": thinned(ellipse), "b": ellipse}, {"a": -100001, "b": -100002}, path)
    t = np.linspace(0, ellipse.end_s, 1001)
    worst = max(
        np.abs(read_spk(path, body, ellipse.epoch, t).states[:, :3] - ellipse.at(t)[:, :3]).max()
        for body in (-100001, -100002)
    )
    evidence(
        "SPK export", "SPICE toolkit (spiceypy) reading the kernel", 2002, worst * 1000, 1.0, "m",
        "type 13 of degree 7 is the interpolation used inside",
    )  # fmt: skip
    with pytest.raises(SpanError):
        read_spk(path, -100001, ellipse.epoch, [0.0, 4 * 86400.0])


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "not an OEM"),
        ("CCSDS_OEM_VERS = 2.0\nMETA_START\nTIME_SYSTEM = GPS\nMETA_STOP\n2030 1 2 3 4 5 6\n", "line 5"),
        ("CCSDS_OEM_VERS = 2.0\nMETA_START\nCENTER_NAME = MARS\nREF_FRAME = ICRF\nTIME_SYSTEM = TDB\n"
         "META_STOP\n2030-01-01T00:00:00 1 2 3 4 5 6\n2030-01-02T00:00:00 1 2 3 4 5 6\n", "CENTER_NAME"),
        ("CCSDS_OEM_VERS = 2.0\nMETA_START\nCENTER_NAME = MOON\nREF_FRAME = ICRF\nTIME_SYSTEM = TDB\n"
         "META_STOP\n2030-01-01T00:00:00 1 2 nan 4 5 6\n", "line 7"),
    ],
)  # fmt: skip
def test_a_bad_oem_is_one_clear_line(content, word, tmp_path):
    path = tmp_path / "bad.oem"
    path.write_text(content)
    with pytest.raises(InputError, match=word) as fault:
        read_oem(path)
    assert "\n" not in str(fault.value)


def test_a_missing_or_foreign_spk_is_one_clear_line(tmp_path, ellipse):
    with pytest.raises(InputError):
        read_spk(tmp_path / "none.bsp", -1, ellipse.epoch, [0.0, 1.0])
    (tmp_path / "text.bsp").write_text("not a kernel")
    with pytest.raises(InputError):
        read_spk(tmp_path / "text.bsp", -1, ellipse.epoch, [0.0, 1.0])
