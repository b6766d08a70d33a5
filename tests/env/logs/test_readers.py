"""Logs are read lazily, from elsewhere too, and go into other libraries."""

from dataclasses import fields
from pathlib import Path

import minari
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fixtures.small_logs import HISTORY, Collected, K
from personagym_env.data.readers.atomic import read_atomic
from personagym_env.env import action_space, observation_space
from personagym_env.evaluation.off_policy.from_log import decisions_of
from personagym_env.evaluation.off_policy.sequential import per_decision_ips
from personagym_env.evaluation.off_policy.slates import independent_ips
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.export import consumed, export_atomic, export_minari
from personagym_env.logs.load import load_log
from personagym_env.logs.sessions import open_log
from personagym_env.protocols import NO_ITEM
from personagym_recommenders import MostPopular
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


def test_a_column_is_read_alone(collected: Collected) -> None:
    log = open_log(collected.folder)
    whole = log.read()
    np.testing.assert_array_equal(log.column("reward"), whole.reward)
    np.testing.assert_array_equal(log.column("slate"), whole.slate)
    histories = log.column("next_history_items")
    assert histories[0][-1] == whole.item[0]
    assert len(log) == len(whole)
    assert "42 episodes" in repr(whole)


def test_a_frame_has_a_column_for_each_place(collected: Collected) -> None:
    log = open_log(collected.folder)
    frame, whole = log.to_frame(), log.read()
    assert len(frame) == len(whole)
    np.testing.assert_array_equal(frame["slate_2"], whole.slate[:, 2])
    np.testing.assert_array_equal(frame["prefix_2"], frame["propensity"])


def test_the_logging_policy_is_worth_its_own_rewards(collected: Collected) -> None:
    whole = open_log(collected.folder).read()
    decisions = decisions_of(whole, collected.policy, collected.world.profiles, HISTORY)
    value = per_decision_ips(decisions).resampled(np.ones((1, whole.n_episodes)))[0]
    assert value == pytest.approx(whole.reward.sum() / whole.n_episodes)
    other = PlackettLuce(MostPopular(), 0.5).fit(collected.world.train, collected.world.dataset.catalogue)
    ratio = decisions_of(whole, other, collected.world.profiles, HISTORY).joint_ratio
    assert ratio.std() > 0.1


def test_minari_reads_back_what_was_exported(
    collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    log = open_log(collected.folder)
    export_minari(log, "personagym/small-v0", collected.world, episodes=12)
    loaded = minari.load_dataset("personagym/small-v0")
    assert loaded.total_episodes == 12
    assert loaded.observation_space == observation_space(collected.world, HISTORY)
    assert loaded.action_space == action_space(collected.world, K)
    whole = log.read()
    before = whole.observation(collected.world.profiles, HISTORY)
    for episode in loaded.iterate_episodes():
        rows = np.flatnonzero(whole.episode == episode.id)
        np.testing.assert_array_equal(episode.actions, whole.slate[rows])
        np.testing.assert_array_equal(episode.rewards, whole.reward[rows])
        np.testing.assert_array_equal(episode.terminations, whole.terminated[rows])
        np.testing.assert_array_equal(episode.truncations, whole.truncated[rows])
        for name, part in episode.observations.items():
            np.testing.assert_array_equal(part[:-1], before[name][rows])
        last = {name: part[-1] for name, part in episode.observations.items()}
        last["step"] = np.asarray(last["step"])
        assert last in loaded.observation_space
        assert last["step"] == len(rows)
        np.testing.assert_allclose(episode.infos["propensity"][:-1, 0], whole.propensities.joint[rows])


def test_recbole_files_hold_what_was_taken(collected: Collected, tmp_path: Path) -> None:
    log = open_log(collected.folder)
    export_atomic(log, collected.world.dataset, tmp_path / "simulated")
    back = read_atomic(tmp_path / "simulated" / "simulated")
    whole = log.read()
    took = whole.item != NO_ITEM
    pairs = set(zip(whole.user[took].tolist(), whole.item[took].tolist(), strict=True))
    users = [int(back.users.ids[user][1:]) for user in back.interactions.users]
    items = [int(back.catalogue.ids[item][1:]) for item in back.interactions.items]
    assert set(zip(users, items, strict=True)) == pairs
    assert len(back.interactions) == len(pairs)


def test_a_pair_taken_twice_has_its_last_rating(collected: Collected) -> None:
    log = open_log(collected.folder)
    whole, data = log.read(), consumed(log, collected.world.dataset)
    last = {}
    for row in np.flatnonzero(whole.item != NO_ITEM):
        last[int(whole.user[row]), int(whole.item[row])] = whole.rating[row]
    assert len(last) < (whole.item != NO_ITEM).sum(), "the log must have a pair that comes twice"
    found = data.interactions
    for user, item, rating in zip(found.users.tolist(), found.items.tolist(), found.ratings.tolist(), strict=True):
        assert last[user, item] == rating


ABOVE = "expected `propensity` above 0 and at most 1, got"


def _own_log(collected: Collected) -> pd.DataFrame:
    """The collected log in a service's own ids."""
    whole, data = open_log(collected.folder).read(), collected.world.dataset
    return pd.DataFrame(
        {
            "episode": whole.episode,
            "user": [data.users.ids[user] for user in whole.user],
            "step": whole.step,
            "slate": [" ".join(data.catalogue.ids[item] for item in slate) for slate in whole.slate],
            "propensity": whole.propensities.joint,
            "prefix": [" ".join(map(repr, row)) for row in whole.propensities.prefix.tolist()],
            "marginal": [" ".join(map(repr, row)) for row in whole.propensities.marginal.tolist()],
            "click_place": whole.click_place,
            "rating": whole.rating,
            "reward": whole.reward,
            "terminated": whole.terminated,
            "truncated": whole.truncated,
        }
    )


def test_a_log_from_elsewhere_is_read_from_csv_and_parquet(collected: Collected, tmp_path: Path) -> None:
    frame, expected = _own_log(collected), open_log(collected.folder).read()
    frame.to_csv(tmp_path / "log.csv", index=False)
    lists = {name: [one.split() for one in frame[name]] for name in ("slate", "prefix", "marginal")}
    table = pa.table(
        {name: lists.get(name, frame[name].to_list()) for name in frame.columns if name != "terminated"}
        | {"terminated": frame["terminated"].to_list()}
    )
    pq.write_table(table, tmp_path / "log.parquet")
    for path in (tmp_path / "log.csv", tmp_path / "log.parquet"):
        found = load_log(path, collected.world.dataset).read()
        for field in fields(LoggedDecisions):
            if field.name == "propensities":
                for one, other in zip(found.propensities[:3], expected.propensities[:3], strict=True):
                    np.testing.assert_allclose(one, other)
            else:
                np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))


def test_without_prefixes_estimators_of_whole_slates_are_left(collected: Collected, tmp_path: Path) -> None:
    frame = _own_log(collected).drop(columns=["prefix", "marginal"])
    frame = frame[frame["step"] == 0].assign(terminated=True, truncated=False)
    frame.to_csv(tmp_path / "log.csv", index=False)
    whole = load_log(tmp_path / "log.csv", collected.world.dataset).read()
    decisions = decisions_of(whole, collected.policy, collected.world.profiles, HISTORY)
    assert per_decision_ips(decisions).resampled(np.ones((1, len(whole))))[0] == pytest.approx(whole.reward.mean())
    with pytest.raises(ValueError, match="needs marginal propensities, and the log does not have them"):
        independent_ips(decisions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns=["propensity", "rating"]), "lacks the columns propensity, rating"),
        (lambda frame: frame.assign(user="nobody"), "row 0, column 'user': cannot read 'nobody': no user"),
        (lambda frame: frame.assign(slate="i1 i2 x"), "row 0, column 'slate': cannot read 'x': no item"),
        (lambda frame: frame.assign(slate=["i1 i2 i3", *frame["slate"][1:-1], "i1"]), "expected 3 entries, got"),
        (
            lambda frame: frame.assign(propensity=0.0),
            r"row 0: expected `propensity` above 0 and at most 1, got \[0.0\]",
        ),
        (
            lambda frame: frame.assign(propensity=1.5),
            r"row 0: expected `propensity` above 0 and at most 1, got \[1.5\]",
        ),
        (
            lambda frame: frame.assign(propensity="nan"),
            r"row 0: expected `propensity` above 0 and at most 1, got \[nan\]",
        ),
        (lambda frame: frame.assign(step=0.5), "row 0, column 'step': cannot read '0.5': expected a whole number"),
        (lambda frame: frame.assign(terminated="perhaps"), "column 'terminated': cannot read 'perhaps'"),
        (lambda frame: frame.iloc[:0], "has no rows"),
        (lambda frame: frame.iloc[::-1], "rising order"),
        (lambda frame: frame.drop(columns="prefix"), "`prefix` above 0"),
    ],
)
def test_a_bad_log_from_elsewhere_is_refused(collected: Collected, tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "log.csv"
    change(_own_log(collected)).to_csv(path, index=False)
    with pytest.raises(ValueError, match=message):
        load_log(path, collected.world.dataset)


def test_a_missing_file_is_named(collected: Collected, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no log .*log\.csv"):
        load_log(tmp_path / "log.csv", collected.world.dataset)
