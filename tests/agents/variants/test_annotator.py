"""The annotator: satisfaction tells what is taken and regretted from what is taken and loved; clicks do not."""

import numpy as np

from fixtures.planted_log import planted
from personagym_agents.variants.annotator import fit_annotator
from personagym_env.data.tables import Dataset

USERS, ITEMS = 40, 40


def world(*, bait: bool) -> Dataset:
    """Everybody takes popular items, which a bait has them regret; the others are loved by the few who take them."""
    rng = np.random.default_rng(6)
    popular = np.arange(ITEMS) < 10
    items = np.stack([rng.choice(ITEMS, 14, replace=False, p=np.where(popular, 0.08, 0.2 / 30)) for _ in range(USERS)])
    points = np.where(popular[items], 1.5 if bait else 4.5, 4.5) + rng.normal(0, 0.3, items.shape)
    genre = np.where(popular, 0, 1)
    return planted(np.repeat(np.arange(USERS), 14), items.ravel(), points.ravel(), genre)


def gaps(dataset: Dataset) -> tuple[float, float]:
    """What a slate of popular items is annotated with over one of others: by satisfaction, and by clicks."""
    popular, others = (np.tile(np.arange(begin, begin + 5), (USERS, 1)) for begin in (0, 20))
    people = np.arange(USERS)
    found = []
    for core in (True, False):
        agent = fit_annotator(dataset, dataset.interactions, core=core)
        found.append(float((agent.annotate(people, popular) - agent.annotate(people, others)).mean()))
    return found[0], found[1]


def test_satisfaction_sees_through_a_bait_that_clicks_fall_for() -> None:
    satisfied, clicked = gaps(world(bait=True))
    assert clicked > 0.1
    assert satisfied < 0.0


def test_where_what_is_taken_is_loved_both_say_the_same() -> None:
    satisfied, clicked = gaps(world(bait=False))
    assert clicked > 0.1
    assert satisfied > 0.0
