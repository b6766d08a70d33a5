"""`personagym card`: the simulation card."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.console import make_console
from personagym_env.benchmark import refuse_mixed
from personagym_env.card import SimulationCard


@dataclass(frozen=True)
class CardCommand:
    """Print the simulation card: every parameter of the session model, fitted or assumed."""

    dataset: str = "ml-100k"
    agent: str = "default"
    robustness: Path | None = None
    """What `personagym robustness` wrote of the same data; then the card tells what other values of each parameter
    do, by the first judge who has sessions there."""
    device: str | None = None
    """Where a language model runs, as `torch` names it; None takes a GPU if there is one."""

    def main(self) -> None:
        """Run the command."""
        from personagym_env.world import make_world

        world = make_world(self.dataset, self.agent, device=self.device)
        card = world.card()
        if self.robustness is not None:
            card = _with_sensitivity(card, world.dataset.name, self.robustness)
        console = make_console()
        console.print(card.to_text(console.width), markup=False, highlight=False)


def _with_sensitivity(card: SimulationCard, dataset: str, path: Path) -> SimulationCard:
    """The card with the sensitivity that a robustness report tells.

    Raises:
        ValueError: the report is of other data, has no sessions, or was measured under other values of the parameters
            or in another benchmark.
    """
    from personagym_env.evaluation.robustness.verdicts import Robustness

    report = Robustness.load(path)
    if report.dataset != dataset:
        raise ValueError(f"{path.name} is of {report.dataset!r}, and the card of {dataset!r}")
    values = {entry.assumption.name: entry.value for entry in card.entries}
    if not report.session_judges:
        raise ValueError(f"{path.name} tells of no sessions, so it knows no sensitivity")
    if changed := report.outdated(values):
        theirs = ", ".join(f"{name} {report.values[name]:.4g}, here {values[name]:.4g}" for name in changed)
        raise ValueError(f"{path.name} was measured under other values than the card's: {theirs}")
    if card.benchmark is not None:
        refuse_mixed({"the card": {dataset: card.benchmark}, path.name: report.benchmarks})
    judge = report.session_judges[0]
    unknown = "" if dataset in report.benchmarks else f" (benchmark {report.benchmark_words})"
    return card.with_sensitivity(report.sensitivity(judge), f"{judge}{unknown}")
