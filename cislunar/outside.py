"""Which files a scenario, trade or roadmap may name: those beside it, or below."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from cislunar.fields import show
from orbits.errors import InputError

_outside: ContextVar[bool] = ContextVar("outside", default=False)


def outside_allowed() -> bool:
    """True inside ``allow_outside``."""
    return _outside.get()


@contextmanager
def allow_outside() -> Iterator[None]:
    """Lets scenario files read inside the block name files outside their own folder."""
    before = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(before)


def beside(folder: Path, name: str | Path, whose: str, *, anywhere: bool = False) -> Path:
    """A file that a scenario, trade or roadmap in ``folder`` names: absolute, through all links.

    Raises InputError where it is outside the folder, unless that is allowed or ``anywhere``.
    """
    try:
        whole, home = (folder / name).resolve(), folder.resolve()
        whole.exists()  # a name too long for the system fails here
    except (OSError, ValueError, RuntimeError):
        raise InputError(f"{show(str(name))} is not a path", allowed="a file name") from None
    if not anywhere and not _outside.get() and not whole.is_relative_to(home):
        raise InputError(
            f"{show(str(name))} is outside the {whose}'s folder",
            allowed=f"a file beside the {whose} or below, or --allow-outside",
        )
    return whole
