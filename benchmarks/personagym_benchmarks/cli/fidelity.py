"""`personagym fidelity`: how true users are to held-out ratings and choices."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain, print_tables
from personagym_benchmarks.fidelity.settings import FidelitySettings

LEAST_WIDTH = 150
"""Characters that the tables need."""


@dataclass(frozen=True)
class FidelityCommand:
    """Measure how true users are to held-out ratings and choices, beside floors."""

    settings: Annotated[FidelitySettings, tyro.conf.arg(name="")] = field(default_factory=FidelitySettings)
    output: Path | None = None
    """Where the JSON goes; the plots go beside it. By default `runs/fidelity.json`, or `runs/u1.json` where `u1` is the
    only split, or `runs/variants.json` with variants."""
    ray: Ray = None

    def main(self) -> None:
        """Run, print, write."""
        if self.settings.variants:
            return self._measure_variants()
        from personagym_benchmarks.fidelity.plots import write_plots
        from personagym_benchmarks.fidelity.study import run
        from personagym_env.evaluation.fidelity.tables import fidelity_tables

        console = make_console()
        output = self.output or Path("runs") / ("u1.json" if self.settings.splits == ("u1",) else "fidelity.json")
        with console_run(console, output.parent, ray=self.ray) as context:
            report = run(self.settings, context)
        report.save(output)
        written = [output, *write_plots(report, output)]
        print_tables(console, (table for board in report.boards for table in fidelity_tables(board)), LEAST_WIDTH)
        print_plain(console, *written)

    def _measure_variants(self) -> None:
        from personagym_benchmarks.variants.study import run
        from personagym_benchmarks.variants.tables import LEAST_WIDTH as WIDTH
        from personagym_benchmarks.variants.tables import variant_tables

        console = make_console()
        output = self.output or Path("runs") / "variants.json"
        with console_run(console, output.parent, ray=self.ray) as context:
            report = run(self.settings, context)
        report.save(output)
        print_tables(console, variant_tables(report), WIDTH)
        print_plain(console, output)
        if report.failures:
            raise SystemExit("; ".join(f"{name} could not be measured: {why}" for name, why in report.failures.items()))
