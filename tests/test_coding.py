"""Thresholds of the CCSDS modes: not below what any code of their length needs, and near what the
codes themselves do when frames of them are sent through noise.
"""

import math
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from cislunar import catalog
from cislunar.link_models.modcod import modcod

witness = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("coding_witness.py"))))


def least_ebn0_db(k, n, error_rate):
    """Eb/N0 in dB below which no code of ``n`` binary symbols carries ``k`` bits at a frame error
    rate: the normal approximation (Polyanskiy, Poor and Verdu, IEEE Trans. IT 56, 2010), BPSK.
    """
    x, weight = np.polynomial.hermite_e.hermegauss(200)
    weight = weight / weight.sum()

    def excess(snr_db):
        snr = 10.0 ** (0.1 * snr_db)
        information = 1.0 - np.logaddexp(0.0, -2.0 * (snr + x * math.sqrt(snr))) / math.log(2.0)
        mean = weight @ information
        spread = weight @ information**2 - mean**2
        return (
            n * mean - math.sqrt(n * spread) * norm.isf(error_rate) + 0.5 * math.log2(n) - k
        )  # fmt: skip

    root: Any = brentq(excess, -15.0, 15.0)
    return root - 10.0 * math.log10(2.0 * k / n)


def coded():
    """Of every mode with a block code of the CCSDS: id, information bits, symbols, error rate."""
    for name, row in catalog.load("modcods").items():
        if row["family"] not in ("ccsds-turbo", "ccsds-ldpc"):
            continue
        (k,) = (int(a or b) for a, b in re.findall(r"k=(\d+)|, (\d+)\)", row["code"]))
        tail = 4 if row["family"] == "ccsds-turbo" else 0
        n = round((k + tail) * 2.0 / row["information_bits_per_symbol"])
        rate = 1e-4 if row["error_rate"].endswith("1e-4") else 1e-5
        yield name, row["family"], k, n, rate


def test_no_mode_does_better_than_codes_of_its_length_can():
    gaps = {"ccsds-turbo": [], "ccsds-ldpc": []}
    for name, family, k, n, rate in coded():
        gap = modcod(name).required_ebn0_db - least_ebn0_db(k, n, rate)
        # a threshold taken from the row of another frame length stands out
        assert 0.35 < gap < 1.0, name
        gaps[family].append(gap)
    assert max(gaps["ccsds-turbo"]) - min(gaps["ccsds-turbo"]) < 0.2
    assert len(gaps["ccsds-turbo"]) + len(gaps["ccsds-ldpc"]) >= 10


def test_convolutional_threshold_by_its_union_bound(evidence):
    """Weights of the (7, 1/2) code's error paths: Proakis, Digital Communications, table 8-2-1."""
    weights = {10: 36, 12: 211, 14: 1404, 16: 11633, 18: 77433, 20: 502690}
    ebn0 = 10.0 ** (0.1 * modcod("ccsds-conv-1-2").required_ebn0_db)
    bound = sum(c * norm.sf(math.sqrt(d * ebn0)) for d, c in weights.items())
    evidence("bit errors of the (7, 1/2) code at its threshold", "union bound", 1,
             abs(math.log10(bound / 1e-6)), 0.1, "decades", "tight at this error rate")  # fmt: skip


@pytest.mark.slow
def test_the_turbo_codes_lose_the_frames_that_their_tables_say(evidence):
    # JPL's decoder, table by table: bits, rate, Eb/N0, share of frames lost; frames sent here
    rows = [
        (1784, 2, 1.0, 7.5529e-2, 600), (1784, 3, 0.4, 4.7174e-2, 800), (8920, 3, 0.1, 4.9505e-1, 80),
    ]  # fmt: skip
    worst = max(
        abs(math.log10(witness.turbo_error_rate(k, rate, ebn0, frames) / table))
        for k, rate, ebn0, table, frames in rows
    )
    evidence("frames lost by CCSDS turbo codes", "NASA/JPL performance tables A-3, A-4", len(rows), worst,
             0.3, "decades", "0.3 decades are 0.05 dB; some hundred frames are lost")  # fmt: skip


@pytest.mark.slow
def test_thresholds_of_ldpc_codes_lie_where_their_frames_say(evidence):
    """An error rate of one frame in ten or so is carried to 1e-5 along the waterfall: a straight line of
    the normal quantile, narrower as the root of the block length (finite-length scaling).
    """
    points = {
        "ccsds-ldpc-1-2-k1024": (1.1, 300), "ccsds-ldpc-1-2-k4096": (0.9, 150),
        "ccsds-ldpc-1-2-k16384": (0.7, 80), "ccsds-ldpc-2-3-k16384": (1.58, 60),
        "ccsds-ldpc-4-5-k16384": (2.5, 60),
    }  # fmt: skip
    worst = 0.0
    for name, (ebn0, frames) in points.items():
        rate, k = "/".join(name.split("-")[2:4]), int(name.rsplit("-k", 1)[1])
        lost = witness.ar4ja_error_rate(k, rate, ebn0, frames)
        assert 0.02 < lost < 0.5, name
        width_db = 0.26 * math.sqrt(1024 / k)
        far = ebn0 + width_db * (norm.isf(1e-5) - norm.isf(lost))
        worst = max(worst, abs(modcod(name).required_ebn0_db - far))
    evidence("thresholds of CCSDS AR4JA codes", "frames of the codes sent through noise", len(points),
             worst, 0.1, "dB", "sum-product decoder, 100 iterations; carried on from one frame in ten")  # fmt: skip
