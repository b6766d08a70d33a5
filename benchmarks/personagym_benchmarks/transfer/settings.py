"""What can be asked of the transfer study."""

from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["line-up", "cold-items", "known", "size"]
"""What is measured besides answers on held-out rows: agreement on a line-up of recommenders, items without a training
row, error against ratings known per user, and error against the size of the log."""
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class TransferSettings:
    """Which logs, and whose answers."""

    datasets: tuple[str, ...] = ("ml-100k",)
    """Names or paths that `load_dataset` takes."""
    agents: tuple[str, ...] = ("bias", "knn", "mf", "trees", "stack", "zero-shot")
    """Users by a name that `personagym_agents.load` takes, or the folder of a bundle; `name=folder` gives a name of its
    own, and `{dataset}` in a folder stands for the name of each log. A bundle joins on the log whose rows it knows."""
    zero_shot_base: str | None = None
    """Folder of the bundle whose base `zero-shot` users read with, `{dataset}` as above; None for a shipped one."""
    compare: tuple[str, ...] = ()
    """Names of the populations that are compared with every other one; the last of `agents` by default."""
    controls: bool = True
    """Whether `zero-shot` users are asked again with less: their link alone, and their memory masked, of other users,
    or of shuffled ratings."""
    recommenders: tuple[str, ...] = ("BPR",)
    """Recommenders whose scores are guesses at choices, beside popularity."""
    parts: tuple[Part, ...] = PARTS
    """What is measured besides answers on held-out rows."""
    refitted: tuple[str, ...] = ()
    """Names of the populations that are fitted anew without cold items and for every point of a curve; by default all
    of `agents` but bundles, which know what they were trained on."""
    cold_draws: int = 3
    """Draws of items that nobody has rated; each fits everybody once more."""
    known: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 50)
    """Latest training ratings that users are known by."""
    rounds: int = 1
    """How many of `known` each asked user is asked with; each is one more fit."""
    sizes: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Shares of the users that a log is cut to; the whole log is the last point."""
    split: str | None = None
    """Which rows are training rows, by a name of `personagym_env.data.named_splits`; by default temporal, or random
    where a log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default."""
    rows: int | None = 6_000
    """Held-out rows that are asked about at most, those of users drawn at random; None for all."""
    negatives: int = 10
    """Unseen items of each user."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    resume: bool = True
    """Whether logs that a run before this one finished under the same settings are taken from its folder."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        if not self.datasets or not self.agents:
            raise ValueError(f"datasets and agents must not be empty, got {self.datasets} and {self.agents}")
        if self.rows is not None and self.rows < 1:
            raise ValueError(f"TransferSettings.rows must be at least 1 or None, got {self.rows}")
        if not set(self.parts) <= set(PARTS):
            raise ValueError(f"TransferSettings.parts must be some of {', '.join(PARTS)}, got {self.parts}")
        if self.cold_draws < 1:
            raise ValueError(f"TransferSettings.cold_draws must be at least 1, got {self.cold_draws}")
        if not self.known or min(self.known) < 0 or list(self.known) != sorted(set(self.known)):
            raise ValueError(f"TransferSettings.known must be ascending numbers of at least 0, got {self.known}")
        if not 1 <= self.rounds <= len(self.known):
            raise ValueError(f"TransferSettings.rounds must lie in 1..{len(self.known)}, got {self.rounds}")
        if not all(0 < share < 1 for share in self.sizes) or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"TransferSettings.sizes must be ascending shares between 0 and 1, got {self.sizes}")
