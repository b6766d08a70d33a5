"""`personagym transfer`: users of logs that their base has never read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.transfer.settings import TransferSettings

LEAST_WIDTH = 180
"""Characters that the tables need."""


@dataclass(frozen=True)
class TransferCommand:
    """Ask users who are ready at once on any log, beside users who are fitted there."""

    settings: Annotated[TransferSettings, tyro.conf.arg(name="")] = field(default_factory=TransferSettings)
    output: Path = Path("runs/transfer.json")
    """Where the JSON goes; the plots go beside it, and finished logs into the folder `transfer` beside it."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.transfer.plots import write_plots
        from personagym_benchmarks.transfer.study import run
        from personagym_benchmarks.transfer.tables import transfer_tables

        console = make_console()
        with console_run(console, self.output.parent) as context:
            study = run(self.settings, context)
        study.save(self.output)
        written = [self.output, *write_plots(study, self.output)]
        print_tables(console, transfer_tables(study), LEAST_WIDTH)
        print_plain(console, *written)
