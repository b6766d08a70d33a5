"""The agreement study where the answer is known: oracles, reversals, favourites, and who may see which row."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender
from personagym_env.evaluation.agreement.ground_truth import closed_pool
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.plots import tau_plot, value_plot
from personagym_env.evaluation.agreement.study import AgreementStudy, make_agreement_board
from personagym_env.evaluation.agreement.tables import GUESS, agreement_tables, recommenders_table
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, HALF_SPLITS, deal_rows
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.pair_reactions import expected_ratings
from personagym_env.evaluation.core.statistics import (
    RatioOfSums,
    kendall_tau,
    pairwise_accuracy,
    ranks,
    spearman_rho,
    user_resamples,
)

C, U = 8, 200
CLASSES = ("a", "a", "b", "b", "b", "c", "c", "c")


def mean(values):
    return RatioOfSums.of_users(np.arange(U), values, U)


@pytest.fixture(scope="module")
def values():
    """(c, u) real value by recommender and user: recommender i is worth i, and the noise is too small to turn pairs."""
    rng = np.random.default_rng(0)
    return np.arange(C)[:, None] + 0.3 * rng.normal(size=(C, U))


@pytest.fixture(scope="module")
def weights():
    return user_resamples(U, 300, np.random.default_rng(1))


@pytest.fixture
def analysis(values, weights):
    recommenders = [ValuedRecommender(f"r{i}", CLASSES[i], mean(values[i])) for i in range(C)]
    return AgreementAnalysis(recommenders, weights, np.random.default_rng(2))


def judge(values, name="judge", model_class=None, rows=None):
    return Judge(name, "users", [mean(row) for row in values], "expected", name, rows, model_class)


def test_rho_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, (20, 9)), rng.integers(0, 6, (20, 9))
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(spearman_rho(x * 1.0, y * 1.0), expected)


def test_rho_of_a_constant_orders_nothing():
    assert spearman_rho(np.ones((1, 4)), np.arange(4.0)[None])[0] == 0


def test_accuracy_is_tau_on_another_scale():
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 9)), rng.random((20, 9))
    np.testing.assert_allclose(pairwise_accuracy(x, y), (1 + kendall_tau(x, y)) / 2)


def test_tied_pairs_of_the_judge_count_half_and_real_ties_not_at_all():
    assert pairwise_accuracy(np.array([[1.0, 1.0, 2.0]]), np.array([[1.0, 2.0, 2.0]]))[0] == 0.75


def test_accuracy_counts_the_chosen_pairs():
    judge, real = np.array([[1.0, 2.0, 0.0]]), np.array([[1.0, 2.0, 3.0]])
    counted = np.array([True, False, False])  # pairs 01, 02, 12
    assert pairwise_accuracy(judge, real, counted)[0] == 1
    assert np.isnan(pairwise_accuracy(judge, real, np.zeros(3, np.bool_))[0])


def test_ranks_share_ties():
    np.testing.assert_array_equal(ranks(np.array([[2.0, 1.0, 2.0]])), [[2.5, 1, 2.5]])


@pytest.mark.parametrize("measure", [spearman_rho, pairwise_accuracy])
def test_shapes_are_checked(measure):
    with pytest.raises(ValueError, match="one shape"):
        measure(np.ones((2, 3)), np.ones((2, 4)))


def test_the_oracle_agrees_with_itself_on_every_resample(analysis):
    row = analysis.oracle()
    assert row.tau == row.rho == row.pairwise == row.clear_pairs == (1, 1, 1)
    assert row.regret == row.regret_share == (0, 0, 0)
    assert row.winner == f"r{C - 1}"
    assert set(row.class_shift) == set(CLASSES)
    assert all(shift == (0, 0, 0) for shift in row.class_shift.values())


def test_real_value_under_another_name_is_an_oracle(analysis, values):
    row = analysis.compare(judge(values, model_class="b"))
    assert row.tau == (1, 1, 1)
    assert row.self_preference == (0, 0, 0)


def test_a_reversed_judge_picks_the_worst(analysis, values):
    row = analysis.compare(judge(-values))
    assert row.tau == row.rho == (-1, -1, -1)
    assert row.pairwise == (0, 0, 0)
    assert row.regret_share == (1, 1, 1)
    assert row.winner == "r0"


def test_dice_are_worth_nothing(analysis):
    row = analysis.dice()
    assert abs(row.tau.value) < 0.05
    assert row.tau.low < -0.3
    assert row.tau.high > 0.3
    assert row.pairwise.value == pytest.approx(0.5, abs=0.03)


def test_the_interval_of_dice_is_the_null():
    rng = np.random.default_rng(8)
    real = [RatioOfSums.of_users(np.arange(50), rng.normal(c, 0.1, 50), 50) for c in range(6)]
    weights = user_resamples(50, 4000, np.random.default_rng(7))
    row = AgreementAnalysis([ValuedRecommender(f"r{i}", "a", one) for i, one in enumerate(real)], weights, rng).dice()
    assert abs(row.tau.value) < 0.03
    assert row.tau.low == pytest.approx(-row.tau.high, abs=0.15)
    assert 0.5 < row.tau.high < 0.8  # exact null for six recommenders: 95 % within about 0.6


def test_a_judge_that_lifts_its_own_class_is_found(analysis, values):
    lifted = values + 100.0 * (np.array(CLASSES) == "a")[:, None]  # the two worst come first
    row = analysis.compare(judge(lifted, model_class="a"))
    assert row.self_preference == (C - 2, C - 2, C - 2)
    assert row.class_shift["b"].value == row.class_shift["c"].value == -2
    assert row.tau.value == pytest.approx(1 - 4 * (2 * (C - 2)) / (C * (C - 1)))


def test_a_verdict_that_hangs_on_one_class_shows(analysis, values):
    lifted = values + 100.0 * (np.array(CLASSES) == "a")[:, None]
    found = analysis.compare(judge(lifted)).without
    assert found["a"] == 1
    assert found["b"] == found["c"] == pytest.approx(1 - 4 * 6 / (5 * 4))  # 2 of 5 are above the other 3
    assert analysis.oracle().without == {"a": 1, "b": 1, "c": 1}


def test_a_judge_without_a_class_prefers_none(analysis, values):
    assert analysis.compare(judge(values)).self_preference is None
    assert analysis.compare(judge(values, model_class="elsewhere")).self_preference is None


def test_differences_are_paired(analysis, values):
    lifted = values + 100.0 * (np.array(CLASSES) == "a")[:, None]
    found = analysis.differences(judge(lifted, "j", "a", "same"), judge(values, "j", "a", "disjoint"))
    assert (found.left, found.right) == ("j (same)", "j (disjoint)")
    assert found.self_preference == (C - 2, C - 2, C - 2)
    assert found.tau.high < 0 < found.regret.low
    assert analysis.differences(judge(values, "j", "a"), judge(values, "k", "b")).self_preference is None


def test_a_clear_ranking_is_reliable(analysis):
    assert analysis.reliability().low == 1


def test_pairs_that_the_users_cannot_tell_apart_are_not_clear(weights):
    rng = np.random.default_rng(3)
    noisy = rng.normal(size=(3, U)) + np.array([[0.0], [0.0], [5.0]])
    recommenders = [ValuedRecommender(f"r{i}", "a", mean(noisy[i])) for i in range(3)]
    analysis = AgreementAnalysis(recommenders, weights, rng)
    swapped = analysis.compare(judge(noisy[[1, 0, 2]]))
    assert swapped.pairwise.value == pytest.approx(2 / 3)
    assert swapped.clear_pairs.value == 1


def test_names_must_differ(values, weights):
    with pytest.raises(ValueError, match="distinct names"):
        AgreementAnalysis([ValuedRecommender("r", "a", mean(values[0]))] * 2, weights, np.random.default_rng(0))


@pytest.mark.parametrize("half_split", HALF_SPLITS)
@pytest.mark.parametrize("timed", [True, False])
def test_halves_are_disjoint_and_together_everything(make_dataset, half_split, timed):
    train = temporal_split(make_dataset(per_user=19, timed=timed).interactions).train
    dealt = deal_rows(train, half_split, np.random.default_rng(0))
    mine, others = dealt.recommenders, dealt.of_judge("disjoint")
    assert not mine.contains(others.users, others.items).any()
    assert len(mine) + len(others) == len(train)
    assert np.abs(mine.counts - others.counts).max() <= 1
    assert dealt.of_judge("same") is mine
    superset = dealt.of_judge("superset")
    assert superset.fingerprint() == train.fingerprint()
    assert superset.contains(mine.users, mine.items).all()
    for half in (mine, others):
        assert (half.n_users, half.n_items, half.scale) == (train.n_users, train.n_items, train.scale)
        assert (half.timestamps is None) == (train.timestamps is None)


def test_nobody_sees_a_held_out_row(dataset):
    train, test = temporal_split(dataset.interactions)
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    for rows in DATA_OVERLAPS:
        assert not dealt.of_judge(rows).contains(test.users, test.items).any()


def test_turns_interleave_time(dataset):
    train = temporal_split(dataset.interactions).train
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    first = slice(*train.indptr[:2])
    np.testing.assert_array_equal(dealt.recommenders.items[: dealt.recommenders.counts[0]], train.items[first][::2])
    assert dealt.recommenders.items[dealt.recommenders.indptr[1]] == train.items[train.indptr[1] + 1]


def test_random_halves_follow_the_seed(dataset):
    train = temporal_split(dataset.interactions).train
    prints = [deal_rows(train, "random", np.random.default_rng(seed)).recommenders.fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_bad_requests(dataset):
    train, rng = dataset.interactions, np.random.default_rng(0)
    with pytest.raises(ValueError, match="dealt by one of alternate, random, got 'monthly'"):
        deal_rows(train, "monthly", rng)
    with pytest.raises(ValueError, match="cannot be dealt into two halves"):
        deal_rows(train.take(np.array([0])), "random", rng)


def test_liked_begins_at_the_mean(dataset):
    log = dataset.interactions
    assert liked_from(log) == np.ceil(log.ratings.mean())
    assert liked_from(log.take(log.ratings == 3)) == 3
    with pytest.raises(ValueError, match="no rows"):
        liked_from(log.take(np.array([], np.int64)))


def test_expected_ratings_are_the_agents(dataset, agent):
    log = dataset.interactions
    expected = agent.rating[log.users, log.items] @ np.asarray(agent.scale)
    np.testing.assert_allclose(expected_ratings(agent, log), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="rates on"):
        expected_ratings(replace(agent, scale=(1.0, 2.0)), log)


@pytest.fixture(scope="module")
def board(make_dataset):
    """Random picks from the pools of 40 users, judged by oracles, liars and two metrics."""
    split = temporal_split(make_dataset(n_users=40, per_user=40).interactions, 0.5)
    truth, rng = closed_pool(split, k=3, least=10), np.random.default_rng(0)
    weights = user_resamples(40, 100, rng)
    noise = rng.random((4, *truth.pool.candidates(truth.pool.users).shape))
    allowed = truth.pool.candidates(truth.pool.users)
    picks = [np.argsort(-np.where(allowed, one, -1), axis=1)[:, :3] for one in noise]
    real = [truth.pool.value(pick) for pick in picks]
    lies = [truth.pool.value(pick, -truth.pool.held_out.ratings) for pick in picks]
    recommenders = [ValuedRecommender(f"r{i}", "ab"[i % 2], value) for i, value in enumerate(real)]
    judges = [
        Judge("liar", "users", lies, "expected", "liar", "same", "a"),
        Judge("liar", "users", real, "expected", "liar", "disjoint", "a"),
        Judge("NDCG@10", "metric", real, "ndcg"),
        Judge("coverage", "metric", lies, "coverage"),
    ]
    return make_agreement_board(AgreementAnalysis(recommenders, weights, rng), judges, truth)


def test_a_board_orders_judges_and_compares_them(board):
    titles = [judge.title for judge in board.judges]
    assert titles == ["liar (disjoint)", "liar (same)", "NDCG@10", "coverage", "oracle", "random judge"]
    assert [judge.tau.value for judge in board.judges[:5]] == [1, -1, 1, -1, 1]
    pairs = [(row.left, row.right) for row in board.differences]
    assert pairs == [
        ("liar (disjoint)", "liar (same)"),
        ("liar (same)", "NDCG@10"),
        ("liar (disjoint)", "NDCG@10"),
    ]
    assert board.differences[0].tau.value == 2
    values = [row.real.value for row in board.recommenders]
    assert values == sorted(values, reverse=True)
    assert board.bounds["worst"].value <= values[-1] <= values[0] <= board.bounds["best"].value
    assert np.isnan(board.recommenders[0].said["coverage"].low)


def test_a_study_survives_the_disk(board, tmp_path):
    study = AgreementStudy(dataset="synthetic", boards=(board,), setting={"seed": 0}, environment={"python": "3"})
    study.save(tmp_path / "agreement.json")
    again = AgreementStudy.load(tmp_path / "agreement.json")
    assert repr(again) == repr(study)  # NaN equals nothing, so texts are compared


def test_tables_and_plots_show_every_judge(board):
    tables = list(agreement_tables(board))
    assert len(tables) == 4
    assert len(tables[0].rows) == len(board.judges)
    assert tau_plot(board.judges).startswith("<?xml")
    assert value_plot(board, "liar (same)").count("<svg") == 1
    assert len(value_plot(board, "liar (same)", leaders=2)) < len(value_plot(board, "liar (same)"))
    with pytest.raises(KeyError):
        value_plot(board, "nobody")


def test_values_of_unsupported_recommenders_are_called_guesses(board):
    first, second, *others = board.recommenders
    supported = replace(board, recommenders=(replace(first, support=0.2), replace(second, support=0.9), *others))
    rows = recommenders_table(supported).rows
    assert {cell.aside for cell in rows[0].cells[4:]} == {GUESS}
    assert rows[0].cells[3].text() == "20%"
    assert GUESS not in {cell.aside for row in rows[1:] for cell in row.cells}
