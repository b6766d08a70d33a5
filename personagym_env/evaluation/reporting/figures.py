"""What every figure is called, measured in, and which end of it is good: one place for terminal, report and README."""

from typing import NamedTuple

from personagym_env.evaluation.fidelity.taste import LIST_SIZES, UNSEEN_PER_REAL
from personagym_env.evaluation.reporting.table import Column, Good


class Figure(NamedTuple):
    """How people are told about a figure."""

    title: str
    """Short, for the head of a column."""
    label: str
    """With unit, for an axis."""
    meaning: str
    """One sentence for those who have not met it."""
    good: Good | None = "high"
    """Which end is the better one; None where neither is."""
    form: str = ".3f"
    """How it is written, for `format`."""

    def column(self, key: str) -> Column:
        """A column of this figure."""
        return Column(key, self.title, meaning=self.meaning, good=self.good)


SIMULATED = {
    "return": Figure(
        "simulated return",
        "simulated return (reward per session)",
        "Sum of rewards over a simulated session.",
        form=".2f",
    ),
    "clicks": Figure(
        "clicks per step", "clicks per step", "Share of slates from which the simulated user took an item.", form=".2f"
    ),
    "rating": Figure(
        "simulated rating",
        "mean simulated rating (points)",
        "Mean rating of what simulated users consumed.",
        form=".2f",
    ),
    "length": Figure(
        "session length", "session length (steps)", "Slates shown until the simulated user left.", form=".2f"
    ),
}
"""From sessions in the environment."""

SESSION = SIMULATED | {
    "reward": Figure(
        "reward per step", "reward per step", "Sum of rewards over the slates that were shown.", form=".2f"
    ),
    "retention": Figure(
        "retention", "share of users who stay", "Share of sessions whose simulated user never left.", form=".2f"
    ),
}
"""All that sessions say, for studies of agreement."""

OFFLINE = {
    "recall": Figure("recall@10", "recall@10", "Share of the held-out items that the top 10 hold."),
    "ndcg": Figure("NDCG@10", "NDCG@10 on the held-out log", "Hits in the top 10, earlier ones counting more."),
    "mrr": Figure("MRR@10", "MRR@10", "One over the rank of the first hit."),
    "hit": Figure("hit@10", "hit@10", "Share of users with a hit in the top 10."),
    "coverage": Figure("coverage", "item coverage", "Share of the catalogue that appears in somebody's top 10.", None),
    "novelty": Figure("novelty", "novelty (bits)", "Mean self-information of the recommended items.", None),
    "popularity": Figure(
        "popularity", "mean training ratings", "Mean number of training ratings of recommended items.", None, ",.1f"
    ),
}
"""From top-10 lists against held-out rows, all of which count as relevant."""

REAL = Figure(
    "real value",
    "real value (rating points)",
    "Mean real rating of the 5 items picked from a user's own held-out items.",
)

EXPECTED = Figure(
    "expected rating", "expected rating (points)", "Mean rating that simulated users expect of the same 5 picks."
)

ASKED = {
    "expected": Figure(
        "expected rating", "expected rating (points)", "Mean rating that simulated users expect of the same items."
    ),
    "odds": Figure(
        "choice odds",
        "odds of choosing",
        "Mean odds with which simulated users would choose the same items: how many times as often as items at random.",
    ),
    "odds_worth": Figure(
        "choice odds x rating",
        "odds of choosing x normalised rating",
        "Mean of the odds of choosing times expected rating from 0 to 1: what is both consumed and liked.",
    ),
    "choice": Figure(
        "choice", "choice probability", "Mean probability with which simulated users would choose the same items."
    ),
    "worth": Figure(
        "choice x rating",
        "choice probability x normalised rating",
        "Mean of choice probability times expected rating from 0 to 1: what is both chosen and liked.",
    ),
    "shown": Figure(
        "shown value",
        "value when shown (points)",
        "Mean of expected rating plus fitted weight times log odds of choosing.",
    ),
    "shown_sampled": Figure(
        "shown value by a sample",
        "value when shown, weighed by a sample (points)",
        "The same; the weight is what the other half of the users say of items that they were shown at random.",
    ),
}
"""What simulated users say of the very items whose real value is known."""

FIDELITY = {
    "rmse": Figure("RMSE", "RMSE (points)", "Root mean squared error of held-out ratings.", good="low"),
    "mae": Figure("MAE", "MAE (points)", "Mean absolute error of held-out ratings.", good="low"),
    "nll": Figure("NLL", "NLL (nats)", "Mean negative log-likelihood of held-out ratings.", good="low"),
    "auc": Figure("choice AUC", "choice AUC", "Chance that a held-out item is wanted more than a random unseen one."),
}
"""From held-out rows, answered in fresh sessions that know training rows only."""

RATING = {name: FIDELITY[name] for name in ("rmse", "mae", "nll")} | {
    "ece": Figure(
        "ECE",
        "expected calibration error",
        "Gap of chance and outcome, mean over rating steps.",
        good="low",
    ),
    "ece_top": Figure(
        "ECE top", "expected calibration error", "Gap of chance and outcome, likeliest rating.", good="low"
    ),
    "urr": Figure("URR", "unreadable answers", "Share of answers that are no rating.", good="low"),
}
"""How good the rating of each pair is."""

DISTRIBUTION = {
    "ks": Figure("KS", "Kolmogorov-Smirnov distance", "Distance of sampled from real ratings.", good="low"),
    "wasserstein": Figure(
        "W1", "Wasserstein-1 distance (points)", "Distance of sampled from real ratings.", good="low"
    ),
    "low": Figure("low/real", "low ratings per real one", "Sampled 1-2 star ratings per real one; 1 is right.", None),
}
"""How like real ratings sampled ones are as a whole."""

TASTE = (
    {"auc": FIDELITY["auc"]}
    | {
        f"f1_{m}": Figure(f"F1 1:{m}", f"F1 at 1:{m}", "F1 of yes to 20 items, as many as are real.")
        for m in UNSEEN_PER_REAL
    }
    | {
        f"balanced_{m}": Figure(
            f"bal. 1:{m}", f"balanced accuracy at 1:{m}", "Of yes to 20 items, as many as are real."
        )
        for m in UNSEEN_PER_REAL
    }
    | {
        f"own_f1_{m}": Figure(f"own F1 1:{m}", f"F1 at 1:{m}, own yes", "F1 of yes where want is above 1/2.")
        for m in UNSEEN_PER_REAL
    }
    | {
        f"choice_{size}": Figure(
            f"1 of {size}", f"choice from {size}", "Share of lists with the real item ranked first."
        )
        for size in LIST_SIZES
    }
)
"""How well wants tell real items from unseen ones; against popular ones the name ends in `SUFFIX["popular"]`."""


def judge_name(figure: Figure, population: str) -> str:
    """What a judge is called that reads `figure` off a population of users."""
    return f"{figure.title}, {population}"
