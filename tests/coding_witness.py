"""Frames of the CCSDS telemetry codes sent through noise and decoded: what a threshold must be near.

Codes are built from CCSDS 131.0-B-5: turbo codes (section 6) decoded by ten iterations of two exact
a-posteriori decoders, AR4JA codes (section 7.4) by up to a hundred layered iterations of the
sum-product rule. Both codes are linear and the channel is symmetric, so the word of all zeros
stands for every other. BPSK, or QPSK as two of it, over white Gaussian noise, symbols not quantised.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numba import njit

PRIMES = (31, 37, 43, 47, 53, 59, 61, 67)
OUTPUTS = {  # of the two encoders, those beside the information: connection vectors 1, 2, 3
    2: ((1,), (1,)), 3: ((1,), (1,)), 4: ((2, 3), (1,)), 6: ((1, 2, 3), (1, 3)),
}  # fmt: skip
ITERATIONS = 10
TABLES = Path(__file__).parent / "validation" / "ccsds_ar4ja.json"


# --- turbo -------------------------------------------------------------------------------------


def interleaver(k: int) -> np.ndarray:
    """Section 6.3: where the second encoder reads its bits from."""
    k1, k2 = 8, k // 8
    s = np.arange(1, k + 1)
    m, i = (s - 1) % 2, (s - 1) // (2 * k2)
    j = (s - 1) // 2 - i * k2
    t = (19 * i + 1) % (k1 // 2)
    c = (np.array(PRIMES)[t % 8] * j + 21 * m) % k2
    return 2 * (t + c * k1 // 2 + 1) - m - 1


def trellis() -> tuple[np.ndarray, np.ndarray]:
    """Next state and output bits (information, vectors 1 to 3) of a state and an input bit."""
    after, out = np.zeros((16, 2), dtype=np.int64), np.zeros((16, 2, 4), dtype=np.int64)
    for state in range(16):
        a, b, c, d = ((state >> n) & 1 for n in (3, 2, 1, 0))
        for bit in range(2):
            new = bit ^ c ^ d
            after[state, bit] = new << 3 | state >> 1
            out[state, bit] = (bit, new ^ a ^ c ^ d, new ^ b ^ d, new ^ a ^ b ^ c ^ d)
    return after, out


@njit
def _posterior(prior, heard, parity, after, out, found):
    """Log-likelihood ratios of the information bits of one encoder's word, forwards and back."""
    steps, k = parity.shape[0], prior.size
    forward = np.zeros((steps + 1, 16))
    weight = np.zeros((steps, 16, 2))
    forward[0, 0] = 1.0
    for t in range(steps):
        for s in range(16):
            for bit in range(2):
                if t >= k and bit != (((s >> 1) ^ s) & 1):  # the tail brings the encoder to rest
                    continue
                e = (heard[t] + (prior[t] if t < k else 0.0)) * (0.5 - bit)
                for p in range(3):
                    e += parity[t, p] * (0.5 - out[s, bit, p + 1])
                weight[t, s, bit] = np.exp(e)
                forward[t + 1, after[s, bit]] += forward[t, s] * weight[t, s, bit]
        forward[t + 1] /= forward[t + 1].sum()
    back = np.zeros(16)
    back[0] = 1.0
    for t in range(steps - 1, -1, -1):
        before = np.zeros(16)
        zero, one = 1e-300, 1e-300
        for s in range(16):
            x = weight[t, s, 0] * back[after[s, 0]]
            y = weight[t, s, 1] * back[after[s, 1]]
            zero += forward[t, s] * x
            one += forward[t, s] * y
            before[s] = x + y
        if t < k:
            found[t] = np.log(zero / one)
        back = before / before.sum()


@njit
def _turbo_errors(order, after, out, sent, halved, sigma, frames, noise):
    k = order.size
    steps, gain, wrong = k + 4, 2.0 / sigma**2, 0
    found = np.empty(k)
    for _ in range(frames):
        heard = gain * (1.0 + sigma * noise.standard_normal(steps))
        again = np.zeros(steps)  # the second encoder's information is not sent twice
        again[:k] = heard[order]
        parity = np.zeros((2, steps, 3))
        for e in range(2):
            for t in range(steps):
                if halved and t % 2 != e:  # rate 1/2 sends the two parities in turn
                    continue
                for p in range(3):
                    if sent[e, p]:
                        parity[e, t, p] = gain * (1.0 + sigma * noise.standard_normal())
        prior, other = np.zeros(k), np.zeros(k)
        failed = True
        for _ in range(10):
            _posterior(prior, heard, parity[0], after, out, found)
            other[:] = np.clip(found - heard[:k] - prior, -40.0, 40.0)[order]
            _posterior(other, again, parity[1], after, out, found)
            if found.min() > 0.0:
                failed = False
                break
            prior[order] = np.clip(found - again[:k] - other, -40.0, 40.0)
        wrong += failed
    return wrong


def turbo_error_rate(k: int, rate: int, ebn0_db: float, frames: int, seed: int = 1) -> float:
    """Share of frames of ``k`` bits at rate 1/``rate`` that ten iterations do not decode."""
    sent = np.zeros((2, 3), dtype=np.bool_)
    for e, vectors in enumerate(OUTPUTS[rate]):
        sent[e, [v - 1 for v in vectors]] = True
    sigma = _sigma(k / (rate * (k + 4)), ebn0_db)
    return _turbo_errors(
        interleaver(k), *trellis(), sent, rate == 2, sigma, frames, np.random.default_rng(seed)
    ) / frames  # fmt: skip


# --- AR4JA -------------------------------------------------------------------------------------


def ar4ja_checks(k: int, rate: str) -> tuple[list[list[int]], int, int]:
    """Section 7.4.2: the bits of every parity check, the bits in all, and the size M."""
    more = {"1/2": 0, "2/3": 1, "4/5": 3}[rate]
    size = k // (2 + 2 * more)
    tables = json.loads(TABLES.read_text())
    column = int(np.log2(size)) - 7
    i = np.arange(size)

    def pi(n):
        j = 4 * i // size
        shift = np.array([tables["phi"][q][n - 1][column] for q in range(4)])[j]
        return size // 4 * ((tables["theta"][n - 1] + j) % 4) + (shift + i) % (size // 4)

    def block(first, here, there):
        """Two columns: permutations of the second row of checks, of the third."""
        return [(1, first, [pi(n) for n in here]), (1, first + 1, [i]),
                (2, first, [i]), (2, first + 1, [pi(n) for n in there])]  # fmt: skip

    start = 2 * more
    parts = [
        (0, start + 2, [i]), (0, start + 4, [i, pi(1)]),
        (1, start, [i]), (1, start + 1, [i]), (1, start + 3, [i]),
        (1, start + 4, [pi(2), pi(3), pi(4)]),
        (2, start, [i]), (2, start + 1, [pi(5), pi(6)]), (2, start + 3, [pi(7), pi(8)]),
        (2, start + 4, [i]),
    ]  # fmt: skip
    if more:
        parts += block(start - 2, (9, 10, 11), (12, 13, 14))
    if more == 3:
        parts += block(2, (15, 16, 17), (18, 19, 20)) + block(0, (21, 22, 23), (24, 25, 26))
    checks: list[list[int]] = [[] for _ in range(3 * size)]
    for row, col, some in parts:
        for permutation in some:
            for a, b in zip(i.tolist(), permutation.tolist(), strict=True):
                bits = checks[row * size + a]
                bits.remove(col * size + b) if col * size + b in bits else bits.append(
                    col * size + b
                )
    return checks, (start + 5) * size, size


@njit
def _ldpc_errors(first, bit, count, silent, sigma, frames, most, noise):
    gain, wrong = 2.0 / sigma**2, 0
    said, sure = np.empty(bit.size), np.empty(count)
    tanh, left = np.empty(32), np.empty(32)
    for _ in range(frames):
        sure[:] = gain * (1.0 + sigma * noise.standard_normal(count))
        sure[count - silent :] = 0.0  # punctured
        said[:] = 0.0
        failed = True
        for _ in range(most):
            for c in range(first.size - 1):
                a, degree = first[c], first[c + 1] - first[c]
                for n in range(degree):
                    q = sure[bit[a + n]] - said[a + n]
                    sure[bit[a + n]] = q
                    tanh[n] = np.tanh(0.5 * min(max(q, -36.0), 36.0))
                left[0] = 1.0
                for n in range(1, degree):
                    left[n] = left[n - 1] * tanh[n - 1]
                right = 1.0
                for n in range(degree - 1, -1, -1):
                    product = min(max(left[n] * right, -1.0 + 1e-15), 1.0 - 1e-15)
                    right *= tanh[n]
                    said[a + n] = np.log((1.0 + product) / (1.0 - product))
                    sure[bit[a + n]] += said[a + n]
            if sure.min() > 0.0:
                failed = False
                break
        wrong += failed
    return wrong


def ar4ja_error_rate(k: int, rate: str, ebn0_db: float, frames: int, seed: int = 1) -> float:
    """Share of frames of ``k`` bits that a hundred iterations do not decode."""
    checks, count, size = ar4ja_checks(k, rate)
    first = np.cumsum([0] + [len(c) for c in checks])
    bit = np.array([b for c in checks for b in c])
    sigma = _sigma(k / (count - size), ebn0_db)
    return (
        _ldpc_errors(first, bit, count, size, sigma, frames, 100, np.random.default_rng(seed))
        / frames
    )


def _sigma(rate: float, ebn0_db: float) -> float:
    return float((2.0 * rate * 10.0 ** (0.1 * ebn0_db)) ** -0.5)
