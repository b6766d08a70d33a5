"""`personagym train`: language-model users from a log."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import PROTOCOLS
from personagym_env.evaluation.core.data_overlap import judge_half


@dataclass(frozen=True)
class TrainCommand:
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

        console = make_console()
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


def _recalled(recall: str | None, reasons: int) -> dict[str, Any]:
    if recall is None:
        return {}
    return {"memory": recall in ("evidence", "both"), "reasons": reasons if recall in ("reasons", "both") else 0}


def _given(**options: Any) -> dict[str, Any]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}
