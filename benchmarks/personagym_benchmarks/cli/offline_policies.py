"""`personagym offline-policies`: what a log alone can teach."""

from dataclasses import dataclass, field, replace
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
    """Where logs, checkpoints, policies and TensorBoard's logs go: a run that was cut off goes on from there."""
    output: Path = Path("runs/offline_policies.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_agents.training.tensorboard import tensorboard_log
        from personagym_benchmarks.offline_policies.study import run
        from personagym_env.evaluation.off_policy.offline_policies import offline_table
        from personagym_env.evaluation.reporting.differences import differences_table

        console = make_console()
        with console_run(console, self.folder) as shown, tensorboard_log(self.folder) as figures:
            found = run(self.settings, replace(shown, figures=figures))
        found.save(self.output)
        print_tables(console, (offline_table(found), differences_table(found.differences, "return")), LEAST_WIDTH)
        print_plain(console, self.output)
