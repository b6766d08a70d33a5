"""The page of licences names every package that is pinned, and none that asks for more than credit."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest

import licences

ROWS = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", licences.PAGE.read_text(), re.MULTILINE)


def test_every_pinned_package_is_on_the_page() -> None:
    assert [licences.Pinned(name, pinned) for name, pinned, _ in ROWS if name != "---"][1:] == licences.pinned()


def test_licences_are_those_that_the_packages_name() -> None:
    checked = 0
    for name, pinned, licence in ROWS[1:]:
        try:
            if version(name) != pinned:
                continue
        except PackageNotFoundError:
            continue
        assert licences.licence_of(name) == licence, f"{name}: make the page again by `python benchmarks/licences.py`"
        checked += 1
    assert checked > 50


def test_no_licence_binds_what_is_built_on_it() -> None:
    """The Mozilla licence binds changes to its own files alone."""
    assert not [row for row in ROWS if re.search(r"\b[AL]?GPL|General Public|SSPL|Commons Clause", row[2])]


def test_a_package_without_a_licence_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "metadata", lambda package: type("Empty", (dict,), {"get_all": lambda *_: []})())
    with pytest.raises(ValueError, match="nothing names no licence: read it"):
        licences.licence_of("nothing")
