"""Does a judge's verdict stand when the study is done otherwise? Rows of verdicts, flips, sensitivity, JSON.

A verdict is the ranking of recommenders by one judge in one setting. It is set beside what real users say in that
setting, and beside the same judge's verdict in a default setting that differs from it in one thing; a verdict whose
winner is another, or whose order agrees less with the default one than a threshold, is a flip. Shapes: b rows of
weights (1 + resamples), c recommenders.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np

from personagym_env.card import SensitivityPoint
from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval, Statistic, interval, kendall_tau, regret_share, stack

SettingKind = Literal["default", "seed", "split", "catalogue", "picks", "slate", "memory", "assumed", "fitted"]
"""What a setting changes: nothing, chance, what is held out, which items there are, how many each recommender picks,
places of a slate, whether users remember what they consume in a session, or a parameter of sessions that is assumed or
fitted to the log."""
SETTING_KINDS: tuple[SettingKind, ...] = get_args(SettingKind)
PARAMETERS = frozenset({"assumed", "fitted"})
"""The kinds that change a parameter of sessions."""
Flip = Literal["winner", "order"]
"""Another recommender is first, or the order as a whole is another one."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one judge says of the recommenders in one setting, on resamples of the users."""

    judge: str
    names: tuple[str, ...]
    """(c,) recommenders."""
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
        """From a statistic per recommender.

        Args:
            judge: name.
            names: (c,) recommenders.
            said: (c,) what the judge says, higher is better.
            real: (c,) real value.
            weights: (b, u) from `user_resamples`.

        Raises:
            ValueError: fewer than two recommenders, or the numbers of them differ.
        """
        if len(names) < 2 or not len(names) == len(said) == len(real):
            raise ValueError(
                f"a verdict needs two or more recommenders, what is said of each and real value of each, "
                f"got {len(names)}, {len(said)} and {len(real)}"
            )
        return cls(judge, tuple(names), stack(said, weights), stack(real, weights))

    @property
    def winner(self) -> str:
        """The recommender that the judge puts first."""
        return self.names[int(np.argmax(self.said[0]))]

    def tau_with(self, other: "Verdict") -> float:
        """Kendall's tau with another verdict over the recommenders of both.

        Raises:
            ValueError: fewer than two recommenders are in both.
        """
        theirs = dict(zip(other.names, other.said[0], strict=True))
        both = [(value, theirs[name]) for name, value in zip(self.names, self.said[0], strict=True) if name in theirs]
        if len(both) < 2:
            raise ValueError(f"verdicts of {self.judge!r} share {len(both)} recommenders, at least two are needed")
        mine, other_said = np.array(both).T[:, None]
        return float(kendall_tau(mine, other_said)[0])

    def lead_over(self, name: str) -> Interval | None:
        """How much higher the judge puts its winner than the recommender called `name`; None if there is none."""
        if name not in self.names:
            return None
        return interval(self.said[:, self.names.index(self.winner)] - self.said[:, self.names.index(name)])


@dataclass(frozen=True)
class RobustnessRow:
    """One judge in one setting."""

    kind: SettingKind
    setting: str
    """What was done, for people; for a parameter its name, for example `choice.outside`."""
    value: float | None
    """The value of the parameter, or the number of picks or places; None where a setting has no number."""
    against: str
    """The default setting that this one differs from in one thing; a default setting stands against itself."""
    judge: str
    winner: str
    tau: Interval
    """Kendall's tau with the real ranking of the same setting."""
    regret_share: Interval
    """Real value lost by taking the judge's winner, as a share of the way from the worst to the best recommender."""
    mean: float
    """What the judge says of a recommender on average: points, or return of a session."""
    tau_default: float
    """Kendall's tau between this verdict and the judge's under `against`."""
    default_winner: str
    """The judge's winner under `against`."""
    sessions: int | None
    """How many sessions an episode may have; None where a judge sees no sessions."""
    lead: Interval | None
    """How much higher this verdict puts its winner than the default winner; None where that one does not take part."""

    def flips(self, stable: float) -> tuple[Flip, ...]:
        """In what the verdict differs from the default one."""
        found: list[Flip] = ["winner"] if self.winner != self.default_winner else []
        return (*found, "order") if self.tau_default < stable else tuple(found)

    @property
    def clear(self) -> bool:
        """Whether another winner leads the default one by more than chance among users explains."""
        return self.winner != self.default_winner and (self.lead is None or self.lead.low > 0)

    def flip_words(self, stable: float) -> str:
        """What flips, empty if nothing does; a winner that leads by no more than chance is said to be one."""
        return ", ".join(self.flips(stable)).replace("winner", "winner" if self.clear else "winner (a tie)")


@dataclass(frozen=True, eq=False)
class Default:
    """What a judge says in a default setting, with which its other verdicts are compared."""

    setting: str
    """For people."""
    verdict: Verdict
    sessions: int | None = None
    """How many sessions an episode may have; None where a judge sees no sessions."""

    def row(self, kind: SettingKind, setting: str, verdict: Verdict, value: float | None = None) -> RobustnessRow:
        """Set a verdict of the same judge beside real value and beside this one."""
        said, real = verdict.said, verdict.real
        return RobustnessRow(
            kind=kind,
            setting=setting,
            value=value,
            against=self.setting,
            judge=verdict.judge,
            winner=verdict.winner,
            tau=interval(kendall_tau(said, real)),
            regret_share=interval(regret_share(said, real)),
            mean=float(said[0].mean()),
            tau_default=verdict.tau_with(self.verdict),
            default_winner=self.verdict.winner,
            sessions=self.sessions,
            lead=verdict.lead_over(self.verdict.winner),
        )

    def own_row(self) -> RobustnessRow:
        """The row of the default setting itself."""
        return self.row("default", self.setting, self.verdict)


def resampling_tau(verdict: Verdict, quantile: float = 0.05) -> float:
    """Low quantile of tau between a verdict and itself on resampled users: how far chance alone moves the order."""
    resampled = verdict.said[1:]
    return float(np.quantile(kendall_tau(resampled, np.broadcast_to(verdict.said[0], resampled.shape)), quantile))


@dataclass(frozen=True, kw_only=True)
class Robustness(Result):
    """All settings."""

    KIND = "robustness report"
    FORMAT = 5
    COMMAND = "personagym robustness"

    dataset: str
    rows: tuple[RobustnessRow, ...]
    stable: float
    """Least tau with the default verdict of a verdict that stands."""
    chance: Mapping[str, float]
    """Judge to `resampling_tau` of its verdict in its first default setting."""
    absent: Mapping[str, str]
    """Judge to why it has no verdict in some settings in which others have one."""
    values: Mapping[str, float]
    """What each parameter of sessions was by default, by `part.field`."""

    @property
    def judges(self) -> tuple[str, ...]:
        """Everybody with a verdict."""
        return tuple(dict.fromkeys(row.judge for row in self.rows))

    @property
    def session_judges(self) -> tuple[str, ...]:
        """The judges under whom parameters of sessions were varied."""
        return tuple(dict.fromkeys(row.judge for row in self.rows if row.kind in PARAMETERS))

    def of(self, judge: str) -> tuple[RobustnessRow, ...]:
        """The rows of a judge."""
        return tuple(row for row in self.rows if row.judge == judge)

    def flipped(self, judge: str) -> tuple[RobustnessRow, ...]:
        """The rows of a judge whose verdict is not the default one."""
        return tuple(row for row in self.of(judge) if row.flips(self.stable))

    def outdated(self, values: Mapping[str, float]) -> tuple[str, ...]:
        """The parameters that have another value than they had here by default."""
        return tuple(
            name
            for name, value in values.items()
            if name in self.values and not math.isclose(value, self.values[name], rel_tol=1e-3, abs_tol=1e-9)
        )

    def sensitivity(self, judge: str) -> dict[str, list[SensitivityPoint]]:
        """What other values of each parameter do, as `SimulationCard.with_sensitivity` takes it.

        Args:
            judge: whose sessions; returns are means over recommenders.

        Raises:
            KeyError: no parameter was varied under this judge.
        """
        rows = self.of(judge)
        defaults = {row.setting: row for row in rows if row.kind == "default"}
        found: dict[str, list[SensitivityPoint]] = {}
        for row in rows:
            if row.kind in PARAMETERS and row.value is not None:
                default = defaults[row.against]
                point: SensitivityPoint = {
                    "setting": row.value,
                    "sessions": default.sessions or 1,
                    "return": row.mean,
                    "usual_return": default.mean,
                    "tau": row.tau_default,
                    "flips": row.flip_words(self.stable),
                }
                found.setdefault(row.setting, []).append(point)
        if not found:
            raise KeyError(judge)
        return found
