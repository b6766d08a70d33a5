"""An episode as text that a person can follow."""

import numpy as np

from personagym_env.protocols import NO_ITEM
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


def _bar(level: float) -> str:
    filled = round(level * _BAR)
    return "█" * filled + "·" * (_BAR - filled) + f" {level:4.0%}"


def _slate(world: World, step: RowStep, i: int) -> list[str]:
    """A line for each place: what was shown, how much it was wanted, whether it was seen and taken."""
    outcome, catalogue = step.outcome, world.dataset.catalogue
    lines = []
    for j, item in enumerate(outcome.slate[i]):
        title = shortened(one_line(catalogue.titles[item]) or catalogue.ids[item], _TITLE)
        reason = _REASONS.get(Place(outcome.places[i, j]))
        choice_probability = "" if reason else f"want {outcome.choice_probability[i, j]:4.0%}"
        seen = "seen" if outcome.examined[i, j] else "not seen"
        note = reason or (seen if j != outcome.place[i] else f"taken {_stars(outcome.rating[i], world.train.scale)}")
        lines.append(f"  {j + 1:>2}. {title:<{_TITLE}} {choice_probability:<9}  {note}".rstrip())
    return lines


def _end(step: RowStep, i: int) -> str:
    """What the step led to."""
    if step.terminated[i]:
        return "the user leaves"
    back = f"the user leaves and is back after {step.outcome.gap_days[i]:.2g} days" if step.outcome.returned[i] else ""
    cut = "cut: longest episode" if step.truncated[i] else ""
    return "; ".join(filter(None, (back, cut))) or "goes on"


def render_row(sessions: BatchedEpisodes, row: int, step: RowStep | None, i: int = 0) -> str:
    """An episode as it stands.

    Args:
        sessions: the rows.
        row: which of them.
        step: the row's latest step, None right after a restart.
        i: where the row is in `step`.
    """
    state = sessions.state
    visit = f", session {int(state.session[row]) + 1}" if state.session[row] else ""
    lines = [f"{describe_user(sessions.world, int(state.user[row]))}{visit}, step {int(state.step[row])}"]
    if step is not None:
        lines += _slate(sessions.world, step, i)
        if step.outcome.item[i] == NO_ITEM:
            lines.append("  nothing taken")
    lines.append(f"  satisfaction {_bar(float(state.satisfaction[row]))}")
    if step is not None:
        lines[-1] += (
            f"   chance of leaving {step.outcome.hazard[i]:.1%}   reward {step.reward[i]:.2f}   {_end(step, i)}"
        )
    return "\n".join(lines)
