"""Bundles from others: whatever is wrong with their files is one clear error, before any user answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset

Spoil = Callable[[Path], object]
BASE, ADAPTER = Path("base/model.safetensors"), Path("adapters/persona-1/adapter_model.safetensors")


def changed(name: str, **changes: object) -> Spoil:
    """Other values in a JSON object; None takes a key away."""

    def change(place: Path) -> None:
        content = json.loads((place / name).read_text()) | changes
        (place / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return change


def assigned(change: Callable[[list[int]], list[Any]]) -> Spoil:
    """Another assignment of users to personas."""

    def spoil(place: Path) -> None:
        path = place / "personas.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"assignment": change(content["assignment"])}))

    return spoil


def reshaped(name: Path) -> Spoil:
    """Weights of which the last column is gone."""

    def spoil(place: Path) -> None:
        weights = load_file(place / name)
        save_file({key: np.ascontiguousarray(array[..., :-1]) for key, array in weights.items()}, place / name)

    return spoil


def written(name: str | Path, content: bytes) -> Spoil:
    return lambda place: (place / name).write_bytes(content)


def linked(name: str, target: str) -> Spoil:
    """A link in the place of a file."""

    def spoil(place: Path) -> None:
        (place.parent / "secret.json").write_text("{}")
        path = place / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        path.symlink_to(target)

    return spoil


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a later format": (changed("manifest.json", format=99), "has format 99"),
    "a manifest with more than it should": (changed("manifest.json", run="rm"), "no manifest of a bundle"),
    "a manifest with less": (changed("manifest.json", split=None), "no manifest of a bundle"),
    "a manifest that is a list": (written("manifest.json", b"[]"), "no manifest of a bundle"),
    "a manifest of other rows": (changed("manifest.json", train_fingerprint="ab" * 32), "was trained on other rows"),
    "personas that are no JSON": (written("personas.json", b"{"), "has no personas of a bundle"),
    "personas that are a list": (written("personas.json", b"[]"), "has no personas of a bundle"),
    "personas of fewer users": (assigned(lambda users: users[:-1]), "assigns 9 users, and the training rows have 10"),
    "a persona below zero": (assigned(lambda users: [-1, *users[1:]]), "persona -1"),
    "a persona that is no number": (assigned(lambda users: ["one", *users[1:]]), "has no personas of a bundle"),
    "a persona without an adapter": (assigned(lambda users: [7, *users[1:]]), "persona 7"),
    "a base of other shapes": (reshaped(BASE), "expected a causal language model"),
    "half a base": (written(BASE, b"\x10\x00"), "expected a causal language model"),
    "an adapter of other shapes": (reshaped(ADAPTER), "belongs to another base"),
    "half an adapter": (written(ADAPTER, b"\x10\x00"), "has no adapter_model.safetensors that can be read"),
    "no adapter": (lambda place: shutil.rmtree(place / "adapters/persona-1"), "has no adapter_config.json"),
    "a link to a file elsewhere": (linked("personas.json", "../secret.json"), "leads out of the bundle"),
    "a link to a place of the system": (linked("base/config.json", "/etc/hostname"), "leads out of the bundle"),
    "a link to a folder elsewhere": (linked("adapters/persona-0", "../.."), "leads out of the bundle"),
    "a link to itself": (linked("personas.json", "personas.json"), "leads out of the bundle"),
}


@pytest.fixture
def place(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that may be spoilt."""
    return shutil.copytree(small_bundle, tmp_path / "bundle")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_in_one_error(fault: str, place: Path, small_data: Dataset, small_split: Split) -> None:
    spoil, told = FAULTS[fault]
    spoil(place)
    with pytest.raises(ValueError, match=told):
        load_bundle_agent(place, small_data, small_split.train)


def test_links_within_a_bundle_and_to_one_are_followed(place: Path, small_data: Dataset, small_split: Split) -> None:
    (place / "personas.json").rename(place / "people.json")
    (place / "personas.json").symlink_to("people.json")
    place.with_name("link").symlink_to("bundle")
    assert load_bundle_agent(place.with_name("link"), small_data, small_split.train).name == "persona"
