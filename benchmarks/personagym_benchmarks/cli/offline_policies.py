"""`personagym offline-policies`: what a log alone can teach."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.offline_policies.settings import OfflineSettings

LEAST_WIDTH = 120
"""Characters that the table needs."""


@dataclass(frozen=True)
class OfflinePoliciesCommand:
    """Train policies on collected logs, and compare them with those that wrote the logs, with the same random draws."""

    settings: Annotated[OfflineSettings, tyro.conf.arg(name="")] = field(default_factory=OfflineSettings)
    folder: Path = Path("runs/offline")
    """Where logs, checkpoints and policies go: a run that was cut off goes on from there."""
    output: Path = Path("runs/offline_policies.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.offline_policies.study import run
        from personagym_env.evaluation.off_policy.offline_policies import differences_table, offline_table

        console = make_console()
        with console_run(console, self.folder) as context:
            found = run(self.settings, context)
        found.save(self.output)
        print_tables(console, (offline_table(found), differences_table(found)), LEAST_WIDTH)
        print_plain(console, self.output)
