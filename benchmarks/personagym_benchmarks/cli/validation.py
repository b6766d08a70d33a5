"""`personagym validation`: do simulated logs look like real ones?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.validation.settings import ValidationSettings

LEAST_WIDTH = 190
"""Characters that the tables need."""


@dataclass(frozen=True)
class ValidationCommand:
    """Compare simulated logs with a real one: sessions, ratings, popularity, genres."""

    settings: Annotated[ValidationSettings, tyro.conf.arg(name="")] = field(default_factory=ValidationSettings)
    output: Path = Path("runs/validation.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.validation.study import run
        from personagym_env.evaluation.validation.tables import validation_tables

        console = make_console()
        with console_run(console, self.output.parent) as context:
            result = run(self.settings, context)
        result.save(self.output)
        print_tables(console, validation_tables(result), LEAST_WIDTH)
        print_plain(console, self.output)
