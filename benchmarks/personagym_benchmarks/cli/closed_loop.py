"""`personagym closed-loop`: what becomes of a recommender that is refitted on its own log."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.closed_loop.settings import LoopSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class ClosedLoopCommand:
    """Deploy, log and refit a recommender for some rounds, naively and with propensities, while items arrive."""

    settings: Annotated[LoopSettings, tyro.conf.arg(name="")] = field(default_factory=LoopSettings)
    folder: Path = Path("runs/closed-loop")
    """Where the logs go: a run that was cut off goes on from there."""
    output: Path = Path("runs/closed_loop.json")
    """Where the JSON goes; the plot stands beside it."""

    def main(self) -> None:
        """Run, print, write, draw."""
        from personagym_benchmarks.closed_loop.study import run
        from personagym_env.evaluation.closed_loop.plots import loop_plot
        from personagym_env.evaluation.closed_loop.tables import tables
        from personagym_env.files import write_atomically

        console = make_console()
        with console_run(console, self.folder) as context:
            found = run(self.settings, context)
        found.save(self.output)
        plot = self.output.with_suffix(".svg")
        write_atomically(plot, loop_plot(found))
        print_tables(console, tables(found), LEAST_WIDTH)
        print_plain(console, self.output, plot)
