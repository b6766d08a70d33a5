"""What makes users the same users: what moves their fingerprint, and what does not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import personagym_agents
from fixtures.user_names import ANY_LOG
from personagym_agents.bundle.manifest import MANIFEST, bundle_hash
from personagym_agents.classical.users import FIT_VERSION, RATING_FITS, STACK_VERSION, fit_classical
from personagym_env import make_world
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import FingerprintedAgent

KINDS = {
    "weights of the base": "base/model.safetensors",
    "tokenizer": "base/tokenizer.json",
    "an adapter": "adapters/persona-0/adapter_model.safetensors",
    "who has which adapter": "personas.json",
    "weights of the evidence": "blend.safetensors",
}


@pytest.mark.parametrize("name", ANY_LOG)
def test_named_users_give_a_benchmark_hash(name: str, small_folder: Path, shipped_small_bundle: Path) -> None:
    """The same twice, and another one than those of other names have."""
    hashes = [make_world(str(small_folder), name).benchmark_hash for _ in range(2)]
    assert hashes[0] is not None
    assert hashes[0] == hashes[1]
    other = "bias" if name != "bias" else "mf"
    assert make_world(str(small_folder), other).benchmark_hash != hashes[0]


def test_frozen_users_are_others_than_those_behind(small_data: Dataset, small_split: Split) -> None:
    live, frozen = (
        personagym_agents.load(name, small_data, small_split.train).fingerprint  # type: ignore[attr-defined]
        for name in ("mf", "frozen:mf")
    )
    assert live.rows == frozen.rows == small_split.train.fingerprint()
    assert live.weights != frozen.weights


def test_other_rows_make_other_users(small_data: Dataset, small_split: Split) -> None:
    fewer = small_split.train.take(np.arange(1, len(small_split.train)))
    one, other = (personagym_agents.load("bias", small_data, rows) for rows in (small_split.train, fewer))
    assert isinstance(one, FingerprintedAgent)
    assert isinstance(other, FingerprintedAgent)
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("part", KINDS)
def test_every_part_of_a_bundle_moves_its_hash(part: str, small_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_bundle, tmp_path / "copy")
    assert bundle_hash(copy) == bundle_hash(small_bundle)
    content = bytearray((copy / KINDS[part]).read_bytes())
    content[-2] ^= 1
    (copy / KINDS[part]).write_bytes(content)
    assert bundle_hash(copy) != bundle_hash(small_bundle)


def test_figures_and_versions_do_not(small_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_bundle, tmp_path / "copy")
    raw = json.loads((copy / MANIFEST).read_text())
    raw |= {"metrics": {}, "versions": {}, "command": "another", "split": "in other words"}
    (copy / MANIFEST).write_text(json.dumps(raw))
    text = copy / "base" / "tokenizer.json"
    text.write_bytes(text.read_bytes().replace(b"\n", b"\r\n"))  # as it is checked out on Windows
    assert bundle_hash(copy) == bundle_hash(small_bundle)
    (copy / MANIFEST).write_text(json.dumps(raw | {"style": [0.3, 0.1]}))
    assert bundle_hash(copy) != bundle_hash(small_bundle)
    raw["settings"]["history_lines"] += 1
    (copy / MANIFEST).write_text(json.dumps(raw))
    assert bundle_hash(copy) != bundle_hash(small_bundle)


@pytest.mark.parametrize("name", sorted(RATING_FITS))
def test_fits_have_a_version(name: str, small_data: Dataset, small_split: Split) -> None:
    """Some answers of today's fits.

    If this fails, classical users answer otherwise than they did: raise its version, say in docs/changelog.md what
    moved, and write the answers that they give now here.
    """
    agent = fit_classical(name, small_split.train, catalogue=small_data.catalogue)
    answer = react_to_pairs(agent, np.array([0, 3, 7]), np.array([5, 11, 42]))
    told = [*answer.choice_probability, *(answer.rating @ np.array(agent.scale))]
    assert (FIT_VERSION, STACK_VERSION) == (2, 4)
    np.testing.assert_allclose(told, EXPECTED[name], atol=5e-3)


EXPECTED = {
    "bias": [0.4143, 0.4610, 0.4359, 3.6596, 3.9011, 3.4581],
    "knn": [0.4714, 0.3997, 0.4400, 3.7932, 3.5683, 3.4741],
    "mf": [0.4457, 0.4524, 0.4235, 3.6573, 3.8963, 3.5031],
    "trees": [0.4399, 0.5056, 0.3449, 3.6268, 4.1345, 3.4006],
    "stack": [0.4446, 0.3090, 0.4858, 3.6083, 4.0307, 3.9316],
}
