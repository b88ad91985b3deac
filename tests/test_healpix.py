"""HEALPix cells against the public front of astropy-healpix, and what they need not load."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from cislunar.coverage.healpix import cells_at, centres_deg, corners_deg


@pytest.mark.parametrize("nside", [1, 2, 8, 64])
def test_cells_are_those_of_astropy_healpix(nside):
    import astropy.units as u
    from astropy_healpix import HEALPix

    theirs: Any = HEALPix(nside=nside, order="ring")
    index = np.arange(12 * nside**2)
    lon, lat = theirs.healpix_to_lonlat(index)
    corner_lon, corner_lat = theirs.boundaries_lonlat(index, step=2)
    pairs = [
        (np.stack(centres_deg(nside, index)), np.stack([lon.to_value(u.deg), lat.to_value(u.deg)])),
        (
            np.stack(corners_deg(nside, index)),
            np.stack([corner_lon.to_value(u.deg), corner_lat.to_value(u.deg)]),
        ),
    ]
    worst = max(float(np.abs(ours - other).max()) for ours, other in pairs)
    assert worst <= 1e-12
    rng = np.random.default_rng(nside)
    lon, lat = rng.uniform(0.0, 360.0, 3000), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 3000)))
    held = theirs.lonlat_to_healpix(lon * u.deg, lat * u.deg)
    assert np.array_equal(cells_at(nside, lon, lat), held)


def test_maps_do_not_load_astropy():
    code = (
        "import sys; from types import SimpleNamespace\n"
        "from cislunar.coverage.healpix import centres_deg\n"
        "centres_deg(4, [0, 1]); sys.exit('astropy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
