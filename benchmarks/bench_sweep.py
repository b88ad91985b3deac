"""A thousand LNSS variants: variants a second, what a second worker brings, how memory grows.

Variants of ``configs/trades/lnss_south_pole.yaml`` (28 days at 60 s over the south cap: visibility,
availability, longest gap, PDOP), spread evenly over its design, each batch in a process of its own
after a warm-up: 50 on one worker and on two, as threads and as processes, and 200 on two threads.
Prints rates, ratios and peak memory; asserts that all tables are equal to the bit and that a row
is what ``cislunar.run`` gives for that variant. Run it on an idle machine:

    python benchmarks/bench_sweep.py [variants] [many variants]
    python benchmarks/bench_sweep.py all        # the whole trade on all cores, by the clock
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from cislunar import run
from cislunar.sweep import load_sweep, load_trade, sweep
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import read_base, scenario_of, variants

TRADE = Path(__file__).parent.parent / "configs" / "trades" / "lnss_south_pole.yaml"
JUDGED_S, JUDGED_VARIANTS, JUDGED_RATIO = 600.0, 1000, 1.7


def part(count: int, processes: bool) -> Trade:
    """The trade cut to ``count`` of its variants."""
    whole = load_trade(TRADE)
    designed = variants(whole)
    rows = [designed[k * len(designed) // count] for k in range(count)]
    return Trade(
        **whole.model_dump(exclude_unset=True)
        | {"design": {"kind": "rows", "rows": rows}, "processes": processes}
    )


def batch(folder: Path, count: int, workers: int, processes: bool) -> None:
    """One batch in this process; prints what it took as JSON."""
    warm = part(2 * workers, processes)
    if not processes:  # processes of a pool end with it: a warm-up would only fill the disk cache
        sweep(warm, folder / "warm", trade_folder=TRADE.parent, workers=workers, quiet=True)
    before, start = processor_s(), time.perf_counter()
    sweep(
        part(count, processes), folder / "out", trade_folder=TRADE.parent, workers=workers,
        quiet=True,
    )  # fmt: skip
    wall = time.perf_counter() - start
    peak = max(resource.getrusage(w).ru_maxrss for w in _WHO) / 1024
    print(json.dumps({"wall_s": wall, "busy_s": processor_s() - before, "peak_mib": peak}))


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def processor_s() -> float:
    used = [resource.getrusage(w) for w in _WHO]
    return sum(u.ru_utime + u.ru_stime for u in used)


def measured(scratch: Path, count: int, workers: int, processes: bool = False):
    folder = scratch / f"{count}-{workers}-{processes}"
    folder.mkdir()
    command = [sys.executable, __file__, "batch", str(folder), str(count), str(workers)]
    done = subprocess.run(
        [*command, str(int(processes))], check=True, stdout=subprocess.PIPE, text=True
    )
    found = json.loads(done.stdout)
    kind = "processes" if processes else "threads"
    print(
        f"{count:4d} variants, {workers} {kind:9s} {count / found['wall_s']:.2f} variants/s, "
        f"{found['busy_s'] / count:.2f} s processor each, peak {found['peak_mib']:.0f} MiB"
        f"{' a process' if processes else ''}",
        flush=True,
    )
    return load_sweep(folder / "out").table, found


def as_run(table: pd.DataFrame, count: int) -> None:
    """Asserts that the first row is what a run of that variant gives."""
    trade = part(count, False)
    first = trade.design.rows[0]  # type: ignore[union-attr]
    scenario = scenario_of(trade, read_base(trade, TRADE.parent, None), first)
    theirs = run(scenario, quiet=True).coverage
    assert theirs is not None
    for name, found in (
        ("availability_frac", theirs["availability_frac"].mean()),
        ("longest_gap_s", theirs["longest_gap_s"].max()),
        ("visible_mean", theirs["visible_mean"].mean()),
    ):
        assert abs(table[name].iloc[0] - float(found)) <= 1e-9 * abs(float(found)), name


def main(few: int, many: int) -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        one, alone = measured(room, few, 1)
        two, both = measured(room, few, 2)
        pd.testing.assert_frame_equal(one, two, check_exact=True)
        one_p, alone_p = measured(room, few, 1, True)
        two_p, both_p = measured(room, few, 2, True)
        for table in (one_p, two_p):
            pd.testing.assert_frame_equal(one, table, check_exact=True)
        more, long = measured(room, many, 2)
    both_have = [c for c in one.columns if c != "variant"]
    shared = more[more["key"].isin(one["key"])][both_have].reset_index(drop=True)
    mine = one[one["key"].isin(more["key"])][both_have].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, mine, check_exact=True)
    as_run(one, few)
    print(f"tables equal to the bit ({len(mine)} variants are in both sizes)")
    print(f"satellites a variant: {one['satellites'].mean():.1f} on average")
    for kind, a, b in (("threads", alone, both), ("processes", alone_p, both_p)):
        print(f"two {kind} against one: {a['wall_s'] / b['wall_s']:.2f} times as fast "
              f"(judged: {JUDGED_RATIO}; processes count their start)")  # fmt: skip
    print(f"peak memory, {few} and {many} variants on two threads: {both['peak_mib']:.0f} and "
          f"{long['peak_mib']:.0f} MiB")  # fmt: skip
    minutes = long["wall_s"] / many * JUDGED_VARIANTS / 60
    print(f"{JUDGED_VARIANTS} variants at that rate: {minutes:.1f} min (judged: {JUDGED_S / 60:g})")


def everything() -> None:
    """The whole trade, by the clock."""
    trade = load_trade(TRADE)
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        table = sweep(trade, Path(scratch) / "out", trade_folder=TRADE.parent).table
        print(f"{len(table)} variants in {(time.perf_counter() - start) / 60:.2f} min, "
              f"{int(table['error'].notna().sum())} failed, peak "
              f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["batch"]:
        batch(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1")
    elif sys.argv[1:2] == ["all"]:
        everything()
    else:
        main(*(int(v) for v in (sys.argv[1:] + ["50", "200"][len(sys.argv) - 1 :])[:2]))
