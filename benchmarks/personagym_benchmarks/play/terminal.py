"""The recommender's seat in a terminal: pick from a list, see what happens."""

from collections.abc import Callable

from personagym_benchmarks.play.recommender_seat import RecommenderSeat
from personagym_env.render import view_episode
from personagym_env.text import printable

LISTED = 12
"""Items that are offered at a time."""
HELP = (
    "Type the numbers of a slate, first place first (fewer are filled up from the list); a word to search titles; "
    "{names} to let one of them recommend; why N to ask about an item; Enter for the list as it stands; q to stop."
)


class TerminalSeat:
    """Reads lines, writes lines.

    Args:
        seat: is played.
        write: shows a line.
    """

    def __init__(self, seat: RecommenderSeat, write: Callable[[str], None]) -> None:
        self._seat, self._write = seat, write
        self._offered = [int(item["item"]) for item in self._search("")]  # type: ignore[call-overload]

    def begin(self) -> None:
        """Who the user is, and what there is to do."""
        self._show()
        self._write(HELP.format(names=", ".join(self._seat.stage.recommenders)))
        self._list()

    def answer(self, line: str) -> bool:
        """Do what a line says; whether the session goes on."""
        word, _, rest = line.strip().partition(" ")
        places = line.replace(",", " ").split()
        try:
            if word in ("q", "quit", "exit"):
                return False
            if word == "why" and rest.strip().isdigit():
                self._why(int(rest))
            elif line.strip() in self._seat.stage.recommenders:
                self._step(self._seat.suggest(line.strip()))
            elif all(part.isdigit() for part in places):
                self._step(self._chosen([int(part) for part in places]))
            else:
                self._offered = [int(item["item"]) for item in self._search(line.strip())]  # type: ignore[call-overload]
                self._list()
        except ValueError as error:
            self._write(str(error))
        return not self._seat.over

    def _chosen(self, numbers: list[int]) -> list[int]:
        """A whole slate: the items of the numbers, then those of the list that they leave."""
        wrong = [number for number in numbers if not 1 <= number <= len(self._offered)]
        size = self._seat.sessions.slate_size
        if wrong or len(numbers) > size:
            raise ValueError(f"choose at most {size} of the numbers 1 to {len(self._offered)}, got {numbers}")
        picked = [self._offered[number - 1] for number in numbers]
        slate = (picked + [item for item in self._offered if item not in picked])[:size]
        if len(slate) < size:
            raise ValueError(f"a slate has {size} places, and the list only {len(self._offered)} items: search again")
        return slate

    def _step(self, slate: list[int]) -> None:
        self._seat.step(slate)
        self._show()
        self._write(printable(self._seat.diary[-1]))
        if wish := self._seat.told()["wish"]:
            self._write(f'It says: "{printable(wish)}"')
        if self._seat.over:
            self._write(f"The session is over; return {self._seat.total:.2f}.")
            return
        taken = {item for item, _ in self._seat.consumed}
        self._offered = [item for item in self._offered if item not in taken]
        self._list()

    def _why(self, number: int) -> None:
        if not 1 <= number <= len(self._offered):
            raise ValueError(f"why takes one of the numbers 1 to {len(self._offered)}, got {number}")
        self._write(printable(self._seat.why(self._offered[number - 1])["words"]))

    def _show(self) -> None:
        self._write(view_episode(self._seat.sessions, 0, self._seat.last).to_text())

    def _search(self, words: str) -> list[dict[str, object]]:
        return self._seat.stage.search(words, self._seat.user, LISTED)

    def _list(self) -> None:
        if not self._offered:
            self._write("no such title")
        for number, item in enumerate(self._offered, start=1):
            told = self._seat.stage.told(item)
            known = [str(told["year"] or ""), ", ".join(map(str, told["genres"]))]  # type: ignore[call-overload]
            words = "; ".join(part for part in known if part)
            self._write(f"{number:>4}  {told['title']}" + (f" ({words})" if words else ""))
