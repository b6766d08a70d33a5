"""`personagym leaderboard`: recommenders judged by simulated users."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain, print_tables
from personagym_benchmarks.leaderboard.settings import LeaderboardSettings

LEAST_WIDTH = 130
"""Characters that the tables need."""


@dataclass(frozen=True)
class LeaderboardCommand:
    """Rank recommenders by what simulated users make of them, beside what held-out real behaviour says."""

    settings: Annotated[LeaderboardSettings, tyro.conf.arg(name="")] = field(default_factory=LeaderboardSettings)
    output: Path = Path("runs/leaderboard.json")
    """Where the JSON goes."""
    report: Path = Path("runs/leaderboard.html")
    """Where the report goes."""
    ray: Ray = None

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.leaderboard.study import run
        from personagym_env.evaluation.leaderboard.tables import leaderboard_tables
        from personagym_env.evaluation.reporting.report import write_report

        console = make_console()
        with console_run(console, self.output.parent, ray=self.ray) as context:
            board = run(self.settings, context)
        board.save(self.output)
        write_report(board, self.report)
        print_tables(console, leaderboard_tables(board), LEAST_WIDTH)
        print_plain(console, self.output, self.report)
