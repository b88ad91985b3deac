"""HEALPix cells in ring order: their centres and corners, and in which of them places lie.

The formulas are those of ``astropy-healpix``. Its compiled part is loaded without the front, whose
import brings all of astropy's coordinates with it: a second of processor in every run with a map.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


@lru_cache(maxsize=1)
def _core() -> Any:
    from importlib import import_module
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import find_spec, module_from_spec, spec_from_file_location
    from pathlib import Path

    front = find_spec("astropy_healpix")  # its file is wanted, not its import
    assert front is not None
    assert front.origin is not None
    name = "astropy_healpix._core"
    for file in sorted(Path(front.origin).parent.glob("_core.*")):
        if file.suffix in (".so", ".pyd"):
            spec = spec_from_file_location(name, file, loader=ExtensionFileLoader(name, str(file)))
            assert spec is not None
            assert spec.loader is not None
            core = module_from_spec(spec)
            spec.loader.exec_module(core)
            return core
    return import_module(name)  # another layout of the package


def centres_deg(nside: int, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes (0 to 360) and latitudes (N,) of the centres of cells ``index`` (N,), in deg.

    >>> lon, lat = centres_deg(1, np.arange(12))
    >>> lon[:4].round(9).tolist(), lat[4:6].round(9).tolist()
    ([45.0, 135.0, 225.0, 315.0], [0.0, 0.0])
    """
    return _places_deg(nside, index, 0.5, 0.5)


def corners_deg(nside: int, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes (0 to 360) and latitudes (N, 8) about cells, in deg: corners, and edges' middles.

    >>> [x.shape for x in corners_deg(4, np.arange(3))]
    [(3, 8), (3, 8)]
    """
    dx = np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0])
    dy = np.array([1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.5])
    return _places_deg(nside, np.asarray(index)[:, None], dx, dy)


def cells_at(nside: int, longitude_deg: np.ndarray, latitude_deg: np.ndarray) -> np.ndarray:
    """The cells (N,) in which places lie, by number.

    >>> cells_at(4, *centres_deg(4, np.arange(5, 8))).tolist()
    [5, 6, 7]
    """
    lon, lat = np.radians(longitude_deg), np.radians(latitude_deg)
    return _core().lonlat_to_healpix_ring(lon, lat, np.intc(nside))[0]


def _places_deg(nside, index, dx, dy):
    index, dx, dy = np.broadcast_arrays(np.asarray(index, dtype=np.int64), dx, dy)
    lon, lat = _core().healpix_ring_to_lonlat(index, np.intc(nside), dx, dy)
    lon = np.degrees(lon)
    return np.where(lon >= 360.0, lon - 360.0, lon), np.degrees(lat)
