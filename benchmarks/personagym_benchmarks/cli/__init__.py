"""The command line `personagym`: a module per command, whose dataclass is its options."""

from collections.abc import Callable
from typing import Any

import tyro

from personagym_benchmarks.cli.agreement import AgreementCommand
from personagym_benchmarks.cli.backtest import BacktestCommand
from personagym_benchmarks.cli.card import CardCommand
from personagym_benchmarks.cli.closed_loop import ClosedLoopCommand
from personagym_benchmarks.cli.collect import CollectCommand
from personagym_benchmarks.cli.compare import CompareCommand
from personagym_benchmarks.cli.fidelity import FidelityCommand
from personagym_benchmarks.cli.instructions import InstructionsCommand
from personagym_benchmarks.cli.interview import InterviewCommand
from personagym_benchmarks.cli.interviews import InterviewsCommand
from personagym_benchmarks.cli.leaderboard import LeaderboardCommand
from personagym_benchmarks.cli.off_policy import OffPolicyCommand
from personagym_benchmarks.cli.offline_policies import OfflinePoliciesCommand
from personagym_benchmarks.cli.open_bandit import OpenBanditCommand
from personagym_benchmarks.cli.play import PlayCommand
from personagym_benchmarks.cli.policies import PoliciesCommand
from personagym_benchmarks.cli.profile import ProfileCommand
from personagym_benchmarks.cli.reasons import ReasonsCommand
from personagym_benchmarks.cli.report import ReportCommand
from personagym_benchmarks.cli.robustness import RobustnessCommand
from personagym_benchmarks.cli.train import TrainCommand
from personagym_benchmarks.cli.transfer import TransferCommand
from personagym_benchmarks.cli.user import UserCommand
from personagym_benchmarks.cli.validation import ValidationCommand
from personagym_benchmarks.console import make_console, mistakes_in_one_line, notes_as_lines

COMMANDS: dict[str, Callable[..., Any]] = {
    "leaderboard": LeaderboardCommand,
    "agreement": AgreementCommand,
    "compare": CompareCommand,
    "backtest": BacktestCommand,
    "fidelity": FidelityCommand,
    "validation": ValidationCommand,
    "robustness": RobustnessCommand,
    "collect": CollectCommand,
    "off-policy": OffPolicyCommand,
    "open-bandit": OpenBanditCommand,
    "policies": PoliciesCommand,
    "offline-policies": OfflinePoliciesCommand,
    "closed-loop": ClosedLoopCommand,
    "transfer": TransferCommand,
    "train": TrainCommand,
    "profile": ProfileCommand,
    "reasons": ReasonsCommand,
    "user": UserCommand,
    "interview": InterviewCommand,
    "interviews": InterviewsCommand,
    "instructions": InstructionsCommand,
    "card": CardCommand,
    "play": PlayCommand,
    "report": ReportCommand,
}


def main() -> None:
    """Entry point of the console script; a mistake that the user can mend is told in one line."""
    make_console()  # before anything is printed, help and errors among it
    command = tyro.extras.subcommand_cli_from_dict(COMMANDS, description="Simulated users for recommenders.")
    with mistakes_in_one_line("personagym"), notes_as_lines():
        command.main()
