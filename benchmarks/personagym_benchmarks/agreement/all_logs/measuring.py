"""How judges agree with one truth of a log."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from personagym_benchmarks.agreement.all_logs.asking import PERSONA, AskedPopulation
from personagym_benchmarks.agreement.judges import metric_judges
from personagym_env.data.tables import BoolArray, FloatArray
from personagym_env.evaluation.agreement.all_logs.abstention import abstain, silences
from personagym_env.evaluation.agreement.all_logs.board import LogDifference, LogJudge, LogTruth
from personagym_env.evaluation.agreement.all_logs.tables import reads_held_out
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender, unknown_last
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, ItemTruth, MeasuredRecommender
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.replay import REPLAY, Replay
from personagym_env.evaluation.agreement.truths import own_figures
from personagym_env.evaluation.backtest.confidence import ConfidenceBin, confidence_bins
from personagym_env.evaluation.core.statistics import interval, kendall_tau, regret_share, stack
from personagym_env.evaluation.core.support import answer_spread, near_ratings, supported_share
from personagym_env.evaluation.reporting.figures import ASKED

BEST_METRIC, BEST_CLASSICAL = "best offline metric", "best classical users"
CORRECTED = ", corrected"
"""What the name of users ends in whose answers `Replay` corrects."""
RATED = ("rating", "full")
"""Kinds of truth that rows of the training half tell something of by their ratings."""


def measure_truth(
    bench: Bench,
    truth: ItemTruth,
    recommenders: Sequence[MeasuredRecommender],
    asked: Sequence[AskedPopulation],
    replay: Replay,
    weights: FloatArray,
    rng: np.random.Generator,
) -> LogTruth:
    """Everybody's agreement with one truth.

    Args:
        bench: the log.
        truth: of the log.
        recommenders: who are judged.
        asked: populations and what they said.
        replay: of the rows that those on disjoint rows know.
        weights: (b, u) of users.
        rng: for the ceiling, and for silence at random.
    """
    valued = [ValuedRecommender(one.name, one.model_class, truth.value(one.picks[truth.name])) for one in recommenders]
    analysis = AgreementAnalysis(valued, weights, rng)
    users = [_user_judge(truth, recommenders, one) for one in asked]
    half = np.zeros(weights.shape[1])
    half[rng.permutation(truth.users)[::2]] = 1.0
    rows = []
    for judge, one in zip(users, asked, strict=True):
        rules = _silences(bench, truth, recommenders, one)
        rows.append(_row(analysis, judge, rules, half, rng))
    others = [*_replay_judges(truth, recommenders, users, replay), *metric_judges(truth, recommenders)]
    rows += [_row(analysis, judge, {}, half, rng) for judge in others]
    by_title = {judge.title: judge for judge in (*users, *others)}
    ordered = sorted(rows, key=lambda row: (row.kind != "users", -row.tau.value))
    return LogTruth(
        name=truth.name,
        kind=truth.kind,
        description=truth.description,
        users=len(truth.users),
        left_out=truth.left_out,
        ceiling=analysis.noise_ceiling(),
        judges=tuple(ordered),
        differences=tuple(_differences(analysis, by_title, ordered)),
    )


def _user_judge(truth: ItemTruth, recommenders: Sequence[MeasuredRecommender], one: AskedPopulation) -> Judge:
    """A population, by the quantity that the truth is about."""
    figure = next(figure for figure in own_figures(truth.kind, truth.name) if figure in ASKED)
    said = [one.answers.mean(figure, truth.users, shown.picks[truth.name]) for shown in recommenders]
    return Judge(one.name, "users", said, figure, one.name, one.rows)


def _replay_judges(
    truth: ItemTruth, recommenders: Sequence[MeasuredRecommender], users: Sequence[Judge], replay: Replay
) -> Iterator[Judge]:
    """Of ratings: replay alone, and what users say who know the same rows, corrected by it."""
    if truth.kind not in RATED:
        return
    picks = [one.picks[REPLAY] for one in recommenders]
    for judge in users:
        if judge.rows == "disjoint":
            said = [replay.correct(one, mine) for one, mine in zip(judge.said, picks, strict=True)]
            yield dataclasses.replace(judge, name=judge.name + CORRECTED, said=said)
    yield Judge(REPLAY, "metric", [replay.value(mine) for mine in picks], REPLAY, rows="disjoint")


def _row(
    analysis: AgreementAnalysis,
    judge: Judge,
    rules: Mapping[str, BoolArray],
    half: FloatArray,
    rng: np.random.Generator,
) -> LogJudge:
    """Agreement of one judge; `half` (u,) is 1 for the users of whom pairs are predicted, and 0 for all others."""
    real = analysis.real
    said = unknown_last(stack(judge.said, analysis.weights))
    names = [one.name for one in analysis.recommenders]
    found = {rule: abstain(said[0], real[0], names, silent, rng) for rule, silent in rules.items()}
    first = int(np.argmax(said[0]))
    return LogJudge(
        judge=judge.name,
        kind=judge.kind,
        figure=judge.figure,
        rows=judge.rows,
        tau=interval(kendall_tau(said, real)),
        regret_share=interval(regret_share(said, real)),
        winner=names[first],
        winner_right=bool(real[0, first] >= real[0].max()),
        abstentions={rule: one for rule, one in found.items() if one is not None},
        pairs=_pairs(analysis, judge, half),
    )


def _pairs(analysis: AgreementAnalysis, judge: Judge, half: FloatArray) -> tuple[ConfidenceBin, ...]:
    """All pairs of recommenders as tests on users of whom nobody was asked."""
    real = np.array([one.real.resampled(1 - half[None])[0] for one in analysis.recommenders])
    said = unknown_last(stack(judge.said, analysis.weights * half))
    left, right = np.triu_indices(len(real), 1)
    ahead = np.sign(said[1:, left] - said[1:, right])
    return confidence_bins((1 + ahead.mean(axis=0)) / 2, real[left] - real[right])


def _silences(
    bench: Bench, truth: ItemTruth, recommenders: Sequence[MeasuredRecommender], one: AskedPopulation
) -> Mapping[str, BoolArray]:
    """About whom a population is silent, by rule."""
    near = near_ratings(bench.dealt.of_judge(one.rows), truth.users)
    width = answer_spread(one.answers.reactions.rating, bench.split.test.scale)
    places = one.answers.questions.places
    support, spread = [], []
    for shown in recommenders:
        slates = shown.picks[truth.name]
        support.append(supported_share(near, slates))
        spread.append(float(width[places.rows(truth.users[:, None], slates)].mean()))
    return silences(np.array(support), np.array(spread))


def _differences(
    analysis: AgreementAnalysis, judges: Mapping[str, Judge], rows: Sequence[LogJudge]
) -> list[LogDifference]:
    """Of every population with the best metric, and of those with no class of their own with the best classical users.

    The best is that of this very log, which favours it. On disjoint rows, of ratings, `REPLAY` of these is one more.
    """
    users = [row for row in rows if row.kind == "users"]
    pairs = [(row, BEST_METRIC, best) for best in [row for row in rows if reads_held_out(row)][:1] for row in users]
    pairs += [(row, REPLAY, one) for one in rows if one.judge == REPLAY for row in users if row.rows == one.rows]
    for name in (PERSONA, PERSONA + CORRECTED):
        for row in (row for row in users if row.judge == name):
            peers = [other for other in users if other.rows == row.rows and _are_peers(other.judge, name)]
            pairs += [(row, BEST_CLASSICAL, other) for other in peers[:1]]
    return [
        LogDifference(left.title, what, right.title, analysis.differences(judges[left.title], judges[right.title]).tau)
        for left, what, right in pairs
    ]


def _are_peers(classical: str, name: str) -> bool:
    """Whether they are others than language-model users, and corrected if these are."""
    return classical.removesuffix(CORRECTED) != PERSONA and classical.endswith(CORRECTED) == name.endswith(CORRECTED)
