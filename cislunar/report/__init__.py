"""Self-contained HTML reports of a run, and the scorecard for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def write_report(
    results, folder: str | os.PathLike, languages: Sequence[str] = ("en", "ja")
) -> list[Path]:
    """The paths of ``report.<language>.html``, written whole into an existing folder.

    Each page carries its scripts, figures and data inside it and asks nothing of the network.
    """
    from cislunar.report.builder import write

    return write(results, Path(folder), tuple(languages))
