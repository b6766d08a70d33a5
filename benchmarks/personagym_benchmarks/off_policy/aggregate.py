"""From estimates of many logs to the lines of the board. Shapes: p policies, l logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personagym_benchmarks.off_policy.replicates import Replicates
from personagym_benchmarks.off_policy.settings import Mode
from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.evaluation.core.statistics import Interval, pairwise_accuracy
from personagym_env.evaluation.off_policy.board import CellLine, Goal, OrderLine, Study
from personagym_env.evaluation.off_policy.decisions import Floats

NEIGHBOURS = 0.03
"""Share of the range of true values within which two policies count as equally good."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything about one policy."""

    truth: float
    found: Mapping[int, Mapping[str, Replicates]]
    """By size, then by estimator."""


def aggregate(measured: Mapping[str, Measured], supported: set[str]) -> tuple[list[CellLine], list[OrderLine]]:
    """Cells of all policies, and the order of those that the logging policy supports."""
    cells = [
        _cell(policy, name, size, one.truth, replicates)
        for policy, one in measured.items()
        for size, by_name in one.found.items()
        for name, replicates in by_name.items()
    ]
    ordered = {name: one for name, one in measured.items() if name in supported}
    first = next(iter(ordered.values()))
    orders = [
        _order(name, size, [(one.truth, one.found[size][name]) for one in ordered.values()])
        for size, by_name in first.found.items()
        for name in by_name
    ]
    return cells, orders


def _cell(policy: str, name: str, size: int, truth: float, found: Replicates) -> CellLine:
    off, covered = found.value - truth, (found.low <= truth) & (truth <= found.high)
    known, trusted = not np.isnan(found.low).any(), found.suffices
    return CellLine(
        policy=policy,
        estimator=name,
        size=size,
        rmse=float(np.sqrt((off**2).mean())),
        bias=float(off.mean()),
        width=float((found.high - found.low).mean()),
        coverage=float(covered.mean()) if known else float("nan"),
        suffices=float(trusted.mean()),
        coverage_without_warning=float(covered[trusted].mean()) if known and trusted.any() else float("nan"),
    )


def _order(name: str, size: int, policies: Sequence[tuple[float, Replicates]]) -> OrderLine:
    truth = np.array([value for value, _ in policies])
    said = np.stack([found.value for _, found in policies], axis=1)  # (l, p)
    trusted = np.stack([found.suffices for _, found in policies], axis=1)
    spread = float(np.ptp(truth))
    left, right = np.triu_indices(len(truth), 1)
    apart = np.abs(truth[left] - truth[right]) > NEIGHBOURS * spread
    real = np.broadcast_to(truth, said.shape)
    tau = np.asarray(2 * pairwise_accuracy(np.nan_to_num(said, nan=-np.inf), real, apart) - 1, np.float64)
    lost = (truth.max() - truth[_deployed(said, trusted)]) / spread
    return OrderLine(name, size, _spread(tau, float(np.median(tau))), _spread(lost, float(lost.mean())))


def _deployed(said: Floats, trusted: BoolArray) -> IntArray:
    """(l,) which policy has the highest estimate, among those without a warning where there are any."""
    offered = np.where(trusted.any(axis=1, keepdims=True), trusted, True)
    return np.asarray(np.where(offered, np.nan_to_num(said, nan=-np.inf), -np.inf).argmax(axis=1))


def _spread(values: Floats, centre: float) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(centre, float(low), float(high))


def goals(studies: Sequence[Study], recommended: Mapping[Mode, str], seconds: float) -> tuple[Goal, ...]:
    """What was aimed at, and whether it was reached."""
    cells = [
        cell
        for study in studies
        for cell in study.cells
        if cell.estimator == recommended["single" if study.mode == "single" else "sessions"]
    ]
    enough = [cell for cell in cells if cell.suffices > 0.5]
    covered = [cell.coverage for cell in enough]
    mean = float(np.mean(covered)) if covered else float("nan")
    high = float(np.mean(np.array(covered) >= 0.93)) if covered else float("nan")
    found = [
        Goal(
            "coverage of the recommended estimator where the overlap suffices, on average",
            "at least 93 % of logs",
            f"{mean:.1%} over {len(enough)} cells",
            mean >= 0.93,
        ),
        Goal(
            "cells of sufficient overlap in which it covers at least 93 % of logs",
            "at least 93 % of the cells",
            f"{high:.0%}",
            high >= 0.93,
        ),
        Goal(
            "cells whose overlap suffices",
            "at least half",
            f"{len(enough)} of {len(cells)}",
            2 * len(enough) >= len(cells),
        ),
    ]
    for study in studies:
        name = recommended["single" if study.mode == "single" else "sessions"]
        for line in study.orders:
            if line.estimator == name and line.size == 100_000:
                where = f"order of policies at 100,000 decisions, {study.users}, {study.mode}"
                found.append(Goal(where, "tau at least .9", f"{line.tau}", line.tau.value >= 0.9))
    if not np.isnan(seconds):
        aim = "under 60 s on two cores"
        told = f"{seconds:.0f} s of processor time, so {seconds / 2:.0f} s at least on two cores"
        found.append(Goal("closed-form estimators of all policies on a million decisions", aim, told, seconds < 60))
    return tuple(found)
