"""`personagym compare A B`: is one recommender better than another?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.compare.settings import CompareSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class CompareCommand:
    """Say of each pair of recommenders whether one is better, and what difference could have been seen."""

    settings: Annotated[CompareSettings, tyro.conf.arg(name="")]
    output: Path = Path("runs/compare.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.compare.study import run
        from personagym_env.evaluation.leaderboard.comparison import comparison_tables, sentences

        console = make_console()
        with console_run(console, self.output.parent) as context:
            comparison = run(self.settings, context)
        comparison.save(self.output)
        print_tables(console, comparison_tables(comparison), LEAST_WIDTH)
        print_plain(console, *sentences(comparison), self.output)
