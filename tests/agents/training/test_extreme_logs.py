"""Logs at the edge of what can be trained on: a bundle with the figures that rows can tell, or a refusal at once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.hostile import TITLES, with_text_everywhere
from personagym_agents.bundle.build import build_bundle, check_place
from personagym_agents.bundle.manifest import MANIFEST
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.documents.window import check_window
from personagym_agents.memory.cross_fitted import draw_cross_fitted_examples
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training.base import train_base
from personagym_agents.training.sampling import sample_epoch
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.run_context import RunContext

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
TINY = BundleSettings(
    base=SMALL,
    width=16,
    layers=1,
    vocabulary=300,
    training=TrainingSettings(epochs=1),
    personas=PersonaSettings(n_personas=1),
    teacher="bias",
    adapters=AdapterSettings(rank=2, training=replace(AdapterSettings().training, epochs=1)),
)


def log_of(
    users: list[int],
    items: list[int],
    n_items: int,
    *,
    ratings: list[float] | None = None,
    timed: bool = True,
    genres: int = 2,
) -> Dataset:
    """A data set of the pairs, with ratings of all kinds unless they are given."""
    n_users = max(users) + 1
    given = (
        [SCALE[(3 * user + item) % 5] for user, item in zip(users, items, strict=True)] if ratings is None else ratings
    )
    times = np.arange(len(users)) * 60 if timed else None
    return Dataset(
        "edge",
        Catalogue(
            tuple(f"i{item}" for item in range(n_items)),
            tuple(f"Film {item}" for item in range(n_items)),
            np.zeros(n_items, np.int64),
            tuple(f"genre {genre}" for genre in range(genres)),
            np.arange(n_items * genres).reshape(n_items, genres) % 3 == 0,
        ),
        Users(tuple(f"u{user}" for user in range(n_users))),
        Interactions.from_columns(
            np.array(users), np.array(items), given, times, n_users=n_users, n_items=n_items, scale=SCALE
        ),
    )


def each(n_users: int, n_items: int, per_user: int, **options: object) -> Dataset:
    """Everybody rates equally many items, not the same ones."""
    users = [user for user in range(n_users) for _ in range(per_user)]
    items = [(user + 7 * place) % n_items for user in range(n_users) for place in range(per_user)]
    return log_of(users, items, n_items, **options)  # type: ignore[arg-type]


ALL = frozenset({"rmse", "mae", "nll", "auc"})
RATINGS = ALL - {"auc"}
CROWDED = log_of([0] * 20 + list(range(1, 10)), [*range(20), *range(9)], 20)
TRAINED: dict[str, tuple[Dataset, frozenset[str]]] = {
    "one rating each": (each(20, 12, 1), frozenset()),
    "one rating in all, and more items": (each(1, 5, 1), frozenset()),
    "one rating each of two items": (each(20, 2, 1), frozenset()),
    "two ratings each": (each(20, 12, 2), ALL),
    "everything rated": (each(12, 8, 8), RATINGS),
    "all but one rated": (each(12, 8, 7), ALL),
    "two items, both rated": (each(20, 2, 2), RATINGS),
    "one user": (each(1, 30, 12), ALL),
    "one user who rated everything": (each(1, 12, 12), RATINGS),
    "two users": (each(2, 30, 12), ALL),
    "one rating value": (each(10, 9, 4, ratings=[3.0] * 40), ALL),
    "two rating values": (each(10, 9, 4, ratings=[1.0, 5.0] * 20), ALL),
    "no item in common": (log_of(list(np.repeat(np.arange(8), 5)), list(range(40)), 40), ALL),
    "no times": (each(10, 20, 6, timed=False), ALL),
    "no genres": (each(10, 20, 6, genres=0), ALL),
    "many genres": (each(10, 20, 6, genres=60), ALL),
    "one who rated everything, others one item": (
        log_of([0] * 20 + list(range(1, 10)), [*range(20), *range(9)], 20),
        RATINGS,
    ),
    "items that nobody rated": (each(10, 200, 6), ALL),
    "lines that try to be more": (with_text_everywhere(each(6, 20, 6), TITLES[0]), ALL),
    "titles of 100,000 characters": (with_text_everywhere(each(4, 12, 6), TITLES[-4]), ALL),
    "emoji alone": (with_text_everywhere(each(4, 12, 6), TITLES[-2][:400]), ALL),
}
REFUSED: dict[str, Dataset] = {
    "one item": each(20, 1, 1),
    "one row": each(1, 1, 1),
    "everything is training": each(6, 3, 3),
}


def train(dataset: Dataset, split: Split, folder: Path) -> dict[str, set[str]]:
    """Figures of each population of the bundle that is made."""
    context = RunContext(folder / "run", "personagym train")
    trained_base = train_base(dataset, split, TINY, context)
    manifest = build_bundle(trained_base, place=folder / "bundle", split_words="", context=context)
    return {name: set(figures) for name, figures in manifest.metrics.items()}


@pytest.mark.parametrize("name", TRAINED)
def test_a_bundle_has_the_figures_that_the_rows_can_tell(name: str, tmp_path: Path) -> None:
    dataset, figures = TRAINED[name]
    split = temporal_split(dataset.interactions)
    assert train(dataset, split, tmp_path) == ({"base": figures, "persona": figures} if figures else {})
    raw = (tmp_path / "bundle" / MANIFEST).read_text()
    json.loads(raw, parse_constant=pytest.fail)  # JSON has no NaN
    agent = load_bundle_agent(tmp_path / "bundle", dataset, split.train)
    sessions = agent.open(1)
    sessions.start(np.array([0]), np.array([0]))
    said = sessions.react(np.array([0]), np.array([[0, len(dataset.catalogue) - 1]]))
    assert np.isfinite(said.choice_probability).all()
    assert np.isfinite(said.rating).all()


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_teach_no_choice_are_refused_before_anything_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.training.base.fit_personas", lambda *_, **__: pytest.fail("too late"))
    log = REFUSED[name].interactions
    nothing = log.take(np.zeros(len(log), np.bool_))
    with pytest.raises(ValueError, match=r"every user has rated all \d items in the training rows"):
        train(REFUSED[name], Split(log, nothing), tmp_path)
    with pytest.raises(ValueError, match="expected training rows, got none"):
        train(REFUSED[name], Split(nothing, log), tmp_path)


def test_who_has_rated_everything_is_taught_no_choice() -> None:
    log = CROWDED.interactions
    rng = np.random.default_rng(0)
    examples = draw_cross_fitted_examples(log, CROWDED.catalogue, rng, evidence=False)
    corpus = Corpus.build(CROWDED, log, train_tokenizer(["Film; 1"], 300), examples=examples)
    sequences = sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(), rng).sequences
    full = sequences.user == 0
    assert (sequences.chosen[full] == 1).any()
    assert not (sequences.chosen[full] == 0).any()
    assert (sequences.chosen[~full] == 0).any()


def test_profiles_that_no_window_holds_are_refused_before_training(small_data: Dataset, small_split: Split) -> None:
    corpus = Corpus.build(small_data, small_split.train, train_tokenizer(["Film; 1"], 300))
    check_window(corpus, ["short"], 256)
    with pytest.raises(
        ValueError, match=r"a profile of \d+ tokens and an item's line of \d+ do not fit .* 256 positions"
    ):
        check_window(corpus, ["short", "long " * 60], 256)


@pytest.mark.parametrize("content", ["notes.txt", "base", ".hidden"])
def test_a_folder_of_something_else_is_not_replaced(content: str, tmp_path: Path) -> None:
    check_place(tmp_path)
    (tmp_path / content).mkdir()
    with pytest.raises(ValueError, match="holds something else than a bundle"):
        check_place(tmp_path)


def test_a_file_is_no_place_for_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="expected a folder for the bundle, got the file"):
        check_place(tmp_path / "file")
    check_place(tmp_path / "nowhere" / "yet")


def test_a_bundle_may_be_made_again(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / MANIFEST).write_text("{}")
    check_place(tmp_path)
