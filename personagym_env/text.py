"""Text that somebody else wrote, on its way to a person or a model: it shows what it is, and commands nothing."""

import re
from collections.abc import Iterable

_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
"""Runs of white space (line and paragraph separators among it) and of control characters, C0, DEL and C1."""
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""What changes the direction of text, or is not seen: marks, overrides and isolates of direction (UAX 9), zero-width
spaces, tags. The zero-width joiners U+200C and U+200D stay: Persian, Indic scripts and emoji are spelled with them."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""What a terminal might obey, all but tabs and line feeds."""
_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of a pair, which no encoding can write."""


def one_line(text: str) -> str:
    r"""The text without line ends, control characters, changes of direction and characters that are not seen.

    Every way out of what came with the data goes through here: a title can neither forge a line of its own, nor speak
    to a terminal, nor hide what it says.

    >>> one_line(" Heat\n 9. Forged\tline \x1b[2J")
    'Heat 9. Forged line [2J'
    >>> one_line("safe\u202egnp.exe \u200bzero\ud800")
    'safegnp.exe zero\ufffd'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return _BREAKS.sub(" ", _SURROGATES.sub("\ufffd", _UNSEEN.sub("", text))).strip()


def printable(text: str) -> str:
    r"""The text, of several lines perhaps, without what a terminal might obey or a reader not see.

    >>> printable("one\x1b[31m\r\ntwo\u202e")
    'one[31m\ntwo'
    """
    return text if text.isprintable() else _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub("", _UNSEEN.sub("", text)))


def shortened(text: str, longest: int) -> str:
    """`one_line`, cut to `longest` characters; the last one tells of the cut.

    >>> shortened("The Shawshank Redemption", 10)
    'The Shaws…'
    """
    line = one_line(text)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def listed(names: Iterable[object], longest: int = 40, most: int = 30) -> str:
    """Names as a list in an error, each shortened, and not all of them where there are many.

    >>> listed(["user", "x" * 100_000], longest=5)
    "['user', 'xxxx…']"
    >>> listed(range(1000), most=2)
    "['0', '1' and 998 more]"
    """
    words = [shortened(str(name), longest) for name in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"[{', '.join(map(repr, words[:most]))}{more}]"
