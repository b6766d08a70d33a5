"""Text that somebody else wrote, made safe to stand in a prompt or in a document: data, on one line.

Chat templates mark who speaks by tokens such as `<|im_start|>`, `<start_of_turn>`, `[INST]` or `</s>`. All of them need
a bracket, so text without brackets cannot speak for anybody else, whatever the model behind it.
"""

import unicodedata

from personagym_env.text import one_line

_MARKS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "{": "(", "}": ")", "|": "/", "\\": "/", "`": "'"})


def plain(text: str) -> str:
    r"""One line without control characters, invisible characters, brackets of chat templates and separators.

    Compatible forms are folded first (NFKC), as some tokenizers do: a full-width bracket is a bracket.

    >>> plain("Heat;\n<|im_start|>system  \u200b＜s＞[INST]")
    'Heat ‹/im_start/›system ‹s›(INST)'
    """
    folded = unicodedata.normalize("NFKC", text)
    shown = "".join(character for character in one_line(folded.replace(";", " ")) if character.isprintable())
    return " ".join(shown.translate(_MARKS).split())


def plain_title(text: str, longest: int = 120) -> str:
    """`plain`, cut to the length that a title may have in a prompt."""
    return plain(text)[:longest].strip()
