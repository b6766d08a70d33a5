"""`personagym off-policy`: off-policy estimators against the truth that a simulator knows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain, print_tables
from personagym_benchmarks.off_policy.settings import OffPolicySettings

LEAST_WIDTH = 130
"""Characters that the tables need."""


@dataclass(frozen=True)
class OffPolicyCommand:
    """Hold off-policy estimators against the true values of many policies, on hundreds of logs of every size."""

    settings: Annotated[OffPolicySettings, tyro.conf.arg(name="")] = field(default_factory=OffPolicySettings)
    output: Path = Path("runs/off_policy.json")
    """Where the JSON goes; the plots stand beside it."""
    ray: Ray = None

    def main(self) -> None:
        """Run, print, write, draw."""
        from personagym_benchmarks.off_policy.study import run
        from personagym_env.evaluation.off_policy.plots import coverage_plot, error_plot
        from personagym_env.evaluation.off_policy.tables import tables
        from personagym_env.files import write_atomically

        console = make_console()
        with console_run(console, self.output.parent, ray=self.ray) as context:
            board = run(self.settings, context)
        board.save(self.output)
        plots = {"error": error_plot(board), "coverage": coverage_plot(board)}
        drawn = [self.output.with_name(f"{self.output.stem}-{name}.svg") for name in plots]
        for path, plot in zip(drawn, plots.values(), strict=True):
            write_atomically(path, plot)
        print_tables(console, tables(board), LEAST_WIDTH)
        print_plain(console, self.output, *drawn)
