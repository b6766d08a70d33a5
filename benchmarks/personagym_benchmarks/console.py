"""The console that every command writes to."""

import io
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from personagym_env.text import printable


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


class _PrintableConsole(Console):
    """Takes control characters out of whatever it draws, but for those by which it draws."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `Console.render`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
