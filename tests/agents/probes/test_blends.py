"""Blends of adapters are exact sums, and every user gets the blend of their own weights."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent, read_groups
from personagym_agents.model.adapters import LowRank
from personagym_agents.personas.settings import Groups, PersonaSettings
from personagym_agents.probes.blends import blended, by_nearness, load_blended_agent, shrunk
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext

ROOT = Path(__file__).parents[3]
QUICK = TrainingSettings(epochs=1, batch=2, warmup=1, averaging=0.0, learning_rate=3e-2)


@pytest.fixture(scope="module")
def places(small_data: Dataset, small_split: Split, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of persona adapters and one of a single adapter, on one base."""
    folder = tmp_path_factory.mktemp("blends")
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=900,
        teacher="bias",
        training=QUICK,
        personas=PersonaSettings(n_personas=3),
    )
    trained_base = train_base(small_data, small_split, settings, RunContext(folder / "run"))
    made: dict[str, Path] = {}
    kinds: tuple[Groups, ...] = ("persona", "single")
    for kind in kinds:
        made[kind] = folder / kind
        build_bundle(
            trained_base,
            AdapterSettings(groups=kind, tail=0.0, choices=True, training=QUICK),
            place=made[kind],
            split_words="",
            context=RunContext(folder / f"run-{kind}"),
            measure=False,
        )
    return made


def wants(agent: UserAgent) -> FloatArray:
    sessions = agent.open(agent.n_users)
    rows = np.arange(agent.n_users)
    sessions.start(rows, rows)
    return sessions.react(rows, np.tile(np.arange(6), (len(rows), 1))).choice_probability


def test_a_blend_is_the_weighted_sum_of_what_adapters_add() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [
        {"layer": LowRank(torch.randn(5, 2, generator=generator), torch.randn(2, 4, generator=generator))}
        for _ in range(3)
    ]
    weights = np.array([0.5, -1.0, 0.25])
    joined = blended(parts, weights)["layer"]
    expected = sum(float(w) * part["layer"].down @ part["layer"].up for w, part in zip(weights, parts, strict=True))
    torch.testing.assert_close(joined.down @ joined.up, expected)


def test_the_ends_of_shrinking_are_the_two_populations(
    places: dict[str, Path], small_data: Dataset, small_split: Split
) -> None:
    train, pair = small_split.train, (places["persona"], places["single"])
    _, groups = read_groups(places["persona"])
    persona, single = (wants(load_bundle_agent(places[kind], small_data, train)) for kind in ("persona", "single"))
    assert np.abs(persona - single).max() > 1e-3
    for share, expected in ((0.0, persona), (1.0, single)):
        agent = load_blended_agent(pair, shrunk(groups, share), small_data, train, name="blend")
        np.testing.assert_allclose(wants(agent), expected, atol=1e-5)
    between = wants(load_blended_agent(pair, shrunk(groups, 0.5), small_data, train, name="blend"))
    assert np.abs(between - persona).max() > 1e-4
    assert np.abs(between - single).max() > 1e-4


def test_weights_by_nearness_sum_to_one_and_sharpen() -> None:
    distances = np.array([[1.0, 2.0, 4.0], [3.0, 1.5, 1.5]])
    soft, sharp = by_nearness(distances, 0.3), by_nearness(distances, 30.0)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert (np.diff(soft[0]) < 0).all()
    np.testing.assert_allclose(sharp, [[1, 0, 0], [0, 0.5, 0.5]], atol=1e-6)
    np.testing.assert_allclose(by_nearness(distances, 1.0)[0, 1] / by_nearness(distances, 1.0)[0, 0], np.exp(-3))


def test_weights_that_do_not_fit_are_refused(places: dict[str, Path], small_data: Dataset, small_split: Split) -> None:
    with pytest.raises(ValueError, match=r"weights need shape \(10, 3\) \(users, adapters\), got \(10, 2\)"):
        load_blended_agent([places["persona"]], np.ones((10, 2)), small_data, small_split.train, name="blend")


def test_the_benchmark_compares_every_blend_with_the_base(
    places: dict[str, Path], small_data: Dataset, small_split: Split
) -> None:
    spec = importlib.util.spec_from_file_location("blends", ROOT / "benchmarks" / "ablations" / "blends.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["blends"] = script
    spec.loader.exec_module(script)
    args = script.Args(
        personas=(places["persona"],), singles=(places["single"],), shares=(0.0, 1.0), sharpness=(1.0,), resamples=20
    )
    found = script.compare(args, small_data, small_split, Console(quiet=True))
    assert tuple(found) == ("persona, 0% single", "persona, 100% single", "personas by nearness, sharpness 1")
    own, shared = (found[f"persona, {share}% single"]["nll"] for share in (0, 100))
    assert own.low <= own.value <= own.high
    assert own.value != shared.value
    board = script.Blends(differences=found, setting={}, environment={})
    assert len(script.blends_table(board).rows) == 3
    with pytest.raises(ValueError, match="each persona bundle needs a single one, got 1 and 0"):
        script.compare(replace(args, singles=()), small_data, small_split, Console(quiet=True))
