"""`personagym policies`: does learning earn more than the best static recommender?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain, print_tables
from personagym_benchmarks.policies.settings import PolicySettings

LEAST_WIDTH = 150
"""Characters that the table needs."""


@dataclass(frozen=True)
class PoliciesCommand:
    """Train a policy, and compare it with bandits and static recommenders, with the same random draws for all."""

    settings: Annotated[PolicySettings, tyro.conf.arg(name="")] = field(default_factory=PolicySettings)
    folder: Path = Path("runs/ppo")
    """Where a trained policy goes, with its learning curve."""
    output: Path = Path("runs/policies.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Run, print, write."""
        from personagym_benchmarks.policies.study import run
        from personagym_env.evaluation.leaderboard.policy_tables import policy_tables

        console = make_console()
        with console_run(console, self.folder) as context:
            found = run(self.settings, context)
        found.save(self.output)
        print_tables(console, policy_tables(found), LEAST_WIDTH)
        print_plain(console, self.output)
