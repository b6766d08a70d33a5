"""What kept answers of the agreement study are known by: all that moves them, and nothing else."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personagym_agents.bundle import manifest, zero_shot
from personagym_agents.classical import users
from personagym_agents.inference import engine
from personagym_benchmarks.agreement.all_logs import keys
from personagym_benchmarks.agreement.all_logs.keys import classical_key, language_key, recommender_key
from personagym_benchmarks.agreement.all_logs.line_up import offline_trained
from personagym_env.data.tables import Dataset
from personagym_env.fit_cache import sources
from personagym_env.protocols import UserFingerprint
from personagym_recommenders import REGISTRY
from personagym_recommenders.loading import find_recommender

Edit = Callable[[str], None]
DRAWN = "plackett-luce:ease"
"""Made where all recommenders of the registry are known, and so of all their sources."""


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Edit]:
    """Makes a module look as if it had been edited."""
    find = sources._file_of
    edited: dict[str, Path] = {}

    def look(module: str) -> None:
        found = find(module)
        assert found is not None
        edited[module] = tmp_path / f"{module}.py"
        edited[module].write_bytes(found.read_bytes() + b"# edited\n")
        sources.imported_sources.cache_clear()

    monkeypatch.setattr(sources, "_file_of", lambda module: edited.get(module) or find(module))
    yield look
    sources.imported_sources.cache_clear()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of one's own in place of those that the package ships."""
    place = shutil.copytree(manifest.FAST, tmp_path / "bundles" / "one")
    monkeypatch.setattr(manifest, "BUNDLED", place)
    return place


UNRELATED = (
    "personagym_agents.llm.prompted",
    "personagym_benchmarks.agreement.all_logs.study",
    "personagym_env.evaluation.reporting.markdown",
    "personagym_env.card",
)


def test_what_moves_the_key_of_classical_users(dataset: Dataset, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    log, catalogue = dataset.interactions, dataset.catalogue

    def told() -> tuple[str, str]:
        return classical_key("mf", log, catalogue), classical_key("stack", log, catalogue)

    before = told()
    assert len({*before, classical_key("mf", log.take(np.arange(1, len(log))), catalogue)}) == 3
    assert classical_key("stack", log, replace(catalogue, years=catalogue.years + 1)) != before[1]
    for module in (*UNRELATED, "personagym_agents.documents.document", "personagym_agents.inference.engine"):
        edit(module)
    assert told() == before
    edit("personagym_agents.classical.cross_fitting")
    assert told()[0] == before[0]
    assert told()[1] != before[1]
    before = told()
    monkeypatch.setattr(users, "STACK_VERSION", 99)
    assert told()[0] == before[0]
    assert told()[1] != before[1]
    monkeypatch.setattr(users, "FIT_VERSION", 99)
    assert told()[0] != before[0]


@pytest.mark.parametrize(
    "module", ["personagym_agents.classical.link", "personagym_env.collaborative.factors", "personagym_env.data.tables"]
)
def test_edits_of_what_fits_move_the_key_of_classical_users(module: str, dataset: Dataset, edit: Edit) -> None:
    before = classical_key("mf", dataset.interactions, dataset.catalogue)
    edit(module)
    assert classical_key("mf", dataset.interactions, dataset.catalogue) != before


def test_what_moves_the_key_of_language_model_users(
    dataset: Dataset, base: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = dataset.interactions
    found = {language_key(log)}
    for module in (*UNRELATED, "personagym_agents.inference.kernels.simd", "personagym_recommenders.registry"):
        edit(module)
    assert {language_key(log)} == found
    found.add(language_key(log.take(np.arange(1, len(log)))))
    for module, name in ((zero_shot, "FIT_VERSION"), (engine, "ENGINE_VERSION")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 99)
            found.add(language_key(log))
    weights = bytearray((base / "base" / "model.safetensors").read_bytes())
    weights[-2] ^= 1
    (base / "base" / "model.safetensors").write_bytes(weights)
    found.add(language_key(log))
    raw = json.loads((base / manifest.MANIFEST).read_text())
    raw["settings"]["history_lines"] += 1
    (base / manifest.MANIFEST).write_text(json.dumps(raw))
    found.add(language_key(log))
    raw["train_fingerprint"] = log.fingerprint()
    (base / manifest.MANIFEST).write_text(json.dumps(raw))
    found.add(language_key(log))
    assert len(found) == 7


@pytest.mark.parametrize(
    "module",
    [
        "personagym_agents.bundle.linking",
        "personagym_agents.classical.cross_fitting",
        "personagym_agents.documents.document",
        "personagym_agents.inference.answer_link",
        "personagym_agents.memory.evidence",
    ],
)
def test_edits_of_what_answers_move_the_key_of_language_model_users(module: str, dataset: Dataset, edit: Edit) -> None:
    before = language_key(dataset.interactions)
    edit(module)
    assert language_key(dataset.interactions) != before


def test_what_moves_the_key_of_a_recommender(edit: Edit) -> None:
    mf = UserFingerprint("rows", "weights")
    names = ("popular", "mf-8", "mf-32", "BPR", "ppo-trained", DRAWN)
    specs = {name: find_recommender(name) for name in names} | offline_trained()

    def told() -> dict[str, str]:
        return {name: recommender_key(spec, mf) for name, spec in specs.items()}

    before = told()
    others = {name: recommender_key(spec, mf._replace(weights="others")) for name, spec in specs.items()}
    assert {name for name in specs if others[name] != before[name]} == {"ppo-trained", *offline_trained()}
    assert len(set(before.values())) == len(before)
    other = replace(REGISTRY["mf-8"], options={"rank": 9})
    assert recommender_key(other, mf) != before["mf-8"]
    for module, moved in (
        ("personagym_benchmarks.agreement.all_logs.study", set()),
        ("personagym_recommenders.offline.iql", {"iql-trained"}),
        ("personagym_env.session.kernel", {"ppo-trained", "bc-trained", "cql-trained", "iql-trained", DRAWN}),
        ("personagym_recommenders.models.rating_models", {"mf-8", "mf-32", DRAWN}),
    ):
        edit(module)
        now = told()
        assert {name for name in specs if now[name] != before[name]} == moved, module
        before = now


def test_only_classical_users_have_a_classical_key(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"expected classical users, bias, mf, .* got 'zero-shot'"):
        keys.classical_key("zero-shot", dataset.interactions, dataset.catalogue)
