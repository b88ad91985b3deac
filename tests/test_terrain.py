"""Elevation models: places, heights and slopes from PDS images and GeoTIFF, and what is refused."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.terrain.dem import height_m, slope_deg
from cislunar.terrain.dem_files import open_dem
from orbits.errors import InputError

SPEC = importlib.util.spec_from_file_location("made_dems", Path(__file__).with_name("made_dems.py"))
assert SPEC is not None
assert SPEC.loader is not None
made = sys.modules["made_dems"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made)

GRID = os.environ.get("CISLUNAR_LOLA_GRID")
needs_grid = pytest.mark.skipif(
    not (GRID and Path(GRID).exists()),
    reason="CISLUNAR_LOLA_GRID does not name the label of LOLA's LDEM_4",
)


def rolling(lat, lon):
    """A smooth Moon with nothing special at the poles or the date line, m."""
    lat, lon = np.radians(lat), np.radians(lon)
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    return 1500.0 * (x * y + 0.7 * z * x + 0.4 * y) - 400.0 * z


def counts(heights):
    return np.round(heights / 0.5).astype("<i2")


def files(folder, form):
    """The rolling Moon in one form each: path, the pixel's side in m, and places it covers."""
    if form == "polar-pds":
        lat, lon = made.polar_grid(200, 1000.0, -1, 30.0)
        path = made.pds(
            folder, counts(rolling(lat, lon)), *made.polar_changes(200, 1000.0, -1, 30.0)
        )
    elif form == "polar-pds-north":
        lat, lon = made.polar_grid(201, 1000.0, 1)
        path = made.pds(
            folder, counts(rolling(lat, lon)), *made.polar_changes(201, 1000.0, 1), attached=True
        )
    elif form == "polar-tiff":
        lat, lon = made.polar_grid(200, 1000.0)
        path = made.polar_tiff(folder / "p.tif", rolling(lat, lon), 1000.0)
    elif form == "polar-tiff-north":
        lat, lon = made.polar_grid(200, 1000.0, 1, -45.0)
        path = made.polar_tiff(folder / "n.tif", rolling(lat, lon), 1000.0, 1, -45.0)
    elif form == "global-pds":
        lat, lon = made.cylindrical_grid(90, -90, 0, 360, 4)
        path = made.pds(
            folder, counts(rolling(lat, lon)),
            *made.cylindrical_changes(lat.shape, 90, -90, 0, 360, 4),
        )  # fmt: skip
    elif form == "global-tiff":
        lat, lon = made.cylindrical_grid(90, -90, -180, 180, 4)
        path = made.cylindrical_tiff(folder / "g.tif", rolling(lat, lon), 90, -180, 4, 0.0)
    elif form == "degrees-tiff":
        lat, lon = made.cylindrical_grid(90, -90, -180, 180, 4)
        grid = made.Affine(0.25, 0, -180, 0, -0.25, 90)
        path = made.write_tiff(
            folder / "d.tif", rolling(lat, lon).astype("f4"), "+proj=longlat +R=1737400", grid
        )
    else:  # a tile in km, across the date line
        lat, lon = made.cylindrical_grid(30, -30, 150, 210, 4)
        path = made.pds(
            folder, (rolling(lat, lon) * 1e-3).astype("<f4"),
            *made.cylindrical_changes(lat.shape, 30, -30, 150, 210, 4),
            ("IMAGE", "SAMPLE_TYPE", "PC_REAL"), ("IMAGE", "SAMPLE_BITS", 32),
            ("IMAGE", "UNIT", "KILOMETER"), ("IMAGE", "SCALING_FACTOR", 1),
            ("IMAGE", "OFFSET", "1737.4"),
        )  # fmt: skip
    return path


PLACES = {
    "polar-pds": (-90, -87.5), "polar-pds-north": (87.5, 90), "polar-tiff": (-90, -87.5),
    "polar-tiff-north": (87.5, 90), "global-pds": (-90, 90), "global-tiff": (-90, 90),
    "degrees-tiff": (-90, 90), "tile-pds": (-29, 29),
}  # fmt: skip


@pytest.mark.parametrize("form", PLACES)
def test_heights_in_every_form(tmp_path, form, evidence):
    dem = open_dem(files(tmp_path, form))
    rng = np.random.default_rng(1)
    lat = rng.uniform(*PLACES[form], 2000)
    lon = (
        rng.uniform(-29.5, 29.5, 2000) + 180 if form == "tile-pds" else rng.uniform(-180, 540, 2000)
    )
    if form == "tile-pds":
        lon[::2] -= 360.0  # the same places, by the other name
    else:
        lat[:3], lon[:3] = PLACES[form][0], (0.0, 179.99, 180.01)
        lat[3:6], lon[3:6] = PLACES[form][1], (-0.01, 0.01, 359.99)
    # bilinear between pixels of 0.25 deg: curvature h'' d^2 / 8 in two directions; counts of 0.5 m
    worst = np.abs(height_m(dem, lat, lon) - rolling(lat, lon)).max()
    evidence(
        "heights from PDS and GeoTIFF, simple cylindrical and polar stereographic",
        "the analytic terrain that the files were made of", lat.size, worst, 0.6, "m",
        "half a count of 0.5 m, float32 km, and bilinear curvature over 0.25 deg",
    )  # fmt: skip


@pytest.mark.parametrize("form", ["polar-pds", "polar-pds-north", "global-pds", "tile-pds"])
def test_labels_are_placed_as_gdal_places_them(tmp_path, form, evidence):
    path = files(tmp_path, form)
    dem = open_dem(path)
    rng = np.random.default_rng(2)
    lat = rng.uniform(*PLACES[form], 200)
    lon = rng.uniform(151, 209, 200)
    with rasterio.open(path) as file:
        assert file.driver == "PDS"
        geographic = rasterio.crs.CRS.from_user_input("+proj=longlat +R=1737400")
        xs, ys = rasterio.warp.transform(geographic, file.crs, lon.tolist(), lat.tolist())
        grid = file.transform
    sample, line = (np.array(xs) - grid.c) / grid.a, (np.array(ys) - grid.f) / grid.e
    own_line, own_sample = dem.locate(lat, lon)
    worst = max(np.abs(own_line - (line - 0.5)).max(), np.abs(own_sample - (sample - 0.5)).max())
    evidence(
        "place of a pixel from a PDS3 label", "GDAL's PDS driver and PROJ", lat.size, worst, 1e-6,
        "pixel", "the same label, with all digits of its scale",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("crs", "k"),
    [
        ("+k=0.994 +R=1737400", 0.994), ("+lat_ts=-80 +R=1737400", None),
        ("+a=1737400 +b=1737400 +x_0=5000 +y_0=-7000", 1.0),
    ],
)  # fmt: skip
def test_geotiff_projections_are_those_of_proj(tmp_path, crs, k):
    crs = made.polar_crs(more=crs)
    dem = open_dem(made.polar_tiff(tmp_path / "x.tif", np.zeros((50, 50)), 900.0, crs=crs))
    lat, lon = np.array([-89.9, -89.0, -88.5]), np.array([10.0, 200.0, -77.0])
    geographic = rasterio.crs.CRS.from_user_input("+proj=longlat +R=1737400")
    x, y = rasterio.warp.transform(geographic, crs, lon.tolist(), lat.tolist())
    line, sample = dem.locate(lat, lon)
    np.testing.assert_allclose(sample, (np.array(x) + 22500) / 900 - 0.5, atol=1e-6)
    np.testing.assert_allclose(line, (22500 - np.array(y)) / 900 - 0.5, atol=1e-6)
    true = 0.5 * (1 + np.sin(np.radians(80))) if k is None else k
    assert dem.pixel_m == pytest.approx(900.0 / true)
    assert dem.pixel_at_m(-70.0) == pytest.approx(900.0 / true * np.cos(np.radians(10)) ** 2)


@given(
    across=st.floats(-0.2, 0.2), along=st.floats(-0.2, 0.2), lat=st.floats(-89.9, -89.0),
    lon=st.floats(-180, 180),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_slope_of_a_plane(tmp_path_factory, across, along, lat, lon):
    path = tmp_path_factory.mktemp("plane") / "plane.tif"
    at = (np.arange(80) - 39.5) * 1000.0
    heights = along * at[None, :] * 0.2 + across * -at[:, None] * 0.2
    dem = open_dem(made.polar_tiff(path, heights, 1000.0))
    # the map is true to scale within 1e-4 at 89 deg
    true = np.degrees(np.arctan(0.2 * np.hypot(across, along)))
    assert slope_deg(dem, lat, lon) == pytest.approx(true, rel=2e-3, abs=1e-3)


def test_slope_belongs_to_its_baseline(tmp_path):
    heights = np.zeros((41, 41))
    heights[20, 20] = 100.0
    dem = open_dem(made.polar_tiff(tmp_path / "spike.tif", heights, 50.0))
    beside = -90 + np.degrees(50.0 / made.R_M)
    assert slope_deg(dem, beside, 90.0) == pytest.approx(np.degrees(np.arctan(1.0)), rel=1e-3)
    assert slope_deg(dem, beside, 90.0, baseline_m=400.0) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="baseline_m: is 0"):
        slope_deg(dem, beside, 90.0, baseline_m=0.0)


# --- what is refused ---------------------------------------------------------------------------

MAP = "IMAGE_MAP_PROJECTION"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("IMAGE", "LINES", None), "IMAGE.LINES: is missing"),
        (("IMAGE", "LINES", 2.5), "IMAGE.LINES: is 2.5"),
        (("IMAGE", "LINES", "many"), "IMAGE.LINES: is 'many'"),
        (("IMAGE", "UNIT", None), "IMAGE.UNIT: is missing"),
        (("IMAGE", "UNIT", "FEET"), "IMAGE.UNIT: is 'FEET'"),
        (("IMAGE", "SAMPLE_TYPE", "VAX_REAL"), "IMAGE.SAMPLE_TYPE: is VAX_REAL of 16 bits"),
        (("IMAGE", "BANDS", 3), "IMAGE.BANDS: is not 1"),
        (("IMAGE", "OFFSET", "1738000."), "IMAGE.OFFSET: is 1738000 m"),
        (("IMAGE", "SCALING_FACTOR", 500), "has a height of"),
        ((MAP, "MAP_SCALE", None), "MAP_SCALE: is missing"),
        ((MAP, "MAP_SCALE", "5 <furlong/pix>"), "MAP_SCALE: is 5 <furlong/pix>"),
        ((MAP, "MAP_PROJECTION_TYPE", '"MERCATOR"'), "MAP_PROJECTION_TYPE: is MERCATOR"),
        ((MAP, "CENTER_LATITUDE", "-80 <deg>"), "CENTER_LATITUDE: is -80"),
        ((MAP, "A_AXIS_RADIUS", "1738.0 <km>"), "A_AXIS_RADIUS: is 1738 km"),
        ((MAP, "A_AXIS_RADIUS", "6378.137 <km>"), "A_AXIS_RADIUS: is 6378.137 km"),
        ((MAP, "POSITIVE_LONGITUDE_DIRECTION", '"WEST"'), "DIRECTION: is not EAST"),
        ((MAP, "MAP_PROJECTION_ROTATION", 90.0), "ROTATION: is not 0"),
        ((MAP, "COORDINATE_SYSTEM_NAME", '"PRINCIPAL AXIS OF DE421"'), "is principal axes"),
        ((MAP, "COORDINATE_SYSTEM_NAME", None), "COORDINATE_SYSTEM_NAME: is missing"),
        ((None, "TARGET_NAME", "MARS"), "TARGET_NAME: is MARS"),
    ],
)  # fmt: skip
def test_a_label_that_is_wrong(tmp_path, change, line):
    data = np.full((20, 20), 100, dtype="<i2")
    path = made.pds(tmp_path, data, *made.polar_changes(20, 500.0), change)
    with pytest.raises(InputError) as caught:
        height_m(open_dem(path), -90, 0)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_map_whose_bounds_do_not_fit(tmp_path):
    data = np.zeros((40, 40), dtype="<i2")
    changes = made.cylindrical_changes((40, 40), 10, 0, 20, 30, 4)
    assert open_dem(made.pds(tmp_path, data, *changes)).pixel_m == pytest.approx(7580.84, abs=0.01)
    path = made.pds(tmp_path, data, *changes, (MAP, "EASTERNMOST_LONGITUDE", "50 <deg>"))
    with pytest.raises(InputError, match=r"the bounds hold 40.0 x 120.0 pixels.* 40 x 40"):
        open_dem(path)


def test_pds_files_that_are_not_whole(tmp_path):
    data = np.zeros((20, 20), dtype="<i2")
    label = made.pds(tmp_path, data, *made.polar_changes(20, 500.0))
    image = tmp_path / "made.img"
    assert height_m(open_dem(image), -90, 0) == 0.0
    image.write_bytes(data.tobytes()[:-1])
    with pytest.raises(InputError, match=r"truncated: 799 of 800 bytes; allowed: 20 lines of 20"):
        open_dem(label)
    image.unlink()
    with pytest.raises(InputError, match=r"\^IMAGE: no such file: MADE.IMG"):
        open_dem(label)
    text = label.read_text()
    label.write_text(text[: text.index("END_OBJECT = IMAGE_MAP")])
    with pytest.raises(InputError, match="ends before its END"):
        open_dem(label)
    label.unlink()
    image.write_bytes(data.tobytes())
    with pytest.raises(InputError, match=r"has no label; allowed: made.LBL"):
        open_dem(image)
    with pytest.raises(InputError, match="no such file"):
        open_dem(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("not an image")
    with pytest.raises(InputError, match="is neither PDS3 nor GeoTIFF"):
        open_dem(tmp_path / "text.tif")
    with pytest.raises(InputError, match="cannot be read"):
        open_dem(tmp_path)


@pytest.mark.parametrize(
    ("crs", "line"),
    [
        ("EPSG:3031", "is not on the Moon's sphere"),
        ("EPSG:4326", "is not on the Moon's sphere"),
        (made.polar_crs(more="+R=1738000"), "is 1738 km"),
        ("+proj=stere +lat_0=-60 +R=1737400", "is in projection"),
        ("+proj=sinu +R=1737400", "is in projection sinu"),
        (None, "has no coordinate system"),
    ],
)
def test_a_geotiff_in_the_wrong_frame(tmp_path, crs, line):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = made.polar_tiff(tmp_path / "x.tif", np.zeros((8, 8)), 100.0, crs=crs)
    with pytest.raises(InputError) as caught:
        open_dem(path)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_geotiffs_that_cannot_be_heights(tmp_path):
    flat = np.zeros((300, 300))
    radii = made.polar_tiff(tmp_path / "radii.tif", flat + made.R_M, 20.0)
    with pytest.raises(InputError, match=r"has a height of 1.7374e\+06 m"):
        height_m(open_dem(radii), -90, 0)
    offset = made.polar_tiff(
        tmp_path / "o.tif", flat + 300, 20.0, dtype="int16", scale=0.5, offset=made.R_M
    )
    assert height_m(open_dem(offset), -90, 0) == 150.0
    feet = made.polar_tiff(tmp_path / "feet.tif", flat, 20.0, units="ft")
    with pytest.raises(InputError, match="unit: is 'ft'"):
        open_dem(feet)
    km = made.polar_tiff(tmp_path / "km.tif", flat + 1.5, 20.0, units="km")
    assert height_m(open_dem(km), -90, 0) == 1500.0
    bare = open_dem(made.polar_tiff(tmp_path / "bare.tif", flat, 20.0, units=""))
    assert any("taken as metres" in r for r in bare.remarks)
    with pytest.raises(InputError, match="1 bands of complex"):
        open_dem(made.polar_tiff(tmp_path / "c.tif", flat, 20.0, dtype="complex64"))
    grid = made.Affine(20, 0, 0, 0, -20, 0)
    three = made.write_tiff(
        tmp_path / "3.tif", np.zeros((3, 8, 8), dtype="uint8"), made.polar_crs(), grid
    )
    with pytest.raises(InputError, match="has 3 bands of uint8"):
        open_dem(three)
    turned = made.write_tiff(
        tmp_path / "t.tif", np.zeros((8, 8), dtype="f4"), made.polar_crs(),
        made.Affine(20, 3, 0, 3, -20, 0),
    )  # fmt: skip
    with pytest.raises(InputError, match="is rotated or mirrored"):
        open_dem(turned)
    whole = made.polar_tiff(
        tmp_path / "whole.tif", np.random.default_rng(0).normal(size=(300, 300)), 20.0
    )
    whole.write_bytes(whole.read_bytes()[:200_000])
    with pytest.raises(InputError, match="cannot be read"):
        height_m(open_dem(whole), -90 + np.degrees(2900 / made.R_M), 180.0)


def test_no_label_ends_in_a_traceback(tmp_path):
    """Lines lost, doubled, cut, filled with noise or with another value: an answer or one line."""
    rng = np.random.default_rng(1)
    values = [b"", b"0", b"-1", b"1e400", b"nan", b'"x"', b"{1,2}", b"(3,4)", b"'N/A'", b'"open']
    path = made.pds(tmp_path, np.zeros((40, 40), dtype="<i2"), *made.polar_changes(40, 500.0))
    lines = path.read_bytes().split(b"\r\n")
    refused = []
    for _ in range(300):
        bad = list(lines)
        i = int(rng.integers(1, len(bad)))
        key = bad[i].split(b"=")[0]
        bad[i] = [
            b"", key + b"= " + values[rng.integers(len(values))], rng.bytes(20),
            bad[i] + b"\r\n" + bad[int(rng.integers(len(bad)))],
            bad[i][: int(rng.integers(len(bad[i]) + 1))],
        ][rng.integers(5)]  # fmt: skip
        path.write_bytes(b"\r\n".join(bad))
        try:
            height_m(open_dem(path), -90, 0)
        except InputError as fault:
            refused.append(str(fault))
    assert len(refused) > 100
    assert not any("\n" in line for line in refused)


def test_no_geotiff_ends_in_a_traceback(tmp_path):
    rng = np.random.default_rng(2)
    path = made.polar_tiff(tmp_path / "x.tif", np.zeros((40, 40)), 500.0)
    whole = path.read_bytes()
    refused = []
    for k in range(150):
        bad = bytearray(whole if k % 3 else whole[: int(rng.integers(4, len(whole)))])
        for _ in range(4):
            bad[rng.integers(min(len(bad), 600))] = rng.integers(256)
        path.write_bytes(bytes(bad))
        try:
            height_m(open_dem(path), -90, 0)
        except InputError as fault:
            refused.append(str(fault))
    assert len(refused) > 30
    assert not any("\n" in line for line in refused)
    assert b"unknown|GCS Name" in whole  # a name that is not text
    path.write_bytes(whole.replace(b"unknown|GCS Name", b"unkn\xf5wn|GCS Name"))
    with pytest.raises(InputError, match="cannot be read"):
        open_dem(path)


def test_the_label_of_a_polar_product_of_lola(tmp_path, evidence):
    """LDEM_875S_5M_FLOAT: 30,336 lines of 5 m about an offset of 15167.5; its edge is at 87.5 S.

    The image is a sparse file of 3.7 GB of zeros: what is asked for is read, and nothing else.
    """
    count = 30336
    label = made.pds(
        tmp_path, np.zeros(0, dtype="<f4"), *made.polar_changes(count, 5),
        (MAP, "LINE_PROJECTION_OFFSET", "15167.5 <pix>"),
        (MAP, "SAMPLE_PROJECTION_OFFSET", "15167.5 <pix>"), ("IMAGE", "SAMPLE_TYPE", "PC_REAL"),
        ("IMAGE", "SAMPLE_BITS", 32), ("IMAGE", "UNIT", "KILOMETER"), ("IMAGE", "SCALING_FACTOR", 1),
        ("IMAGE", "OFFSET", "1737.4"),
    )  # fmt: skip
    os.truncate(tmp_path / "made.img", count * count * 4)
    dem = open_dem(label)
    line, sample = dem.locate([-87.5, -87.5, -87.5, -87.5], [0.0, 90.0, 180.0, 270.0])
    edges = np.abs([line[0] + 0.5, sample[1] + 0.5 - count, line[2] + 0.5 - count, sample[3] + 0.5])
    evidence(
        "edge of LOLA's polar map", "LDEM_875S_5M_FLOAT.LBL: MAXIMUM_LATITUDE -87.5", 4,
        edges.max(), 5.0, "pixel", "the label's bound is rounded: 4 pixels are 0.0007 deg",
    )  # fmt: skip
    assert height_m(dem, -88.2, 123.0) == 0.0


def test_a_map_with_a_standard_parallel(tmp_path):
    """The label of LROC's NAC_DTM_APOLLO17_MOSAIC_5M: equirectangular, true to scale at 20 N."""
    lines, samples = 11600, 9985
    label = made.pds(
        tmp_path, np.zeros(0, dtype="<f4"),
        *made.cylindrical_changes(
            (lines, samples), 21.30330227, 19.39074976, 29.90575346, 31.65760468, 6064.67008483
        ),
        (MAP, "MAP_PROJECTION_TYPE", "EQUIRECTANGULAR"), (MAP, "CENTER_LATITUDE", "20.0 <DEG>"),
        (MAP, "LINE_PROJECTION_OFFSET", "129197.5 <PIXEL>"),
        (MAP, "SAMPLE_PROJECTION_OFFSET", "855375.5 <PIXEL>"),
        (MAP, "COORDINATE_SYSTEM_NAME", "PLANETOCENTRIC"), ("IMAGE", "SAMPLE_TYPE", "PC_REAL"),
        ("IMAGE", "SAMPLE_BITS", 32), ("IMAGE", "SCALING_FACTOR", 1), ("IMAGE", "OFFSET", 0),
    )  # fmt: skip
    os.truncate(tmp_path / "made.img", lines * samples * 4)
    dem = open_dem(label)
    assert dem.pixel_m == pytest.approx(5.0, abs=1e-6)
    line, sample = dem.locate([21.30330227, 19.39074976], [29.90575346, 31.65760468])
    np.testing.assert_allclose(line, [0, lines - 1], atol=1.0)
    np.testing.assert_allclose(sample, [0, samples - 1], atol=1.5)
    assert dem.remarks == (
        "the file does not name its axes: taken as mean Earth / polar axis (MOON_ME)",
    )
    text = label.read_text().replace("855375.5", "855385.5")
    label.write_text(text)
    with pytest.raises(InputError, match="disagrees with the bounds"):
        open_dem(label)


def test_a_geotiff_from_south_to_north(tmp_path):
    lat, lon = made.cylindrical_grid(30, -30, 150, 210, 4)
    grid = made.Affine(0.25, 0, 150, 0, 0.25, -30)
    path = made.write_tiff(
        tmp_path / "up.tif", rolling(lat, lon)[::-1].astype("f4"), "+proj=longlat +R=1737400", grid
    )
    assert height_m(open_dem(path), 12.3, -170.2) == pytest.approx(rolling(12.3, 189.8), abs=0.5)


def test_places_without_data(tmp_path):
    heights = np.full((40, 40), 7.0)
    heights[10, 20] = -9999.0
    dem = open_dem(made.polar_tiff(tmp_path / "hole.tif", heights, 100.0, nodata=-9999.0))
    assert height_m(dem, -90, 0) == 7.0
    lat = -90 + np.degrees(1000.0 / made.R_M)
    with pytest.raises(InputError, match=r"-89\.96.* has no data"):
        height_m(dem, lat, 0.0)
    with pytest.raises(InputError, match="is not covered"):
        height_m(dem, -80.0, 0.0)
    for lat, lon in ((-91, 0), (np.nan, 0), (-90, np.inf)):
        with pytest.raises(InputError, match="place at"):
            height_m(dem, lat, lon)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    path = made.polar_tiff(tmp_path / "x.tif", np.zeros((8, 8)), 100.0)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(InputError, match=r"rasterio, which is not installed.*\[terrain\]"):
        open_dem(path)


def test_only_what_is_asked_for_is_read(tmp_path):
    lat, lon = made.polar_grid(200, 1000.0)
    dem = open_dem(made.pds(tmp_path, counts(rolling(lat, lon)), *made.polar_changes(200, 1000.0)))
    asked = []
    read = dem._heights
    object.__setattr__(dem, "_heights", lambda *w: asked.append(w) or read(*w))
    height_m(dem, -90, 0)
    assert asked == [(99, 101, 99, 101)]
    highest, holes = dem.blocks(2, 40, 80, 60, 120)
    plain = rolling(lat, lon)[40:80, 60:120].reshape(10, 4, 15, 4).max(axis=(1, 3))
    np.testing.assert_allclose(highest, plain, atol=0.26)
    assert not holes.any()


@needs_grid
def test_lola_global_grid(evidence):
    """LDEM_4 V3.0: 1440 x 720 pixels; the extremes that its label and its readers state."""
    dem = open_dem(GRID)  # type: ignore[arg-type]
    assert dem.projection == "simple-cylindrical"
    assert dem.source["product"] == "LDEM_4"
    assert dem.pixel_m == pytest.approx(7580.84, abs=0.01)
    high, low = height_m(dem, 5.375, 201.375), height_m(dem, -70.375, 187.625)
    evidence(
        "extremes of LOLA's global grid", "LDEM_4.LBL (MAXIMUM) and its description", 2,
        max(abs(high - 10504.0), abs(low + 8878.5)), 0.0, "m", "counts of 0.5 m are exact",
    )  # fmt: skip
    every = dem.window(0, 720, 0, 1440)
    assert (every.max(), every.min()) == (10504.0, -8878.5)
    assert height_m(dem, 5.375, -158.625) == pytest.approx(high)  # by the other name
    with rasterio.open(dem.path) as file:  # GDAL's reading, all of it
        np.testing.assert_array_equal(every, file.read(1) * 0.5)
