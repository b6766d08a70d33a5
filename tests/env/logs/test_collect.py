"""Logs hold what the vector environment does, and end up with the same bytes however often they are cut short."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.small_logs import EPISODES, HISTORY, LONGEST, Collected, K, collect_small
from personagym_env.logs import collect as collecting
from personagym_env.logs.sessions import open_log
from personagym_env.protocols import NO_ITEM
from personagym_env.session.random import Stream, stream_keys
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.workers import ThreadWorkers
from personagym_env.world import World
from personagym_recommenders import EASE, MostPopular
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


def _bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_a_log_is_what_the_vector_environment_does(collected: Collected) -> None:
    """Part 0, replayed: row by row, episode by episode, with the luck of the environment's rows."""
    log = open_log(collected.folder)
    part = next(log.batches())
    items = log.parts[0].read(["next_history_items", "next_history_ratings", "reward_rating", "session"])
    env = PersonaRecVectorEnv(
        collected.world, 5, K, max_episode_steps=LONGEST, history_length=HISTORY, autoreset_mode="SameStep"
    )
    observation, _ = env.reset(seed=collected.header.seed)
    keys, episode = env._sessions.state.key.copy(), np.zeros(5, np.int64)
    rows = {(int(e), int(s)): i for i, (e, s) in enumerate(zip(part.episode, part.step, strict=True))}
    seen = part.observation(collected.world.profiles, HISTORY)
    after = part.next_observation(collected.world.profiles, HISTORY)
    met = 0
    while (episode < 4).any():
        luck = stream_keys(keys, episode, observation["step"], Stream.POLICY)
        slates = collected.policy.draw(observation, K, luck)
        before = observation
        observation, reward, terminated, truncated, info = env.step(slates)
        for row in np.flatnonzero(episode < 4):
            i = rows[int(4 * row + episode[row]), int(before["step"][row])]
            met += 1
            assert part.user[i] == before["user"][row]
            for name in before:
                np.testing.assert_array_equal(seen[name][i], before[name][row])
            np.testing.assert_array_equal(part.slate[i], slates[row])
            assert part.reward[i] == reward[row]
            assert part.terminated[i] == terminated[row]
            ended = terminated[row] or truncated[row]
            final = info["final_info"] if ended else info
            assert part.item[i] == final["clicked_item"][row]
            assert part.rating[i] == final["rating"][row]
            assert items["reward_rating"][i] == pytest.approx(final["reward_components"]["rating"][row])
            history = info["final_obs"][row]["history_items"] if ended else observation["history_items"][row]
            np.testing.assert_array_equal(after["history_items"][i], history)
            length = min(int(before["step"][row]) + 1, HISTORY)
            np.testing.assert_array_equal(items["next_history_items"][i], history[-length:])
        episode += terminated | truncated
    assert met == len(part)


def test_propensities_are_those_of_the_policy(collected: Collected) -> None:
    for part in open_log(collected.folder).batches():
        observation = part.observation(collected.world.profiles, HISTORY)
        expected = collected.policy.propensities(observation, part.slate)
        np.testing.assert_allclose(part.propensities.joint, expected.joint, rtol=1e-12)
        np.testing.assert_allclose(part.propensities.prefix, expected.prefix, rtol=1e-12)
        np.testing.assert_allclose(part.propensities.marginal, expected.marginal, rtol=1e-9)


def test_all_episodes_are_there_and_end(collected: Collected) -> None:
    log = open_log(collected.folder)
    assert [part.rows for part in log.parts] == [len(batch) for batch in log.batches()]
    whole = log.read()
    np.testing.assert_array_equal(np.unique(whole.episode), np.arange(EPISODES))
    assert (whole.terminated | whole.truncated).sum() == EPISODES
    assert whole.truncated.any()
    assert whole.terminated.any()
    assert (whole.item == NO_ITEM).any()


def test_a_log_cut_short_ends_up_with_the_same_bytes(
    collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = collecting.write_atomically

    def killed_in_the_third_part(path: Path, *rest: object) -> None:
        if path.name == "part-000002.parquet":
            path.with_name(".part-000002.parquet.abc").write_bytes(b"half of it")
            raise KeyboardInterrupt
        written(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(collecting, "write_atomically", killed_in_the_third_part)
    with pytest.raises(KeyboardInterrupt):
        collect_small(collected.world, collected.policy, tmp_path / "log", workers=ThreadWorkers(1))
    assert len(list((tmp_path / "log").glob("part-*.parquet"))) == 2
    monkeypatch.undo()
    played = []
    collect_small(collected.world, collected.policy, tmp_path / "log", progress=played.append)
    assert sum(played) == EPISODES
    parts = sorted((tmp_path / "log").glob("part-*.parquet"))
    assert [path.read_bytes() for path in parts] == _bytes(collected.folder)


def test_a_log_grows_without_changing(collected: Collected, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    collect_small(collected.world, collected.policy, folder, episodes=25, workers=ThreadWorkers(1))
    first = _bytes(folder)
    collect_small(collected.world, collected.policy, folder, workers=ThreadWorkers(2))
    assert _bytes(folder) == _bytes(collected.folder)
    assert first[0] == _bytes(folder)[0]
    with pytest.raises(ValueError, match="more than the 4 asked for"):
        collect_small(collected.world, collected.policy, folder, episodes=4)


def test_another_policy_or_seed_needs_another_folder(collected: Collected) -> None:
    hotter = PlackettLuce(MostPopular(), 2.0).fit(collected.world.train, collected.world.dataset.catalogue)
    with pytest.raises(ValueError, match="another policy, policy_fingerprint"):
        collect_small(collected.world, hotter, collected.folder)
    with pytest.raises(ValueError, match="belongs to another log, with another seed"):
        collect_small(collected.world, collected.policy, collected.folder, seed=4)


def test_fingerprints_tell_policies_and_worlds_apart(collected: Collected) -> None:
    log, catalogue = collected.world.train, collected.world.dataset.catalogue
    again = PlackettLuce(MostPopular(), 1.5).fit(log, catalogue)
    assert again.fingerprint() == collected.policy.fingerprint()
    for other in (PlackettLuce(MostPopular(), 1.4), PlackettLuce(EASE(), 1.5), PlackettLuce(MostPopular(), 1.5, 9)):
        assert other.fit(log, catalogue).fingerprint() != again.fingerprint()
    open_log(collected.folder, policy_fingerprint=again.fingerprint())
    with pytest.raises(ValueError, match="logged with another policy: expected the hash abc"):
        open_log(collected.folder, policy_fingerprint="abc")
    with pytest.raises(ValueError, match="logged in another benchmark: expected the hash abc, the log has"):
        open_log(collected.folder, benchmark_hash="abc")


class _Repeats(PlackettLuce):
    """Shows its first item at every place."""

    def draw_with_propensities(self, observation, k, keys):  # type: ignore[no-untyped-def]
        """The first item again and again."""
        slates, propensities = super().draw_with_propensities(observation, k, keys)
        return np.repeat(slates[:, :1], k, axis=1), propensities


def test_a_policy_that_repeats_an_item_is_refused(collected: Collected, tmp_path: Path) -> None:
    broken = _Repeats(MostPopular()).fit(collected.world.train, collected.world.dataset.catalogue)
    with pytest.raises(ValueError, match=r"showed item \d+ twice in a slate"):
        collect_small(collected.world, broken, tmp_path / "log")


def test_the_reward_range_follows_the_weights(collected: Collected, tmp_path: Path) -> None:
    world = collected.world
    changed = World(
        world.dataset,
        world.train,
        world.agent,
        world.parameters.updated({"reward": {"leave": -2.0, "click": 0.5}}),
        world.fit,
    )
    header = collect_small(changed, collected.policy, tmp_path / "log", episodes=8)
    assert header.reward_range == (-2.0, 1.5)
    batch = open_log(tmp_path / "log").read()
    assert batch.reward.min() < 0
    assert batch.place_reward is None
    plain = open_log(collected.folder).read()
    np.testing.assert_array_equal(plain.place_reward.sum(axis=1), plain.reward)
