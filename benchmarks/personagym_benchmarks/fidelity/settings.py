"""What can be asked of the fidelity board."""

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class FidelitySettings:
    """Whom to measure, and how."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    splits: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("--split",))] = ()
    """Ways to part the log: temporal, random, leave-last, global-time, u1, paper, cold; by default temporal, paper and
    cold, or random alone where the log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows, where splits have one; 0.8 by default."""
    agents: tuple[str, ...] = ("bias", "knn", "mf", "knn+mf", "trees", "stack")
    """Users by a name that `personagym_agents.load` takes, fitted under every protocol; `a+b` answers with the mean of
    what two others before it answer."""
    recommenders: tuple[str, ...] = ("item-knn", "BPR")
    """Recommenders whose scores are guesses at choices; floors of taste, like popularity."""
    variants: tuple[str, ...] = ()
    """Variants to measure instead of a board, each beside itself without its core: `all`, or names parted by commas.
    Of the other settings data set, one split, agents, shipped, negatives, resamples and seed then count."""
    bundles: tuple[str, ...] = ()
    """`name=path` of bundles; the same name again is another training seed of the same population."""
    bases: tuple[str, ...] = ()
    """`name=path` of bundles whose adapters are left out."""
    shipped: bool = True
    """Whether the shipped bundle joins, where it was trained on a protocol's rows."""
    controls: bool = True
    """Whether the last language-model population is asked again without histories, with shuffled ratings and by ids
    alone, and its base to complete titles."""
    swapped: tuple[str, ...] = ()
    """Names of bundles that are asked again with each user's adapter given to another user: what is as good then does
    not come from whom an adapter was trained on."""
    ablations: tuple[str, ...] = ()
    """Names of bundles and bases that lack or change a part of the users, to show what it adds; they have a table of
    their own."""
    compare: tuple[str, ...] = ()
    """`left:right` pairs of names for the table of differences; by default the last population against all others."""
    negatives: int = 20
    """Unseen items of each user, uniform and as many matched in popularity."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws questions, resamples and shuffled ratings."""
