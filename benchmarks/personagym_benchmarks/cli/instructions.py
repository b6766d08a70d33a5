"""`personagym instructions`: do users' wishes tell what they do next, and what is it worth to follow them?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.instructions.settings import InstructionSettings

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class InstructionsCommand:
    """Hold users' wishes against their held-out rows, and play sessions with a recommender that follows them."""

    settings: Annotated[InstructionSettings, tyro.conf.arg(name="")] = field(default_factory=InstructionSettings)
    output: Path = Path("runs/instructions.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.instructions.study import run
        from personagym_env.evaluation.instructions.tables import tables

        console = make_console()
        with console_run(console, self.output.parent) as context:
            found = run(self.settings, context)
        found.save(self.output)
        print_tables(console, tables(found), LEAST_WIDTH)
        print_plain(console, self.output)
