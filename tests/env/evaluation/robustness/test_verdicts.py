"""Verdicts that stand and verdicts that flip, with known answers; the settings; what the card is told."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from personagym_env.card import simulation_card
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.statistics import RatioOfSums, user_resamples
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.evaluation.robustness.settings import (
    LEAST,
    PICKS,
    SESSIONS,
    data_settings,
    half_catalogue,
    parameter_settings,
    pool_name,
    several_sessions,
)
from personagym_env.evaluation.robustness.tables import robustness_tables
from personagym_env.evaluation.robustness.verdicts import Default, Robustness, Verdict, resampling_tau
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.session.parameters import SessionParameters

U = 60
NAMES = ("a", "b", "c", "d")
STABLE = 0.8
WEIGHTS = user_resamples(U, 100, np.random.default_rng(0))


def verdict(*values: float, names: tuple[str, ...] = NAMES, judge: str = "judge", noise: float = 0.0) -> Verdict:
    """A judge that says the values; real value is the alphabet backwards."""
    rng = np.random.default_rng(1)

    def mean(value: float) -> RatioOfSums:
        return RatioOfSums.of_users(np.arange(U), value + noise * rng.normal(size=U), U)

    real = [mean(-ord(name)) for name in names]
    return Verdict.of(judge, names, [mean(value) for value in values], real, WEIGHTS)


DEFAULT = Default("as always", verdict(4, 3, 2, 1))
SEVERAL = Default("three sessions", verdict(12, 9, 6, 3), sessions=3)


def test_the_default_verdict_stands() -> None:
    row = DEFAULT.own_row()
    assert (row.kind, row.setting, row.against) == ("default", "as always", "as always")
    assert (row.winner, row.tau_default, row.clear) == ("a", 1, False)
    assert (row.flips(STABLE), row.flip_words(STABLE)) == ((), "")
    assert row.tau.value == 1
    assert row.regret_share == (0, 0, 0)
    assert row.mean == pytest.approx(2.5)


def test_another_winner_is_a_flip_and_its_price_is_told() -> None:
    row = DEFAULT.row("seed", "other luck", verdict(3, 4, 2, 1))
    assert row.flips(stable=0.5) == ("winner",)
    assert row.flip_words(STABLE) == "winner, order"
    assert row.tau_default == pytest.approx(2 / 3)  # one pair of six is turned
    assert row.regret_share.value == pytest.approx(1 / 3)
    assert row.clear
    assert row.lead is not None
    assert row.lead.value == pytest.approx(1)


def test_a_tied_winner_is_no_clear_flip() -> None:
    row = DEFAULT.row("seed", "other luck", verdict(3.0, 3.001, 2, 1, noise=5.0))
    if row.winner == "a":
        row = replace(row, default_winner="b")
    assert "winner" in row.flips(STABLE)
    assert "winner (a tie)" in row.flip_words(STABLE)
    assert not row.clear


def test_the_order_flips_below_the_threshold() -> None:
    row = DEFAULT.row("split", "another", verdict(4, 1, 2, 3))
    assert row.tau_default == pytest.approx(0)
    assert row.flips(stable=0.8) == ("order",)
    assert row.flips(stable=-1.0) == ()
    assert DEFAULT.row("split", "upside down", verdict(1, 2, 3, 4)).flips(STABLE) == ("winner", "order")


def test_verdicts_are_compared_over_those_who_are_in_both() -> None:
    fewer = verdict(1, 9, 2, names=("d", "b", "c"))
    assert fewer.tau_with(DEFAULT.verdict) == 1
    row = DEFAULT.row("catalogue", "half", fewer)
    assert row.lead is None
    assert row.clear
    with pytest.raises(ValueError, match="share 1 recommenders"):
        verdict(1, 2, names=("a", "z")).tau_with(DEFAULT.verdict)
    with pytest.raises(ValueError, match="two or more recommenders"):
        verdict(1, names=("a",))


def test_chance_alone_moves_a_noisy_order_and_not_a_sure_one() -> None:
    assert resampling_tau(DEFAULT.verdict) == 1
    assert resampling_tau(verdict(1.0, 1.001, 1.002, 1.003, noise=1.0)) < 0.9


def report() -> Robustness:
    rows = (
        DEFAULT.own_row(),
        SEVERAL.own_row(),
        DEFAULT.row("assumed", "choice.outside", verdict(3, 4, 2, 1), 1.0),
        DEFAULT.row("assumed", "choice.outside", verdict(8, 6, 4, 2), -1.0),
        SEVERAL.row("fitted", "returning.location", verdict(20, 15, 10, 5), -0.5),
        DEFAULT.row("catalogue", "half", verdict(1, 9, 2, names=("d", "b", "c"))),
    )
    return Robustness(
        dataset="letters",
        rows=rows,
        stable=0.8,
        chance={"judge": 0.9},
        absent={"judge": "has a cold"},
        values={"choice.outside": 0.5},
        setting={"seed": 0},
        environment={},
    )


def test_the_card_takes_the_sensitivity() -> None:
    measured = report().sensitivity("judge")
    usual = {"sessions": 1, "usual_return": 2.5}
    flips = "winner, order"
    assert measured == {
        "choice.outside": [
            {**usual, "setting": 1.0, "return": 2.5, "tau": pytest.approx(2 / 3), "flips": flips},
            {**usual, "setting": -1.0, "return": 5.0, "tau": 1.0, "flips": ""},
        ],
        "returning.location": [
            {"setting": -0.5, "sessions": 3, "return": 12.5, "usual_return": 7.5, "tau": 1.0, "flips": ""}
        ],
    }
    card = simulation_card("letters", SessionParameters(), SessionFit()).with_sensitivity(measured, "judge")
    told = {entry.assumption.name: entry.sensitivity for entry in card.entries}
    assert told["choice.outside"] is not None
    with pytest.raises(KeyError):
        report().sensitivity("somebody")


def test_a_report_knows_which_values_have_changed_since() -> None:
    assert report().outdated({"choice.outside": 0.5001, "choice.temperature": 3.0}) == ()
    assert report().outdated({"choice.outside": 0.51}) == ("choice.outside",)


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "robustness.json"
    report().save(path)
    back = Robustness.load(path)
    assert back == report()


def test_tables_flag_what_flips() -> None:
    console = Console(width=240, record=True, file=io.StringIO())
    for table in robustness_tables(report()):
        console.print(rich_table(table))
    text = console.export_text()
    assert "2 of 6 verdicts flip" in text
    assert re.search(r"choice\.outside assumed parameter\W+1 ", text)
    assert "returning.location fitted parameter, up to 3 sessions" in text
    assert "judge: has a cold" in " ".join(text.split())
    assert [flipped.setting for flipped in report().flipped("judge")] == ["choice.outside", "half"]
    assert report().session_judges == report().judges == ("judge",)


def test_every_parameter_is_varied_within_what_is_valid() -> None:
    fit = SessionFit(
        {
            "satisfaction.initial": Estimate(0.9, 0.7, 1.3, 9, "test"),
            "returning.location": Estimate(0.5, -1.0, 2.0, 9, "test"),
        }
    )
    parameters = fit.apply(SessionParameters())
    found: dict[str, list[float]] = {}
    for setting in parameter_settings(parameters, fit):
        changed = setting.apply(parameters)
        assert changed != parameters
        assert (setting.kind == "fitted") == (setting.name in fit.estimates)
        found.setdefault(setting.name, []).append(setting.value)
    assert found["satisfaction.initial"] == [0.7, 1.0]  # ends of the interval, and not 1.3
    assert found["returning.location"] == [-1.0, 2.0]
    assert found["examination.decay"] == [0.5, 2.0]
    assert found["leaving.intercept"] == [-4.0, -1.0]
    assert found["satiation.decay"] == [0.4, 1.0]  # not 1.6
    assert found["choice.outside"] == [-2.0, 2.0]  # 0 has no half
    assert found["returning.max_sessions"] == [2.0, SESSIONS]
    assert {known.name for known, _ in parameters.assumptions()} - set(found) == {"instructions.reach"}


def test_what_says_nothing_of_a_single_session_is_varied_across_several() -> None:
    across = {setting.name for setting in parameter_settings(SessionParameters(), SessionFit()) if setting.across}
    returning = ("horizon", "location", "satisfaction_weight", "spread", "pause", "recovery")
    assert across == {"reward.retention", *(f"returning.{name}" for name in returning)}
    assert several_sessions(SessionParameters()).returning.max_sessions == SESSIONS


def test_half_of_the_items(dataset: Dataset) -> None:
    half = half_catalogue(dataset, np.random.default_rng(0))
    assert len(half.catalogue) == len(dataset.catalogue) // 2
    original = {name: at for at, name in enumerate(dataset.catalogue.ids)}
    back = np.array([original[name] for name in half.catalogue.ids])
    log, whole = half.interactions, dataset.interactions
    assert whole.contains(log.users, back[log.items]).all()
    assert len(log) == np.isin(whole.items, back).sum()
    np.testing.assert_array_equal(half.catalogue.genres, dataset.catalogue.genres[back])
    with pytest.raises(ValueError, match="cannot be halved"):
        half_catalogue(half_catalogue_of(dataset, 3), np.random.default_rng(0))


def half_catalogue_of(dataset: Dataset, items: int) -> Dataset:
    """The data set with its first few items."""
    catalogue = dataset.catalogue
    rows = dataset.interactions.take(dataset.interactions.items < items)
    return replace(
        dataset,
        catalogue=replace(
            catalogue,
            ids=catalogue.ids[:items],
            titles=catalogue.titles[:items],
            years=catalogue.years[:items],
            genres=catalogue.genres[:items],
        ),
        interactions=replace(rows, n_items=items),
    )


def test_data_settings_change_one_thing_each(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=20, n_items=200, per_user=110)
    settings = list(data_settings(2))
    assert [setting.kind for setting in settings].count("seed") == 2
    assert len({setting.name for setting in settings}) == len(settings)
    prints = set()
    for setting in settings:
        bench = setting.bench(data)
        assert not bench.dealt.train.contains(bench.split.test.users, bench.split.test.items).any()
        prints.add((bench.dealt.recommenders.fingerprint(), bench.split.test.fingerprint()))
        assert bench.ground_truths[0].name == pool_name(PICKS[0])
        for truth in bench.ground_truths:
            assert truth.pool.least == max(LEAST, 2 * truth.pool.k)
    assert len(prints) == len(settings)
    assert [truth.pool.k for truth in settings[0].bench(data).ground_truths] == list(PICKS)
