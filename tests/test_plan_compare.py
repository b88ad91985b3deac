"""Two contact plans compared: by hand, against sampling, and from files."""

import numpy as np
import pytest
from typer.testing import CliRunner

from cislunar.cli import app
from cislunar.contact_table import ContactTable
from cislunar.plan_compare import compare_plans, load_contacts
from cislunar.plan_files import write_plan
from orbits.epoch import Epoch
from orbits.errors import InputError

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")


def table(*rows, epoch=None):
    return ContactTable.of_rows(
        [(f"c{i}", *row) for i, row in enumerate(rows)], span_s=100.0, epoch=epoch
    )


def test_added_removed_and_changed_by_hand():
    old = table(("a", "b", 0, 50, 1e6, 1.0), ("a", "c", 0, 10, 1e6, 1.0))
    new = table(("a", "b", 10, 30, 1e6, 1.0), ("a", "b", 30, 60, 2e6, 1.0))
    found = compare_plans(old, new)
    rows = list(found[["target", "change", "start_s", "end_s"]].itertuples(index=False, name=None))
    assert rows == [
        ("b", "removed", 0.0, 10.0), ("b", "changed", 30.0, 50.0), ("b", "added", 50.0, 60.0),
        ("c", "removed", 0.0, 10.0),
    ]  # fmt: skip
    assert found.rate_after_bps[1] == 2e6
    assert found.rate_before_bps.isna().tolist() == [False, False, True, False]


def test_light_time_counts_beyond_its_tolerance():
    old, new = table(("a", "b", 0, 50, 1e6, 1.0)), table(("a", "b", 0, 50, 1e6, 1.002))
    assert compare_plans(old, new)["change"].tolist() == ["changed"]
    assert compare_plans(old, new, owlt_s=0.01).empty


def test_epochs_are_brought_together():
    old = table(("a", "b", 10, 20, 1e6, 1.0), epoch=EPOCH)
    new = table(("a", "b", 5, 15, 1e6, 1.0), epoch=EPOCH + 5.0)
    assert compare_plans(old, new).empty
    with pytest.raises(InputError):
        compare_plans(old, table(("a", "b", 5, 15, 1e6, 1.0)))


def test_random_plans_agree_with_sampling():
    rng = np.random.default_rng(5)

    def some():
        return table(
            *(
                (a, b, s, s + rng.integers(1, 30), float(rng.integers(1, 4)), 1.0)
                for a, b in (("a", "b"), ("b", "a"), ("a", "c"))
                for s in rng.integers(0, 70, 6)
            )
        )

    def best(plan, a, b, t):
        names = {n: i for i, n in enumerate(plan.names)}
        up = (plan.source == names[a]) & (plan.target == names[b])
        up &= (plan.start_s <= t) & (t < plan.end_s)
        return plan.rate_bps[up].max(initial=-1.0)

    for _ in range(5):
        old, new = some(), some()
        found = compare_plans(old, new)
        for a, b in (("a", "b"), ("b", "a"), ("a", "c")):
            rows = found[(found.source == a) & (found.target == b)]
            for t in np.arange(0.5, 100.0):
                x, y = best(old, a, b, t), best(new, a, b, t)
                word = {(True, False): "removed", (False, True): "added"}.get(
                    (x >= 0, y >= 0), "changed" if x != y else None
                )
                here = rows[(rows.start_s <= t) & (t < rows.end_s)]
                assert here.change.tolist() == ([] if word is None else [word])


def test_files_are_loaded_and_compared_from_the_command_line(tmp_path):
    old = table(("a", "b", 0, 50, 1e6, 1.0), epoch=EPOCH)
    new = table(("a", "b", 0, 40, 1e6, 1.0), epoch=EPOCH)
    for plan, name in ((old, "old.csv"), (new, "new.csv")):
        write_plan(plan, tmp_path / name)
    assert compare_plans(old, load_contacts(tmp_path / "old.csv")).empty
    names = [str(tmp_path / n) for n in ("old.csv", "new.csv", "difference.csv")]
    done = CliRunner().invoke(app, ["compare", *names[:2], "--out", names[2]])
    assert done.exit_code == 0, done.output
    assert "removed: 1 intervals, 0.003 h, 1 pairs" in done.output
    assert (tmp_path / "difference.csv").read_text().count("\n") == 2
    same = CliRunner().invoke(app, ["compare", names[0], names[0]])
    assert "the plans are the same" in same.output
    assert CliRunner().invoke(app, ["compare", names[0], "absent.csv"]).exit_code == 2
