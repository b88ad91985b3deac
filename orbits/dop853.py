"""Dormand and Prince's 8(5,3) integrator, compiled, with its dense output of order 7.

Coefficients and method: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I
(1993), code DOP853. One kernel serves every model of ``forces.rhs``, with the state-transition
matrix (n = 42) or without (n = 6). The error is measured in vectors and not in components (position
and velocity, and the four blocks of the matrix), so that no axis is special.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from orbits.ephemeris import EARTH
from orbits.forces import BODY_ROW, EPHEMERIS, HIT_EARTH, HIT_MOON, bodies_at, rhs

DONE, HIT_THE_MOON, HIT_THE_EARTH, TOO_SMALL, TOO_MANY = 0, 1, 2, 3, 4  # how an arc ended

# the tableau, zero-based: stage_stage, weights B, errors E, dense output D
A01_00 = 0.05260015195876773
A02_00 = 0.0197250569845379
A02_01 = 0.0591751709536137
A03_00 = 0.02958758547680685
A03_02 = 0.08876275643042054
A04_00 = 0.2413651341592667
A04_02 = -0.8845494793282861
A04_03 = 0.924834003261792
A05_00 = 0.037037037037037035
A05_03 = 0.17082860872947386
A05_04 = 0.12546768756682242
A06_00 = 0.037109375
A06_03 = 0.17025221101954405
A06_04 = 0.06021653898045596
A06_05 = -0.017578125
A07_00 = 0.03709200011850479
A07_03 = 0.17038392571223998
A07_04 = 0.10726203044637328
A07_05 = -0.015319437748624402
A07_06 = 0.008273789163814023
A08_00 = 0.6241109587160757
A08_03 = -3.3608926294469414
A08_04 = -0.868219346841726
A08_05 = 27.59209969944671
A08_06 = 20.154067550477894
A08_07 = -43.48988418106996
A09_00 = 0.47766253643826434
A09_03 = -2.4881146199716677
A09_04 = -0.590290826836843
A09_05 = 21.230051448181193
A09_06 = 15.279233632882423
A09_07 = -33.28821096898486
A09_08 = -0.020331201708508627
A10_00 = -0.9371424300859873
A10_03 = 5.186372428844064
A10_04 = 1.0914373489967295
A10_05 = -8.149787010746927
A10_06 = -18.52006565999696
A10_07 = 22.739487099350505
A10_08 = 2.4936055526796523
A10_09 = -3.0467644718982196
A11_00 = 2.273310147516538
A11_03 = -10.53449546673725
A11_04 = -2.0008720582248625
A11_05 = -17.9589318631188
A11_06 = 27.94888452941996
A11_07 = -2.8589982771350235
A11_08 = -8.87285693353063
A11_09 = 12.360567175794303
A11_10 = 0.6433927460157636
A13_00 = 0.056167502283047954
A13_06 = 0.25350021021662483
A13_07 = -0.2462390374708025
A13_08 = -0.12419142326381637
A13_09 = 0.15329179827876568
A13_10 = 0.00820105229563469
A13_11 = 0.007567897660545699
A13_12 = -0.008298
A14_00 = 0.03183464816350214
A14_05 = 0.028300909672366776
A14_06 = 0.053541988307438566
A14_07 = -0.05492374857139099
A14_10 = -0.00010834732869724932
A14_11 = 0.0003825710908356584
A14_12 = -0.00034046500868740456
A14_13 = 0.1413124436746325
A15_00 = -0.42889630158379194
A15_05 = -4.697621415361164
A15_06 = 7.683421196062599
A15_07 = 4.06898981839711
A15_08 = 0.3567271874552811
A15_12 = -0.0013990241651590145
A15_13 = 2.9475147891527724
A15_14 = -9.15095847217987
C01 = 0.05260015195876773
C02 = 0.0789002279381516
C03 = 0.1183503419072274
C04 = 0.2816496580927726
C05 = 0.3333333333333333
C06 = 0.25
C07 = 0.3076923076923077
C08 = 0.6512820512820513
C09 = 0.6
C10 = 0.8571428571428571
C11 = 1.0
C13 = 0.1
C14 = 0.2
C15 = 0.7777777777777778
B00 = 0.054293734116568765
B05 = 4.450312892752409
B06 = 1.8915178993145003
B07 = -5.801203960010585
B08 = 0.3111643669578199
B09 = -0.1521609496625161
B10 = 0.20136540080403034
B11 = 0.04471061572777259
E3_00 = -0.18980075407240762
E3_05 = 4.450312892752409
E3_06 = 1.8915178993145003
E3_07 = -5.801203960010585
E3_08 = -0.4226823213237919
E3_09 = -0.1521609496625161
E3_10 = 0.20136540080403034
E3_11 = 0.02265179219836082
E5_00 = 0.01312004499419488
E5_05 = -1.2251564463762044
E5_06 = -0.4957589496572502
E5_07 = 1.6643771824549864
E5_08 = -0.35032884874997366
E5_09 = 0.3341791187130175
E5_10 = 0.08192320648511571
E5_11 = -0.022355307863886294
D00_00 = -8.428938276109013
D00_05 = 0.5667149535193777
D00_06 = -3.0689499459498917
D00_07 = 2.38466765651207
D00_08 = 2.117034582445028
D00_09 = -0.871391583777973
D00_10 = 2.2404374302607883
D00_11 = 0.6315787787694688
D00_12 = -0.08899033645133331
D00_13 = 18.148505520854727
D00_14 = -9.194632392478356
D00_15 = -4.436036387594894
D01_00 = 10.427508642579134
D01_05 = 242.28349177525817
D01_06 = 165.20045171727028
D01_07 = -374.5467547226902
D01_08 = -22.113666853125306
D01_09 = 7.733432668472264
D01_10 = -30.674084731089398
D01_11 = -9.332130526430229
D01_12 = 15.697238121770845
D01_13 = -31.139403219565178
D01_14 = -9.35292435884448
D01_15 = 35.81684148639408
D02_00 = 19.985053242002433
D02_05 = -387.0373087493518
D02_06 = -189.17813819516758
D02_07 = 527.8081592054236
D02_08 = -11.57390253995963
D02_09 = 6.8812326946963
D02_10 = -1.0006050966910838
D02_11 = 0.7777137798053443
D02_12 = -2.778205752353508
D02_13 = -60.19669523126412
D02_14 = 84.32040550667716
D02_15 = 11.99229113618279
D03_00 = -25.69393346270375
D03_05 = -154.18974869023643
D03_06 = -231.5293791760455
D03_07 = 357.6391179106141
D03_08 = 93.40532418362432
D03_09 = -37.45832313645163
D03_10 = 104.0996495089623
D03_11 = 29.8402934266605
D03_12 = -43.53345659001114
D03_13 = 96.32455395918828
D03_14 = -39.17726167561544
D03_15 = -149.72683625798564


@njit(cache=True, nogil=True, fastmath={"contract"})
def _stages(model, n, t, h, y, c, table, field, work, k, z):
    """Fills k[1] to k[12] and the new state ``z`` from k[0] = f(t, y)."""
    for i in range(n):
        z[i] = y[i] + h * (A01_00 * k[0, i])
    rhs(model, n, t + C01 * h, z, c, table, field, work, k[1])
    for i in range(n):
        z[i] = y[i] + h * (A02_00 * k[0, i] + A02_01 * k[1, i])
    rhs(model, n, t + C02 * h, z, c, table, field, work, k[2])
    for i in range(n):
        z[i] = y[i] + h * (A03_00 * k[0, i] + A03_02 * k[2, i])
    rhs(model, n, t + C03 * h, z, c, table, field, work, k[3])
    for i in range(n):
        z[i] = y[i] + h * (A04_00 * k[0, i] + A04_02 * k[2, i] + A04_03 * k[3, i])
    rhs(model, n, t + C04 * h, z, c, table, field, work, k[4])
    for i in range(n):
        z[i] = y[i] + h * (A05_00 * k[0, i] + A05_03 * k[3, i] + A05_04 * k[4, i])
    rhs(model, n, t + C05 * h, z, c, table, field, work, k[5])
    for i in range(n):
        z[i] = y[i] + h * (
            A06_00 * k[0, i] + A06_03 * k[3, i] + A06_04 * k[4, i] + A06_05 * k[5, i]
        )
    rhs(model, n, t + C06 * h, z, c, table, field, work, k[6])
    for i in range(n):
        z[i] = y[i] + h * (
            A07_00 * k[0, i]
            + A07_03 * k[3, i]
            + A07_04 * k[4, i]
            + A07_05 * k[5, i]
            + A07_06 * k[6, i]
        )
    rhs(model, n, t + C07 * h, z, c, table, field, work, k[7])
    for i in range(n):
        z[i] = y[i] + h * (
            A08_00 * k[0, i]
            + A08_03 * k[3, i]
            + A08_04 * k[4, i]
            + A08_05 * k[5, i]
            + A08_06 * k[6, i]
            + A08_07 * k[7, i]
        )
    rhs(model, n, t + C08 * h, z, c, table, field, work, k[8])
    for i in range(n):
        z[i] = y[i] + h * (
            A09_00 * k[0, i]
            + A09_03 * k[3, i]
            + A09_04 * k[4, i]
            + A09_05 * k[5, i]
            + A09_06 * k[6, i]
            + A09_07 * k[7, i]
            + A09_08 * k[8, i]
        )
    rhs(model, n, t + C09 * h, z, c, table, field, work, k[9])
    for i in range(n):
        z[i] = y[i] + h * (
            A10_00 * k[0, i]
            + A10_03 * k[3, i]
            + A10_04 * k[4, i]
            + A10_05 * k[5, i]
            + A10_06 * k[6, i]
            + A10_07 * k[7, i]
            + A10_08 * k[8, i]
            + A10_09 * k[9, i]
        )
    rhs(model, n, t + C10 * h, z, c, table, field, work, k[10])
    for i in range(n):
        z[i] = y[i] + h * (
            A11_00 * k[0, i]
            + A11_03 * k[3, i]
            + A11_04 * k[4, i]
            + A11_05 * k[5, i]
            + A11_06 * k[6, i]
            + A11_07 * k[7, i]
            + A11_08 * k[8, i]
            + A11_09 * k[9, i]
            + A11_10 * k[10, i]
        )
    rhs(model, n, t + C11 * h, z, c, table, field, work, k[11])
    for i in range(n):
        z[i] = y[i] + h * (
            B00 * k[0, i]
            + B05 * k[5, i]
            + B06 * k[6, i]
            + B07 * k[7, i]
            + B08 * k[8, i]
            + B09 * k[9, i]
            + B10 * k[10, i]
            + B11 * k[11, i]
        )
    rhs(model, n, t + h, z, c, table, field, work, k[12])


@njit(cache=True, nogil=True, fastmath={"contract"})
def _prepare_dense(model, n, t, h, y, new, c, table, field, work, k, z, dense):
    """Three more stages, and the polynomial of the step in ``dense`` (8, n)."""
    for i in range(n):
        z[i] = y[i] + h * (
            A13_00 * k[0, i]
            + A13_06 * k[6, i]
            + A13_07 * k[7, i]
            + A13_08 * k[8, i]
            + A13_09 * k[9, i]
            + A13_10 * k[10, i]
            + A13_11 * k[11, i]
            + A13_12 * k[12, i]
        )
    rhs(model, n, t + C13 * h, z, c, table, field, work, k[13])
    for i in range(n):
        z[i] = y[i] + h * (
            A14_00 * k[0, i]
            + A14_05 * k[5, i]
            + A14_06 * k[6, i]
            + A14_07 * k[7, i]
            + A14_10 * k[10, i]
            + A14_11 * k[11, i]
            + A14_12 * k[12, i]
            + A14_13 * k[13, i]
        )
    rhs(model, n, t + C14 * h, z, c, table, field, work, k[14])
    for i in range(n):
        z[i] = y[i] + h * (
            A15_00 * k[0, i]
            + A15_05 * k[5, i]
            + A15_06 * k[6, i]
            + A15_07 * k[7, i]
            + A15_08 * k[8, i]
            + A15_12 * k[12, i]
            + A15_13 * k[13, i]
            + A15_14 * k[14, i]
        )
    rhs(model, n, t + C15 * h, z, c, table, field, work, k[15])
    for i in range(n):
        rise = new[i] - y[i]
        dense[0, i] = y[i]
        dense[1, i] = rise
        dense[2, i] = h * k[0, i] - rise
        dense[3, i] = 2.0 * rise - h * (k[12, i] + k[0, i])
        dense[4, i] = h * (
            D00_00 * k[0, i]
            + D00_05 * k[5, i]
            + D00_06 * k[6, i]
            + D00_07 * k[7, i]
            + D00_08 * k[8, i]
            + D00_09 * k[9, i]
            + D00_10 * k[10, i]
            + D00_11 * k[11, i]
            + D00_12 * k[12, i]
            + D00_13 * k[13, i]
            + D00_14 * k[14, i]
            + D00_15 * k[15, i]
        )
        dense[5, i] = h * (
            D01_00 * k[0, i]
            + D01_05 * k[5, i]
            + D01_06 * k[6, i]
            + D01_07 * k[7, i]
            + D01_08 * k[8, i]
            + D01_09 * k[9, i]
            + D01_10 * k[10, i]
            + D01_11 * k[11, i]
            + D01_12 * k[12, i]
            + D01_13 * k[13, i]
            + D01_14 * k[14, i]
            + D01_15 * k[15, i]
        )
        dense[6, i] = h * (
            D02_00 * k[0, i]
            + D02_05 * k[5, i]
            + D02_06 * k[6, i]
            + D02_07 * k[7, i]
            + D02_08 * k[8, i]
            + D02_09 * k[9, i]
            + D02_10 * k[10, i]
            + D02_11 * k[11, i]
            + D02_12 * k[12, i]
            + D02_13 * k[13, i]
            + D02_14 * k[14, i]
            + D02_15 * k[15, i]
        )
        dense[7, i] = h * (
            D03_00 * k[0, i]
            + D03_05 * k[5, i]
            + D03_06 * k[6, i]
            + D03_07 * k[7, i]
            + D03_08 * k[8, i]
            + D03_09 * k[9, i]
            + D03_10 * k[10, i]
            + D03_11 * k[11, i]
            + D03_12 * k[12, i]
            + D03_13 * k[13, i]
            + D03_14 * k[14, i]
            + D03_15 * k[15, i]
        )


@njit(cache=True, nogil=True, fastmath={"contract"})
def _dense_at(x, dense, out):
    """Writes the state at the fraction ``x`` of the step into ``out`` (6)."""
    u = 1.0 - x
    for i in range(6):
        s = dense[7, i] * x
        s = (s + dense[6, i]) * u
        s = (s + dense[5, i]) * x
        s = (s + dense[4, i]) * u
        s = (s + dense[3, i]) * x
        s = (s + dense[2, i]) * u
        s = (s + dense[1, i]) * x
        out[i] = s + dense[0, i]


@njit(cache=True, nogil=True)
def _norm(y, start):
    return math.sqrt(y[start] ** 2 + y[start + 1] ** 2 + y[start + 2] ** 2)


@njit(cache=True, nogil=True)
def _block(y, row, column):
    """Norm of a 3 x 3 block of the transition matrix in ``y``."""
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += y[6 + 6 * (row + i) + column + j] ** 2
    return math.sqrt(total)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _error(n, h, y, z, k, rtol, e3, e5):
    """The step's error over its tolerance: the largest of its vectors'."""
    for i in range(n):
        e3[i] = (
            E3_00 * k[0, i]
            + E3_05 * k[5, i]
            + E3_06 * k[6, i]
            + E3_07 * k[7, i]
            + E3_08 * k[8, i]
            + E3_09 * k[9, i]
            + E3_10 * k[10, i]
            + E3_11 * k[11, i]
        )
        e5[i] = (
            E5_00 * k[0, i]
            + E5_05 * k[5, i]
            + E5_06 * k[6, i]
            + E5_07 * k[7, i]
            + E5_08 * k[8, i]
            + E5_09 * k[9, i]
            + E5_10 * k[10, i]
            + E5_11 * k[11, i]
        )
    worst = 0.0
    far = max(_norm(y, 0), _norm(z, 0), 1e-3)
    fast = max(_norm(y, 3), _norm(z, 3), 1e-3)
    for half in range(2):
        scale = rtol * (far if half == 0 else fast)
        a, b = _norm(e5, 3 * half) / scale, _norm(e3, 3 * half) / scale
        if a > 0.0:
            worst = max(worst, abs(h) * a * a / math.sqrt(a * a + 0.01 * b * b))
    if n == 42:
        for row in range(0, 6, 3):
            for column in range(0, 6, 3):
                unit = 1.0
                if row == 0 and column == 3:
                    unit = far / fast
                elif row == 3 and column == 0:
                    unit = fast / far
                scale = rtol * max(_block(z, row, column), unit)
                a, b = _block(e5, row, column) / scale, _block(e3, row, column) / scale
                if a > 0.0:
                    worst = max(worst, abs(h) * a * a / math.sqrt(a * a + 0.01 * b * b))
    return worst


@njit(cache=True, nogil=True)
def _height(x, t, h, radius, of_earth, dense, c, table, work, state):
    """Height in km over a sphere at the fraction ``x`` of a step."""
    _dense_at(x, dense, state)
    dx, dy, dz = state[0], state[1], state[2]
    if of_earth:
        body = work[BODY_ROW]
        bodies_at(t + x * h, c, table, body)
        dx, dy, dz = dx - body[EARTH], dy - body[EARTH + 1], dz - body[EARTH + 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz) - radius


@njit(cache=True, nogil=True)
def _first_hit(t, h, radius, of_earth, dense, c, table, work, state):
    """The fraction of the step at which a sphere is first touched, or -1."""
    pieces = 32
    for j in range(1, pieces + 1):
        low, high = (j - 1.0) / pieces, float(j) / pieces
        if _height(high, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
            a, b = low, high  # lowest point of the piece, by thirds
            for _ in range(40):
                p, q = a + (b - a) / 3.0, b - (b - a) / 3.0
                hp = _height(p, t, h, radius, of_earth, dense, c, table, work, state)
                if hp < _height(q, t, h, radius, of_earth, dense, c, table, work, state):
                    b = q
                else:
                    a = p
            high = 0.5 * (a + b)
            if _height(high, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
                continue
        for _ in range(50):
            mid = 0.5 * (low + high)
            if _height(mid, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
                low = mid
            else:
                high = mid
        return high
    return -1.0


@njit(cache=True, nogil=True)
def _may_hit(t, h, y, z, radius, of_earth, c, table, work):
    """True unless the two ends of a step are too far from a sphere for the path between."""
    body = work[BODY_ROW]
    ends = 0.0
    speed = 1.5 * max(_norm(y, 3), _norm(z, 3))
    for half in range(2):
        s = y if half == 0 else z
        dx, dy, dz = s[0], s[1], s[2]
        if of_earth:
            bodies_at(t + half * h, c, table, body)
            dx, dy, dz = dx - body[EARTH], dy - body[EARTH + 1], dz - body[EARTH + 2]
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
        if d < radius:
            return True
        ends += d
    if of_earth:
        speed += 1.2  # km/s: the Moon's own about the Earth
    return 0.5 * (ends - speed * abs(h)) < radius


@njit(cache=True, nogil=True)
def integrate(model, n, y, t0, t1, t_out, out, c, table, field, rtol, step_max, work, k):
    """Carries ``y`` (n) from t0 to t1 in place; writes states at ``t_out`` into ``out`` (N, 6).

    ``t_out`` runs the way the time runs, within t0 and t1. ``k`` (30, n) and ``work`` (8, width) are
    scratch. Returns how it ended, the time reached, and the count of steps.
    """
    z, e3, e5 = k[16], k[17], k[18]
    new, state, dense = k[19], k[20], k[21:29]
    done, total = 0, t_out.size
    way = 1.0 if t1 >= t0 else -1.0
    t = t0
    while done < total and (t_out[done] - t) * way <= 0.0:
        for i in range(6):
            out[done, i] = y[i]
        done += 1
    if t0 == t1:
        return DONE, t, 0
    rhs(model, n, t, y, c, table, field, work, k[0])
    speed, push = max(_norm(y, 3), 1e-6), max(_norm(k[0], 3), 1e-12)
    h = 0.05 * min(max(_norm(y, 0), 1e-3) / speed, speed / push)
    h = way * min(max(h, 1e-9), step_max, abs(t1 - t0))
    steps = 0
    rejected = False
    while (t1 - t) * way > 0.0:
        steps += 1
        if steps > 50_000_000:
            return TOO_MANY, t, steps
        last = (t + h - t1) * way >= 0.0
        if last:
            h = t1 - t
        elif abs(h) <= 1e-15 * max(abs(t), abs(t1)):
            return TOO_SMALL, t, steps
        _stages(model, n, t, h, y, c, table, field, work, k, z)
        error = _error(n, h, y, z, k, rtol, e3, e5)
        if not error < 1.0:  # also when it is not a number
            factor = 0.9 * error**-0.125 if error > 0.0 else 0.2
            h *= max(factor, 0.2) if factor == factor else 0.2
            rejected = True
            continue
        for i in range(n):
            new[i] = z[i]
        ready = False
        if model == EPHEMERIS:
            for b in range(2):
                radius = c[HIT_EARTH] if b else c[HIT_MOON]
                if radius > 0.0 and _may_hit(t, h, y, new, radius, b == 1, c, table, work):
                    if not ready:
                        _prepare_dense(
                            model, n, t, h, y, new, c, table, field, work, k, z, dense
                        )  # fmt: skip
                        ready = True
                    hit = _first_hit(t, h, radius, b == 1, dense, c, table, work, state)
                    if hit >= 0.0:
                        return (HIT_THE_EARTH if b else HIT_THE_MOON), t + hit * h, steps
        after = t1 if last else t + h
        if done < total and (t_out[done] - after) * way <= 0.0:
            if not ready:
                _prepare_dense(model, n, t, h, y, new, c, table, field, work, k, z, dense)
            while done < total and (t_out[done] - after) * way <= 0.0:
                _dense_at((t_out[done] - t) / h, dense, out[done])
                done += 1
        for i in range(n):
            y[i] = new[i]
            k[0, i] = k[12, i]
        t = after
        factor = 6.0 if error < 1e-8 else min(6.0, 0.9 * error**-0.125)
        if rejected:
            factor = min(factor, 1.0)
        rejected = False
        h = way * min(abs(h) * factor, step_max)
    return DONE, t, steps


@njit(cache=True, nogil=True)
def arcs(
    model, n, states, t0, t1, t_out, out, c, table, field, rtol, step_max, width, ends, how, when
):  # fmt: skip
    """Carries each row of ``states`` (K, 6) from t0 to t1 (K,) into ``ends`` (K, n).

    With n = 42 columns 6 to 41 are the transition matrices. ``how`` and ``when`` (K,) tell how and at
    what time each arc ended. ``t_out`` (N,), empty or for a single arc, asks for the states ``out``
    (N, 6) on the way. The one entry point, so that everything is compiled once; all arrays
    must be writable and contiguous, or Numba compiles it again for their types.
    """
    k = np.zeros((30, n))
    work = np.zeros((8, width))
    for a in range(states.shape[0]):
        y = ends[a]
        for i in range(6):
            y[i] = states[a, i]
        if n == 42:
            for i in range(36):
                y[6 + i] = 1.0 if i % 7 == 0 else 0.0
        how[a], when[a], _ = integrate(
            model, n, y, t0[a], t1[a], t_out, out, c, table, field, rtol, step_max, work, k
        )  # fmt: skip
