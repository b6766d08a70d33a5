"""Splits by name: one meaning of the share, logs without times, and the canonical split of ML-100K."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest

from personagym_env.data.named_splits import SPLITS, named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.world import make_world


@pytest.fixture(scope="module")
def untimed(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(timed=False)


@pytest.mark.parametrize("name", sorted(set(SPLITS) - {"u1", "paper"}))
def test_parts_make_the_whole_and_are_the_same_at_every_call(name: str, dataset: Dataset) -> None:
    one, two = named_split(dataset, name), named_split(dataset, name)
    assert one.name == name
    train, test = one.split
    assert len(train) + len(test) == len(dataset.interactions)
    assert not train.contains(test.users, test.items).any()
    assert train.fingerprint() == two.split.train.fingerprint()


@pytest.mark.parametrize("name", ["temporal", "random", "global-time"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_share_is_the_share_of_training_rows(name: str, share: float, dataset: Dataset) -> None:
    _, description, split = named_split(dataset, name, share)
    assert len(split.train) / len(dataset.interactions) == pytest.approx(share, abs=0.01)
    assert f"{100 * share:g} %" in description


def test_a_log_with_times_is_parted_by_time(dataset: Dataset) -> None:
    found = named_split(dataset)
    assert found.description == "each user's first 80 % of ratings by time are training rows"
    assert found.split.train.fingerprint() == temporal_split(dataset.interactions).train.fingerprint()


def test_a_log_without_times_is_parted_at_random_and_says_so(untimed: Dataset) -> None:
    found = named_split(untimed)
    assert found.name == "random"
    assert found.description == "a random 80 % of all rows are training rows, since the log has no times"
    items = np.bincount(found.split.test.items, minlength=untimed.interactions.n_items)
    assert (items > 0).mean() > 0.2
    with pytest.raises(ValueError, match=r"'temporal' needs times.*choose 'random'"):
        named_split(untimed, "temporal")
    with pytest.raises(ValueError, match="needs timestamps"):
        named_split(untimed, "global-time")


def test_a_world_knows_the_rows_of_a_named_split(dataset: Dataset, agent) -> None:
    world = make_world(dataset, agent, split="leave-last")
    assert (dataset.interactions.counts - world.train.counts == 1).all()
    assert len(make_world(dataset, agent, split="random", train_share=0.5).train) == len(dataset.interactions) // 2


def test_odd_requests_are_named(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"unknown split 'weekly'.*temporal, random, leave-last"):
        named_split(dataset, "weekly")
    with pytest.raises(ValueError, match=r"'leave-last' has no share of training rows, got 0.5.*temporal, random"):
        named_split(dataset, "leave-last", 0.5)
    with pytest.raises(ValueError, match=r"strictly between 0 and 1, got 1\.5"):
        named_split(dataset, "random", 1.5)
    with pytest.raises(ValueError, match="'u1' is one of MovieLens-100K"):
        named_split(dataset, "u1")


@pytest.mark.skipif(find_spec("recbole") is None, reason="MovieLens-100K comes from the recbole package")
def test_the_canonical_split_holds_out_20000_rows_of_459_users() -> None:
    train, test = named_split(load_dataset("ml-100k"), "u1").split
    assert (len(train), len(test)) == (80_000, 20_000)
    assert (test.counts > 0).sum() == 459
    assert not train.contains(test.users, test.items).any()
