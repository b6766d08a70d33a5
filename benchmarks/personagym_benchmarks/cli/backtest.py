"""`personagym backtest FILE`: would simulated users have told the winners of past A/B tests?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.backtest.settings import BacktestSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class BacktestCommand:
    """Replay past A/B tests: predicted against real winners, and whether predicted probabilities can be trusted."""

    settings: Annotated[BacktestSettings, tyro.conf.arg(name="")] = field(default_factory=BacktestSettings)
    output: Path = Path("runs/backtest.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.backtest.study import run
        from personagym_env.evaluation.backtest.board import backtest_tables

        console = make_console()
        with console_run(console, self.output.parent) as context:
            study = run(self.settings, context)
        study.save(self.output)
        print_tables(console, backtest_tables(study), LEAST_WIDTH)
        print_plain(console, self.output)
