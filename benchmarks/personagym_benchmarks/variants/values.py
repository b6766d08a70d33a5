"""Values: the share that is kept, and errors with all statements, with the kept ones and with those thrown out."""

import numpy as np

from personagym_agents.variants.values import PRIOR, ValuesModel, find_values, weigh_values
from personagym_benchmarks.variants.board import Measurement
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import point_fidelity

RESAMPLES = 500
PRIORS = (10.0, PRIOR)
"""Rows by which slopes are shrunk: weakly, as by somebody who believes what is read, and as the users do."""


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Shares over users, and RMSE on held-out rows less that without any value."""
    train, test = part.split
    weights = user_resamples(train.n_users, RESAMPLES, np.random.default_rng(seed))
    bias = fit_factors(train, FactorSettings(rank=0))
    found = []
    for prior in PRIORS:
        values, residual = find_values(train, dataset.catalogue, seed, prior)
        setting = f"shrunk by {prior:g} rows"
        for words, kept in (("the evaluator", values.evaluated), ("evaluator and supervisor", values.kept)):
            share: Statistic = RatioOfSums(kept.sum(axis=1).astype(float), values.stated.sum(axis=1).astype(float))
            found.append(Measurement("share kept", setting, f"by {words}", interval(share.resampled(weights))))
        chosen = {
            "no statement": np.zeros_like(values.stated),
            "all statements": values.stated,
            "the evaluator's": values.evaluated,
            "kept statements": values.kept,
            "thrown-out statements": values.stated & ~values.kept,
        }
        samples = {}
        for name, held in chosen.items():
            held_weights = weigh_values(train, residual, values.respects, held, prior)
            model = ValuesModel(bias, values.respects.values.astype(np.float32), held_weights)
            error = point_fidelity(model.means_at(test.users, test.items), test)["rmse"]
            samples[name] = error.resampled(weights)
            if name != "no statement":
                lead = interval(samples[name] - samples["no statement"])
                found.append(Measurement("error by what is believed", setting, f"RMSE, {name} less none", lead))
        lead = interval(samples["kept statements"] - samples["all statements"])
        found.append(Measurement("error by what is believed", setting, "RMSE, kept statements less all", lead))
    return found
