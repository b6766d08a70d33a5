"""What a statement about a user claims: a liking, a habit of choosing or a habit of rating, found in its words.

    "loves westerns, but avoids the 1980s"  ->  likes Western strongly; dislikes 1980s
    "a strict rater who watches dramas"     ->  rates strictly; often chooses Drama

Only what ratings can answer is a claim: genres and decades of the catalogue, and how the user rates. English only, and
by words rather than grammar: a statement that is read wrongly is held against the wrong figure, and thrown out if that
does not bear it out.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple


class Subject(NamedTuple):
    """Something that items have in common."""

    kind: str
    """`genre` or `decade`."""
    column: int
    """Which of the catalogue's genres or decades."""


class Liking(NamedTuple):
    """The user rates a subject above (below) what is expected."""

    subject: Subject
    sign: int
    """1 likes, -1 dislikes."""
    strong: bool
    """Loves or hates."""


class Choosing(NamedTuple):
    """The user often (seldom) consumes a subject."""

    subject: Subject
    often: bool


class Habit(NamedTuple):
    """A trait has the level that a word of `personagym_agents.llm.answers.HABITS` names, or has it not."""

    trait: str
    word: str
    holds: bool = True


Claim = Liking | Choosing | Habit


class _Attitude(Enum):
    """What a verb says about the subjects beside it."""

    LOVE = "love"
    LIKE = "like"
    DISLIKE = "dislike"
    HATE = "hate"
    CHOOSE = "choose"


def _forms(*verbs: str) -> set[str]:
    return {
        form
        for verb in verbs
        for form in (verb, verb + "s", verb + ("d" if verb.endswith("e") else "ed"), verb.removesuffix("e") + "ing")
    }


_WORDS: Mapping[_Attitude, set[str]] = {
    _Attitude.LOVE: _forms("love", "adore") | {"favorite", "favourite", "favorites", "favourites", "passion"},
    _Attitude.LIKE: _forms("like", "enjoy", "prefer", "favor", "favour", "appreciate")
    | {"fan", "fond", "drawn", "preferred", "preference", "partial", "interest", "interested", "highly", "above"},
    _Attitude.DISLIKE: _forms("dislike", "avoid", "shun") | {"bored", "averse", "aversion", "poorly", "below"},
    _Attitude.HATE: _forms("hate", "loathe", "detest", "despise"),
    _Attitude.CHOOSE: _forms("watch", "choose", "pick", "consume", "read", "view", "play", "buy", "visit")
    | {"watches", "chose", "often", "mostly", "mainly", "frequently", "regularly"},
}
_ATTITUDES = {word: attitude for attitude, words in _WORDS.items() for word in words}
_NEGATORS = {"not", "never", "no", "dont", "doesnt", "didnt", "isnt", "rarely", "seldom", "hardly", "without", "little"}
_AGAINST = {"over", "than", "unlike"}
"""What follows is what something else is preferred to: no claim of its own."""
_CLAUSES = {"while", "whereas", "although", "though", "yet", "who", "which"}
_HABITS = {
    **dict.fromkeys(("strict", "harsh", "stern"), ("rating", "strict")),
    **dict.fromkeys(("generous", "lenient"), ("rating", "generous")),
    **dict.fromkeys(("conformist", "mainstream"), ("conformity", "conformist")),
    **dict.fromkeys(("contrary", "contrarian", "nonconformist"), ("conformity", "contrary")),
    **dict.fromkeys(("eclectic",), ("diversity", "curious")),
}
_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
"""From 1920."""
_ALSO: Mapping[str, tuple[str, ...]] = {
    "animation": ("animated", "cartoon"),
    "childrens": ("children", "kids"),
    "comedy": ("comedic",),
    "drama": ("dramatic",),
    "film noir": ("noir",),
    "romance": ("romantic",),
    "sci fi": ("science fiction", "scifi"),
    "science fiction": ("sci fi", "scifi"),
}
"""Other words for a genre, where people use them."""
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_CLAUSE_END = re.compile(r"[.!?:()]")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence]


def _words(text: str) -> list[str]:
    """Lower-case words; an apostrophe within a word joins it."""
    return _WORD.findall(re.sub(r"(?<=\w)['’](?=\w)", "", text.lower()))


def _singular(word: str) -> str:
    if word[0].isdigit() or len(word) < 4 or word.endswith("ss"):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word.removesuffix("s")


def _key(name: str) -> tuple[str, ...]:
    return tuple(_singular(word) for word in _words(name))


class ClaimReader:
    """Finds the claims of a statement.

    Args:
        genres: names of the catalogue's genres.
        decades: years that the catalogue's decades begin with.
    """

    def __init__(self, genres: Sequence[str], decades: Sequence[int]) -> None:
        self._subjects: dict[tuple[str, ...], Subject] = {}
        short = Counter(decade % 100 for decade in decades)
        for index, decade in enumerate(decades):
            names = [f"{decade}s"]
            names += [f"{decade % 100:02d}s"] if short[decade % 100] == 1 else []
            place = (decade - 1920) // 10
            names += [_DECADES[place]] if 0 <= place < len(_DECADES) else []
            self._subjects |= {_key(name): Subject("decade", index) for name in names}
        own = {key: Subject("genre", index) for index, genre in enumerate(genres) if (key := _key(genre))}
        for index, genre in enumerate(genres):
            others = _ALSO.get(" ".join(_words(genre)), _ALSO.get(" ".join(_key(genre)), ()))
            self._subjects |= {_key(name): Subject("genre", index) for name in others}
        self._subjects |= own
        self._longest = max(map(len, self._subjects), default=0)

    def read(self, statement: str) -> list[Claim]:
        """The claims of one sentence or phrase; empty if it makes none that ratings can answer."""
        found: list[Claim] = []
        for clause in _CLAUSE_END.split(statement):
            found += _Clause().read(self._parts(_words(clause)))
        return list(dict.fromkeys(found))

    def _parts(self, words: list[str]) -> list[str | Subject]:
        """The words, with the names of subjects, longest first, made into subjects."""
        parts: list[str | Subject] = []
        place = 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                subject = self._subjects.get(tuple(_singular(word) for word in words[place : place + length]))
                if subject is not None:
                    parts.append(subject)
                    place += length
                    break
            else:
                parts.append(words[place])
                place += 1
        return parts


class _Clause:
    """Reads a clause from left to right and remembers what the verb before says."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self._begin()

    def _begin(self) -> None:
        self.attitude: _Attitude | None = None
        self.negated = self.against = False
        self.waiting: list[Subject] = []  # named before the verb, as in "westerns are loved"

    def read(self, parts: list[str | Subject]) -> list[Claim]:
        """The claims of the parts of a clause."""
        for before, part, after in zip([None, *parts], parts, [*parts[1:], None], strict=False):
            if isinstance(part, Subject):
                self._name(part)
            elif part in _NEGATORS:
                self.negated = after not in ("only", "just")
            elif part in _AGAINST or (part == "to" and isinstance(before, Subject)):
                self.against = True
            elif part in _CLAUSES:
                self._begin()
            elif part in _HABITS:
                self.claims.append(Habit(*_HABITS[part], holds=not self.negated))
            elif part in _ATTITUDES and not (part == "like" and self.attitude is not None):  # "avoids genres like X"
                self._say(_ATTITUDES[part], negated_now=before in _NEGATORS)
        return self.claims

    def _name(self, subject: Subject) -> None:
        if self.attitude is None:
            self.waiting.append(subject)
        elif not self.against:
            self._claim(subject)

    def _say(self, attitude: _Attitude, *, negated_now: bool) -> None:
        # "does not really like": a first verb takes any negation before it, a later one only its own.
        self.negated = self.negated and (self.attitude is None or negated_now)
        self.attitude, self.against = attitude, False
        for subject in self.waiting:
            self._claim(subject)
        self.waiting = []

    def _claim(self, subject: Subject) -> None:
        match self.attitude:
            case _Attitude.CHOOSE:
                self.claims.append(Choosing(subject, often=not self.negated))
            case _Attitude.LOVE | _Attitude.LIKE:
                strong = self.attitude is _Attitude.LOVE and not self.negated
                self.claims.append(Liking(subject, -1 if self.negated else 1, strong))
            case _Attitude.DISLIKE | _Attitude.HATE if not self.negated:
                self.claims.append(Liking(subject, -1, self.attitude is _Attitude.HATE))
