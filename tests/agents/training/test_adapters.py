"""Adapters trained together: each stops where the inner tail likes it, begins where the coarser kind ended."""

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import torch

from fixtures.display import RecordingDisplay
from fixtures.workers import PickledWorkers
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.personas.settings import Features, PersonaSettings
from personagym_agents.training import adapters, stacks
from personagym_agents.training.adapters import SHARES
from personagym_agents.training.base import TrainedBase, find_personas, train_base
from personagym_agents.training.kinds import AdapterTrainer, TrainedKind
from personagym_agents.training.logs import ready_log
from personagym_agents.training.sampling import NONE, Epochs
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_agents.training.stacks import StackInputs
from personagym_agents.training.tail import Tail, TailErrors, tail_rows
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.run_context import RunContext
from personagym_env.workers import Workers

QUICK = TrainingSettings(epochs=1, batch=4, warmup=1)
SETTINGS = AdapterSettings(rank=2, alpha=2, tail=0.2, training=replace(QUICK, learning_rate=0.01))


@pytest.fixture(scope="module")
def base(small_data: Dataset, small_split: Split, tmp_path_factory: pytest.TempPathFactory) -> TrainedBase:
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=900,
        teacher="bias",
        training=QUICK,
        personas=PersonaSettings(n_personas=2),
    )
    return train_base(small_data, small_split, settings, RunContext(tmp_path_factory.mktemp("base")))


def trainer(
    base: TrainedBase, folder: Path, settings: AdapterSettings = SETTINGS, workers: Workers | None = None
) -> AdapterTrainer:
    return AdapterTrainer(base, settings, seed=0, history_lines=4, context=RunContext(folder, workers=workers))


def test_the_tail_is_each_users_latest_rows_and_no_document_of_a_training_shows_it(base: TrainedBase) -> None:
    train = base.corpus.train
    tail = tail_rows(train, 0.2)
    for user in range(train.n_users):
        own = tail[train.indptr[user] : train.indptr[user + 1]]
        assert own.sum() == len(own) // 5
        assert not np.diff(own.astype(int)).min(initial=0) < 0, "the latest"
    ready = Tail(base.corpus, base.writer, tail, 4, base.model)
    asked = ready.epoch.sequences.rating != NONE
    assert asked.sum() == tail.sum()
    np.testing.assert_array_equal(
        np.bincount(ready.epoch.sequences.user, asked.sum(axis=1), minlength=train.n_users),
        np.bincount(train.users, tail, minlength=train.n_users),
    )
    options = SamplingOptions(lines=6, choices=False)
    shown = Epochs(base.corpus, base.writer, options, seed=0, held_out=tail).draw(0)[0].sequences
    pairs = {
        (int(user), int(item))
        for user, items, rated in zip(shown.user, shown.item, shown.rating, strict=True)
        for item in items[rated != NONE]
    }
    assert pairs == set(zip(train.users[~tail].tolist(), train.items[~tail].tolist(), strict=True))


def test_long_texts_are_read_in_part_by_training_and_tail(base: TrainedBase, tmp_path: Path) -> None:
    def inputs(tokens: int | None) -> StackInputs:
        return trainer(base, tmp_path, replace(SETTINGS, tokens=tokens))._inputs

    everything = inputs(None)
    assert everything.tail is not None
    whole, tail = everything.world.draw(0)[0].lengths, everything.tail.epoch.lengths
    budget = int(whole.sum() // 3)
    cut = inputs(budget)
    assert cut.tail is not None
    first, second = (cut.world.draw(number)[0] for number in (0, 1))
    assert budget - whole.max() < first.lengths.sum() <= budget
    assert first.sequences.user.tolist() != second.sequences.user.tolist(), "drawn anew"
    everybody = np.ones(base.corpus.train.n_users, np.bool_)
    asked = np.concatenate(cut.tail.batches(everybody))
    assert budget // 5 - tail.max() < tail[asked].sum() <= budget // 5
    assert len(np.concatenate(everything.tail.batches(everybody))) == len(tail)
    generous = inputs(int(10 * whole.sum()))
    assert generous.tail is not None
    assert len(generous.world.draw(0)[0].lengths) == len(whole)
    assert len(np.concatenate(generous.tail.batches(everybody))) == len(tail)


@pytest.mark.parametrize("features", ["prediction", "behaviour"])
def test_personas_do_not_know_the_tail(features: Features, small_data: Dataset, small_split: Split) -> None:
    """Groups that had seen the rows which tell adapters when to stop would have them go on for too long."""
    train = small_split.train
    tail = tail_rows(train, 0.25)
    settings = BundleSettings(
        adapters=AdapterSettings(tail=0.25), personas=PersonaSettings(features=features, n_personas=3)
    )
    ratings = train.ratings.copy()
    ratings[tail] = 6 - ratings[tail]
    other = replace(train, ratings=ratings)
    found, same, moved = (
        find_personas(small_data, rows, kept, RunContext(Path())).assignment
        for rows, kept in (
            (train, settings),
            (other, settings),
            (other, replace(settings, adapters=AdapterSettings(tail=0.0))),
        )
    )
    np.testing.assert_array_equal(found, same)
    assert (found != moved).any()


def test_adapters_that_learn_ratings_alone_ask_no_teacher(base: TrainedBase, tmp_path: Path) -> None:
    asked: list[int] = []

    def teach(users: IntArray, items: IntArray) -> FloatArray:
        asked.append(len(users))
        return base.teacher(users, items)

    remembering = replace(base, teacher=teach)
    trainer(remembering, tmp_path).train("single")
    assert not any(asked)
    trainer(remembering, tmp_path, replace(SETTINGS, choices=True)).train("single")
    assert any(asked)
    assert SETTINGS.training_on(chooses=False) == replace(SETTINGS, choices=True).training_on(chooses=True)


def test_an_unknown_teacher_is_named(small_data: Dataset, small_split: Split) -> None:
    with pytest.raises(ValueError, match="unknown teacher 'svd'; there are bias, knn, mf, stack, trees"):
        ready_log(small_data, small_split.train, BundleSettings(teacher="svd"))


def test_adapters_are_kept_where_the_tail_is_best(base: TrainedBase, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    kind = trainer(base, tmp_path).train("single")
    assert len(kind.factors) == len(kind.curves) == len(kind.stopped) == 1
    curve = kind.curves[0]
    steps = [point.step for point in curve if point.share == 1]
    assert steps == sorted(set(steps))
    assert [(point.step, point.share) for point in curve[len(steps) :]] == [(steps[-1], share) for share in SHARES]
    assert curve[0].step == 0
    assert kind.stopped[0] == min(curve, key=lambda point: point.nll).step
    # So high a rate makes all of it worse: what stays is what adds nothing.
    wild = replace(SETTINGS, training=replace(SETTINGS.training, learning_rate=30.0, averaging=0.0))
    spoiled = trainer(base, tmp_path, wild).train("single")
    assert spoiled.stopped == (0,)
    assert all(not low_rank.up.any() for low_rank in spoiled.factors[0].values())
    assert all(torch.equal(value, before[name]) for name, value in base.model.state_dict().items())


def test_kinds_begin_where_the_coarser_one_ended_and_are_kept(
    base: TrainedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = replace(SETTINGS, tail=0.0, training=replace(SETTINGS.training, learning_rate=1e-12, averaging=0.0))
    single = trainer(base, tmp_path, still).train("single").factors[0]
    still = replace(still, side_by_side=7)  # a user's own are trained in several parts
    own = trainer(base, tmp_path, still).train("individual")
    assert len(own.factors) == base.corpus.train.n_users
    assert own.curves[0] == ()
    for factors in own.factors:
        for layer, low_rank in factors.items():
            torch.testing.assert_close(low_rank.down, single[layer].down)

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(stacks, "train_stack", refuse)
    again = trainer(base, tmp_path, still).train("individual")
    assert again.key == own.key
    torch.testing.assert_close(dict(again.factors[3]), dict(own.factors[3]), rtol=0, atol=0)
    with pytest.raises(AssertionError, match="trained again"):
        trainer(base, tmp_path, replace(still, rank=1)).train("single")


def test_adapters_are_the_same_whoever_trains_them(base: TrainedBase, tmp_path: Path) -> None:
    """In any order, by copies of everything, some of which are lost; what is kept is not trained again."""
    settings, workers = replace(SETTINGS, side_by_side=5), PickledWorkers(2)
    alone = trainer(base, tmp_path / "alone", settings).train("individual")
    shared = trainer(base, tmp_path / "shared", settings, workers).train("individual")
    assert (shared.key, shared.curves, shared.stopped) == (alone.key, alone.curves, alone.stopped)
    for left, right in zip(shared.factors, alone.factors, strict=True):
        torch.testing.assert_close(dict(left), dict(right), rtol=0, atol=0)
    pieces = sum(workers.done_by)
    assert pieces == len(list((tmp_path / "shared").iterdir())) == 4
    rmtree(next((tmp_path / "shared").glob("individual-*")))
    again = trainer(base, tmp_path / "shared", settings, workers).train("individual")
    assert sum(workers.done_by) == pieces + 1
    torch.testing.assert_close([dict(one) for one in again.factors], [dict(one) for one in alone.factors])


def test_a_penalty_draws_a_users_own_adapter_back(base: TrainedBase, tmp_path: Path) -> None:
    free = replace(SETTINGS, tail=0.0, own_rate=1.0)
    persona = trainer(base, tmp_path, free).train("persona")
    groups = base.personas.groups("persona")

    def way(penalty: float) -> float:
        own = trainer(base, tmp_path, replace(free, penalty=penalty)).train("individual")
        return sum(
            float((low_rank.up - persona.factors[groups[user]][layer].up).norm())
            for user, factors in enumerate(own.factors)
            for layer, low_rank in factors.items()
        )

    assert way(60.0) < 0.8 * way(0.0)
    for settings in ({"tail": 1.0}, {"checks": 0}, {"penalty": -1.0}, {"side_by_side": 0}, {"tokens": 0}):
        with pytest.raises(ValueError, match=r"AdapterSettings\.(tail|checks|side_by_side|tokens)"):
            AdapterSettings(**settings)  # type: ignore[arg-type]


def test_rows_of_every_adapter_are_told(base: TrainedBase, tmp_path: Path) -> None:
    display = RecordingDisplay()
    AdapterTrainer(
        base, replace(SETTINGS, rows=30), seed=0, history_lines=4, context=RunContext(tmp_path, display=display)
    ).train("random")
    told = [line for line in display.lines if line.startswith("adapter random-")]
    assert len(told) == len(base.personas)
    for line in told:
        assert 0 < int(line.split(": ")[1].split(" rows")[0]) <= 30


def test_an_adapter_goes_part_of_the_way_where_the_tail_likes_that_best(
    base: TrainedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = base.corpus.train.n_users

    def kept(liked: int) -> TrainedKind:
        """Where the tail likes the answers to this question best."""
        asked: list[int] = []

        def liking(*_: object) -> TailErrors:
            asked.append(0)
            return TailErrors(*(np.full(users, value) for value in (1.0 + (len(asked) != liked), 1.0, 1.0)))

        monkeypatch.setattr(adapters, "ask_tail", liking)
        return trainer(base, tmp_path / str(liked)).train("single")

    whole, half = kept(3), kept(5)
    assert whole.stopped == half.stopped == (4,)
    assert [point.nll for point in half.curves[0]] == [2, 2, 2, 2, 1, 2]
    for name, low_rank in whole.factors[0].items():
        assert low_rank.up.any()
        torch.testing.assert_close(half.factors[0][name].up, low_rank.up / 2)
