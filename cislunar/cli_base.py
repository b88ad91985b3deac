"""What every command shares: exit codes, messages of one line, lists of words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orbits.errors import ComputationError, InputError

PROGRAM = "cislunar"
WRONG_INPUT, FAILED, INTERRUPTED = 2, 3, 130


class CommandLine(TyperGroup):
    """Commands whose faults of usage are told in one line, like all other faults."""

    def main(self, *args: Any, standalone_mode: bool = True, **more: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **more)
        try:
            code = super().main(*args, standalone_mode=False, **more)
        except typer.Abort:
            say("interrupted")
            code = INTERRUPTED
        except Exception as fault:  # typer's own copies of click's classes have no public name
            context, words = getattr(fault, "ctx", None), getattr(fault, "format_message", None)
            if words is None:
                raise
            if type(fault).__name__ == "NoArgsIsHelpError" and context is not None:
                print(context.get_help(), file=sys.stderr)
            else:
                where = PROGRAM if context is None else context.command_path
                what = words().rstrip(".")
                say(str(InputError(what, file=where, allowed=f"see {where} --help")))
            code = WRONG_INPUT
        sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def exit_codes(file: str | None = None) -> Iterator[None]:
    """Turns the error family into one line a fault on stderr and the contract's exit code."""
    try:
        yield
    except InputError as fault:
        about = file or (None if fault.file else PROGRAM)
        for line in getattr(fault, "lines", None) or [str(fault)]:
            say(line if about is None or line.startswith(about) else f"{about}: {line}")
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
        from cislunar.outside import allow_outside

        context.with_resource(allow_outside())
    return asked


Outside = Annotated[
    bool,
    typer.Option(
        "--allow-outside", callback=_outside, help="read files outside the scenario's folder"
    ),
]


def check_file(path: Path | None, key: str = "--out") -> None:
    """Refuses a file that cannot be written, before anything is computed for it."""
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        which = path if path.is_dir() else path.parent
        what = f"{which} is {'' if path.is_dir() else 'not '}a folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        what = f"{path} may not be written"
    else:
        return
    raise InputError(what, key=key, value=str(path), allowed="a file in an existing folder")


def say(line: str) -> None:
    print(plain(str(line).replace("\n", " ")), file=sys.stderr)


def plain(text: str) -> str:
    """The text with what steers a terminal written out; lines stay lines.

    >>> print(plain("a\\x1b[31mb　c\\nd"))
    a\\x1b[31mb　c
    d
    """
    return "".join(
        c if c.isprintable() or c in "\n　\u00a0" else c.encode("unicode_escape").decode()
        for c in text
    )


def listed(text: str, allowed: tuple[str, ...], key: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
    if not words or any(w not in allowed for w in words):
        raise InputError(
            f"{text!r} is not a list of {', '.join(allowed)}", key=key, value=text,
            allowed=", ".join(allowed),
        )  # fmt: skip
    return words
