"""`personagym train`: language-model users from a log."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.pretty import Pretty

from personagym_agents.bundle.settings import BundleSettings, paper_settings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.evaluation.core.data_overlap import judge_half

Preset = (
    Annotated[
        BundleSettings,
        tyro.conf.subcommand("default", default=BundleSettings(), description="The settings of the shipped bundles."),
    ]
    | Annotated[
        BundleSettings,
        tyro.conf.subcommand(
            "paper",
            default=paper_settings(tyro.MISSING),
            description="Those of *Personas within Parameters*, for a base of the user's.",
        ),
    ]
)
"""Settings to begin with; options change them one by one."""


@tyro.conf.configure(tyro.conf.CascadeSubcommandArgs, tyro.conf.OmitSubcommandPrefixes)
@dataclass(frozen=True)
class TrainCommand:
    """Train language-model users on a log and write them as a bundle."""

    output: Path
    """Folder of the bundle."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    split: str | None = None
    """Which rows are training rows: temporal, random, leave-last, global-time, u1, paper or cold; by default temporal,
    or random where the log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default."""
    judge_half: bool = False
    """Learn only from the half of the training rows that the leaderboard's recommenders do not know, to judge them."""
    run: Path = Path("runs/train")
    """Folder of checkpoints and TensorBoard logs. A run that was cut off goes on from there."""
    ray: Ray = None
    settings: Annotated[Preset, tyro.conf.arg(name=""), tyro.conf.FlagConversionOff] = field(
        default_factory=BundleSettings
    )
    """What the settings begin with."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.bundle.build import build_bundle, check_place
        from personagym_agents.training.base import train_base
        from personagym_agents.training.tensorboard import tensorboard_log

        check_place(self.output)
        dataset = load_dataset(self.dataset)
        _, split_words, split = named_split(dataset, self.split, self.train_share)
        if self.judge_half:
            split, half_words = judge_half(split)
            split_words = f"{split_words}; {half_words}"
        console = make_console()
        with console_run(console, self.run, ray=self.ray) as shown, tensorboard_log(self.run) as figures:
            context = replace(shown, figures=figures)
            trained_base = train_base(dataset, split, self.settings, context)
            manifest = build_bundle(trained_base, place=self.output, split_words=split_words, context=context)
        print_plain(console, f"bundle at {self.output}, {'on' if manifest.metrics else 'without'} held-out rows:")
        console.print(Pretty(manifest.metrics))
