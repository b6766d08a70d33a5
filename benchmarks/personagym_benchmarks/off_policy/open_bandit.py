"""The Open Bandit Dataset: clicks of real people, logged by two policies, so that each log is asked about the other.

The data (Saito et al., NeurIPS 2021 Datasets and Benchmarks) stand in no file of this project. A sample of 10,000 rows
a log is part of the source archive of `obp` 0.5.7, under `obp/dataset/obd`; the archive has the Apache License 2.0.
It holds some forty clicks a log: enough to check the format, not the estimators.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.evaluation.off_policy.decisions import Decisions, Floats
from personagym_env.evaluation.off_policy.estimates import Estimate, estimates
from personagym_env.evaluation.off_policy.inverse_propensity import clipped_ips, ips, snips
from personagym_env.protocols import Propensities

POLICIES = ("random", "bts")
"""Uniformly random items, and Bernoulli Thompson sampling; each has a folder with a folder per campaign."""
COLUMNS = ("item_id", "position", "click", "propensity_score")
SIZE = "rows of each log hold some forty clicks: this checks the format, not the estimators"


class BanditLog(NamedTuple):
    """One log; each column (n,)."""

    item: IntArray
    position: IntArray
    click: Floats
    propensity: Floats

    def __repr__(self) -> str:
        return f"BanditLog({len(self.item)} rows, {int(self.click.sum())} clicks)"


@dataclass(frozen=True)
class Direction:
    """One policy's log asked about the other policy."""

    campaign: str
    logged_by: str
    asked_about: str
    rows: int
    clicks: int
    estimates: Mapping[str, Estimate]
    """Clicks per row, by estimator."""
    earned: Interval
    """What the other policy's own log earned."""


@dataclass(frozen=True, kw_only=True)
class OpenBanditBoard(Result):
    """Estimates in both directions, beside what was earned."""

    KIND = "Open Bandit study"
    FORMAT = 1
    COMMAND = "personagym open-bandit"

    directions: tuple[Direction, ...]
    note: str


def read_bandit_log(path: Path) -> BanditLog:
    """Read a log.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: columns are missing, or a value is wrong; the message names file and row.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no log {path}: expected the folder `obp/dataset/obd` of obp's source archive")
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise ValueError(f"{path} lacks the columns {', '.join(missing)}")
        for row, entry in enumerate(reader):
            try:
                values = {name: float(entry[name]) for name in COLUMNS}
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, row {row}: expected numbers in {', '.join(COLUMNS)}: {error}") from error
            if not 0 < values["propensity_score"] <= 1 or values["click"] not in (0, 1):
                raise ValueError(
                    f"{path}, row {row}: expected a propensity in (0, 1] and a click of 0 or 1, got {values}"
                )
            for name, value in values.items():
                columns[name].append(value)
    if not columns["click"]:
        raise ValueError(f"{path} has no rows")
    item, position = (np.array(columns[name], np.int64) for name in ("item_id", "position"))
    return BanditLog(item, position, np.array(columns["click"]), np.array(columns["propensity_score"]))


def run_open_bandit(folder: Path, campaigns: tuple[str, ...], resamples: int, seed: int) -> OpenBanditBoard:
    """Ask each policy's log about the other policy.

    A policy's propensity for an item at a place is the harmonic mean of those that its own log has, and 0 where it
    never showed the item there. Rows come as often as their propensity says, so that is the mean over the days: exact
    for the random policy, whose propensities do not change, an approximation for Thompson sampling, whose do.
    """
    directions = []
    for campaign in campaigns:
        logs = {name: read_bandit_log(folder / name / campaign / f"{campaign}.csv") for name in POLICIES}
        for logged_by, asked_about in (POLICIES, POLICIES[::-1]):
            rng = np.random.default_rng(seed)
            log, other = logs[logged_by], logs[asked_about]
            decisions = Decisions(
                np.arange(len(log.item)), log.click, None, _single(log.propensity), _single(_propensity(other, log))
            )
            terms = {"IPS": ips(decisions), "SNIPS": snips(decisions), "clipped IPS": clipped_ips(decisions)}
            rows = RatioOfSums(other.click, np.ones(len(other.click)))
            earned = interval(rows.resampled(user_resamples(len(other.click), min(resamples, 400), rng)))
            found = estimates(decisions, terms, rng, resamples)
            directions.append(
                Direction(campaign, logged_by, asked_about, len(log.item), int(log.click.sum()), found, earned)
            )
    return OpenBanditBoard(
        setting={"campaigns": campaigns, "resamples": resamples, "seed": seed},
        environment=environment_snapshot(),
        directions=tuple(directions),
        note=f"The {directions[0].rows:,} {SIZE}.",
    )


def _propensity(policy: BanditLog, log: BanditLog) -> Floats:
    """(n,) harmonic mean of the propensities that a policy's own log has for another log's items at their places."""
    n_items = int(max(policy.item.max(), log.item.max())) + 1
    own, asked = (one.position * n_items + one.item for one in (policy, log))
    size = int(max(own.max(), asked.max())) + 1
    count, inverse = np.bincount(own, minlength=size), np.bincount(own, 1.0 / policy.propensity, size)
    mean = np.divide(count, inverse, out=np.zeros(size), where=count > 0)
    return np.asarray(mean[asked], np.float64)


def _single(propensity: Floats) -> Propensities:
    column = propensity[:, None]
    return Propensities(propensity, column, column, np.zeros_like(column))
