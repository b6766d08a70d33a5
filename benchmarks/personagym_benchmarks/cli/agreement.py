"""`personagym agreement`: do simulated users put recommenders in the order that real users do?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables

LEAST_WIDTH = 190
"""Characters that the tables need."""


@dataclass(frozen=True)
class AgreementCommand:
    """Ask whether simulated users put recommenders in the order that real users do."""

    settings: Annotated[AgreementSettings, tyro.conf.arg(name="")] = field(default_factory=AgreementSettings)
    output: Path = Path("runs/agreement.json")
    """Where the JSON goes; the plots go beside it."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.agreement.plots import write_plots
        from personagym_benchmarks.agreement.study import run
        from personagym_env.evaluation.agreement.headline import headline_tables
        from personagym_env.evaluation.agreement.tables import agreement_tables

        console = make_console()
        with console_run(console, self.output.parent) as context:
            study = run(self.settings, context)
        study.save(self.output)
        written = [self.output, *write_plots(study, self.output)]
        print_tables(console, headline_tables(study), LEAST_WIDTH)
        print_tables(console, (table for board in study.boards for table in agreement_tables(board)), LEAST_WIDTH)
        print_plain(console, f"Rows: {study.setting['half_split']}.", *written)
