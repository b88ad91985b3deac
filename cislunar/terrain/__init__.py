"""The Moon's ground: elevation models, and the horizons that they make.

- ``dem``: heights and slopes from a model; ``dem_files``: models from files; ``pds3``: PDS labels;
- ``horizon_file``: a site's horizon as a file, which is all that a scenario needs of this;
- ``horizon``: the horizon of a place, from elevation models, and the sunlight that it leaves.
"""
