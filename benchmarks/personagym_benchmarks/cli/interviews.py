"""`personagym interviews`: are the words of simulated users true?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.interviews.settings import InterviewSettings

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class InterviewsCommand:
    """Interview many users, and hold what they say against their held-out rows and against what they do."""

    settings: Annotated[InterviewSettings, tyro.conf.arg(name="")] = field(default_factory=InterviewSettings)
    run: Path = Path("runs/interviews")
    """Folder of a chat model's answers. A run that was cut off goes on from there."""
    output: Path = Path("runs/interviews.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.interviews.study import run
        from personagym_env.evaluation.interviews.tables import tables

        console = make_console()
        with console_run(console, self.run) as context:
            found = run(self.settings, context)
        found.save(self.output)
        print_tables(console, tables(found), LEAST_WIDTH)
        print_plain(console, self.output)
