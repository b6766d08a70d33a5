"""Users by name: every documented name through every public entry, and what is not imported for it."""

import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import personagym_agents
from fixtures.user_names import ANY_LOG
from personagym_agents import FROZEN, USER_AGENTS, user_agent_names
from personagym_agents.bundle.manifest import BUNDLED, ReadLog, read_manifest
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, Interactions

ENTRY_POINT = "a_module_of_users:make"


@pytest.fixture
def train(dataset: Dataset) -> Interactions:
    return temporal_split(dataset.interactions, 0.8).train


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch) -> str:
    module = types.ModuleType("a_module_of_users")
    module.make = lambda dataset, train: personagym_agents.load("bias", dataset, train)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return ENTRY_POINT


def test_every_name_has_a_description_and_the_prefix() -> None:
    names = user_agent_names()
    assert len(set(names)) == len(names) == 2 * len(USER_AGENTS)
    assert {name.removeprefix(FROZEN) for name in names} == set(USER_AGENTS)
    assert all(spec.description for spec in USER_AGENTS.values())


@pytest.mark.parametrize("name", [*ANY_LOG, "", "bundle", f"{FROZEN}bundle", ENTRY_POINT, FROZEN + ENTRY_POINT])
def test_names_paths_and_entry_points_make_environments(
    name: str, small_folder: Path, shipped_small_bundle: Path, entry_point: str
) -> None:
    """As the README writes them: `gym.make(..., agent=name)` and `gym.make_vec`, equal step by step."""
    agent = {"agent": name.replace("bundle", str(shipped_small_bundle))} if name else {}
    single = gym.make("PersonaRec-v0", dataset=str(small_folder), slate_size=3, **agent)
    vector = gym.make_vec("PersonaRec-v0", num_envs=2, dataset=str(small_folder), slate_size=3, **agent)
    np.testing.assert_equal(single.reset(seed=1)[0]["user"], vector.reset(seed=1)[0]["user"][0])
    slates = np.array([[1, 2, 3], [4, 5, 6]])
    wanted = single.step(slates[0])[4]["latent"]["choice_probability"]
    together = vector.step(slates)[4]["latent"]["choice_probability"]
    np.testing.assert_allclose(wanted, together[0], atol=1e-5)
    users = single.unwrapped.world.agent
    assert users.name.startswith("frozen ") == name.startswith(FROZEN)
    assert hasattr(users, "document") == (name in ("", "default", "persona", "persona-fast", "zero-shot", "bundle"))


@pytest.mark.parametrize("name", ["bias", "knn", "mf", "trees", "stack"])
def test_classical_names(name: str, dataset: Dataset, train: Interactions) -> None:
    agent = personagym_agents.load(name, dataset, train)
    assert agent.name == name
    assert (agent.n_users, agent.n_items, agent.scale) == (train.n_users, train.n_items, train.scale)
    check_user_agent(agent)


def test_default_users_are_ready_on_a_log_that_nobody_trained_on(dataset: Dataset, train: Interactions) -> None:
    agent = personagym_agents.load("default", dataset, train)
    assert agent.name == "zero-shot"
    check_user_agent(agent)


def test_rows_of_a_log_that_a_base_has_read_are_no_test_of_it(
    dataset: Dataset, train: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ReadLog("synthetic", train.n_users, train.n_items, 10, "fingerprint of others of its rows")
    manifest = read_manifest(BUNDLED)
    monkeypatch.setattr(
        "personagym_agents.bundle.manifest.read_manifest", lambda place: replace(manifest, logs=(read,))
    )
    with pytest.warns(UserWarning, match="'mf' users take their place"):
        agent = personagym_agents.load("default", dataset, train)
    assert agent.name == "mf"
    with pytest.raises(ValueError, match=r"have read other rows of 'synthetic'.*personagym train"):
        personagym_agents.load("zero-shot", dataset, train)


@pytest.mark.parametrize("name", ["persona", "persona-fast"])
def test_persona_of_other_rows_is_refused(name: str, dataset: Dataset, train: Interactions) -> None:
    with pytest.raises(ValueError, match=r"was trained on other rows.*personagym train"):
        personagym_agents.load(name, dataset, train)


@pytest.mark.parametrize(
    "name", ["svd", "", "frozen:", "frozen:svd", "MF", "frozen: mf", "freeze:mf", "mf:frozen", ":mf"]
)
def test_an_unknown_name_lists_the_known_ones(name: str, dataset: Dataset, train: Interactions) -> None:
    known = ".*".join(["unknown users '", *map(repr, USER_AGENTS), "'module:function'", FROZEN])
    with pytest.raises(ValueError, match=known):
        personagym_agents.load(name, dataset, train)


def test_entry_points_say_what_is_missing(dataset: Dataset, train: Interactions, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ValueError, match="there is no module 'no_such_module' here"):
        personagym_agents.load("no_such_module:load", dataset, train)
    with pytest.raises(ValueError, match="module 'json' has no function 'no_such_function'"):
        personagym_agents.load("json:no_such_function", dataset, train)
    (tmp_path / "users_of_mine.py").write_text("import what_they_need\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_they_need"):
        personagym_agents.load("users_of_mine:load", dataset, train)


def test_a_device_is_for_language_models(
    small_data: Dataset, small_split: Split, small_bundle: Path, entry_point
) -> None:
    agent = personagym_agents.load(str(small_bundle), small_data, small_split.train, device="cpu")
    assert agent.population.model.device.type == "cpu"
    with pytest.raises(ValueError, match="no device 'cuda:99' here"):
        personagym_agents.load(f"{FROZEN}{small_bundle}", small_data, small_split.train, device="cuda:99")
    with pytest.raises(ValueError, match="choose their device themselves: leave out device, got 'cpu'"):
        personagym_agents.load(entry_point, small_data, small_split.train, device="cpu")


def test_rows_of_another_data_set_are_refused(dataset: Dataset) -> None:
    other = Interactions.from_columns(
        np.array([0]), np.array([0]), np.array([3.0]), None, n_users=1, n_items=2, scale=(1.0, 3.0)
    )
    with pytest.raises(ValueError, match=r"\(1, 2\).*'synthetic'"):
        personagym_agents.load("mf", dataset, other)


def test_names_and_classical_users_do_without_torch(small_folder: Path) -> None:
    """Also where it has to be found out that no shipped bundle fits."""
    code = (
        "import sys, warnings, personagym_env.world as world;"
        "warnings.simplefilter('ignore');"
        f"[world.make_world({str(small_folder)!r}, name) for name in ('mf', 'frozen:bias')];"
        "sys.exit(', '.join({'torch', 'transformers', 'peft'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
