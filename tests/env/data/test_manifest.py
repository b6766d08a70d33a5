"""What a data set says about itself: read where it is loaded, refused where it is wrong."""

import json
from pathlib import Path

import pytest

from personagym_env.data.manifest import FILE_NAME, read_manifest
from personagym_env.data.readers.table import DataError
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import DataManifest

LOG = "user_id:token\titem_id:token\trating:float\n" + "".join(
    f"u{user}\ti{item}\t{1 + item % 5}\n" for user in range(3) for item in range(5)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "log"
    place.mkdir()
    for name in ("log", "shown"):
        (place / f"{name}.inter").write_text(LOG)
    return place


@pytest.mark.parametrize("source", ["log", "log/log", "log/log.inter"])
def test_manifest_comes_with_the_data_set_however_it_is_named(folder: Path, source: str) -> None:
    (folder / FILE_NAME).write_text(json.dumps({"random_exposure": "shown.inter", "fully_observed": 1}))
    manifest = load_dataset(folder.parent / source).manifest
    assert manifest == DataManifest(folder / "shown.inter", 1.0)
    assert manifest.random_exposure is not None
    assert len(load_dataset(manifest.random_exposure).interactions) == 15


def test_a_folder_without_one_says_nothing(folder: Path) -> None:
    assert load_dataset(folder).manifest == DataManifest()


def test_the_scale_of_the_manifest_stands_unless_another_is_given(folder: Path) -> None:
    (folder / FILE_NAME).write_text('{"scale": [0, 1, 2, 3, 4, 5]}')
    assert load_dataset(folder).interactions.scale == (0, 1, 2, 3, 4, 5)
    assert load_dataset(folder, scale=(1, 2, 3, 4, 5, 6)).interactions.scale[-1] == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected JSON"),
        ("[]", "expected an object with some of fully_observed, random_exposure, scale"),
        ('{"random": "shown.inter"}', "expected an object with some of"),
        ('{"random_exposure": "nowhere.inter"}', "expected a file or folder beside the manifest, got 'nowhere.inter'"),
        ('{"random_exposure": 3}', "expected a file or folder beside the manifest, got 3"),
        ('{"fully_observed": 0}', "expected a share above 0 and at most 1, got 0"),
        ('{"fully_observed": true}', "expected a share above 0 and at most 1, got True"),
        *(
            (f'{{"scale": {scale}}}', "scale: expected ascending ratings, at least two, got")
            for scale in ('"12"', "5", "[1]", "[]", "{}", "[2, 1]", "[1, 1]", '["low"]', "[1, null]", "[1, NaN]")
        ),
        ('{"fully_observed": "most"}', "expected a share above 0 and at most 1, got 'most'"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, text: str, words: str) -> None:
    (folder / FILE_NAME).write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_manifest(folder)
    assert FILE_NAME in str(caught.value)
