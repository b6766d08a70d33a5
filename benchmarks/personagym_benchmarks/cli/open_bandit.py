"""`personagym open-bandit`: off-policy estimates on the Open Bandit Dataset, beside what was earned."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain


@dataclass(frozen=True)
class OpenBanditCommand:
    """Ask the logs of two policies of a shop about each other; the data come from obp's source archive."""

    folder: Path
    """The folder `obp/dataset/obd` of the source archive of obp 0.5.7."""
    campaigns: tuple[str, ...] = ("all", "men", "women")
    resamples: int = 1_000
    """Bootstrap resamples behind the intervals."""
    seed: int = 0
    """Of the resamples."""
    output: Path = Path("runs/open_bandit.json")
    """Where the JSON goes."""

    def main(self) -> None:
        """Read, estimate, print, write."""
        from personagym_benchmarks.off_policy.open_bandit import run_open_bandit

        board = run_open_bandit(self.folder, self.campaigns, self.resamples, self.seed)
        board.save(self.output)
        console = make_console()
        for one in board.directions:
            print_plain(console, f"{one.campaign}: logged by {one.logged_by}, asked about {one.asked_about}")
            for name, found in one.estimates.items():
                low, high = 1_000 * found.value.low, 1_000 * found.value.high
                told = f"{1_000 * found.value.value:.2f} ({low:.2f} to {high:.2f})"
                print_plain(console, f"  {name}: {told} clicks per 1,000 rows. {found.warning}")
            print_plain(console, f"  earned: {1_000 * one.earned.value:.2f} clicks per 1,000 rows")
        print_plain(console, board.note, self.output)
