"""Vectors without labels: how few labels their head needs, and what personas found in them explain."""

from typing import Any

import numpy as np

from personagym_agents.personas.clustering import fit_personas
from personagym_agents.personas.prediction import FoldedRows, cross_fitted_residuals, find_groups, fit_corrections
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.variants.barlow import embed, fit_embedded, train_reader
from personagym_agents.variants.values import Respects
from personagym_benchmarks.variants.board import Measurement
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.data.traits import Traits, user_traits
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import point_fidelity

SHARES = (0.01, 0.1, 1.0)
"""Of the users whose rows teach the head."""
PERSONAS = 4
RESAMPLES = 500


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """RMSE on held-out rows, less that of an encoder that did not learn, and of corrections by persona."""
    weights = user_resamples(part.split.test.n_users, RESAMPLES, np.random.default_rng(seed))
    return _few_labels(dataset, part, seed, weights) + _personas(dataset, part, seed, weights)


def _error(means: FloatArray, part: NamedSplit, weights: FloatArray) -> FloatArray:
    return point_fidelity(means, part.split.test)["rmse"].resampled(weights)


def _few_labels(dataset: Dataset, part: NamedSplit, seed: int, weights: FloatArray) -> list[Measurement]:
    train, test = part.split
    known = np.random.default_rng(seed).permutation(np.flatnonzero(train.counts))
    found = []
    for share in SHARES:
        labelled = np.isin(np.arange(train.n_users), known[: max(1, round(share * len(known)))])
        samples = []
        for core in (True, False):
            model = fit_embedded(train, dataset.catalogue, core=core, seed=seed, labelled=labelled)
            samples.append(_error(model.means_at(test.users, test.items), part, weights))
        setting = f"rows of {share:.0%} of users"
        found.append(Measurement("few labels", setting, "RMSE", interval(samples[0])))
        lead = interval(samples[0] - samples[1])
        found.append(Measurement("few labels", setting, "RMSE, learned less drawn encoder", lead))
    return found


def _personas(dataset: Dataset, part: NamedSplit, seed: int, weights: FloatArray) -> list[Measurement]:
    """Errors with one correction for each persona, by how personas were found; all less one correction for all."""
    train, catalogue = part.split.train, dataset.catalogue
    ways = {"one for all": np.zeros(train.n_users, np.int64), **_groups(dataset, part, seed)}
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(train)) % 5
    told = np.column_stack([np.ones(train.n_items), Respects.of(train, catalogue).values])
    residual = cross_fitted_residuals(train, fold)
    rows = FoldedRows(train.users, train.items, told, residual, fold, train.n_users).whole()
    bias, test = fit_factors(train, FactorSettings(rank=0)), part.split.test
    samples = {}
    for name, groups in ways.items():
        corrections = fit_corrections(rows, groups, int(groups.max()) + 1)[0]
        shift = np.einsum("nc,nc->n", corrections[groups[test.users]], told[test.items])
        samples[name] = _error(bias.means_at(test.users, test.items) + shift, part, weights)
    return [
        Measurement("personas", f"found in {name}", "RMSE, corrected by persona less one correction", interval(lead))
        for name, lead in ((name, samples[name] - samples["one for all"]) for name in ways if name != "one for all")
    ]


def _groups(dataset: Dataset, part: NamedSplit, seed: int) -> dict[str, IntArray]:
    from sklearn.cluster import KMeans

    train, catalogue = part.split.train, dataset.catalogue
    traits, known = user_traits(train, catalogue), np.flatnonzero(train.counts)
    found: dict[str, IntArray] = {"random groups": np.random.default_rng(seed).permutation(train.n_users) % PERSONAS}
    told = Traits._make(column[known] for column in traits)
    settings, rng = PersonaSettings(features="behaviour", n_personas=PERSONAS), np.random.default_rng(seed)
    found["traits"] = fit_personas(told, catalogue.genre_names, settings, rng=rng).assign(traits)
    found["what predicts"] = find_groups(train, catalogue, rng, count=PERSONAS)[0]
    for name, core in (("learned vectors", True), ("vectors of a drawn encoder", False)):
        vectors = embed(train_reader(train, catalogue, core=core, seed=seed), train)
        clusters: Any = KMeans(PERSONAS, n_init=4, random_state=seed)  # type: ignore[no-untyped-call]
        found[name] = clusters.fit_predict(vectors)
    return found
