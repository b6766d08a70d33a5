"""Decisions of whole episodes as arrays, and what policies saw before and after each of them.

Shapes: d decisions, k slate places, h steps that a history looks back, u users, f profile features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.protocols import NO_ITEM, Observation, Propensities

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class LoggedDecisions:
    """The decisions of some episodes, in order; an episode's decisions stand together."""

    episode: IntArray
    """(d,) number of the episode, rising."""
    user: IntArray
    """(d,) internal user id."""
    step: IntArray
    """(d,) decisions before this one in the episode."""
    slate: IntArray
    """(d, k) internal item ids, the most prominent place first."""
    propensities: Propensities
    """Of the slates, under the policy that showed them; prefix and marginal are NaN where the log has none."""
    click_place: IntArray
    """(d,) the place whose item was taken, -1 for none."""
    rating: FloatArray
    """(d,) rating given, 0 for none."""
    reward: FloatArray
    """(d,) what the decision earned."""
    terminated: BoolArray
    """(d,) the user left for good."""
    truncated: BoolArray
    """(d,) the episode was cut off."""
    clicks_earn: bool
    """Whether rewards are for what was taken alone, so that the place of the click has earned them."""

    @classmethod
    def from_columns(cls, columns: Columns, *, clicks_earn: bool) -> Self:
        """Of a log's columns; those that are optional may be missing."""
        joint = np.asarray(columns["propensity"], np.float64)
        slate = np.asarray(columns["slate"], np.int64)
        unknown = np.full(slate.shape, np.nan)
        if slate.shape[1] == 1:
            unknown = joint[:, None]
        prefix = np.asarray(columns.get("prefix", unknown), np.float64)
        marginal = np.asarray(columns.get("marginal", unknown), np.float64)
        error = np.asarray(columns.get("marginal_error", np.zeros(slate.shape)), np.float64)
        return cls(
            episode=np.asarray(columns["episode"], np.int64),
            user=np.asarray(columns["user"], np.int64),
            step=np.asarray(columns["step"], np.int64),
            slate=slate,
            propensities=Propensities(joint, prefix, marginal, error),
            click_place=np.asarray(columns["click_place"], np.int64),
            rating=np.asarray(columns["rating"], np.float32),
            reward=np.asarray(columns["reward"], np.float64),
            terminated=np.asarray(columns["terminated"], np.bool_),
            truncated=np.asarray(columns["truncated"], np.bool_),
            clicks_earn=clicks_earn,
        )

    @classmethod
    def joined(cls, batches: Sequence[Self]) -> Self:
        """The decisions of several batches, one behind the other."""
        columns: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(batch, field.name) for batch in batches]
            if field.name == "clicks_earn":
                columns[field.name] = all(values)
            elif field.name == "propensities":
                columns[field.name] = Propensities(*(np.concatenate(parts) for parts in zip(*values, strict=True)))
            else:
                columns[field.name] = np.concatenate(values)
        return cls(**columns)

    def rows(self, chosen: IntArray) -> IntArray:
        """Rows of the decisions of some episodes (e,), by their place in this batch, rising."""
        ends = np.append(self.first[1:], len(self))
        length = ends[chosen] - self.first[chosen]
        return np.asarray(np.repeat(self.first[chosen] - np.cumsum(length) + length, length) + np.arange(length.sum()))

    def episodes(self, chosen: IntArray) -> Self:
        """The decisions of some episodes (e,), by their place in this batch, rising."""
        rows = self.rows(chosen)
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {name: part[rows] for name, part in parts.items() if isinstance(part, np.ndarray)}
        return replace(self, **taken, propensities=Propensities(*(part[rows] for part in self.propensities)))

    def __len__(self) -> int:
        return len(self.episode)

    def __repr__(self) -> str:
        return f"LoggedDecisions({len(self)} in {self.n_episodes} episodes, slates of {self.slate.shape[1]})"

    @property
    def n_episodes(self) -> int:
        """How many episodes there are."""
        return len(self.first)

    @cached_property
    def first(self) -> IntArray:
        """(e,) where each episode begins."""
        return np.flatnonzero(np.append(True, self.episode[1:] != self.episode[:-1])) if len(self) else self.episode

    @cached_property
    def session(self) -> IntArray:
        """(d,) episodes counted from 0 in the order of the rows."""
        return np.repeat(np.arange(self.n_episodes), np.diff(np.append(self.first, len(self))))

    @cached_property
    def item(self) -> IntArray:
        """(d,) the item taken, `NO_ITEM` for none."""
        taken = np.take_along_axis(self.slate, np.maximum(self.click_place, 0)[:, None], axis=1)[:, 0]
        return np.where(self.click_place >= 0, taken, NO_ITEM)

    @property
    def place_reward(self) -> npt.NDArray[np.float64] | None:
        """(d, k) the reward at the place that was clicked; None where more than clicks is rewarded."""
        if not self.clicks_earn:
            return None
        earned = np.zeros(self.slate.shape)
        clicked = np.flatnonzero(self.click_place >= 0)
        earned[clicked, self.click_place[clicked]] = self.reward[clicked]
        return earned

    def observation(self, profiles: FloatArray, history_length: int) -> Observation:
        """What the policy saw before each decision.

        Args:
            profiles: (u, f) profile features of all users, from the rows that the policy knew.
            history_length: steps h that the policy looked back.
        """
        return self._seen(profiles, history_length, after=0)

    def next_observation(self, profiles: FloatArray, history_length: int) -> Observation:
        """What a policy sees after each decision, at the end of an episode too; arguments as of `observation`."""
        return self._seen(profiles, history_length, after=1)

    def _seen(self, profiles: FloatArray, history_length: int, after: int) -> Observation:
        """History up to this step (after = 0) or through it (after = 1)."""
        # Row i's history is the h rows before it, as far as they belong to its episode.
        back = np.arange(history_length)[::-1] + 1 - after  # (h,) rows back, the latest last
        known = self.step[:, None] >= back
        rows = np.maximum(np.arange(len(self))[:, None] - back, 0)
        return Observation(
            user=self.user,
            profile=profiles[self.user],
            history_items=np.where(known, self.item[rows], NO_ITEM).astype(np.int32),
            history_ratings=np.where(known, self.rating[rows], np.float32(0)),
            step=self.step + after,
        )
