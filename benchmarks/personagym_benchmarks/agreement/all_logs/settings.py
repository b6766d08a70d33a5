"""What can be asked of the study on every log."""

from dataclasses import dataclass
from pathlib import Path

from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, DataOverlap

SLOW_JUDGES = ("trees", "stack", "persona")


@dataclass(frozen=True)
class AllLogsSettings:
    """Which logs, who judges, on how many users."""

    logs: tuple[str, ...] = ("ml-100k",)
    """Names or paths that `load_dataset` takes."""
    data: Path | None = None
    """A folder; every folder in it is one more log."""
    finished: tuple[Path, ...] = ()
    """Results of earlier runs, for example on another machine, whose logs are taken over as they are."""
    judges: tuple[str, ...] = ("bias", "knn", "mf", "trees", "stack", "persona")
    """Users; `persona` are language-model users: the shipped bundle where it was trained on the rows, else the shipped
    base as it is."""
    few_rows: tuple[str, ...] = SLOW_JUDGES
    """Judges who take long: they know the other half, or both halves, and not the recommenders' half alone. Those by
    default need not be among the judges."""
    evaluated: int = 300
    """Users of a log, drawn at random among those with held-out rows enough, whom everything is measured on."""
    left_out: tuple[str, ...] = ("SASRec", "GRU4Rec")
    """Recommenders of the registry that take no part; by default those that take minutes on a log."""
    resamples: int = 1_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        if self.evaluated < 1 or self.resamples < 10:
            raise ValueError(
                f"users must be at least 1 and resamples 10, got evaluated={self.evaluated} and {self.resamples}"
            )
        if strange := sorted(set(self.few_rows) - {*self.judges, *SLOW_JUDGES}):
            raise ValueError(f"few_rows must be some of the judges {self.judges}, got {', '.join(strange)}")

    def rows_of(self, judge: str) -> tuple[DataOverlap, ...]:
        """Training rows that a judge knows, one population for each."""
        return ("disjoint", "superset") if judge in self.few_rows else DATA_OVERLAPS
