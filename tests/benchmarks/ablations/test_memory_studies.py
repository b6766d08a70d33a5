"""What written texts and recalled reasons are worth: planted signal is found, chance is chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablations import nearest_reasons, written_texts
from ablations.memory_results import NearestReasons, WrittenTexts, nearest_reasons_table, written_texts_table
from personagym_agents.llm.profile_store import Profile, ProfileStore, Taste
from personagym_agents.llm.reasons import ReasonStore
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, Interactions


@pytest.fixture
def named(small_data: Dataset) -> Dataset:
    """Genres are called by words."""
    names = ("crime", "music", "winter", "robots")
    return replace(small_data, catalogue=replace(small_data.catalogue, genre_names=names))


@pytest.fixture
def planted(small_data: Dataset, small_split: Split) -> Split:
    """Each user loves the items of one genre, and nothing else."""

    def rated(log: Interactions) -> Interactions:
        loved = small_data.catalogue.genres[log.items, log.users % 4]
        return Interactions.from_columns(
            log.users,
            log.items,
            np.where(loved, 5.0, 2.0),
            log.timestamps,
            n_users=log.n_users,
            n_items=log.n_items,
            scale=log.scale,
        )

    return Split(rated(small_split.train), rated(small_split.test))


def test_near_reasons_tell_a_taste_and_chance_does_not(named: Dataset, planted: Split) -> None:
    args = nearest_reasons.Args(encoders=(), counts=(1, 3), resamples=200)
    asked = nearest_reasons.Asked.of(named, planted)
    found = {
        (one.embedding, one.count): one
        for name, memory in nearest_reasons.memories(asked, ())
        for one in nearest_reasons.measure(name, memory, asked, args)
    }
    assert set(found) == {(name, count) for name in ("TF-IDF", nearest_reasons.CHANCE) for count in (1, 3)}
    assert found["TF-IDF", 3].correlation.low > 0.2
    assert found["TF-IDF", 3].gain.low > 0
    assert found[nearest_reasons.CHANCE, 3].correlation.low < 0.1
    assert found[nearest_reasons.CHANCE, 3].gain.value < found["TF-IDF", 3].gain.value / 4


def test_what_is_told_of_a_training_row_comes_from_earlier_rows(small_data: Dataset, planted: Split) -> None:
    asked = nearest_reasons.Asked.of(small_data, planted)
    memory = asked.memory(None)
    told = nearest_reasons.told(memory, asked.of_train, asked.train, (2,))
    late = asked.of_train.copy()
    user = int(np.argmax(asked.train.counts))
    last = asked.train.indptr[user + 1] - 1
    late[last] += 100
    np.testing.assert_array_equal(nearest_reasons.told(memory, late, asked.train, (2,)), told)
    first = asked.train.indptr[user]
    assert told[first, 0] == 0


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Dataset, planted: Split
) -> None:
    monkeypatch.setattr(nearest_reasons, "load_split", lambda *_: (small_data, planted))
    output = tmp_path / "nearest.json"
    nearest_reasons.main(nearest_reasons.Args(encoders=(), counts=(2,), resamples=50, output=output))
    found = NearestReasons.load(output)
    assert found.rows == len(planted.test)
    assert len(nearest_reasons_table(found).rows) == 2
    with pytest.raises(ValueError, match="sentence encoder 'nowhere'"):
        nearest_reasons.main(nearest_reasons.Args(encoders=("nowhere",), output=output))


def test_texts_are_counted_and_chance_is_what_could_be_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Dataset, planted: Split
) -> None:
    monkeypatch.setattr(written_texts, "load_split", lambda *_: (small_data, planted))
    users = planted.train.n_users
    profile = Profile(("fair",), Taste("A person.", ("likes genre 1",)), Taste("", ()))
    counts = {"claims grounded": 3, "claims ungrounded": 3, "sentences without a claim": 2, "answers malformed": 1}
    book = ProfileStore(planted.train.fingerprint(), (profile, *[None] * (users - 1)), (), counts)
    book.save(tmp_path / "profiles.json")
    told = {"reasons written": 5, "reasons missing": 0, "reasons too long": 1, "reasons ungrounded": 2}
    ReasonStore(planted.train.fingerprint(), {}, told).save(tmp_path / "reasons.jsonl", small_data)
    args = written_texts.Args(
        tmp_path / "profiles.json", tmp_path / "reasons.jsonl", resamples=20, output=tmp_path / "x"
    )
    found = written_texts.study(args)
    assert (found.users, found.profiles, found.reason_counts) == (1, 1, told)
    # User 0 loves one genre, and genres cover one another but for some: few of all verbs and subjects hold.
    assert 0 < found.likings_by_chance.value < 0.5
    found.save(tmp_path / "found.json")
    assert WrittenTexts.load(tmp_path / "found.json") == found
    shown = {str(row.cells[0].content): row.cells[1].content for row in written_texts_table(found).rows}
    assert (shown["words for habits"], shown["likings"]) == (4, 2)
    assert shown["share of them that ratings bear out; by chance a third"] == 0.25
    assert shown["share of them that ratings bear out"] == 1
    empty = replace(book, whole=(None,) * users)
    empty.save(tmp_path / "profiles.json")
    with pytest.raises(ValueError, match="holds no profile"):
        written_texts.study(args)
