"""The ablation of response styles: where everybody has one, held-out rows are less surprising with it."""

import numpy as np

from ablations.response_styles import Args, measure
from ablations.results import ResponseStyles, response_styles_table
from personagym_env.data.splits import random_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.snapshot import environment_snapshot


def test_planted_styles_make_held_out_rows_less_surprising() -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((60, 90)) < 0.5)
    middle = rng.random(len(users)) < np.where(users % 2 == 0, 0.0, 0.7)
    ratings = np.where(middle, 2.0, np.where(rng.random(len(users)) < rng.random(90)[items], 3.0, 1.0))
    scale = (1.0, 2.0, 3.0)
    log = Interactions.from_columns(users, items, ratings, None, n_users=60, n_items=90, scale=scale)
    split = random_split(log, 0.8, rng=rng)
    found = measure(split, Args(resamples=200))
    assert found.rows == len(split.test)
    assert found.difference["nll"].high < -0.01
    assert abs(found.difference["rmse"].value) < 0.02
    board = ResponseStyles(logs={"planted": found}, setting={}, environment=environment_snapshot())
    assert "planted" in str(response_styles_table(board).rows)
