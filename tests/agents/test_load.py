"""Users by name: which name gives which users, and what is not imported for it."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

import personagym_agents
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset, Interactions


@pytest.fixture
def train(dataset: Dataset) -> Interactions:
    return temporal_split(dataset.interactions, 0.8).train


class _FakeBundle(ModuleType):
    """Stands in for the language model's loader and remembers what it was asked for."""

    def __init__(self, fits: bool) -> None:
        super().__init__("personagym_agents.bundle.storage")
        self.fits, self.asked = fits, []
        self.users = object()

    def bundle_fits(self, path, train) -> bool:
        assert path is None
        return self.fits

    def load_bundle_agent(self, path, dataset, train, *, device):
        self.asked.append(path)
        self.device = device
        return self.users


@pytest.fixture
def bundle(request, monkeypatch) -> _FakeBundle:
    fake = _FakeBundle(getattr(request, "param", True))
    monkeypatch.setitem(sys.modules, "personagym_agents.bundle.storage", fake)
    return fake


@pytest.mark.parametrize("name", ["bias", "knn", "mf"])
def test_classical_names(name, dataset, train):
    agent = personagym_agents.load(name, dataset, train)
    assert agent.name == name
    assert (agent.n_users, agent.n_items, agent.scale) == (train.n_users, train.n_items, train.scale)
    check_user_agent(agent)


def test_persona_and_directories_go_to_the_bundle(bundle, dataset, train, tmp_path):
    assert personagym_agents.load("persona", dataset, train) is bundle.users
    assert personagym_agents.load(str(tmp_path), dataset, train) is bundle.users
    assert bundle.asked == [None, tmp_path]
    assert bundle.device is None
    assert personagym_agents.load("persona", dataset, train, device="cuda:1") is bundle.users
    assert bundle.device == "cuda:1"


def test_default_is_the_bundle_where_it_fits(bundle, dataset, train):
    assert personagym_agents.load("default", dataset, train) is bundle.users


@pytest.mark.parametrize("bundle", [False], indirect=True)
def test_default_says_that_it_falls_back(bundle, dataset, train):
    with pytest.warns(UserWarning, match="'mf' users take their place"):
        agent = personagym_agents.load("default", dataset, train)
    assert agent.name == "mf"
    assert bundle.asked == []


def test_an_unknown_name_lists_the_known_ones(dataset, train):
    with pytest.raises(ValueError, match=r"'svd'.*'bias', 'knn', 'mf', 'persona', 'default'"):
        personagym_agents.load("svd", dataset, train)


def test_rows_of_another_data_set_are_refused(dataset):
    other = Interactions.from_columns(
        np.array([0]), np.array([0]), np.array([3.0]), None, n_users=1, n_items=2, scale=(1.0, 3.0)
    )
    with pytest.raises(ValueError, match=r"\(1, 2\).*'synthetic'"):
        personagym_agents.load("mf", dataset, other)


def test_the_package_and_classical_users_do_without_torch():
    code = (
        "import sys, personagym_agents, personagym_agents.classical.users;"
        "sys.exit(', '.join({'torch', 'transformers', 'peft'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
