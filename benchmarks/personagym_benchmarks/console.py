"""The console that every command writes to, and how it tells of mistakes."""

import io
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from personagym_env.data.readers.table import DataWarning
from personagym_env.text import one_line, printable

DEBUG = "PERSONAGYM_DEBUG"
"""Environment variable that, when set, shows where an error came from."""


@contextmanager
def mistakes_in_one_line(program: str) -> Iterator[None]:
    """End the program with one line, and no traceback, where what it was asked for cannot be done.

    Raises:
        SystemExit: it cannot.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get(DEBUG):
            raise
        words = one_line(str(error)) or type(error).__name__
        print(f"{program}: {words} ({DEBUG}=1 shows where)", file=sys.stderr)
        raise SystemExit(1) from None


def make_console() -> Console:
    """A console on standard output that takes any text.

    What the encoding of the stream lacks, as cp1252 lacks the stars of a rating, becomes a replacement character;
    that holds for all that is printed from here on, the help of the commands too. Control characters in a text reach
    no terminal.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return _PrintableConsole()


@contextmanager
def notes_as_lines() -> Iterator[None]:
    """What readers tell of how they read the data is a line on standard error, without the source of the reader."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, DataWarning):
                print(f"personagym: note: {one_line(str(message))}", file=sys.stderr)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


class _PrintableConsole(Console):
    """Takes control characters out of whatever it draws, but for those by which it draws."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `Console.render`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
