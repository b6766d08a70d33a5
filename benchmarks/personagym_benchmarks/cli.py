"""The command line `personagym`.

It is wiring, so it reaches the users by name when a command runs, as `gym.make` does.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from personagym_benchmarks.console import make_console
from personagym_env.card import SimulationCard
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import PROTOCOLS, Split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.data_overlap import judge_half

console = make_console()
SHARE = 0.8


@dataclass
class Train:
    """Train language-model users on a log and write them as a bundle."""

    output: Path
    """Folder of the bundle."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    protocol: Literal["temporal", "paper", "cold"] = "temporal"
    """Which rows are training rows; `personagym_env.data.splits.PROTOCOLS` describes them."""
    judge_half: bool = False
    """Learn only from the half of the training rows that the leaderboard's contestants do not know, to judge them."""
    preset: Literal["default", "paper"] = "default"
    """`paper` takes the adapters of *Personas within Parameters*, for a `base` of the user's."""
    base: str = "small"
    """`small` trains a small Llama from random weights; else a causal LM by name or path, which gets adapters alone."""
    seed: int = 0
    """Of the base, the adapters and the personas."""
    epochs: int | None = None
    """Epochs of the small base; None for the default."""
    width: int | None = None
    """Hidden size of the small base; None for the default."""
    layers: int | None = None
    """Layers of the small base; None for the default."""
    personas: int | None = None
    """Number of personas; None takes the preset's, or chooses by the criterion."""
    persona_features: Literal["behaviour", "profile", "both"] = "behaviour"
    """What users are grouped by: how they rate and choose, the text of their profile (that of `profiles` if given),
    or both."""
    groups: Literal["none", "single", "random", "persona", "individual"] = "persona"
    """Users who share an adapter."""
    rank: int | None = None
    """Rank of the adapters; None for the preset's."""
    alpha: int | None = None
    """The adapters' scale times their rank; None for the preset's."""
    dropout: float | None = None
    """Dropout within the adapters; None for the preset's."""
    targets: Literal["all-linear", "query-key"] | None = None
    """Layers that get adapters: all linear ones, or the attention's queries and keys; None for the preset's."""
    adapter_epochs: int | None = None
    """Epochs of the adapters; None for the preset's."""
    checkpointing: bool = False
    """Whether layers are computed again for their gradients, which saves memory where a base is large."""
    profiles: str | None = None
    """File of `personagym profile`, told in the documents too; None for the statistical profiles alone."""
    recall: Literal["nothing", "evidence", "reasons", "both"] | None = None
    """What users recall about an item before they answer: evidence in numbers, reasons of earlier ratings that are near
    to it, both or nothing; None for the preset's."""
    reasons: int = 1
    """Reasons that are recalled about an item, where any are."""
    reason_book: str | None = None
    """File of `personagym reasons`; None composes the reasons from evidence."""
    run: Path = Path("runs/train")
    """Folder of checkpoints and TensorBoard logs. A run that was cut off goes on from there."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.bundle.build import build_bundle
        from personagym_agents.bundle.settings import SMALL, BundleSettings, paper_settings
        from personagym_agents.training.base import train_base
        from personagym_agents.training.progress import training_report

        dataset = load_dataset(self.dataset)
        protocol = PROTOCOLS[self.protocol]
        split, split_words = protocol.split(dataset.interactions), protocol.description
        if self.judge_half:
            split, half_words = judge_half(split)
            split_words = f"{split_words}; {half_words}"
        of_small = _given(epochs=self.epochs, width=self.width, layers=self.layers)
        if of_small and self.base != SMALL:
            raise SystemExit(f"{', '.join(of_small)}: of the small base alone, got base {self.base!r}")
        preset = BundleSettings(base=self.base) if self.preset == "default" else paper_settings(self.base)
        of_adapters = _given(rank=self.rank, alpha=self.alpha, dropout=self.dropout, targets=self.targets)
        of_training = _given(seed=self.seed, checkpointing=self.checkpointing)
        adapter_training = replace(preset.adapters.training, **of_training, **_given(epochs=self.adapter_epochs))
        settings = replace(
            preset,
            **_given(width=self.width, layers=self.layers),
            training=replace(preset.training, **of_training, **_given(epochs=self.epochs)),
            adapters=replace(preset.adapters, groups=self.groups, training=adapter_training, **of_adapters),
            personas=replace(preset.personas, features=self.persona_features, **_given(n_personas=self.personas)),
            **_recalled(self.recall, self.reasons),
            reason_book=self.reason_book,
            profiles=self.profiles,
        )
        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console) as progress, training_report(self.run, progress) as report:
            say = progress.console.print
            trained_base = train_base(dataset, split, settings, run=self.run, say=say, report=report)
            manifest = build_bundle(
                trained_base,
                place=self.output,
                run=self.run,
                command="personagym " + " ".join(sys.argv[1:]),
                split_words=split_words,
                say=say,
                report=report,
            )
        console.print(f"bundle at {self.output}, on held-out rows:")
        console.print(manifest.metrics)


@dataclass
class _Written:
    """What a chat model writes from the training rows."""

    output: Path
    """File of what is written."""
    model: str
    """Chat model: a local one by name or path, or the server's name of it."""
    base_url: str | None = None
    """Server that speaks OpenAI's protocol, such as http://localhost:8000/v1; None runs the model here."""
    key_variable: str | None = None
    """Environment variable that holds the server's key; None sends none."""
    concurrency: int = 8
    """Requests under way at a time."""
    prices: tuple[float, float] | None = None
    """Price of a million tokens read and of a million written, for the report."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    free_text: bool = True
    """Whether sentences stay that make no claim which ratings could bear out; they are counted either way."""

    def write(self, written_by: Callable[..., object], settings: object, cache: Path) -> None:
        """Ask the chat model, with progress."""
        from personagym_agents.llm.chat import ChatError, Prices
        from personagym_agents.llm.profiling import open_chat, reflection_report

        dataset, split = _data(self.dataset)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        opened = open_chat(
            self.model, base_url=self.base_url, key_variable=self.key_variable, concurrency=self.concurrency
        )
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress, opened as chat:
            try:
                written_by(
                    dataset,
                    split.train,
                    chat,
                    settings,
                    place=self.output,
                    cache=cache,
                    prices=None if self.prices is None else Prices(*self.prices),
                    say=progress.console.print,
                    report=reflection_report(progress),
                )
            except ChatError as error:
                raise SystemExit(str(error)) from error
        console.print(f"written to {self.output}")


@dataclass
class Profile(_Written):
    """Let a chat model write the profiles of all users; what their ratings do not bear out is thrown out."""

    folds: int = 2
    """Profiles for training, each without one part of a user's ratings; 0 for none."""
    cache: Path = Path("runs/profile")
    """Folder of the answers. A run that was cut off goes on from there."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.llm.profiling import profile_users
        from personagym_agents.llm.reflection import ReflectionSettings

        self.write(profile_users, ReflectionSettings(folds=self.folds, free_text=self.free_text), self.cache)


@dataclass
class Reasons(_Written):
    """Let a chat model say why users took what they took; what their ratings do not bear out is thrown out."""

    cache: Path = Path("runs/reasons")
    """Folder of the answers. A run that was cut off goes on from there."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.llm.reasons import ReasonSettings, write_reasons

        self.write(write_reasons, ReasonSettings(free_text=self.free_text), self.cache)


@dataclass
class User:
    """Print the document that a language-model user begins a session with."""

    user: Annotated[int, tyro.conf.Positional]
    """Internal user id, from 0."""
    dataset: str = "ml-100k"
    agent: str = "persona"
    """`persona` for the shipped bundle, or the folder of another one."""
    device: str | None = None
    """Where the language model runs, as `torch` names it; None takes a GPU if there is one."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents import load

        dataset, split = _data(self.dataset)
        agent = load(self.agent, dataset, split.train, device=self.device)
        if not hasattr(agent, "document"):
            raise SystemExit(f"{agent.name!r} users have no document: name a bundle of language-model users")
        if not 0 <= self.user < agent.n_users:
            raise SystemExit(f"user must lie in 0..{agent.n_users - 1}, got {self.user}")
        console.print(agent.document(self.user), markup=False, highlight=False, soft_wrap=True)


@dataclass
class Card:
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
        console.print(card.to_text(console.width), markup=False, highlight=False)


@dataclass
class Play:
    """Watch one session: random slates, shown step by step."""

    dataset: str = "ml-100k"
    agent: str = "default"
    device: str | None = None
    """Where a language model runs, as `torch` names it; None takes a GPU if there is one."""
    user: int | None = None
    """Internal user id; None draws one."""
    slate_size: int = 5
    steps: int = 8
    seed: int = 0

    def main(self) -> None:
        """Run the command."""
        from personagym_env.env import PersonaRecEnv
        from personagym_env.world import make_world

        world = make_world(self.dataset, self.agent, device=self.device)
        env = PersonaRecEnv(world, self.slate_size, max_episode_steps=self.steps, render_mode="ansi")
        env.action_space.seed(self.seed)
        env.reset(seed=self.seed, options=None if self.user is None else {"user": self.user})
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            console.print(env.render(), markup=False, highlight=False, soft_wrap=True)
            done = terminated or truncated


@dataclass
class Report:
    """Write one HTML file, to be read offline, of the results that a folder holds."""

    output: Path = Path("report.html")
    """Where the report goes."""
    results: Path = Path("benchmarks/results")
    """Folder with any of leaderboard.json, agreement.json, fidelity.json and validation.json, and robustness.json."""

    def main(self) -> None:
        """Run the command."""
        from personagym_env.evaluation.agreement.study_file import AgreementStudy
        from personagym_env.evaluation.fidelity.board import FidelityReport
        from personagym_env.evaluation.leaderboard.board import Leaderboard
        from personagym_env.evaluation.reporting.report import write_report
        from personagym_env.evaluation.robustness.verdicts import Robustness
        from personagym_env.evaluation.validation.board import Validation

        files = {name: self.results / f"{name}.json" for name in ("leaderboard", "agreement", "validation", "fidelity")}
        varied = self.results / "robustness.json"
        found = {name for name, path in files.items() if path.is_file()}
        if not found:
            expected = ", ".join(path.name for path in files.values())
            raise SystemExit(f"{self.results} holds no results: expected any of {expected}")
        write_report(
            Leaderboard.load(files["leaderboard"]) if "leaderboard" in found else None,
            self.output,
            AgreementStudy.load(files["agreement"]) if "agreement" in found else None,
            Validation.load(files["validation"]) if "validation" in found else None,
            FidelityReport.load(files["fidelity"]) if "fidelity" in found else None,
            Robustness.load(varied) if varied.is_file() else None,
        )
        console.print(f"{self.output}: {', '.join(sorted(found))}", markup=False, highlight=False)


def _recalled(recall: str | None, reasons: int) -> dict[str, Any]:
    if recall is None:
        return {}
    return {"memory": recall in ("evidence", "both"), "reasons": reasons if recall in ("reasons", "both") else 0}


def _given(**options: Any) -> dict[str, Any]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}


def _with_sensitivity(card: SimulationCard, dataset: str, path: Path) -> SimulationCard:
    """The card with the sensitivity that a robustness report tells.

    Raises:
        SystemExit: the report is of other data, has no sessions, or was measured under other values of the parameters.
    """
    from personagym_env.evaluation.robustness.verdicts import Robustness

    report = Robustness.load(path)
    if report.dataset != dataset:
        raise SystemExit(f"{path.name} is of {report.dataset!r}, and the card of {dataset!r}")
    values = {entry.assumption.name: entry.value for entry in card.entries}
    if not report.session_judges:
        raise SystemExit(f"{path.name} tells of no sessions, so it knows no sensitivity")
    if changed := report.outdated(values):
        theirs = ", ".join(f"{name} {report.values[name]:.4g}, here {values[name]:.4g}" for name in changed)
        raise SystemExit(f"{path.name} was measured under other values than the card's: {theirs}")
    judge = report.session_judges[0]
    return card.with_sensitivity(report.sensitivity(judge), judge)


def _data(source: str) -> tuple[Dataset, Split]:
    dataset = load_dataset(source)
    return dataset, temporal_split(dataset.interactions, SHARE)


def main() -> None:
    """Entry point of the console script."""
    make_console()  # before anything is printed, help and errors among it
    from personagym_benchmarks import agreement, fidelity, leaderboard, robustness, validation

    commands = {
        "train": Train,
        "profile": Profile,
        "reasons": Reasons,
        "user": User,
        "card": Card,
        "play": Play,
        "report": Report,
    }
    studies = {
        "leaderboard": leaderboard.Args,
        "agreement": agreement.Args,
        "fidelity": fidelity.Args,
        "validation": validation.Args,
        "robustness": robustness.Args,
    }
    tyro.extras.subcommand_cli_from_dict({**commands, **studies}).main()
