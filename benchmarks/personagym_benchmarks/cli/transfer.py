"""`personagym transfer`: users of logs that their base has never read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.transfer.settings import TransferSettings

LEAST_WIDTH = 140
"""Characters that the tables need."""


@dataclass(frozen=True)
class TransferCommand:
    """Ask users who are ready at once on any log, beside users who are fitted there."""

    settings: Annotated[TransferSettings, tyro.conf.arg(name="")] = field(default_factory=TransferSettings)
    output: Path = Path("runs/transfer.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.transfer.board import transfer_tables
        from personagym_benchmarks.transfer.study import run

        console = make_console()
        with console_run(console, self.output.parent) as context:
            study = run(self.settings, context)
        study.save(self.output)
        print_tables(console, transfer_tables(study), LEAST_WIDTH)
        print_plain(console, self.output)
