"""Can users tell what they chose from what they did not? Taste discrimination and choice from a list.

*Taste discrimination* is Agent4Rec's (Zhang et al., SIGIR 2024): a panel of 20 items per user, 1 real for every m
unseen ones, and the user says yes or no to each. Whoever says yes more often catches more and errs more, so the share
of yes decides F1 as much as taste does. Two rules, neither of which is fitted to held-out rows:

- *known share*: each user says yes to as many of the 20 as are real, those wanted most. Every row is given that number
  alike, so no threshold is needed, scores that are no chances (popularity, BPR) can answer, and precision, recall and
  F1 are one number. Published figures were reached without knowing the share.
- *own yes*: yes where the user would rather have the item than skip it (want above 1/2), knowing nothing of the share.

*Choice from a list* is UserMirrorer's yardstick: one real item among several, and does the user want it most?
Equal scores count as if chance had broken the tie. Shapes: v panels, a real and z unseen items in each, n held-out
rows, q unseen items per user.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.evaluation.core.negatives import SUFFIX, Negatives, rows_in_turn
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest

PANEL_SIZE = 20
UNSEEN_PER_REAL = (1, 3, 9)
"""m of taste discrimination."""
LIST_SIZES = (5, 12)
LISTS_PER_USER = 10
"""Real items of each user that head a list, or all if there are fewer."""


class Panels(NamedTuple):
    """Real items among unseen ones."""

    owners: IntArray
    """(v,) place of each panel's user in `FidelityTest.owners`."""
    real: IntArray
    """(v, a) rows of the held-out log."""
    unseen: IntArray
    """(v, z) places among the unseen items of the user."""

    def scores(self, answers: Answers, kind: Negatives) -> FloatArray:
        """(v, a + z) what the user thinks of each item, real ones first."""
        assert answers.score is not None
        unseen = answers.unseen[kind][self.owners[:, None], self.unseen]
        return np.concatenate([answers.score[self.real], unseen], axis=1)


@dataclass(frozen=True, eq=False)
class TasteTest:
    """Panels and lists over the pairs of a `FidelityTest`, the same for every population and for both negatives."""

    test: FidelityTest
    panels: Mapping[int, Panels]
    """By unseen items per real one; users with too few held-out rows for a panel of 20 are left out of it."""
    lists: Mapping[int, Panels]
    """By length, with one real item in each."""

    @classmethod
    def draw(cls, test: FidelityTest, rng: np.random.Generator) -> "TasteTest":
        """Draw panels and lists; those that need more unseen items than the test has are left out."""
        width = min(pool.shape[1] for pool in test.unseen.values())
        log = test.split.test
        count = log.counts[test.owners]
        panels, lists = {}, {}
        for ratio in UNSEEN_PER_REAL:
            real = PANEL_SIZE // (1 + ratio)
            able = np.flatnonzero(count >= real)
            if len(able) and width >= PANEL_SIZE - real:
                rows = rows_in_turn(log, test.owners[able], real, rng)
                panels[ratio] = Panels(able, rows, _columns(len(able), width, PANEL_SIZE - real, rng))
        for size in LIST_SIZES:
            if width < size - 1:
                continue
            rows = rows_in_turn(log, test.owners, LISTS_PER_USER, rng)
            owner, place = np.nonzero(np.arange(LISTS_PER_USER) < count[:, None])
            lists[size] = Panels(owner, rows[owner, place, None], _columns(len(owner), width, size - 1, rng))
        return cls(test, panels, lists)

    def figures(self, answers: Answers) -> dict[str, Statistic]:
        """Everything about a population that has scores; empty for one that has none.

        Names: `auc`, `f1_3` and `balanced_3` at 1:3 by the known share, `own_f1_3` by own yes, `choice_5` for lists of
        5, and the same with `_popular` behind them against unseen items of like popularity.
        """
        if answers.score is None:
            return {}
        figures: dict[str, Statistic] = {}
        for kind in self.test.unseen:
            end = SUFFIX[kind]
            figures["auc" + end] = self.test.auc(answers, kind)
            for ratio, panels in self.panels.items():
                scores, real = panels.scores(answers, kind), panels.real.shape[1]
                named = known_share(scores, real)
                if answers.wants:
                    named["own_f1"] = own_yes(scores, real)
                for name, values in named.items():
                    figures[f"{name}_{ratio}{end}"] = self._mean(panels, values)
            for size, panels in self.lists.items():
                figures[f"choice_{size}{end}"] = self._mean(panels, first_is_best(panels.scores(answers, kind)))
        return figures

    def _mean(self, panels: Panels, values: FloatArray) -> RatioOfSums:
        return RatioOfSums.of_users(self.test.owners[panels.owners], values, self.test.split.test.n_users)


def known_share(scores: FloatArray, real: int) -> dict[str, FloatArray]:
    """F1 and balanced accuracy (mean of the shares of real and of unseen items that are judged rightly) of each panel.

    Args:
        scores: (v, a + z), real items first.
        real: a, which is also how often each user says yes.
    """
    hits = _expected_hits(scores, real)
    unseen = scores.shape[1] - real
    return {"f1": hits / real, "balanced": (hits / real + 1 - (real - hits) / unseen) / 2}


def own_yes(scores: FloatArray, real: int) -> FloatArray:
    """(v,) F1 = 2 TP / (2 TP + FP + FN) of yes where the score is above 1/2; 0 for a user who never says yes."""
    yes = scores > 0.5
    right = yes[:, :real].sum(axis=1)
    return np.asarray(2 * right / (yes.sum(axis=1) + real))


def first_is_best(scores: FloatArray) -> FloatArray:
    """(v,) chance that column 0 is taken where the best score is, ties broken evenly."""
    best: BoolArray = scores == scores.max(axis=1, keepdims=True)
    return np.asarray(best[:, 0] / best.sum(axis=1))


def _expected_hits(scores: FloatArray, real: int) -> FloatArray:
    """(v,) real items among the `real` best, on average over ways to break ties."""
    threshold = -np.sort(-scores, axis=1)[:, real - 1, None]
    above, level = scores > threshold, scores == threshold
    room = real - above.sum(axis=1)
    return np.asarray(above[:, :real].sum(axis=1) + room * level[:, :real].sum(axis=1) / level.sum(axis=1))


def _columns(rows: int, width: int, n: int, rng: np.random.Generator) -> IntArray:
    """(rows, n) distinct numbers below `width` in each row."""
    return np.argsort(rng.random((rows, width)), axis=1)[:, :n]
