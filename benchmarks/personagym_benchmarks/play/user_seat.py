"""The user's seat: rate what recommenders show, and watch persona and document form.

Each slate holds the best item of every recommender that nobody before it in the draft has put there, in random order
and without names (team draft: Radlinski, Kurup, Joachims, CIKM 2008). A taken item counts for whoever put it there.
"""

from typing import Any

import numpy as np

from personagym_agents.documents.document import HISTORY_LINES, write_document, write_line
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_benchmarks.play.stage import Stage
from personagym_env.data.tables import Interactions, Users
from personagym_env.data.traits import Traits, crowd_statistics, profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH
from personagym_env.protocols import NO_ITEM, Observation

SEAT = Users(("you",))
"""Whoever sits here."""


class UserSeat:
    """What somebody has rated so far, and what is shown next.

    Args:
        stage: world and recommenders.
        seed: of the drafts.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.rated: list[tuple[int, float]] = []
        self.scores = {name: {"shown": 0, "taken": 0, "sum": 0.0} for name in stage.recommenders}
        self._rng = np.random.default_rng(seed)
        self._seen = np.zeros(len(stage.catalogue), np.bool_)
        self._crowd = crowd_statistics(stage.world.train)
        self.slate: dict[int, str] = {}
        """Item to the recommender that put it there."""
        self.last: str | None = None
        """Who put the item there that was taken last."""
        self._draft()

    def _draft(self) -> None:
        picks: dict[int, str] = {}
        for name in self._rng.permutation(list(self.stage.recommenders)).tolist():
            allowed = ~self._seen
            allowed[list(picks)] = False
            if allowed.any():
                item = int(self.stage.recommenders[name].recommend(self._observation(), 1, allowed[None])[0, 0])
                picks[item] = name
                self.scores[name]["shown"] += 1
        items = self._rng.permutation(list(picks)).tolist()
        self.slate = {item: picks[item] for item in items}

    def rate(self, item: int | None, rating: float | None) -> None:
        """Take an item of the slate and rate it, or take nothing.

        Raises:
            ValueError: the item is not on the slate, or the rating not on the scale.
        """
        scale = self.stage.world.train.scale
        self.last = None
        if item is not None:
            if item not in self.slate:
                raise ValueError(f"take an item of the slate: expected one of {sorted(self.slate)}, got {item}")
            if rating not in scale:
                raise ValueError(f"rating must be one of {', '.join(f'{value:g}' for value in scale)}, got {rating}")
            self.last = self.slate[item]
            self.rated.append((item, float(rating)))
            self.scores[self.last]["taken"] += 1
            self.scores[self.last]["sum"] += float(rating)
        self._seen[list(self.slate)] = True
        self._draft()

    def _log(self, rows: slice = slice(None)) -> Interactions:
        """The ratings given here as a log of one user."""
        train, rated = self.stage.world.train, self.rated[rows]
        items, ratings = (np.array([pair[side] for pair in rated]) for side in (0, 1))
        return Interactions.from_columns(
            np.zeros(len(rated), np.int64),
            items.astype(np.int64),
            ratings.astype(np.float32),
            None,
            n_users=1,
            n_items=train.n_items,
            scale=train.scale,
        )

    def _traits(self, rows: slice = slice(None)) -> Traits:
        return user_traits(self._log(rows), self.stage.catalogue, self._crowd)

    def _observation(self) -> Observation:
        latest = self.rated[-HISTORY_LENGTH:]
        items = np.full((1, HISTORY_LENGTH), NO_ITEM, np.int32)
        ratings = np.zeros((1, HISTORY_LENGTH), np.float32)
        for place, (item, rating) in enumerate(latest, start=HISTORY_LENGTH - len(latest)):
            items[0, place], ratings[0, place] = item, rating
        return Observation(
            user=np.array([self.stage.world.train.n_users]),
            profile=profile_features(self._traits()),
            history_items=items,
            history_ratings=ratings,
            step=np.array([len(self.rated)]),
        )

    def document(self) -> str:
        """What a language model would be told of whoever sits here."""
        catalogue, crowd = self.stage.catalogue, self._crowd
        before = self._traits(slice(0, max(0, len(self.rated) - HISTORY_LINES)))
        (profile,) = StatisticalProfileWriter().write(np.zeros(1, np.int64), before, catalogue, SEAT)
        shown = self.rated[-HISTORY_LINES:]
        lines = [write_line(catalogue, item, int(crowd.counts[item]), float(crowd.means[item])) for item, _ in shown]
        return write_document(profile, lines, [f"{rating:g}" for _, rating in shown])

    def told(self) -> dict[str, Any]:
        """Everything that the page shows of this seat."""
        personas = self.stage.personas
        persona = None
        if personas is not None and self.rated and personas.features == "behaviour":
            place = int(personas.assign(self._traits())[0])
            persona = {"name": personas.names[place], "adapter": f"persona-{place}"}
        scores = [
            {
                "name": name,
                "shown": one["shown"],
                "taken": one["taken"],
                "mean": one["sum"] / one["taken"] if one["taken"] else None,
            }
            for name, one in self.scores.items()
        ]
        scores.sort(key=lambda one: (-float(one["taken"] or 0), -float(one["mean"] or 0)))
        return {
            "slate": [self.stage.told(item) for item in self.slate],
            "scale": list(self.stage.world.train.scale),
            "ratings": len(self.rated),
            "rated": [{**self.stage.told(item), "rating": rating} for item, rating in self.rated],
            "last": self.last,
            "persona": persona,
            "document": self.document(),
            "scores": scores,
        }
