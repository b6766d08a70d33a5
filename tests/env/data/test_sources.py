"""Which folder a name or path means, ML-100K's known facts, and the second real set where it is at hand."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.shared_data import shared_data
from personagym_env.conformance.dataset import check_dataset
from personagym_env.data import download, sources
from personagym_env.data.download import DownloadError
from personagym_env.data.readers.table import DataError
from personagym_env.data.sources import load_dataset

ROWS = "1\t1\t1\t1\n1\t2\t5\t2\n"
INTER = "user_id:token\titem_id:token\trating:float\n1\t1\t1\n1\t2\t5\n"
HAS_RECBOLE = importlib.util.find_spec("recbole") is not None


@pytest.fixture
def recbole_copy() -> Path:
    """The log in the installed recbole package; ask for it before `without_recbole` hides the package."""
    spec = importlib.util.find_spec("recbole")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "dataset_example" / "ml-100k" / "ml-100k.inter"


@pytest.fixture
def without_recbole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hides the recbole package and puts the cache, which is returned, into a temporary folder."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "recbole" else find_spec(name, *rest)
    )
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.skipif(not HAS_RECBOLE, reason="the recbole package carries MovieLens-100K")
def test_ml_100k_has_its_known_facts() -> None:
    dataset = load_dataset()
    check_dataset(dataset)
    log, catalogue = dataset.interactions, dataset.catalogue
    assert dataset.name == "ml-100k"
    assert (len(log), len(dataset.users), len(catalogue), len(catalogue.genre_names)) == (100_000, 943, 1682, 19)
    assert log.counts.min() == 20
    assert log.counts.max() == 737
    assert log.ratings.mean() == pytest.approx(3.52986)
    assert np.bincount(log.rating_index).tolist() == [6110, 11370, 27145, 34174, 21201]
    assert dataset.users.ids[:3] == ("1", "2", "3")
    assert {name: column[0] for name, column in dataset.users.attributes.items()} == {
        "age": "24",
        "gender": "M",
        "occupation": "technician",
        "zip_code": "85711",
    }
    assert (catalogue.ids[0], catalogue.titles[0], catalogue.years[0]) == ("1", "Toy Story", 1995)
    genres = [catalogue.genre_names[g] for g in np.flatnonzero(catalogue.genres[0])]
    assert genres == ["Animation", "Children's", "Comedy"]
    assert np.bincount(log.items).argmax() == 49  # Star Wars, the most rated
    assert catalogue.titles[49] == "Star Wars"


@pytest.mark.skipif(not HAS_RECBOLE, reason="the recbole package carries MovieLens-100K")
def test_grouplens_files_give_the_same_log_as_the_copy_in_recbole(recbole_copy: Path, without_recbole: Path) -> None:
    """The lines of `u.data` are those of RecBole's copy below its header."""
    log = recbole_copy.read_text().split("\n", 1)[1]
    (without_recbole / "ml-100k").mkdir(parents=True)
    (without_recbole / "ml-100k" / "u.data").write_text(log)
    dataset = load_dataset("ml-100k")
    assert dataset.interactions.fingerprint() == sources.ML_100K_FINGERPRINT
    assert dataset.catalogue.titles[0] == "1"  # no u.item here
    (without_recbole / "ml-100k" / "u.data").write_text(log[: log.rfind("\n", 0, len(log) // 2) + 1])
    with pytest.raises(DataError, match="expected MovieLens-100K, fingerprint b5ae"):
        load_dataset("ml-100k")


def test_recbole_is_never_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    example = tmp_path / "recbole" / "dataset_example" / "ml-100k"
    example.mkdir(parents=True)
    (tmp_path / "recbole" / "__init__.py").write_text("raise RuntimeError('imported')")
    (example / "ml-100k.inter").write_text(INTER)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Another test may have imported the real one.
    monkeypatch.delitem(sys.modules, "recbole", raising=False)
    with pytest.raises(DataError, match=r"dataset_example.*expected MovieLens-100K"):
        load_dataset("ml-100k")


def test_the_download_is_asked_for_last_and_its_failure_says_what_to_do(
    without_recbole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str, target: Path, *, md5: str) -> None:
        assert (url, target, len(md5)) == (sources.ML_100K_URL, without_recbole / "ml-100k", 32)
        raise DownloadError("no network")

    monkeypatch.setattr(download, "download_zip", fail)
    with pytest.raises(DownloadError, match=r"no network.*pip install --no-deps recbole==1\.2\.1.*or unpack.*or give"):
        load_dataset("ml-100k")

    def bring(url: str, target: Path, *, md5: str) -> None:
        target.mkdir(parents=True)
        (target / "u.data").write_text(ROWS)

    monkeypatch.setattr(download, "download_zip", bring)
    assert len(load_dataset("ml-100k", scale=(1, 3, 5)).interactions) == 2
    monkeypatch.setattr(download, "download_zip", fail)
    assert len(load_dataset("ml-100k", scale=(1, 3, 5)).interactions) == 2  # from the cache


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("u.data", ROWS),
        ("ratings.dat", ROWS.replace("\t", "::")),
        ("ratings.csv", "userId,movieId,rating,timestamp\n" + ROWS.replace("\t", ",")),
        ("anything.inter", INTER),
    ],
)
def test_the_format_is_found_out_from_the_files(file: str, content: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content)
    for source in (tmp_path, str(tmp_path)):
        dataset = load_dataset(source, scale=(1, 2, 3, 4, 5), name="mine")
        check_dataset(dataset)
        assert dataset.name == "mine"
        assert dataset.interactions.ratings.tolist() == [1, 5]
    assert load_dataset(tmp_path).name in (tmp_path.name, "anything")


def test_atomic_files_are_found_by_folder_prefix_and_file(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "films.inter").write_text(INTER)
    (folder / "other.inter").write_text(INTER.replace("\t5", "\t4"))
    for source, highest in ((folder, 5), (folder / "films", 5), (folder / "other", 4), (folder / "other.inter", 4)):
        assert load_dataset(source).interactions.ratings.max() == highest
    (folder / "films.inter").rename(folder / "third.inter")
    with pytest.raises(ValueError, match=r"expected one \.inter file .*other\.inter.*third\.inter"):
        load_dataset(folder)


def test_sources_that_are_nothing_known_list_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"u\.data.*ratings\.csv.*'nowhere', which does not exist"):
        load_dataset("nowhere")
    with pytest.raises(ValueError, match="ml-1m is not fetched; download it from https"):
        load_dataset("ml-1m")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(ValueError, match=r"u\.data.*got \['readme\.txt'\]"):
        load_dataset(tmp_path)
    with pytest.raises(ValueError, match="a file of another kind"):
        load_dataset(tmp_path / "readme.txt")


def test_columns_are_for_files_with_a_header(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(ROWS)
    with pytest.raises(ValueError, match="files with a header"):
        load_dataset(tmp_path, columns={"rating": "stars"})
    (tmp_path / "ratings.csv").write_text("userId,movieId,stars,timestamp\n" + ROWS.replace("\t", ","))
    assert load_dataset(tmp_path, columns={"rating": "stars"}).interactions.ratings.tolist() == [1, 5]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", "/some/where")
    assert sources.cache_folder() == Path("/some/where")
    monkeypatch.delenv("PERSONAGYM_CACHE")
    assert "personagym" in sources.cache_folder().parts


def test_ml_latest_small_loads_with_one_argument() -> None:
    dataset = load_dataset(shared_data("ml-latest-small"))
    check_dataset(dataset)
    log, catalogue = dataset.interactions, dataset.catalogue
    assert (len(log), len(dataset.users), len(catalogue)) == (100_836, 610, 9742)
    assert log.scale == tuple(half / 2 for half in range(1, 11))
    assert dataset.dropped == {}
    assert len(catalogue.genre_names) == 19
    assert "American President, The" in catalogue.titles
    assert catalogue.years[catalogue.ids.index("1")] == 1995
    assert (catalogue.years == 0).sum() == 12
    assert catalogue.titles[catalogue.ids.index("7789")] == "11'09\"01 - September 11"
