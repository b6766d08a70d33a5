"""`personagym agreement`: do simulated users put recommenders in the order that real users do?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain, print_tables

LEAST_WIDTH = 190
"""Characters that the tables need."""


ALL_DATA = Path("runs/agreement-all.json")
"""Where the JSON of the study on all data goes unless told otherwise."""


@dataclass(frozen=True)
class AgreementCommand:
    """Ask whether simulated users put recommenders in the order that real users do."""

    settings: Annotated[AgreementSettings, tyro.conf.arg(name="")] = field(default_factory=AgreementSettings)
    all_data: bool = False
    """Whether the study is made on every log at hand, by the options `all`, in place of one log by those above."""
    all: AllLogsSettings = field(default_factory=AllLogsSettings)
    """Of the study on all data: which logs, who judges, on how many users."""
    output: Path | None = None
    """Where the JSON goes, `runs/agreement.json` or `runs/agreement-all.json` by default; plots go beside it."""
    ray: Ray = None

    def main(self) -> None:
        """Run, print, write.

        Raises:
            ValueError: options are of the other study.
        """
        self._check()
        if self.all_data:
            self._all_data(self.output or ALL_DATA)
        else:
            self._one_log(self.output or Path("runs/agreement.json"))

    def _check(self) -> None:
        if self.all_data and self.ray is not None:
            raise ValueError("the study on all data is not made in pieces: leave `--ray` out, or study one log")
        if self.all_data and self.settings != AgreementSettings():
            raise ValueError("options of the study of one log do not hold with `--all-data`: its own begin `--all.`")
        if not self.all_data and self.all != AllLogsSettings():
            raise ValueError("options that begin `--all.` are of the study on all data: add `--all-data`")

    def _one_log(self, output: Path) -> None:
        from personagym_benchmarks.agreement.plots import write_plots
        from personagym_benchmarks.agreement.study import run
        from personagym_env.evaluation.agreement.headline import headline_tables
        from personagym_env.evaluation.agreement.tables import agreement_tables

        console = make_console()
        with console_run(console, output.parent, ray=self.ray) as context:
            study = run(self.settings, context)
        study.save(output)
        written = [output, *write_plots(study, output)]
        print_tables(console, headline_tables(study), LEAST_WIDTH)
        print_tables(console, (table for board in study.boards for table in agreement_tables(board)), LEAST_WIDTH)
        print_plain(console, f"Rows: {study.setting['half_split']}.", *written)

    def _all_data(self, output: Path) -> None:
        from personagym_benchmarks.agreement.all_logs.study import run
        from personagym_env.evaluation.agreement.all_logs.plots import when_plot
        from personagym_env.evaluation.agreement.all_logs.tables import all_logs_tables
        from personagym_env.files import write_atomically

        console = make_console()
        with console_run(console, output.parent, ray=self.ray) as context:
            study = run(self.all, context)
        study.save(output)
        plot = output.with_name(f"{output.stem}-when.svg")
        write_atomically(plot, when_plot(study))
        print_tables(console, all_logs_tables(study), LEAST_WIDTH)
        print_plain(console, output, plot)
