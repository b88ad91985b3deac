"""A thousand LNSS variants: what one costs, what a second worker brings, and how memory grows.

Takes a few variants of ``configs/trades/lnss_south_pole.yaml`` (28 days at 60 s, the south cap,
visibility, availability, longest gap, PDOP) on one worker and on two, checks that their tables are
equal to the bit and that a row is what ``cislunar.run`` gives for that variant, and prints
processor seconds a variant, the ratio of wall times, and the memory after each third.

Run as ``python benchmarks/bench_sweep.py [variants]``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from cislunar import run
from cislunar.sweep import engine, load_trade, sweep
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import read_base, scenario_of, variants

TRADE = Path(__file__).parent.parent / "configs" / "trades" / "lnss_south_pole.yaml"
JUDGED_S = 2 * 600.0  # ten minutes of two cores


def measured(trade: Trade, folder: Path, workers: int):
    wall, busy = time.perf_counter(), time.process_time()
    done = sweep(trade, folder, trade_folder=TRADE.parent, workers=workers, quiet=True)
    return done.table, time.perf_counter() - wall, time.process_time() - busy


def main(count: int) -> None:
    whole = load_trade(TRADE)
    designed = variants(whole)
    step = max(1, len(designed) // count)
    rows = designed[::step][:count]
    content = whole.model_dump(exclude_unset=True) | {"design": {"kind": "rows", "rows": rows}}
    trade = Trade(**content)
    memory: list[int] = []
    keep = engine.Runner._keep

    def noted(self, *given):
        keep(self, *given)
        memory.append(resident_mb())

    with tempfile.TemporaryDirectory() as scratch:
        few = Trade(**content | {"design": {"kind": "rows", "rows": rows[:2]}})
        sweep(few, Path(scratch) / "warm", trade_folder=TRADE.parent, workers=2, quiet=True)
        engine.Runner._keep = noted
        one, wall_1, busy_1 = measured(trade, Path(scratch) / "one", 1)
        two, wall_2, busy_2 = measured(trade, Path(scratch) / "two", 2)
        engine.Runner._keep = keep
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    base = read_base(trade, TRADE.parent, None)
    scenario = scenario_of(trade, base, rows[0])
    busy = time.process_time()
    theirs = run(scenario, quiet=True).coverage
    busy_run = time.process_time() - busy
    assert theirs is not None
    for name, found in (
        ("availability_frac", theirs["availability_frac"].mean()),
        ("longest_gap_s", theirs["longest_gap_s"].max()),
        ("visible_mean", theirs["visible_mean"].mean()),
    ):
        assert abs(one[name].iloc[0] - float(found)) <= 1e-9 * abs(float(found)), name
    craft = one["satellites"].mean()
    print(f"{len(rows)} variants of {len(designed)}, {craft:.1f} satellites each on average")
    print(f"one worker   {wall_1 / len(rows):.2f} s wall, {busy_1 / len(rows):.2f} s processor")
    print(f"two workers  {wall_2 / len(rows):.2f} s wall, {busy_2 / len(rows):.2f} s processor")
    print(f"two workers against one: {wall_1 / wall_2:.2f} times as fast by the clock")
    print(f"cislunar.run of one variant: {busy_run:.2f} s processor (fixes at the map's own step)")
    share = 1000 * busy_2 / len(rows) / JUDGED_S
    print(f"1,000 variants: {share * 10:.1f} min on two idle cores")
    third = len(rows) // 3
    print("memory, MB, in thirds: " + ", ".join(str(max(memory[k : k + third]))
          for k in range(0, len(memory) - third + 1, third)))  # fmt: skip


def resident_mb() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() // 1_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
