"""Robustness in a terminal: every setting with its verdict, flips flagged."""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.looks import SETTINGS
from personagym_env.evaluation.robustness.sessions import SEVERAL_SESSIONS
from personagym_env.evaluation.robustness.settings import SESSIONS
from personagym_env.evaluation.robustness.verdicts import PARAMETERS, SETTING_KINDS, Robustness, RobustnessRow


def robustness_tables(report: Robustness) -> Iterator[Table]:
    """One table per judge, for `rich.print`."""
    for judge in report.judges:
        yield _table(report, judge)


def setting_name(row: RobustnessRow) -> str:
    """The setting with its number, for people."""
    if row.kind not in PARAMETERS or row.value is None:
        return row.setting
    return f"{row.setting} = {row.value:.4g}{across(row)}"


def across(row: RobustnessRow) -> str:
    """How many sessions an episode had if it had several, to be written behind the setting."""
    return f", up to {SESSIONS} sessions" if row.kind in PARAMETERS and row.against == SEVERAL_SESSIONS else ""


def _table(report: Robustness, judge: str) -> Table:
    rows, flipped = report.of(judge), report.flipped(judge)
    absent = f"\n{judge}: {report.absent[judge]}" if judge in report.absent else ""
    orders = sum("order" in row.flips(report.stable) for row in rows)
    clear = sum(row.clear for row in rows)
    table = Table(
        title=f"{report.dataset}: {judge}, {len(flipped)} of {len(rows)} verdicts flip",
        title_justify="left",
        title_style="bold",
        caption=(
            f"order: tau with the default verdict below {report.stable:g}, {orders} times; winner: another first, "
            f"{clear} times by more than chance among users; resampled users alone leave a tau of "
            f"{report.chance[judge]:.2f} or more in 95 % of draws{absent}"
        ),
        caption_justify="left",
    )
    for head in ("kind", "setting"):
        table.add_column(head, no_wrap=True)
    for head in ("tau with real", "regret of the range", "mean said", "tau with default"):
        table.add_column(head, justify="right")
    table.add_column("winner", no_wrap=True)
    table.add_column("flips", no_wrap=True)
    for row in sorted(rows, key=lambda row: SETTING_KINDS.index(row.kind)):
        words = row.flip_words(report.stable)
        table.add_row(
            SETTINGS[row.kind].title,
            Text(setting_name(row)),
            _cell(row.tau, 2),
            Text(f"{row.regret_share.value:.1%}"),
            Text(f"{row.mean:.2f}"),
            Text(f"{row.tau_default:.2f}"),
            Text(row.winner),
            Text(words or "–", style="bold" if words else "dim"),
        )
    return table


def _cell(interval: Interval, digits: int) -> Text:
    text = Text(f"{interval.value:.{digits}f}")
    if not np.isnan(interval.low):
        text.append(f" {interval.low:.{digits}f}..{interval.high:.{digits}f}", style="dim")
    return text
