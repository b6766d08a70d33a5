"""Tests made from a log: two recommenders, tested on the held-out rows of real users.

Half of the users are the past test's people, whose held-out rows give the real outcome; what the other half is shown
goes into files, as a shop would write them, and is what simulated users are asked about.
"""

import csv
import json
from io import StringIO
from itertools import combinations
from pathlib import Path

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, ItemTruth
from personagym_env.evaluation.backtest.past_tests import LEAST_USERS, SLATES, Outcome
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.files import write_atomically
from personagym_recommenders import RecommenderContext, available, make_contestants

OUTCOMES: dict[str, Outcome] = {"rating": "rating", "choice": "clicks"}
"""Kind of a truth to the outcome that a test of it has."""


def make_past_tests(bench: Bench, folder: Path, tests: int, rng: np.random.Generator, resamples: int) -> Path:
    """Write the file of tests, and the slates beside it.

    Args:
        bench: of the log, with the truths that tests are of.
        folder: for the files.
        tests: how many at most, alike for each truth.
        rng: halves the users and draws pairs.
        resamples: behind the real intervals.

    Returns:
        The path of the file.

    Raises:
        ValueError: a half of the users is too small for any outcome.
    """
    n_users = bench.split.test.n_users
    tested = rng.random(n_users) < 0.5
    truths = _told_by_halves(bench, tested)[:tests]
    log, catalogue = bench.dealt.recommenders, bench.dataset.catalogue
    context = RecommenderContext(liked_from(log))
    specs, _ = available(log, catalogue, context, slow=False, online=False)
    shown: dict[str, dict[str, IntArray]] = {}
    for name, _, recommender in make_contestants([one for one in specs if "RecBole" not in specs[one].needs], context):
        recommender.fit(log, catalogue)
        lists = bench.lists(recommender)
        shown[name] = bench.picks(recommender) | {truth.name: lists.of(truth.users) for truth in bench.list_truths}
    weights = user_resamples(n_users, resamples, rng) * tested
    pairs = list(combinations(shown, 2))
    written = []
    for truth in truths:
        values = {name: truth.value(one[truth.name]).resampled(weights) for name, one in shown.items()}
        for name, one in shown.items():
            _write_slates(folder / "slates" / f"{name}-{truth.kind}.csv", bench, truth, one[truth.name], ~tested)
        few = rng.choice(len(pairs), min(tests // len(truths), len(pairs)), replace=False)
        for a, b in (pairs[at] for at in few):
            written.append(_test(truth, a, b, values[a] - values[b]))
    path = folder / "past-tests.json"
    write_atomically(path, json.dumps({"tests": written}, indent=1) + "\n")
    return path


def _told_by_halves(bench: Bench, tested: BoolArray) -> list[ItemTruth]:
    """Truths with users enough among those in the tests, and among the others, whom slates are shown to.

    Raises:
        ValueError: there is none.
    """
    halves = {
        truth: (int(tested[truth.users].sum()), int((~tested[truth.users]).sum()))
        for truth in bench.item_truths
        if truth.kind in OUTCOMES
    }
    found = [truth for truth, sizes in halves.items() if min(sizes) >= LEAST_USERS]
    if not found:
        told = "; ".join(f"{truth.name}: {a} and {b}" for truth, (a, b) in halves.items()) or "none with enough rows"
        raise ValueError(
            f"tests that are made of {bench.dataset.name!r} need at least {LEAST_USERS} users with held-out rows in "
            f"each half of the users, got {told}: give a file of past tests, or a larger log"
        )
    return found


def _test(truth: ItemTruth, a: str, b: str, difference: FloatArray) -> dict[str, object]:
    found = interval(difference)
    arms = {arm: f"{SLATES}slates/{name}-{truth.kind}.csv" for arm, name in (("a", a), ("b", b))}
    ends = {"difference": found.value, "low": min(found.low, found.value), "high": max(found.high, found.value)}
    return {"name": f"{a} or {b}, {OUTCOMES[truth.kind]}", **arms, "outcome": OUTCOMES[truth.kind], **ends}


def _write_slates(path: Path, bench: Bench, truth: ItemTruth, slates: IntArray, asked: np.ndarray) -> None:
    """Rows of user and item, of the users who were not in the test."""
    users, items = bench.dataset.users.ids, bench.dataset.catalogue.ids
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("user_id", "item_id"))
    for user, slate in zip(truth.users, slates, strict=True):
        if asked[user]:
            writer.writerows((users[user], items[item]) for item in slate)
    write_atomically(path, text.getvalue())
