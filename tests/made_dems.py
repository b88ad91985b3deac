"""Elevation models written by the tests: any function of latitude and longitude, in any form.

The places of pixels are worked out here by the inverse formulas of the map projections (Snyder,
USGS Professional Paper 1395), not by the code under test.
"""

from __future__ import annotations

import numpy as np
import rasterio
from rasterio.transform import Affine

R_M = 1737400.0


def polar_grid(count, pixel_m, pole=-1, centre_lon=0.0):
    """Latitudes and longitudes (deg) of the pixels of a square about a pole."""
    at = (np.arange(count) - 0.5 * (count - 1)) * pixel_m
    x, y = np.meshgrid(at, -at)
    colatitude = 2.0 * np.arctan(np.hypot(x, y) / (2.0 * R_M))
    lon = np.degrees(np.arctan2(x, y if pole < 0 else -y)) + centre_lon
    return pole * (90.0 - np.degrees(colatitude)), lon


def cylindrical_grid(north, south, west, east, per_deg):
    """Latitudes and longitudes (deg) of the pixels between bounds."""
    lines, samples = round((north - south) * per_deg), round((east - west) * per_deg)
    lat = north - (np.arange(lines) + 0.5) / per_deg
    lon = west + (np.arange(samples) + 0.5) / per_deg
    lon, lat = np.meshgrid(lon, lat)
    return lat, lon


def write_tiff(path, heights, crs, transform, **options):
    data = np.asarray(heights)
    units, scale, offset = (options.pop(k, None) for k in ("units", "scale", "offset"))
    with rasterio.open(
        path, "w", driver="GTiff", height=data.shape[-2], width=data.shape[-1],
        count=1 if data.ndim == 2 else data.shape[0], dtype=data.dtype, crs=crs,
        transform=transform, **options,
    ) as file:  # fmt: skip
        file.write(data, 1) if data.ndim == 2 else file.write(data)
        if units:
            file.units = (units,)
        if scale:
            file.scales = (scale,)
        if offset:
            file.offsets = (offset,)
    return path


def polar_crs(pole=-1, centre_lon=0.0, more="+k=1 +R=1737400"):
    return f"+proj=stere +lat_0={90 * pole} +lon_0={centre_lon} {more} +units=m +no_defs"


def polar_tiff(path, heights, pixel_m, pole=-1, centre_lon=0.0, **options):
    half = 0.5 * heights.shape[0] * pixel_m
    grid = Affine(pixel_m, 0, -half, 0, -pixel_m, half)
    options.setdefault("units", "m")
    crs = options.pop("crs", polar_crs(pole, centre_lon))
    return write_tiff(path, heights.astype(options.pop("dtype", "float32")), crs, grid, **options)


def cylindrical_tiff(path, heights, north, west, per_deg, centre_lon=180.0, **options):
    metres = R_M * np.pi / 180.0 / per_deg
    left = (west - centre_lon) * per_deg * metres
    grid = Affine(metres, 0, left, 0, -metres, north * per_deg * metres)
    crs = options.pop("crs", f"+proj=eqc +lon_0={centre_lon} +lat_ts=0 +R=1737400 +units=m")
    options.setdefault("units", "m")
    return write_tiff(path, heights.astype("float32"), crs, grid, **options)


LABEL = {
    "PDS_VERSION_ID": "PDS3", "RECORD_BYTES": 80, "PRODUCT_VERSION_ID": '"V1.0"',
    "PRODUCT_ID": '"MADE"', "TARGET_NAME": "MOON", "PRODUCT_CREATION_TIME": "2026-01-02",
    "IMAGE": {
        "SAMPLE_TYPE": "LSB_INTEGER", "SAMPLE_BITS": 16, "UNIT": "METER", "SCALING_FACTOR": 0.5,
        "OFFSET": "1737400.",
    },
    "IMAGE_MAP_PROJECTION": {
        "A_AXIS_RADIUS": "1737.4 <km>", "B_AXIS_RADIUS": "1737.4 <km>",
        "C_AXIS_RADIUS": "1737.4 <km>", "POSITIVE_LONGITUDE_DIRECTION": '"EAST"',
        "MAP_PROJECTION_ROTATION": 0.0,
        "COORDINATE_SYSTEM_NAME": '"MEAN EARTH/POLAR AXIS OF DE421"',
    },
}  # fmt: skip


def label_text(pointer, *changes):
    """A label in the manner of LOLA's; ``changes`` are (object, key, value or None to leave out)."""
    objects = {k: dict(v) if isinstance(v, dict) else v for k, v in LABEL.items()}
    for where, key, value in changes:
        within = objects if where is None else objects[where]
        if value is None:
            within.pop(key)
        else:
            within[key] = value
    lines = ["/* made by a test */"]
    lines += [f"{k} = {v}" for k, v in objects.items() if not isinstance(v, dict)]
    lines.append(f"^IMAGE = {pointer}")
    for name in ("IMAGE", "IMAGE_MAP_PROJECTION"):
        inside = [f"  {k} = {v}" for k, v in objects[name].items()]
        lines += [f"OBJECT = {name}", *inside, f"END_OBJECT = {name}"]
    lines[0], lines[1] = lines[1], lines[0]  # the version comes first
    return "\r\n".join([*lines, "END", ""])


def polar_changes(count, pixel_m, pole=-1, centre_lon=0.0):
    where = "IMAGE_MAP_PROJECTION"
    offset = f"{0.5 * (count - 1)} <pix>"
    return [
        ("IMAGE", "LINES", count), ("IMAGE", "LINE_SAMPLES", count),
        (where, "MAP_PROJECTION_TYPE", '"POLAR STEREOGRAPHIC"'),
        (where, "MAP_SCALE", f"{pixel_m} <m/pix>"), (where, "CENTER_LATITUDE", f"{90 * pole} <deg>"),
        (where, "CENTER_LONGITUDE", f"{centre_lon} <deg>"),
        (where, "MAP_RESOLUTION", f"{R_M * np.pi / 180 / pixel_m} <pix/deg>"),
        (where, "LINE_PROJECTION_OFFSET", offset), (where, "SAMPLE_PROJECTION_OFFSET", offset),
    ]  # fmt: skip


def cylindrical_changes(shape, north, south, west, east, per_deg, centre_lon=180.0):
    where = "IMAGE_MAP_PROJECTION"
    return [
        ("IMAGE", "LINES", shape[0]), ("IMAGE", "LINE_SAMPLES", shape[1]),
        (where, "MAP_PROJECTION_TYPE", '"SIMPLE CYLINDRICAL"'),
        (where, "MAP_RESOLUTION", f"{per_deg} <pix/deg>"),
        (where, "MAP_SCALE", f"{R_M * np.pi / 180 / per_deg} <m/pix>"),
        (where, "CENTER_LATITUDE", "0 <deg>"), (where, "CENTER_LONGITUDE", f"{centre_lon} <deg>"),
        (where, "MAXIMUM_LATITUDE", f"{north} <deg>"),
        (where, "MINIMUM_LATITUDE", f"{south} <deg>"),
        (where, "WESTERNMOST_LONGITUDE", f"{west} <deg>"),
        (where, "EASTERNMOST_LONGITUDE", f"{east} <deg>"),
        (where, "LINE_PROJECTION_OFFSET", f"{north * per_deg - 0.5} <pix>"),
        (where, "SAMPLE_PROJECTION_OFFSET", f"{(centre_lon - west) * per_deg - 0.5} <pix>"),
    ]  # fmt: skip


def pds(folder, counts, *changes, name="made", attached=False):
    """A PDS image (counts as they are) with its label; the path to open."""
    image = folder / f"{name}.img"
    if attached:
        text = label_text(52, *changes).encode("latin-1")  # records of 80 bytes
        assert len(text) < 51 * 80
        image.write_bytes(text.ljust(51 * 80) + counts.tobytes())
        return image
    image.write_bytes(counts.tobytes())
    label = folder / f"{name}.lbl"
    label.write_bytes(label_text(f'"{name.upper()}.IMG"', *changes).encode("latin-1"))
    return label
