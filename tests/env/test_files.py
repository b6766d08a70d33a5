"""Files and folders appear whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from personagym_env.files import replacing, replacing_folder, restore_folder, write_atomically


@pytest.mark.parametrize(("content", "expected"), [("Amélie\n", "Amélie\n".encode()), (b"\x00\xff", b"\x00\xff")])
def test_a_file_is_written_with_its_folder(tmp_path: Path, content: str | bytes, expected: bytes) -> None:
    path = tmp_path / "deep" / "down" / "file"
    write_atomically(path, "older")
    write_atomically(path, content)
    assert path.read_bytes() == expected
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "older")
    with pytest.raises(FileExistsError), replacing(path) as scratch:
        scratch.open("x")
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    place = tmp_path / "made" / "bundle"
    for name in ("one", "two"):
        with replacing_folder(place) as scratch:
            assert not list(scratch.iterdir())
            (scratch / name).touch()
    assert list(place.iterdir()) == [place / "two"]
    assert place.stat().st_mode & 0o777 == 0o755
    assert list(place.parent.iterdir()) == [place]


def test_a_failed_folder_leaves_the_older_one(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    place.mkdir()
    (place / "one").touch()
    with pytest.raises(FileNotFoundError), replacing_folder(place) as scratch:
        (scratch / "two" / "weights").touch()
    assert list(tmp_path.iterdir()) == [place]
    assert list(place.iterdir()) == [place / "one"]


def test_a_kill_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    place, aside = tmp_path / "bundle", tmp_path / "bundle.old"
    restore_folder(place)
    assert not place.exists()
    aside.mkdir()
    (aside / "one").touch()
    restore_folder(place)
    assert list(place.iterdir()) == [place / "one"]
    aside.mkdir()
    restore_folder(place)
    assert list(place.iterdir()) == [place / "one"]


def test_a_folder_that_many_replace_at_once_is_one_of_theirs(tmp_path: Path) -> None:
    place = tmp_path / "bundle"

    def make(number: int) -> None:
        for _ in range(5):
            with replacing_folder(place) as made:
                (made / "one").write_text(str(number))
                (made / "two").write_text(str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert (place / "one").read_text() == (place / "two").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
