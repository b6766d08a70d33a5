"""Rows of episodes: the kernel's state, the agent's sessions and the rows' randomness, moved together.

Both environments are shells over this class; it knows neither Gymnasium nor when to start an episode again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.protocols import NO_ITEM, NO_WISH, ForgetfulSessions, Observation
from personagym_env.session import kernel
from personagym_env.session.episode_history import EpisodeHistory
from personagym_env.session.instructions import Panel, in_words, nearly_left
from personagym_env.session.places import check_places
from personagym_env.session.random import Stream, UIntArray, stream_keys
from personagym_env.session.reasons import Reasons, no_reasons, step_reasons
from personagym_env.world import World

BLOCK = 4096
"""Rows that are advanced at a time: what they need in between stays in the processor's caches."""

LONGEST_WISH = 160
"""Characters of a wish in `info`; longer ones are cut."""


class RowStep(NamedTuple):
    """One step of b rows."""

    outcome: kernel.Outcome
    components: dict[str, FloatArray]
    """Each (b,): the reward's parts by name."""
    reward: FloatArray
    """(b,) float64."""
    terminated: BoolArray
    """(b,) the user left, and does not come back in this episode."""
    truncated: BoolArray
    """(b,) the episode has reached `max_episode_steps`."""
    reasons: Reasons | None = None
    """What decided the step; None where nobody asked."""

    @classmethod
    def before_any(cls, outcome: kernel.Outcome, dynamics: kernel.Dynamics) -> "RowStep":
        """The step before the first one, which brought nothing: `outcome` is `kernel.no_outcome`."""
        nothing = np.zeros_like(outcome.left)
        return cls(outcome, kernel.reward_components(outcome, dynamics), np.zeros(len(nothing)), nothing, nothing)

    @classmethod
    def joined(cls, steps: Sequence["RowStep"]) -> "RowStep":
        """The steps of different rows as one."""
        outcomes = zip(*(step.outcome for step in steps), strict=True)
        reasons = [step.reasons for step in steps if step.reasons is not None]
        return cls(
            kernel.Outcome._make(np.concatenate(parts) for parts in outcomes),
            _joined([step.components for step in steps]),
            np.concatenate([step.reward for step in steps]),
            np.concatenate([step.terminated for step in steps]),
            np.concatenate([step.truncated for step in steps]),
            {name: _joined([one[name] for one in reasons]) for name in reasons[0]} if reasons else None,
        )

    def __repr__(self) -> str:
        return f"RowStep({len(self.reward)} rows)"


def _joined(parts: Sequence[dict[str, FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class BatchedEpisodes:
    """Episodes of one world side by side, each with its own user, clock and luck."""

    def __init__(
        self,
        world: World,
        n: int,
        *,
        slate_size: int,
        history_length: int,
        max_episode_steps: int | None,
        reasons: bool = False,
    ) -> None:
        """Make room for n episodes; each row must be keyed and restarted before it is advanced.

        With `reasons` every step tells what decided it, see `personagym_env.session.reasons`.

        Raises:
            ValueError: a size is below 1, or the slate has more places than the catalogue has items.
        """
        if not isinstance(reasons, bool):
            raise TypeError(f"reasons must be True or False, got {reasons!r}")
        limits = (("number of environments", n), ("history_length", history_length), ("slate_size", slate_size))
        for name, value in (*limits, ("max_episode_steps", 1 if max_episode_steps is None else max_episode_steps)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if slate_size > world.train.n_items:
            raise ValueError(f"slate_size must be at most the {world.train.n_items} items there are, got {slate_size}")
        self.world = world
        self.slate_size = slate_size
        self.history_length = history_length
        self.max_episode_steps = max_episode_steps
        self.reasons = reasons
        self._sessions = world.agent.open(n)
        # Asked once, because a protocol that is looked at while running looks at every name that it has.
        self._forgetful = self._sessions if isinstance(self._sessions, ForgetfulSessions) else None
        self._next_episode = np.zeros(n, np.int64)
        # Each column has an array of its own, because rows are written in place.
        columns = np.zeros((2, n), np.int64)
        self.state = kernel.initial(world.dynamics, np.zeros(n, np.uint64), *columns)
        self._diary = EpisodeHistory(n, history_length)
        on = world.parameters.instructions.on
        self._panel = Panel.of(world.agent, world.train, world.dataset.catalogue) if on else None
        self._instruction = np.tile(np.asarray(NO_WISH, np.int64), (n, 1))

    def set_keys(self, rows: IntArray, keys: UIntArray) -> None:
        """Give rows (b,) new randomness (b,); their next episode is their first."""
        self.state.key[rows] = keys
        self._next_episode[rows] = 0

    def restart(self, rows: IntArray, users: IntArray | None = None) -> None:
        """Begin the next episode of rows (b,), with the given users (b,) or with users drawn uniformly."""
        key, episode = self.state.key[rows], self._next_episode[rows]
        if users is None:
            users = kernel.draw_users(key, episode, self.world.train.n_users)
        for whole, new in zip(self.state, kernel.initial(self.world.dynamics, key, episode, users), strict=True):
            whole[rows] = new
        self._diary.clear(rows)
        self._instruction[rows] = NO_WISH
        self._next_episode[rows] += 1
        self._sessions.start(rows, users)

    def advance(self, rows: IntArray, slates: IntArray) -> RowStep:
        """One step of rows (b,) with slates (b, k) of internal item ids."""
        steps = [
            self._advance(rows[begin : begin + BLOCK], slates[begin : begin + BLOCK])
            for begin in range(0, len(rows), BLOCK)
        ]
        return steps[0] if len(steps) == 1 else RowStep.joined(steps)

    def _advance(self, rows: IntArray, slates: IntArray) -> RowStep:
        before = kernel.State._make(array[rows] for array in self.state)
        consumed = self._diary.consumed(rows, before.step)
        places = check_places(slates, before.user, consumed, self.world.train)
        reaction = self._sessions.react(rows, slates)
        state, outcome = kernel.transition(before, slates, places, reaction, self.world.dynamics)
        for whole, old, new in zip(self.state, before, state, strict=True):
            if new is not old:
                whole[rows] = new
        taken = outcome.item != NO_ITEM
        given = taken * self.world.dynamics.scale[outcome.rating]
        self._diary.write(rows, before.step, outcome.item, given)
        if taken.any():
            self._sessions.consume(rows[taken], outcome.item[taken], outcome.rating[taken])
        if self._panel is not None:
            self._listen(self._panel, rows, before, outcome)
        components = kernel.reward_components(outcome, self.world.dynamics)
        reward = kernel.reward(components, self.world.parameters.reward)
        terminated, truncated = kernel.terminal(state, outcome, self.max_episode_steps)
        reasons = step_reasons(before, outcome, self.world.dynamics) if self.reasons else None
        return RowStep(outcome, components, reward, terminated, truncated, reasons)

    def _listen(self, panel: Panel, rows: IntArray, before: kernel.State, outcome: kernel.Outcome) -> None:
        """Note what the users of rows (b,) wish, and forget it where a session has ended."""
        self._instruction[rows[outcome.left]] = NO_WISH
        speaking = rows[nearly_left(before, outcome, self.world.parameters.instructions.reach)]
        if len(speaking):
            reaction = self._sessions.react(speaking, np.tile(panel.items, (len(speaking), 1)))
            state = kernel.State._make(array[speaking] for array in self.state)
            self._instruction[speaking] = panel.wishes(reaction, state, self.world.dynamics)

    def observe(self, rows: IntArray | None = None) -> Observation:
        """What policies may see of rows (b,), of all by default; every array is a copy."""
        rows = np.arange(len(self.state.user)) if rows is None else rows
        user, step = self.state.user[rows], self.state.step[rows]
        items, ratings = self._diary.latest(rows, step)
        observation = Observation(
            user=user, profile=self.world.profiles[user], history_items=items, history_ratings=ratings, step=step
        )
        if self._panel is not None:
            observation["instruction"] = self._instruction[rows]
        return observation

    def policy_keys(self, rows: IntArray) -> UIntArray:
        """(b,) the luck of a `StochasticRecommender` at the next step of rows (b,)."""
        state = self.state
        return stream_keys(state.key[rows], state.episode[rows], state.step[rows], Stream.POLICY)

    def describe(self, rows: IntArray, step: RowStep | None) -> dict[str, Any]:
        """The `info` of rows (b,) after a step, or after a restart if None, in the same form.

        Arrays with leading axis b, and dictionaries of such arrays.
        """
        if step is None:
            outcome = kernel.no_outcome(len(rows), self.slate_size)
            step = RowStep.before_any(outcome, self.world.dynamics)
            step = step._replace(reasons=no_reasons(len(rows)) if self.reasons else None)
        outcome = step.outcome
        took = outcome.item != NO_ITEM
        info: dict[str, Any] = {
            "reward_components": step.components,
            "clicked_item": outcome.item,
            "clicked_place": outcome.place,
            "rating": took * self.world.dynamics.scale[outcome.rating],
            "examined": outcome.examined,
            "places": outcome.places,
            # A return has moved the state on already; the step itself still belongs to the session that it ended.
            "session": self.state.session[rows] - outcome.returned,
            "gap_days": outcome.gap_days,
            "latent": {
                "satisfaction": self.state.satisfaction[rows],
                "satiation": self.state.satiation[rows],
                "drift": self.state.drift[rows],
                "choice_probability": outcome.choice_probability,
                "hazard": outcome.hazard,
            },
        }
        if self._panel is not None:
            said = [in_words(wish, self.world.dataset.catalogue) for wish in self._instruction[rows]]
            info["instruction"] = np.array(said, f"<U{LONGEST_WISH}")
        if step.reasons is not None:
            info["reasons"] = step.reasons
        if self._forgetful is not None:
            info["dropped_lines"] = self._forgetful.dropped_lines[rows]
        return info
