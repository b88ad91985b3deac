"""Shared fixtures: validation tables, and the ledger of evidence behind docs/validation.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

VALIDATION = Path(__file__).parent / "validation"


@pytest.fixture(scope="session")
def validation():
    """A function giving a validation file's content, or one of its cases by id."""

    def read(name: str, case: str | None = None):
        path = VALIDATION / name
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if case is None:
            return data
        found = [c for c in data["cases"] if c["id"] == case]
        assert len(found) == 1, f"{name} has no case {case}"
        return found[0]

    return read


@pytest.fixture
def evidence(request):
    """Records one row of the evidence ledger, asserting that the residual is within tolerance."""

    def record(capability, reference, cases, residual, tolerance, unit, why):
        residual, tolerance = float(residual), float(tolerance)
        assert residual <= tolerance, f"{capability}: residual {residual} {unit} > {tolerance}"
        folder = os.environ.get("EVIDENCE_DIR")
        if folder:
            row = {
                "capability": capability, "reference": reference, "cases": int(cases),
                "residual": residual, "tolerance": tolerance, "unit": unit, "why": why,
                "test": request.node.nodeid.split("[")[0],
            }  # fmt: skip
            path = Path(folder) / f"{os.getpid()}.jsonl"
            with path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")

    return record
