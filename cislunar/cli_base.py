"""What every command shares: exit codes, messages of one line, lists of words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from orbits.errors import ComputationError, InputError

WRONG_INPUT, FAILED, INTERRUPTED = 2, 3, 130


@contextmanager
def exit_codes(file: str | None = None) -> Iterator[None]:
    """Turns the error family into one line a fault on stderr and the contract's exit code."""
    try:
        yield
    except InputError as fault:
        for line in getattr(fault, "lines", None) or [str(fault)]:
            say(line if file is None or line.startswith(file) else f"{file}: {line}")
        raise typer.Exit(WRONG_INPUT) from None
    except ComputationError as fault:
        say(f"{type(fault).__name__}: {fault}")
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        raise  # the reader of stdout has gone: the shell's business
    except OSError as fault:
        say(f"{fault.strerror or fault}" + (f": {fault.filename}" if fault.filename else ""))
        raise typer.Exit(FAILED) from None
    except MemoryError:
        say("out of memory")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(INTERRUPTED) from None


def _outside(context: typer.Context, asked: bool) -> bool:
    """Lets the command read files outside a scenario's folder, where the user asks for it."""
    if asked:
        from cislunar.loading import allow_outside

        context.with_resource(allow_outside())
    return asked


Outside = Annotated[
    bool,
    typer.Option(
        "--allow-outside", callback=_outside, help="read files outside the scenario's folder"
    ),
]


def say(line: str) -> None:
    print(" ".join(str(line).split("\n")), file=sys.stderr)


def listed(text: str, allowed: tuple[str, ...], key: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
    if not words or any(w not in allowed for w in words):
        raise InputError(
            f"{text!r} is not a list of {', '.join(allowed)}", key=key, value=text,
            allowed=", ".join(allowed),
        )  # fmt: skip
    return words
