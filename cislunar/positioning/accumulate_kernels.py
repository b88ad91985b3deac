"""Square-root information of a static or slow user that gathers ranges and Doppler, compiled.

The state is, in this order: for each source the error of its signal (two states), the receiver's
frequency (m/s) and time (m), and the error of the position east, north and up (m). What is known
of it is an upper triangular R with R^T R the information matrix. One Householder reduction an epoch
brings R to the next epoch, eliminates the process noise and the signals' old states, and adds the
new measurements (Bierman, Factorization Methods for Discrete Sequential Estimation, 1977, ch. V and
VI). Nothing is inverted and nothing needs to be known beforehand, so a singular problem is simply
an R with a zero on its diagonal. Position and time are last: their own information is R's last
corner.

A signal's error in space is s b(t), with s its standard deviation and b a process of unit variance
and the correlation (1 + x) exp(-x), x = lambda t (Matern 3/2: the roughest that has a rate). Its
states are b and b' / lambda, both of unit variance, so the rate error is s lambda. With lambda = 0
it is a constant.
"""

from __future__ import annotations

import math

import numpy as np

from orbits.compiled import njit

CORNER = 4  # time, east, north, up
_ZERO2 = 1e-26  # a column this small against what it was, squared, is rounding


@njit(cache=True, nogil=True)
def reduce_rows(w, m, n, out):
    """Reduces the ``m`` rows of ``w`` (columns first: n, m) to an upper triangle ``out`` (n, n).

    A column without any information left keeps a zero row, and costs the later ones nothing.
    """
    r = 0
    for c in range(n):
        col = w[c]
        above, tail = 0.0, 0.0
        for i in range(r):
            above += col[i] * col[i]
        for i in range(r, m):
            tail += col[i] * col[i]
        for j in range(n):
            out[c, j] = 0.0
        if tail <= _ZERO2 * (above + tail):
            continue
        alpha = math.sqrt(tail)
        if col[r] > 0.0:
            alpha = -alpha
        lead = col[r] - alpha
        scale = -1.0 / (alpha * lead)  # 2 / |v|^2
        col[r] = lead
        for j in range(c + 1, n):
            other = w[j]
            dot = 0.0
            for i in range(r, m):
                dot += col[i] * other[i]
            dot *= scale
            if dot != 0.0:
                for i in range(r, m):
                    other[i] -= dot * col[i]
            out[c, j] = other[r]
        out[c, c] = alpha
        r += 1
        if r == m:
            for k in range(c + 1, n):
                for j in range(n):
                    out[k, j] = 0.0
            return


@njit(cache=True, nogil=True)
def signal_step(x, out):
    """Transition and inverse noise root of a signal's two states over x = lambda t > 0.

    ``out`` (7): the transition row by row, then 1/l11, -l21/(l11 l22), 1/l22 of the noise's
    Cholesky root.
    """
    y, e = 2.0 * x, math.exp(-x)
    if y < 1.0:  # 1 - exp(-y) (1 + y + y^2/2) as its series: no cancellation
        term, q11 = y * y * y / 6.0, 0.0
        k = 3
        while term > 1e-18 * q11:
            q11 += term
            k += 1
            term *= y / k
        q11 *= e * e
    else:
        q11 = 1.0 - e * e * (1.0 + y + 0.5 * y * y)
    q12 = 2.0 * x * x * e * e
    q22 = 1.0 - e * e * (1.0 - y + 0.5 * y * y) if y > 1e-5 else 2.0 * y - y * y
    l11 = math.sqrt(q11)
    l21 = q12 / l11
    l22 = math.sqrt(q22 - l21 * l21)
    out[0], out[1], out[2], out[3] = e * (1.0 + x), e * x, -e * x, e * (1.0 - x)
    out[4], out[5], out[6] = 1.0 / l11, -l21 / (l11 * l22), 1.0 / l22


@njit(cache=True, nogil=True)
def corner_covariance(r, n, limit2, out):
    """Covariance (4, 4: east, north, up, time) from R's last corner, and how much of it there is.

    0: not even the position, whose summed variance must be below ``limit2``; 1: the position, as
    from Doppler alone; 2: time too. What there is not is 0.
    """
    base = n - CORNER
    out[:, :] = 0.0
    inverse = np.zeros((CORNER, CORNER))
    first = CORNER
    for j in range(CORNER - 1, -1, -1):  # position from the end of the triangle, then time
        if r[base + j, base + j] == 0.0:
            break
        inverse[j, j] = 1.0 / r[base + j, base + j]
        for c in range(j + 1, CORNER):
            total = 0.0
            for k in range(j + 1, c + 1):
                total += r[base + j, base + k] * inverse[k, c]
            inverse[j, c] = -total / r[base + j, base + j]
        first = j
    if first > 1:
        return 0
    place = 0.0
    for i in range(1, CORNER):
        for k in range(i, CORNER):
            place += inverse[i, k] * inverse[i, k]
    if not place <= limit2:
        return 0
    if first == 0:
        time = 0.0
        for k in range(CORNER):
            time += inverse[0, k] * inverse[0, k]
        if not time <= limit2:
            first = 1
    for i in range(first, CORNER):
        for j in range(first, CORNER):
            total = 0.0
            for k in range(max(i, j), CORNER):
                total += inverse[i, k] * inverse[j, k]
            out[(i - 1) % CORNER, (j - 1) % CORNER] = total
    return 2 - first


@njit(cache=True, nogil=True)
def gather(
    place, speed, one_way, two_way, sigma, rate_per_s, noise2, two_way2, doppler2, use, step_s,
    clock, walk, height_w, starts, epochs, limit2, covariance, solved, timed, corner,
):  # fmt: skip
    """Accumulates from every start in ``starts`` (N, indices of epochs) over ``epochs`` epochs.

    ``place``, ``speed`` (S, T, 3): source from user in km and km/s, east, north, up, turning with
    the Moon. ``one_way``, ``two_way`` (S, T): 1 where ranged to. ``sigma`` (S, T): the signal's
    error in m; ``rate_per_s`` (S): its lambda. ``noise2`` (S, T), ``two_way2`` (S), ``doppler2``:
    variances of one epoch's measurements, m2 and m2/s2. ``use`` (2): ranges, Doppler. ``clock``
    (2): q1 (m2/s), q2 (m2/s3). ``walk`` (3): m2/s of a wandering position. ``height_w``: one over
    sigma of a known height, 0 for none.

    Fills ``covariance`` (N, epochs, 4, 4: east, north, up, time; m2) where ``solved`` (N, epochs):
    the position's summed variance is below ``limit2``, with time where ``timed``; and ``corner``
    (N, 4, 4: time, east, north, up), R's last corner at the end.
    """
    count = place.shape[0]
    active = np.empty(count, np.int64)
    phi = np.empty((count, 7))
    most = 5 + 2 * count
    work = np.empty((2 * most + 5, 2 * most + 3 * count + 5))
    triangle = np.empty((2 * most + 5, 2 * most + 5))
    r = np.empty((most, most))
    q1, q2 = clock[0], clock[1]
    g_ff = math.sqrt(q2 * step_s)
    g_bf = 0.5 * step_s * g_ff
    g_bb = math.sqrt(q1 * step_s + q2 * step_s**3 / 12.0)
    for s in range(count):
        if rate_per_s[s] > 0.0:
            signal_step(rate_per_s[s] * step_s, phi[s])
    for a in range(starts.size):
        first = starts[a]
        live = 0
        for s in range(count):
            for k in range(first, first + epochs):
                if one_way[s, k] != 0 or two_way[s, k] != 0:
                    active[live] = s
                    live += 1
                    break
        n = 5 + 2 * live
        freq, bias, east = n - 5, n - 4, n - 3
        r[:n, :n] = 0.0
        for i in range(2 * live):
            r[i, i] = 1.0
        r[n - 1, n - 1] = height_w
        for k in range(epochs):
            at = first + k
            # columns to eliminate: clock noise (2), wandering (3), old signal states
            gone = 0
            rows = 0
            if k > 0:
                gone = 5
                for i in range(live):
                    if rate_per_s[active[i]] > 0.0:
                        gone += 2
            work[: gone + n, : gone + n + 3 * live] = 0.0
            if k > 0:
                for i in range(5):
                    work[i, i] = 1.0
                rows = 5
                old = 5
                for i in range(live):
                    s = active[i]
                    new = gone + 2 * i
                    if rate_per_s[s] > 0.0:
                        p = phi[s]
                        work[new, rows] = p[4]
                        work[old, rows] = -p[4] * p[0]
                        work[old + 1, rows] = -p[4] * p[1]
                        work[new, rows + 1] = p[5]
                        work[new + 1, rows + 1] = p[6]
                        work[old, rows + 1] = -p[5] * p[0] - p[6] * p[2]
                        work[old + 1, rows + 1] = -p[5] * p[1] - p[6] * p[3]
                        rows += 2
                        old += 2
                base = rows
                old = 5
                for i in range(live):
                    to = gone + 2 * i
                    if rate_per_s[active[i]] > 0.0:
                        to = old
                        old += 2
                    for i2 in range(n):
                        work[to, base + i2] = r[i2, 2 * i]
                        work[to + 1, base + i2] = r[i2, 2 * i + 1]
                for i2 in range(n):
                    rf, rb = r[i2, freq], r[i2, bias]
                    work[0, base + i2] = -rf * g_ff - rb * (g_bf - step_s * g_ff)
                    work[1, base + i2] = -rb * g_bb
                    work[gone + freq, base + i2] = rf - rb * step_s
                    work[gone + bias, base + i2] = rb
                    for axis in range(3):
                        rp = r[i2, east + axis]
                        work[2 + axis, base + i2] = -rp * math.sqrt(walk[axis] * step_s)
                        work[gone + east + axis, base + i2] = rp
                rows = base + n
            else:
                for i in range(n):
                    for i2 in range(n):
                        work[i, i2] = r[i2, i]
                rows = n
            for i in range(live):
                s = active[i]
                if one_way[s, at] == 0 and two_way[s, at] == 0:
                    continue
                x, y, z = place[s, at, 0], place[s, at, 1], place[s, at, 2]
                d = math.sqrt(x * x + y * y + z * z)
                x, y, z = x / d, y / d, z / d
                col = gone + 2 * i
                if one_way[s, at] != 0 and use[0]:
                    w = 1.0 / math.sqrt(noise2[s, at])
                    work[col, rows] = sigma[s, at] * w
                    work[gone + bias, rows] = w
                    work[gone + east, rows] = -x * w
                    work[gone + east + 1, rows] = -y * w
                    work[gone + east + 2, rows] = -z * w
                    rows += 1
                if one_way[s, at] != 0 and use[1]:
                    w = 1.0 / math.sqrt(doppler2)
                    u, v, t = speed[s, at, 0], speed[s, at, 1], speed[s, at, 2]
                    along = x * u + y * v + z * t
                    work[col + 1, rows] = sigma[s, at] * rate_per_s[s] * w
                    work[gone + freq, rows] = w
                    work[gone + east, rows] = -(u - along * x) / d * w
                    work[gone + east + 1, rows] = -(v - along * y) / d * w
                    work[gone + east + 2, rows] = -(t - along * z) / d * w
                    rows += 1
                if two_way[s, at] != 0:
                    w = 1.0 / math.sqrt(two_way2[s])
                    work[col, rows] = sigma[s, at] * w
                    work[gone + east, rows] = -x * w
                    work[gone + east + 1, rows] = -y * w
                    work[gone + east + 2, rows] = -z * w
                    rows += 1
            reduce_rows(work, rows, gone + n, triangle)
            r[:n, :n] = triangle[gone : gone + n, gone : gone + n]
            known = corner_covariance(r, n, limit2, covariance[a, k])
            solved[a, k] = known > 0
            timed[a, k] = known > 1
        corner[a] = r[n - CORNER : n, n - CORNER : n]
