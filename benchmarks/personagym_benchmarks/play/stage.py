"""What all seats share: the world, its held-out rows, fitted recommenders and personas."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from personagym_agents.bundle.manifest import find_shipped
from personagym_env.data.named_splits import named_split
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions
from personagym_env.explanations import ExplainingAgent
from personagym_env.protocols import Recommender, UserAgent
from personagym_env.text import one_line, shortened
from personagym_env.world import World, make_world
from personagym_recommenders import find_recommender

if TYPE_CHECKING:
    from personagym_agents.personas.clustering import Personas

RECOMMENDERS = ("popular", "best-rated", "item-knn", "ease")
"""Who recommends unless told otherwise."""
REACH = 3.0
"""Users of the page say what they wish; see `personagym_env.session.instructions`."""
LONGEST = 120
"""Characters of a title."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Made by `Stage.make`."""

    world: World
    held_out: Interactions
    recommenders: Mapping[str, Recommender]
    """Fitted on the training rows, and on one more user without any: whoever takes the user's seat."""

    @classmethod
    def make(
        cls,
        dataset: str | Dataset,
        agent: str | UserAgent,
        *,
        device: str | None = None,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        recommenders: tuple[str, ...] = RECOMMENDERS,
    ) -> "Stage":
        """Load, fit and open.

        Args:
            dataset: a name, a path or the data set.
            agent: a name, a path or the users.
            device: where a language model of a name or path runs.
            parameters: of sessions that are set; users speak unless told otherwise.
            recommenders: names that `find_recommender` takes.
        """
        chosen = {"instructions": {"reach": REACH}} | dict(parameters or {})
        world = make_world(dataset, agent, device=device, parameters=chosen)
        known = replace(world.train, n_users=world.train.n_users + 1)
        fitted = {name: find_recommender(name).make().fit(known, world.dataset.catalogue) for name in recommenders}
        return cls(world, named_split(world.dataset).split.test, fitted)

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.world.dataset.catalogue

    @property
    def explains(self) -> bool:
        """Whether the users can say what moved their answers."""
        return isinstance(self.world.agent, ExplainingAgent)

    @cached_property
    def _searched(self) -> list[str]:
        return [one_line(title).casefold() for title in self.catalogue.titles]

    @cached_property
    def _by_popularity(self) -> IntArray:
        return np.argsort(-np.bincount(self.world.train.items, minlength=len(self.catalogue)), kind="stable")

    def title(self, item: int) -> str:
        """A title on one line; the id where nothing of it can be seen."""
        return shortened(one_line(self.catalogue.titles[item]) or self.catalogue.ids[item], LONGEST)

    def told(self, item: int) -> dict[str, object]:
        """An item as the page is told of it."""
        names = self.catalogue.genre_names
        genres = [shortened(names[genre], 40) for genre in np.flatnonzero(self.catalogue.genres[item])]
        year = int(self.catalogue.years[item])
        return {"item": int(item), "title": self.title(item), "year": year or None, "genres": genres}

    def search(self, words: str, user: int, count: int) -> list[dict[str, object]]:
        """The most rated items whose title holds the words and that a user has not rated."""
        wanted = one_line(words).casefold()
        train = self.world.train
        known = set(train.items[train.indptr[user] : train.indptr[user + 1]].tolist())
        found = (item for item in self._by_popularity.tolist() if item not in known and wanted in self._searched[item])
        return [self.told(item) for item, _ in zip(found, range(count), strict=False)]

    def document(self, user: int) -> str | None:
        """What a user reads when a session opens; None of classical users."""
        write = getattr(self.world.agent, "document", None)
        return None if write is None else str(write(user))

    @cached_property
    def personas(self) -> "Personas | None":
        """Of the shipped bundle that was trained on the rows, None where there is none."""
        place = find_shipped(self.world.train)
        if place is None or not self.explains:
            return None
        from personagym_agents.bundle.storage import read_personas

        return read_personas(place)
