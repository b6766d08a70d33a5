"""What there is to see of an episode, and that as text; `render_image` draws it."""

from dataclasses import dataclass

import numpy as np

from personagym_env.session.batched_episodes import BatchedEpisodes, RowStep
from personagym_env.session.kernel import Place
from personagym_env.text import one_line, shortened
from personagym_env.world import World

_REASONS = {
    Place.REPEATED: "empty: stands above already",
    Place.CONSUMED: "empty: taken earlier",
    Place.RATED: "empty: rated before",
}
_BAR = 20
"""Characters of the satisfaction bar."""
_TITLE = 44
"""Characters of a title."""
_NAME = 24
"""Characters of an id, of the name of a genre, and of the name and the value of an attribute."""


@dataclass(frozen=True)
class PlaceView:
    """A place of the latest slate."""

    title: str
    choice_probability: float | None
    """None at an empty place."""
    note: str
    """What became of it: why it is empty, whether it was seen, or how it was rated."""
    taken: bool


@dataclass(frozen=True)
class EpisodeView:
    """An episode as it stands, in words and numbers that are safe to show."""

    user: str
    """Who the user is, and which step of which session it is."""
    slate_size: int
    places: tuple[PlaceView, ...]
    """The latest slate; empty right after a reset."""
    satisfaction: float
    """0..1."""
    result: str
    """What the latest step led to; empty right after a reset."""

    def to_text(self) -> str:
        """The episode on some lines."""
        lines = [self.user]
        for number, place in enumerate(self.places, start=1):
            wanted = "" if place.choice_probability is None else f"want {place.choice_probability:4.0%}"
            lines.append(f"  {number:>2}. {place.title:<{_TITLE}} {wanted:<9}  {place.note}".rstrip())
        if self.places and not any(place.taken for place in self.places):
            lines.append("  nothing taken")
        filled = round(self.satisfaction * _BAR)
        bar = "█" * filled + "·" * (_BAR - filled) + f" {self.satisfaction:4.0%}"
        lines.append(f"  satisfaction {bar}   {self.result}".rstrip())
        return "\n".join(lines)


def view_episode(sessions: BatchedEpisodes, row: int, step: RowStep | None, i: int = 0) -> EpisodeView:
    """An episode as it stands.

    Args:
        sessions: the rows.
        row: which of them.
        step: the row's latest step, None right after a restart.
        i: where the row is in `step`.
    """
    state, world = sessions.state, sessions.world
    visit = f", session {int(state.session[row]) + 1}" if state.session[row] else ""
    return EpisodeView(
        user=f"{describe_user(world, int(state.user[row]))}{visit}, step {int(state.step[row])}",
        slate_size=sessions.slate_size,
        places=() if step is None else tuple(_place(world, step, i, j) for j in range(sessions.slate_size)),
        satisfaction=float(state.satisfaction[row]),
        result="" if step is None else _result(step, i),
    )


def describe_user(world: World, user: int) -> str:
    """One line on who the user is: attributes, activity and favourite genres, from training rows."""
    people, log, catalogue = world.dataset.users, world.train, world.dataset.catalogue
    told = [(shortened(name, _NAME), shortened(column[user], _NAME)) for name, column in people.attributes.items()]
    known = [f"{name} {value}" for name, value in told if value]
    rows = slice(int(log.indptr[user]), int(log.indptr[user + 1]))
    habits = f"{rows.stop - rows.start} ratings known"
    if rows.stop > rows.start:
        habits += f", mean {log.ratings[rows].mean():.1f}"
    taste = world.dynamics.genre_share[log.items[rows]].sum(axis=0)
    liked = [g for g in np.argsort(-taste, kind="stable")[:3] if taste[g] > 0]
    favourites = [shortened(catalogue.genre_names[g], _NAME) for g in liked]
    if favourites:
        habits += f", mostly {', '.join(favourites)}"
    return f"User {shortened(people.ids[user], _NAME)} ({'; '.join([*known, habits])})"


def _stars(rating: int, scale: tuple[float, ...]) -> str:
    """Filled stars up to the rating's rank in the scale, hollow ones above, and the rating itself."""
    return "★" * (rating + 1) + "☆" * (len(scale) - rating - 1) + f" {scale[rating]:g}"


def _place(world: World, step: RowStep, i: int, j: int) -> PlaceView:
    """What was shown at place j, how much it was wanted, whether it was seen and taken."""
    outcome, catalogue, item = step.outcome, world.dataset.catalogue, step.outcome.slate[i, j]
    reason, taken = _REASONS.get(Place(outcome.places[i, j])), bool(outcome.place[i] == j)
    seen = "seen" if outcome.examined[i, j] else "not seen"
    return PlaceView(
        title=shortened(one_line(catalogue.titles[item]) or catalogue.ids[item], _TITLE),
        choice_probability=None if reason else float(outcome.choice_probability[i, j]),
        note=reason or (f"taken {_stars(int(outcome.rating[i]), world.train.scale)}" if taken else seen),
        taken=taken,
    )


def _result(step: RowStep, i: int) -> str:
    """What the step led to."""
    return f"chance of leaving {step.outcome.hazard[i]:.1%}   reward {step.reward[i]:.2f}   {_end(step, i)}"


def _end(step: RowStep, i: int) -> str:
    if step.terminated[i]:
        return "the user leaves"
    back = f"the user leaves and is back after {step.outcome.gap_days[i]:.2g} days" if step.outcome.returned[i] else ""
    cut = "cut: longest episode" if step.truncated[i] else ""
    return "; ".join(filter(None, (back, cut))) or "goes on"
