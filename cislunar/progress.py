"""A progress bar on stderr, or in a notebook; silent where nobody is looking."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Stages of a run with their wall seconds; draws a bar only for an interactive reader."""

    def __init__(self, *, quiet: bool = False):
        self.wall_s: dict[str, float] = {}
        self._bar = None if quiet or not _somebody_looks() else _new_bar()
        self._task = None

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *fault) -> None:
        if self._bar is not None:
            self._bar.stop()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Times a stage of the run and shows it as one line of the bar."""
        start = time.perf_counter()
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=total)
        try:
            yield
        finally:
            self.wall_s[name] = self.wall_s.get(name, 0.0) + time.perf_counter() - start
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, total=total or 1, completed=total or 1)
                self._task = None

    def advance(self, _what: str = "") -> None:
        """One unit of the current stage is done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)


def _somebody_looks() -> bool:
    if "ipykernel" in sys.modules:
        return True
    return hasattr(sys.stderr, "isatty") and sys.stderr.isatty()


def _new_bar():
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
