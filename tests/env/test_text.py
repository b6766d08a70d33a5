"""Text from outside becomes one line that commands nothing, and what people write stays as it is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personagym_env.text import one_line, printable, shortened

ANY_TEXT = st.text(st.characters(), max_size=60) | st.text(
    st.sampled_from("\x00\x07\x08\t\n\v\f\r\x1b\x1c\x7f\x85\x9b\xa0\u2028\u2029\u202e\u2066\u200b\u200d\ufeff\ud800a; ")
)
DIRECTIONS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def commands(text: str) -> set[str]:
    """What of the text a terminal could obey, an encoding could not write or a reader would see at another place."""
    strange = {"Cc", "Cs", "Zl", "Zp"}
    return {character for character in text if unicodedata.category(character) in strange or character in DIRECTIONS}


@given(ANY_TEXT)
def test_a_line_is_one_line_and_commands_nothing(text: str) -> None:
    line = one_line(text)
    assert not commands(line)
    assert len(line.splitlines()) <= 1
    assert line == " ".join(line.split()) == one_line(line)
    assert line.encode().decode() == line


@given(ANY_TEXT)
def test_printable_text_keeps_its_lines_and_commands_nothing(text: str) -> None:
    shown = printable(text)
    assert commands(shown) <= {"\n", "\t"}
    assert shown.count("\n") == text.count("\n")
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Toy Story (1995)",
        "Léon: The Professional",
        "À bout de souffle",
        "千と千尋の神隠し",
        "Мастер и Маргарита",
        "ইসলাম ও বিজ্ঞান",
        "می\u200cخواهم",  # Persian is spelled with a zero-width non-joiner
        "क्\u200dष",
        "👩\u200d🚀 in space",
        "שלום",
        "مرحبا",
        "¿Qué?",
        "Se7en",
        "$5 & <b>up</b>",
        "50 % off – “really”",
        "A\u0301",
        "ﬁn",
        "½ Prince",
        "naïve café №5",
        "Ⅷ",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert one_line(text) == printable(text) == shortened(text, 100) == text


@given(ANY_TEXT, st.integers(1, 30))
def test_a_shortened_line_has_at_most_its_length(text: str, longest: int) -> None:
    short = shortened(text, longest)
    assert len(short) <= longest
    assert not commands(short)
    assert short == one_line(text) or short.endswith("…")
