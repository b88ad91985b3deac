"""Writes the ledger of evidence: every comparison with an outside number that the tests make.

Run as ``python tests/ledger.py docs/validation.md``; it runs the test suite and fails if it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = """# Validation

Every row is a comparison that the test suite makes with a number from outside the project, with the
residual it measured when this page was written (`make evidence` writes it anew). A capability
without a row is not claimed to be validated. The outside numbers and their sources are kept in
`tests/validation/`.

| capability | outside reference | cases | residual | tolerance | why this tolerance | test |
|---|---|---:|---:|---:|---|---|
"""


def collect(folder: Path) -> list[dict]:
    rows = []
    for part in sorted(folder.glob("*.jsonl")):
        rows += [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    merged: dict[tuple, dict] = {}
    for row in rows:  # parametrised cases of one comparison: the worst residual stands for all
        key = (row["capability"], row["reference"], row["unit"], row["tolerance"], row["test"])
        if key in merged:
            merged[key]["cases"] += row["cases"]
            merged[key]["residual"] = max(merged[key]["residual"], row["residual"])
        else:
            merged[key] = dict(row)
    return sorted(merged.values(), key=lambda r: (r["test"], r["capability"], r["reference"]))


def table(rows: list[dict]) -> str:
    def cell(text) -> str:
        return str(text).replace("|", "\\|").replace("\n", " ")

    lines = [
        f"| {cell(r['capability'])} | {cell(r['reference'])} | {r['cases']} "
        f"| {r['residual']:.3g} {r['unit']} | {r['tolerance']:.3g} {r['unit']} "
        f"| {cell(r['why'])} | `{cell(r['test'])}` |"
        for r in rows
    ]
    return HEAD + "\n".join(lines) + "\n"


def main(target: str) -> int:
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"],
            cwd=root,
            env={**os.environ, "EVIDENCE_DIR": folder},
            check=False,
        )
        if done.returncode:
            return done.returncode
        rows = collect(Path(folder))
    Path(target).write_text(table(rows), encoding="utf-8")
    print(f"{len(rows)} comparisons written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "docs/validation.md"))
