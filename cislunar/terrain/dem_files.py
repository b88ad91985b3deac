"""Elevation models from files: PDS3 images with their labels, and GeoTIFF through rasterio.

What a file says of its datum, axes, projection, unit and zero is checked before a height is read:
an elevation model of another body, sphere or frame is refused.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cislunar.terrain import pds3
from cislunar.terrain.dem import HIGHEST_M, RADIUS_M, Dem
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.errors import InputError

_RADIUS_TOLERANCE_M = 1.0
_MAP = "IMAGE_MAP_PROJECTION."


def open_dem(path: str | Path) -> Dem:
    """The elevation model in a PDS3 image (its label or the image itself) or a GeoTIFF.

    Raises
    ------
    InputError
        Not such a file, truncated, an incomplete label, a projection other than simple cylindrical
        and polar stereographic, a datum other than the Moon's sphere of 1737.4 km, axes other than
        MOON_ME, or a GeoTIFF without the extra ``terrain``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(400)
        if pds3.is_label(start):
            return _from_pds(pds3.read_label(path))
        if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _from_geotiff(path)
        if path.suffix.lower() == ".img":
            return _from_pds(pds3.label_beside(path))
    except FileNotFoundError as fault:
        raise InputError("no such file", file=str(path), allowed=_KINDS) from fault
    except OSError as fault:
        raise InputError(
            f"cannot be read ({fault.strerror or fault})", file=str(path), allowed=_KINDS
        ) from fault
    raise InputError("is neither PDS3 nor GeoTIFF", file=str(path), allowed=_KINDS)


_KINDS = "a PDS3 label or IMG, or a GeoTIFF"


def _from_pds(label: pds3.Label) -> Dem:
    where = str(label.path)
    if label.text("TARGET_NAME").upper() != "MOON":
        raise InputError(
            f"is {label.text('TARGET_NAME')}", file=where, key="TARGET_NAME", allowed="MOON"
        )
    for key in ("A_AXIS_RADIUS", "B_AXIS_RADIUS", "C_AXIS_RADIUS"):
        _check_radius(label.metres(_MAP + key), where, _MAP + key)
    if label.text(_MAP + "POSITIVE_LONGITUDE_DIRECTION", "EAST").upper() != "EAST":
        raise InputError(
            "is not EAST", file=where, key=_MAP + "POSITIVE_LONGITUDE_DIRECTION", allowed="EAST"
        )
    if label.number(_MAP + "MAP_PROJECTION_ROTATION", 0.0) != 0:
        raise InputError(
            "is not 0", file=where, key=_MAP + "MAP_PROJECTION_ROTATION", allowed="north up"
        )
    axes = label.text(_MAP + "COORDINATE_SYSTEM_NAME")
    remarks = _axes_remarks(axes, where, _MAP + "COORDINATE_SYSTEM_NAME")
    image = pds3.image_of(label)
    lines, samples = image.lines, image.samples
    kind = label.text(_MAP + "MAP_PROJECTION_TYPE").upper()
    if kind in ("SIMPLE CYLINDRICAL", "EQUIRECTANGULAR"):
        pole, placed = 0, _cylindrical(label, lines, samples)
    elif kind == "POLAR STEREOGRAPHIC":
        centre = label.number(_MAP + "CENTER_LATITUDE")
        if abs(centre) != 90:
            raise InputError(
                f"is {centre:g}", file=where, key=_MAP + "CENTER_LATITUDE", value=centre,
                allowed="-90 or 90 (deg)",
            )  # fmt: skip
        scale = RADIUS_M / _scale_m(label)
        pole, placed = int(math.copysign(1, centre)), (*_offsets(label), scale, scale)
    else:
        raise InputError(
            f"is {kind}", file=where, key=_MAP + "MAP_PROJECTION_TYPE", value=kind,
            allowed="SIMPLE CYLINDRICAL, POLAR STEREOGRAPHIC",
        )  # fmt: skip
    unit = _unit_m(label.text("IMAGE.UNIT"), where, "IMAGE.UNIT")
    factor = label.number("IMAGE.SCALING_FACTOR", 1.0) * unit
    zero = _zero_m(label.number("IMAGE.OFFSET", 0.0) * unit, where, "IMAGE.OFFSET")
    lost = None
    if "IMAGE.MISSING_CONSTANT" in label.values and image.dtype.kind == "i":
        lost = label.number("IMAGE.MISSING_CONSTANT")

    def heights(a, b, c, d):
        return _scaled(image.window(a, b, c, d), factor, zero, lost)

    source = {
        "file": str(image.path), "product": label.text("PRODUCT_ID", image.path.stem),
        "version": label.text("PRODUCT_VERSION_ID", ""),
        "date": label.text("PRODUCT_CREATION_TIME", ""), "axes": axes,
    }  # fmt: skip
    return Dem(
        label.path, lines, samples, pole, label.number(_MAP + "CENTER_LONGITUDE"), *placed,
        {k: v for k, v in source.items() if v}, remarks, _heights=heights,
    )  # fmt: skip


def _offsets(label):
    """Line and sample, from zero at the first pixel's middle, of the projection's origin.

    LOLA's labels count so: a polar map of 30,336 lines has its pole at 15167.5.
    """
    return (
        label.number(_MAP + "LINE_PROJECTION_OFFSET"),
        label.number(_MAP + "SAMPLE_PROJECTION_OFFSET"),
    )


def _scale_m(label) -> float:
    """MAP_SCALE in m a pixel."""
    key = _MAP + "MAP_SCALE"
    value, unit = label.number(key), (label.values[key][1] or "").lower().replace(" ", "")
    if value <= 0 or not unit.startswith(("m/", "meter", "km/", "kilometer")):
        raise InputError(
            f"is {value:g} <{unit}>", file=str(label.path), key=key, allowed="above 0 <m/pix>"
        )
    return value * (1e3 if unit.startswith("k") else 1.0)


def _cylindrical(label, lines, samples):
    """Where latitude 0 and the centre's longitude lie, and pixels a radian.

    Placed by the label's bounds where they hold exactly the pixels there are, since the meaning of
    the offsets has changed between producers; else by the offsets, which the bounds must bear out.
    """
    where = str(label.path)
    per_deg = label.number(_MAP + "MAP_RESOLUTION")
    if per_deg <= 0:
        raise InputError("is not above 0", file=where, key=_MAP + "MAP_RESOLUTION")
    # CENTER_LATITUDE of an equirectangular map is its standard parallel
    across = per_deg * math.cos(label.number(_MAP + "CENTER_LATITUDE", 0.0) * DEG)
    north, south = (label.number(_MAP + k) for k in ("MAXIMUM_LATITUDE", "MINIMUM_LATITUDE"))
    west, east = (
        label.number(_MAP + k) for k in ("WESTERNMOST_LONGITUDE", "EASTERNMOST_LONGITUDE")
    )
    centre = label.number(_MAP + "CENTER_LONGITUDE")
    width = (east - west) % 360.0 or 360.0
    if not (-90 <= south < north <= 90) or max(
        abs((north - south) * per_deg - lines), abs(width * across - samples)
    ) > max(2.0, 1e-3 * lines):
        raise InputError(
            f"the bounds hold {(north - south) * per_deg:.1f} x {width * across:.1f} pixels",
            file=where, key=_MAP + "MAP_RESOLUTION", allowed=f"{lines} x {samples} as in IMAGE",
        )  # fmt: skip
    exact = max(abs((north - south) * per_deg - lines), abs(width * across - samples)) < 0.02
    if exact:
        line_0, sample_0 = north * per_deg - 0.5, (centre - west) * across - 0.5
    else:
        line_0, sample_0 = _offsets(label)
        turn = 360.0 * across
        aside = (sample_0 - (centre - west) * across + 0.5 * turn) % turn - 0.5 * turn
        if max(abs(line_0 - north * per_deg), abs(aside)) > 2.0:
            raise InputError(
                "disagrees with the bounds by more than two pixels", file=where,
                key=_MAP + "LINE_PROJECTION_OFFSET", allowed="offsets from the first pixel",
            )  # fmt: skip
    return line_0, sample_0, per_deg / DEG, across / DEG


def _rasterio() -> Any:
    try:
        import rasterio
        import rasterio.errors
    except ImportError:
        raise InputError(
            "a GeoTIFF is read through rasterio, which is not installed",
            allowed="pip install 'cislunar-planner[terrain]'",
        ) from None
    return rasterio


def _from_geotiff(path: Path) -> Dem:
    rasterio = _rasterio()
    where = str(path)
    # names of the coordinate system that are not text come as a fault of decoding
    errors = (rasterio.errors.RasterioError, rasterio.errors.CRSError, ValueError, TypeError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                crs, grid, shape = file.crs, file.transform, file.shape
                count, dtype = file.count, np.dtype(file.dtypes[0])
                factor, offset, unit = file.scales[0], file.offsets[0], file.units[0]
                tags = {**file.tags(), **file.tags(1)}
                lost, block = file.nodata, math.prod(file.block_shapes[0])
        wkt = "" if crs is None else crs.to_wkt()
        terms = {} if crs is None else crs.to_dict()
    except errors as fault:
        raise InputError(f"cannot be read ({_short(fault)})", file=where, allowed=_KINDS) from None
    if count != 1 or dtype.kind not in "iuf":
        raise InputError(
            f"has {count} bands of {dtype}", file=where, allowed="one band of plain numbers"
        )
    if block * dtype.itemsize > LARGEST_BLOCK:
        raise InputError(
            f"has blocks of {block * dtype.itemsize / 1e6:.0f} MB, each read as a whole",
            file=where, allowed=f"blocks of {LARGEST_BLOCK / 1e6:.0f} MB",
        )  # fmt: skip
    if crs is None:
        raise InputError("has no coordinate system", file=where, allowed=_CRS)
    radius = terms.get("R", terms.get("a"))
    if radius is None or any(k in terms for k in ("datum", "ellps", "rf", "f")):
        raise InputError(f"is not on the Moon's sphere ({_short(wkt)})", file=where, allowed=_CRS)
    for one in {float(radius), float(terms.get("b", radius))}:
        _check_radius(one, where, "coordinate system")
    if grid.b or grid.d or not (grid.a > 0 and grid.e):
        raise InputError("is rotated or mirrored", file=where, allowed="north up, east right")
    remarks = list(_axes_remarks(wkt + " ".join(map(str, tags.values())), where, "axes"))
    pole, centre, k, u_0, v_0, per = _geotiff_projection(terms, where)
    # map coordinate of the first pixel's middle, in units of the sphere's radius (a radian)
    first_u, first_v = grid.c + 0.5 * grid.a, grid.f + 0.5 * grid.e
    across, down = per / (grid.a / k[0]), -per / (grid.e / k[1])
    sample_0, line_0 = (u_0 - first_u) / grid.a, (v_0 - first_v) / grid.e
    if unit:
        metres = _unit_m(unit, where, "unit")
    else:
        metres = 1.0
        remarks.append("the file does not name the unit of its heights: taken as metres")
    zero = _zero_m(offset * metres, where, "offset")
    lost = None if lost is None or math.isnan(lost) else float(lost)

    def heights(a, b, c, d):
        try:
            with rasterio.open(path) as file:
                raw = file.read(1, window=((a, b), (c, d)))
        except errors as fault:
            raise InputError(
                f"cannot be read ({_short(fault)})", file=where, allowed="a whole GeoTIFF"
            ) from None
        return _scaled(raw, factor * metres, zero, lost)

    source = {"file": where, "product": path.stem, "date": tags.get("TIFFTAG_DATETIME", "")}
    return Dem(
        path, shape[0], shape[1], pole, centre, line_0, sample_0, down, across,
        {name: v for name, v in source.items() if v}, tuple(remarks), _heights=heights,
    )  # fmt: skip


LARGEST_BLOCK = 200_000_000  # bytes of a GeoTIFF's tile or strip
_CRS = "simple cylindrical or polar stereographic on a sphere of 1737.4 km"


def _geotiff_projection(terms: dict[str, Any], where: str):
    """Pole, centre's longitude, scales (across, down), origin's coordinates, units a radian."""
    kind = terms.get("proj")
    if float(terms.get("pm", 0) or 0) != 0 or terms.get("units", "m") not in ("m", "km"):
        raise InputError("has an unknown unit or prime meridian", file=where, allowed=_CRS)
    metres = 1e3 if terms.get("units") == "km" else float(terms.get("to_meter", 1.0))
    x_0, y_0 = (float(terms.get(k, 0.0)) / metres for k in ("x_0", "y_0"))
    lon_0, lat_0 = float(terms.get("lon_0", 0.0)), float(terms.get("lat_0", 0.0))
    lat_ts = terms.get("lat_ts")
    if kind == "longlat":
        return 0, 0.0, (1.0, 1.0), 0.0, 0.0, 1.0 / DEG
    if kind == "eqc":
        true = math.cos(float(lat_ts or 0.0) * DEG)
        y_at_equator = y_0 - lat_0 * DEG * RADIUS_M / metres
        return 0, lon_0, (true, 1.0), x_0, y_at_equator, RADIUS_M / metres
    if kind == "stere" and abs(lat_0) == 90:
        k = float(terms.get("k", terms.get("k_0", 1.0)))
        if lat_ts is not None:
            k = 0.5 * (1.0 + abs(math.sin(float(lat_ts) * DEG)))
        return int(math.copysign(1, lat_0)), lon_0, (k, k), x_0, y_0, RADIUS_M / metres
    raise InputError(f"is in projection {kind or 'unknown'}", file=where, allowed=_CRS)


def _check_radius(radius_m: float, where: str, key: str) -> None:
    if abs(radius_m - RADIUS_M) > _RADIUS_TOLERANCE_M:
        raise InputError(
            f"is {radius_m / 1e3:.10g} km", file=where, key=key, value=radius_m,
            allowed=f"the Moon's sphere of {MOON_RADIUS_KM:g} km",
        )  # fmt: skip


def _axes_remarks(text: str, where: str, key: str) -> tuple[str, ...]:
    """What to say of a file's axes; InputError where they are not MOON_ME."""
    said = text.upper().replace("_", " ").replace("-", " ")
    if "PRINCIPAL" in said or "MOON PA" in said:
        raise InputError(
            "is principal axes", file=where, key=key, value=text[:60],
            allowed="mean Earth / polar axis (MOON_ME); the two are 875 m apart on the ground",
        )  # fmt: skip
    if "MEAN EARTH" in said or "MOON ME" in said:
        return ()
    return ("the file does not name its axes: taken as mean Earth / polar axis (MOON_ME)",)


def _unit_m(unit: str, where: str, key: str) -> float:
    word = unit.strip().lower().rstrip("s").replace("metre", "meter")
    if word in ("m", "meter"):
        return 1.0
    if word in ("km", "kilometer"):
        return 1e3
    raise InputError(f"is {unit!r}", file=where, key=key, value=unit, allowed="metres, kilometres")


def _zero_m(offset_m: float, where: str, key: str) -> float:
    """Height of a count of zero: an offset of the sphere's radius makes radii, not heights."""
    if abs(offset_m - RADIUS_M) <= _RADIUS_TOLERANCE_M:
        return offset_m - RADIUS_M
    if abs(offset_m) < HIGHEST_M:
        return offset_m
    raise InputError(
        f"is {offset_m:.10g} m", file=where, key=key, value=offset_m,
        allowed=f"0, or the Moon's radius of {RADIUS_M:g} m",
    )  # fmt: skip


def _scaled(raw, factor, zero, lost):
    """Heights in m (float32) from counts, NaN where a count says that there is none."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is no height
        heights = np.multiply(raw, np.float32(factor), dtype=np.float32, casting="unsafe")
        if zero:
            heights += np.float32(zero)
        if raw.dtype.kind == "f":
            heights[~(np.abs(heights) < 1e30)] = np.nan
        elif raw.dtype.kind == "i":
            heights[raw == np.iinfo(raw.dtype).min] = np.nan
        if lost is not None:
            heights[raw == lost] = np.nan
    return heights


def _short(words) -> str:
    text = " ".join(str(words).split())
    return text if len(text) <= 80 else text[:77] + "..."
