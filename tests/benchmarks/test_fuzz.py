"""Whatever bytes a file has, its reader takes it or refuses it by an error that it documents, soon."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from fixtures.small_logs import collect_small
from fuzz.targets import Target, mutated, refused, targets
from personagym_env.data.tables import Dataset
from personagym_env.world import make_world
from personagym_recommenders import MostPopular
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

INPUTS = 12


@pytest.fixture(scope="module")
def readers(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    pytest.importorskip("pyarrow")
    world, place = make_world(dataset, "bias"), tmp_path_factory.mktemp("fuzz")
    policy = PlackettLuce(MostPopular(), 1.5).fit(world.train, world.dataset.catalogue)
    collect_small(world, policy, place / "log")
    return targets(place / "files", place / "log")


def test_readers_take_what_is_whole(readers: list[Target]) -> None:
    assert len({target.name for target in readers}) == len(readers) > 12
    assert [target.name for target in readers if refused(target, target.seed)] == []


def test_readers_refuse_by_documented_errors_alone(readers: list[Target]) -> None:
    for target in readers:
        rng, counts = np.random.default_rng(0), [0, 0]
        for number in range(INPUTS):
            data, begin = mutated(target.seed, rng), time.process_time()
            try:
                counts[refused(target, data)] += 1
            except Exception as error:
                error.add_note(f"{target.name}, input {number}: {data[:2000]!r}")
                raise
            assert time.process_time() - begin < 5, f"{target.name}, input {number}"
        assert counts[True] > 0, target.name


def test_what_is_not_documented_is_noticed() -> None:
    def stumble(data: bytes) -> None:
        raise KeyError("x")

    failing: Callable[[bytes], object] = stumble
    with pytest.raises(KeyError):
        refused(Target("a reader", b"", failing), b"x")
