"""Does a judge's verdict stand when the study is done otherwise? Rows of verdicts, flips, sensitivity, JSON.

A verdict is the ranking of contestants by one judge in one setting. It is set beside what real users say in that
setting, and beside the same judge's verdict in the default setting; a verdict whose winner is another, or whose order
agrees less with the default one than a threshold, is a flip. Shapes: b rows of weights (1 + resamples), c contestants.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.result_file import read_intervals, read_result, write_result
from personagym_env.evaluation.statistics import Interval, Statistic, interval, kendall_tau, stack, top_regret

FORMAT = 1
"""Version of the JSON layout."""
Kind = Literal["default", "seed", "split", "catalogue", "picks", "slate", "parameter"]
"""What a setting changes: nothing, chance, what is held out, which items there are, how many each contestant picks,
places of a slate, or an assumed parameter of sessions."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Flip = Literal["winner", "order"]
"""Another contestant is first, or the order as a whole is another one."""
STABLE = 0.8
"""Least tau with the default verdict of a verdict that stands."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one judge says of the contestants in one setting, on resamples of the users."""

    judge: str
    names: tuple[str, ...]
    """(c,) contestants."""
    said: FloatArray
    """(b, c) row 0 is the sample itself."""
    real: FloatArray
    """(b, c) real value, on the same resamples."""

    @classmethod
    def of(
        cls,
        judge: str,
        names: Sequence[str],
        said: Sequence[Statistic],
        real: Sequence[Statistic],
        weights: FloatArray,
    ) -> Self:
        """From a statistic per contestant.

        Args:
            judge: name.
            names: (c,) contestants.
            said: (c,) what the judge says, higher is better.
            real: (c,) real value.
            weights: (b, u) from `user_resamples`.

        Raises:
            ValueError: fewer than two contestants, or the numbers of them differ.
        """
        if len(names) < 2 or not len(names) == len(said) == len(real):
            raise ValueError(
                f"a verdict needs two or more contestants, what is said of each and real value of each, "
                f"got {len(names)}, {len(said)} and {len(real)}"
            )
        return cls(judge, tuple(names), stack(said, weights), stack(real, weights))

    @property
    def winner(self) -> str:
        """The contestant that the judge puts first."""
        return self.names[int(np.argmax(self.said[0]))]

    def tau_with(self, other: "Verdict") -> float:
        """Kendall's tau with another verdict over the contestants of both.

        Raises:
            ValueError: fewer than two contestants are in both.
        """
        theirs = dict(zip(other.names, other.said[0], strict=True))
        both = [(value, theirs[name]) for name, value in zip(self.names, self.said[0], strict=True) if name in theirs]
        if len(both) < 2:
            raise ValueError(f"verdicts of {self.judge!r} share {len(both)} contestants, at least two are needed")
        mine, other_said = np.array(both).T[:, None]
        return float(kendall_tau(mine, other_said)[0])

    def lead_over(self, name: str) -> Interval | None:
        """How much higher the judge puts its winner than the contestant called `name`; None if there is none."""
        if name not in self.names:
            return None
        return interval(self.said[:, self.names.index(self.winner)] - self.said[:, self.names.index(name)])


@dataclass(frozen=True)
class RobustnessRow:
    """One judge in one setting."""

    kind: Kind
    setting: str
    """What was done, for people; for a parameter its name, for example `choice.outside`."""
    value: float | None
    """The value of the parameter, the number of picks or places; None where a setting has no number."""
    judge: str
    winner: str
    tau: Interval
    """Kendall's tau with the real ranking of the same setting."""
    regret_share: Interval
    """Real value lost by taking the judge's winner, as a share of the way from the worst to the best contestant."""
    mean: float
    """What the judge says of a contestant on average: points, or return of a session."""
    tau_default: float
    """Kendall's tau between this verdict and the judge's default one."""
    default_winner: str
    lead: Interval | None
    """How much higher this verdict puts its winner than the default winner; None where that one does not take part."""

    def flips(self, stable: float = STABLE) -> tuple[Flip, ...]:
        """In what the verdict differs from the default one."""
        found: list[Flip] = ["winner"] if self.winner != self.default_winner else []
        return (*found, "order") if self.tau_default < stable else tuple(found)

    @property
    def clear(self) -> bool:
        """Whether another winner leads the default one by more than chance among users explains."""
        return self.winner != self.default_winner and (self.lead is None or self.lead.low > 0)


def robustness_row(
    kind: Kind, setting: str, verdict: Verdict, default: Verdict, value: float | None = None
) -> RobustnessRow:
    """Set a verdict beside real value and beside the default verdict of the same judge."""
    said, real = verdict.said, verdict.real
    spread = np.maximum(real.max(axis=1) - real.min(axis=1), 1e-12)
    return RobustnessRow(
        kind=kind,
        setting=setting,
        value=value,
        judge=verdict.judge,
        winner=verdict.winner,
        tau=interval(kendall_tau(said, real)),
        regret_share=interval(top_regret(said, real) / spread),
        mean=float(said[0].mean()),
        tau_default=verdict.tau_with(default),
        default_winner=default.winner,
        lead=verdict.lead_over(default.winner),
    )


def resampling_tau(verdict: Verdict, quantile: float = 0.05) -> float:
    """Low quantile of tau between a verdict and itself on resampled users: how far chance alone moves the order."""
    resampled = verdict.said[1:]
    return float(np.quantile(kendall_tau(resampled, np.broadcast_to(verdict.said[0], resampled.shape)), quantile))


@dataclass(frozen=True)
class Robustness:
    """All settings, and what one has to know to make them again."""

    dataset: str
    rows: tuple[RobustnessRow, ...]
    stable: float
    """Least tau with the default verdict of a verdict that stands."""
    chance: Mapping[str, float]
    """Judge to `resampling_tau` of its default verdict."""
    setting: Mapping[str, Any]
    environment: Mapping[str, Any]
    """From `environment_snapshot`."""

    def flipped(self) -> tuple[RobustnessRow, ...]:
        """The rows whose verdict is not the default one."""
        return tuple(row for row in self.rows if row.flips(self.stable))

    @property
    def session_judge(self) -> str:
        """The first judge whose sessions were varied; empty if nobody had sessions."""
        return next((row.judge for row in self.rows if row.kind == "parameter"), "")

    def sensitivity(self, judge: str | None = None) -> dict[str, list[dict[str, float]]]:
        """What other values of each assumed parameter do, as `SimulationCard.with_sensitivity` takes it.

        Args:
            judge: whose sessions; None for the first who has any.

        Returns:
            Parameter to points: its value, the return of a session, mean over contestants, and tau with the ranking
            under the default value. Empty if nobody had sessions.

        Raises:
            KeyError: no parameter was varied under the judge that was named.
        """
        if judge is None:
            judge = self.session_judge
            if not judge:
                return {}
        found: dict[str, list[dict[str, float]]] = {}
        for row in self.rows:
            if row.kind == "parameter" and row.judge == judge and row.value is not None:
                point = {"setting": row.value, "return": row.mean, "tau": row.tau_default}
                found.setdefault(row.setting, []).append(point)
        if not found:
            raise KeyError(judge)
        return found

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all."""
        write_result(path, FORMAT, self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is no robustness report of this format.
        """
        return read_result(
            path,
            FORMAT,
            "robustness report",
            lambda raw: cls(**raw | {"rows": tuple(_row(row) for row in raw["rows"])}),
        )


def _row(raw: Mapping[str, Any]) -> RobustnessRow:
    read = read_intervals({name: raw[name] for name in ("tau", "regret_share", "lead") if raw[name] is not None})
    numbers = {name: math.nan if raw[name] is None else float(raw[name]) for name in ("mean", "tau_default")}
    return RobustnessRow(**dict(raw) | read | numbers)
