"""Physical constants, the unit in each name and the source beside each value."""

import math

# JPL DE440 (Park et al. 2021, AJ 161:105), header constants
GM_MOON_KM3_S2 = 4902.800118457549
GM_EARTH_KM3_S2 = 398600.4355070226
GM_SUN_KM3_S2 = 132712440041.2794
GM_VENUS_KM3_S2 = 324858.592
GM_JUPITER_KM3_S2 = 126712764.1
EARTH_J2, EARTH_J2_RADIUS_KM = 1.08262539e-3, 6378.1366
# The pole of date's ICRF x grows by this from J2000 (IERS Conventions 2010, 5.16; the rest, 22
# arcsec of y in a century, is left out)
EARTH_POLE_X_RAD_S = math.radians(2004.191903 / 3600.0) / (36525 * 86400.0)

# IAU and BIPM defining constants
C_KM_S = 299792.458
AU_KM = 149597870.7
BOLTZMANN_DBW_K_HZ = -228.599167

# IAU WGCCRE 2015: lunar reference sphere; WGS84 ellipsoid
MOON_RADIUS_KM = 1737.4
EARTH_RADIUS_KM = 6378.137
EARTH_FLATTENING = 1.0 / 298.257223563

# NASA/JPL Three-Body Periodic Orbits database, Earth-Moon system
CR3BP_MU = 0.01215058560962404
CR3BP_LU_KM = 389703.264829278
CR3BP_TU_S = 382981.289129055

DAY_S = 86400.0
SYNODIC_MONTH_DAYS = 29.530589  # mean synodic month (IERS Conventions 2010 arguments)
SOLAR_PRESSURE_N_M2 = 4.56e-6  # at 1 au
DEG = math.pi / 180.0

# First and last instants planned for: the span of the lunar orientation kernel (1900-2050)
FIRST_YEAR, LAST_YEAR = 1900, 2050
