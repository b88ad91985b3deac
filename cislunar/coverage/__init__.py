"""Maps: what cells of the Moon see of the spacecraft, and how well that serves and locates them.

- ``cells``: the cells of a region, by ``healpix``; ``grid``: which spacecraft each sees, when;
- ``cell_dop``: dilution of precision in many cells at once;
- ``figures_of_merit``: what is told of a cell, its definitions, its statistics over an area;
- ``maps``: all of it over a scenario, as an xarray Dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.coverage.cells import Cells, region_cells, region_mask, unit_vectors
    from cislunar.coverage.maps import cell_dops, cell_fixes, cell_views, map_coverage

__all__ = [
    "Cells", "cell_dops", "cell_fixes", "cell_views", "map_coverage", "region_cells", "region_mask",
    "unit_vectors",
]  # fmt: skip
__getattr__ = face(__name__, {
    "Cells": "cells",
    "region_cells": "cells",
    "region_mask": "cells",
    "unit_vectors": "cells",
    "cell_dops": "maps",
    "cell_fixes": "maps",
    "cell_views": "maps",
    "map_coverage": "maps",
})  # fmt: skip
