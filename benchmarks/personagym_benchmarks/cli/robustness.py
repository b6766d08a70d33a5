"""`personagym robustness`: does a verdict stand when the agreement study is done otherwise?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain, print_tables
from personagym_benchmarks.robustness.settings import RobustnessSettings

LEAST_WIDTH = 170
"""Characters that the tables need."""


@dataclass(frozen=True)
class RobustnessCommand:
    """Repeat the agreement study under other data, picks and session parameters."""

    settings: Annotated[RobustnessSettings, tyro.conf.arg(name="")] = field(default_factory=RobustnessSettings)
    output: Path = Path("runs/robustness.json")
    """Where the JSON goes."""
    ray: Ray = None

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.robustness.study import run
        from personagym_env.evaluation.robustness.tables import robustness_tables

        console = make_console()
        with console_run(console, self.output.parent, ray=self.ray) as context:
            report = run(self.settings, context)
        report.save(self.output)
        print_tables(console, robustness_tables(report), LEAST_WIDTH)
        print_plain(console, self.output)
