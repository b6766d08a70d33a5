"""Variants: the core ideas of systems from the literature, each as a small population of users with a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent


@dataclass(frozen=True)
class Variant:
    """Users who are built on one idea."""

    name: str
    description: str
    """For people, in one line."""
    source: str
    """Where the idea is from."""
    entry_point: str
    """The function that fits them, as `module:function`; imported when it is called."""

    def fit(
        self,
        dataset: Dataset,
        train: Interactions,
        *,
        core: bool = True,
        seed: int = 0,
        device: str | None = None,
    ) -> UserAgent:
        """Fit the users.

        Args:
            dataset: texts of items and attributes of users; its log is not read.
            train: rows that the users may know.
            core: whether the idea is at work; without it, the users are the same in all else, so that the difference
                of the two is what the idea adds.
            seed: of all that is drawn.
            device: where a network runs, as `torch` names it; None chooses.

        Raises:
            ValueError: `train` is empty.
        """
        module, _, function = self.entry_point.partition(":")
        if not len(train):
            raise ValueError(f"{self.name!r} users need at least one training row, got an empty log")
        found = getattr(import_module(module), function)
        return cast(UserAgent, found(dataset, train, core=core, seed=seed, device=device))


def _named(name: str, description: str, source: str) -> tuple[str, Variant]:
    place = name.replace("-", "_")
    return name, Variant(name, description, source, f"{__name__}.{place}:fit_{place}")


VARIANTS: Mapping[str, Variant] = dict(
    [
        _named(
            "two-horizon",
            "a profile of the latest items and one of all, fused by a learned gate",
            "LLM-TUP, arXiv:2508.08454",
        ),
        _named(
            "lifelong",
            "history in frozen partitions, each summarised once in cascade, beside a short cache",
            "LIBER, arXiv:2411.14713",
        ),
        _named(
            "multi-interest",
            "several interests of each user, learned and in words; the one that fits an item counts",
            "bi-level multi-interest users, arXiv:2411.09410",
        ),
        _named(
            "values",
            "statements of values, each kept only if it raises the likelihood of ratings it was not read from",
            "user values mining, arXiv:2505.00981",
        ),
        _named(
            "barlow",
            "vectors that an encoder learns from sequences without labels, and a light head",
            "Barlow Twins for sequences, arXiv:2505.00953",
        ),
        _named(
            "test-time",
            "personas weighed by the likelihood of the latest answers, also within a session",
            "PersonaAgent, arXiv:2506.06254",
        ),
        _named(
            "dual-memory",
            "users and items remember, and revise it where a choice goes wrong",
            "AgentCF, WWW 2024",
        ),
        _named(
            "social",
            "memory with insights and forgetting, and friends whose opinions move choice and rating",
            "RecAgent, TOIS 2024",
        ),
        _named(
            "drifting",
            "a preference process that is read through noise and drifts with every consumption",
            "PersonaGym and PersonaAtlas, arXiv:2602.12394",
        ),
        _named(
            "annotator",
            "expected satisfaction of a whole slate, as a reward",
            "UGRO, arXiv:2306.09821",
        ),
        _named(
            "steered",
            "a frozen base, its activations moved by what the user's own rows say; nothing is trained",
            "Fints, arXiv:2510.27206",
        ),
        _named(
            "satisfaction",
            "whether users stay, from encodings of sessions that were learned without labels",
            "contrastive satisfaction prediction, arXiv:2010.11230",
        ),
    ]
)
"""By name."""
