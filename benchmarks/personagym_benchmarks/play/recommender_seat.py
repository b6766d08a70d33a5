"""The recommender's seat: compose slates for a simulated user and see what comes of them."""

from typing import Any

import numpy as np
from gymnasium.utils import seeding

from personagym_agents.explanations.wording import explain_in_words
from personagym_benchmarks.play.stage import Stage
from personagym_env.data.tables import IntArray
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, check_slates, check_users, draw_key
from personagym_env.explanations import explain
from personagym_env.protocols import NO_ITEM
from personagym_env.render import describe_user, view_episode
from personagym_env.session.batched_episodes import BatchedEpisodes, RowStep
from personagym_env.session.instructions import in_words
from personagym_env.session.kernel import Place
from personagym_env.session.reasons import reasons_in_words

SLATE_SIZE = 5
"""Places of a slate."""
BOREDOM = 5
"""Genres whose satiation is shown."""
_ROW = np.zeros(1, np.int64)


class RecommenderSeat:
    """One session of one user, stepped by hand: what `PersonaRecEnv` plays under the same seed.

    Args:
        stage: world and recommenders.
        user: internal id.
        seed: of the session's luck.
        slate_size: places of a slate.

    Raises:
        ValueError: there is no such user.
    """

    def __init__(self, stage: Stage, user: int, seed: int, slate_size: int = SLATE_SIZE) -> None:
        users = check_users(user, 1, stage.world.train.n_users)
        self.stage = stage
        self.sessions = BatchedEpisodes(
            stage.world,
            1,
            slate_size=min(slate_size, len(stage.catalogue)),
            history_length=HISTORY_LENGTH,
            max_episode_steps=MAX_EPISODE_STEPS,
            reasons=True,
        )
        self.sessions.set_keys(_ROW, draw_key(seeding.np_random(seed)[0]))
        self.sessions.restart(_ROW, users)
        self.user = int(users[0])
        self.total = 0.0
        self.consumed: list[tuple[int, int]] = []
        """Item and place of its rating in the scale."""
        self.last: RowStep | None = None
        self._before = 0
        """Items consumed before the last step."""
        self.diary: list[str] = []

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self.last is not None and bool(self.last.terminated[0] or self.last.truncated[0])

    def suggest(self, name: str) -> list[int]:
        """The slate that a recommender would show now.

        Raises:
            ValueError: there is no such recommender.
        """
        if name not in self.stage.recommenders:
            raise ValueError(f"recommender must be one of {', '.join(self.stage.recommenders)}, got {name!r}")
        slate = self.stage.recommenders[name].recommend(self.sessions.observe(), self.sessions.slate_size)
        return [int(item) for item in slate[0]]

    def step(self, items: list[int]) -> None:
        """Show a slate.

        Raises:
            ValueError: the session is over, or the slate has another size or an unknown item.
        """
        if self.over:
            raise ValueError("the session is over: begin another one")
        slates = check_slates(np.asarray(items)[None], 1, self.sessions.slate_size, len(self.stage.catalogue))
        self._before = len(self.consumed)
        self.last = step = self.sessions.advance(_ROW, slates)
        self.total += float(step.reward[0])
        item, rating = int(step.outcome.item[0]), int(step.outcome.rating[0])
        if item != NO_ITEM:
            self.consumed.append((item, rating))
        info = _first(self.sessions.describe(_ROW, step))
        title = "" if item == NO_ITEM else self.stage.title(item)
        self.diary.append(" ".join(reasons_in_words(info, title)))

    def why(self, item: int) -> dict[str, Any]:
        """What moved the user's answer about an item of the last slate, or would move it about another one now.

        Raises:
            ValueError: the users read no document, or there is no such item.
        """
        shown = self.last is not None and item in self.last.outcome.slate[0]
        session = self.consumed[: self._before] if shown else self.consumed
        found = explain(self.stage.world.agent, self.user, item, session)
        parts = [
            {"kind": one.part.kind, "text": one.part.text, "choice": one.choice, "rating": one.rating}
            for one in found.strongest(8, by="choice")
        ]
        return {"words": explain_in_words(found, self.stage.title(item)), "parts": parts}

    def told(self) -> dict[str, Any]:
        """Everything that the page shows of this seat."""
        state, stage = self.sessions.state, self.stage
        view = view_episode(self.sessions, 0, self.last)
        places = []
        if self.last is not None:
            outcome = self.last.outcome
            for place, seen in enumerate(view.places):
                places.append(
                    {
                        **stage.told(int(outcome.slate[0, place])),
                        "want": seen.choice_probability,
                        "note": seen.note,
                        "taken": seen.taken,
                        "empty": bool(outcome.places[0, place] > Place.SHOWN),
                    }
                )
        return {
            "user": describe_user(stage.world, self.user),
            "number": self.user,
            "step": int(state.step[0]),
            "satisfaction": float(state.satisfaction[0]),
            "hazard": None if self.last is None else float(self.last.outcome.hazard[0]),
            "boredom": self._boredom(state.satiation[0]),
            "wish": in_words(self.sessions.observe()["instruction"][0], stage.catalogue),
            "return": self.total,
            "over": self.over,
            "left": self.last is not None and bool(self.last.terminated[0]),
            "places": places,
            "diary": self.diary,
            "document": stage.document(self.user),
            "persona": self._persona(),
            "taken": [
                {**stage.told(item), "rating": stage.world.train.scale[rating]} for item, rating in self.consumed
            ],
            "slate_size": self.sessions.slate_size,
            "explains": stage.explains,
        }

    def _persona(self) -> str | None:
        personas = self.stage.personas
        return None if personas is None else personas.names[int(personas.assignment[self.user])]

    def _boredom(self, satiation: IntArray) -> list[dict[str, object]]:
        order = [genre for genre in np.argsort(-satiation, kind="stable")[:BOREDOM] if satiation[genre] > 0]
        names = self.stage.catalogue.genre_names
        return [{"genre": names[genre], "level": float(satiation[genre])} for genre in order]


def _first(values: dict[str, Any]) -> dict[str, Any]:
    """The row of a single episode."""
    return {key: _first(value) if isinstance(value, dict) else value[0] for key, value in values.items()}
