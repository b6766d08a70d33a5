"""From a trained base to a bundle: one adapter per group of users, metrics, manifest."""

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from personagym_agents.bundle.manifest import MANIFEST, Manifest, read_manifest, save_manifest
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import (
    REASONS,
    adapter_names,
    bundle_users,
    save_base,
    save_population,
)
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.styles import style_weights
from personagym_agents.model.adapter_file import write_adapter
from personagym_agents.model.adapters import lora_config
from personagym_agents.training.base import TrainedBase
from personagym_agents.training.kinds import AdapterTrainer
from personagym_agents.training.lone_adapters import LoneInputs, LoneTask, train_one_by_one
from personagym_agents.training.world import World
from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.files import replacing_folder
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_env.workers import Workers


def check_place(place: Path) -> None:
    """Make sure that a bundle may be written there, before a long training: what stands there is replaced.

    Raises:
        ValueError: it is a file, or a folder that holds something else than a bundle.
    """
    if place.exists() and not place.is_dir():
        raise ValueError(f"expected a folder for the bundle, got the file {place}")
    if place.is_dir() and any(place.iterdir()) and not (place / MANIFEST).is_file():
        raise ValueError(f"{place} holds something else than a bundle, which would be lost: name another folder")


def build_bundle(
    trained_base: TrainedBase,
    adapters: AdapterSettings | None = None,
    *,
    place: Path,
    split_words: str,
    context: RunContext,
    measure: bool = True,
) -> Manifest:
    """Give a base adapters, measure it on the held-out rows and write all of it as a bundle.

    Args:
        trained_base: the base, which is left as it was.
        adapters: which; those of the base's settings if None.
        place: folder of the bundle.
        split_words: how the rows were parted, for the manifest.
        context: keeps the checkpoints, from which a run that was cut off goes on, and the losses; its workers train
            the adapters; its command goes into the manifest.
        measure: whether the manifest gets figures on the held-out rows; what these cannot tell is left out.

    Raises:
        ValueError: `place` is a file, or a folder that holds something else than a bundle.
    """
    check_place(place)
    dataset, split, corpus = trained_base.dataset, trained_base.split, trained_base.corpus
    settings = trained_base.settings if adapters is None else replace(trained_base.settings, adapters=adapters)
    with replacing_folder(place) as made:
        save_base(made, trained_base.model, corpus.tokenizer, trained_base.source)
        manifest = Manifest(
            dataset=dataset.name,
            train_fingerprint=split.train.fingerprint(),
            split=split_words,
            command=context.command,
            settings=settings,
            logs=trained_base.read,
            versions={name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "numpy")},
            metrics={},
            style=style_weights(split.train) if settings.styles else (),
        )
        save_population(made, trained_base.personas, trained_base.book, corpus.memory, manifest)
        if trained_base.reason_book is not None:
            trained_base.reason_book.save(made / REASONS, dataset)
        if trained_base.field_ids:
            identity = trained_base.identity(settings, without=("history_lines",))
            _train_one_by_one(trained_base, settings, made, identity, context)
        else:
            _train_side_by_side(trained_base, settings, made, context)
        if measure and len(split.test):
            metrics, asked = {}, _few_lines(split, corpus, settings.adapters.tokens)
            context.tell(f"measured on {len(asked.test):,} of {len(split.test):,} held-out rows")
            for with_adapters in (False,) if settings.adapters.groups == "none" else (False, True):
                agent = bundle_users(made, dataset, split.train, adapters=with_adapters)
                metrics[agent.name] = _measure(agent, asked, context.workers)
            save_manifest(made, replace(manifest, metrics=metrics))
    return read_manifest(place)


def _train_side_by_side(trained_base: TrainedBase, bundle: BundleSettings, made: Path, context: RunContext) -> None:
    """Train and write the adapters."""
    settings = bundle.adapters
    trainer = AdapterTrainer(
        trained_base, settings, seed=bundle.adapter_seed, history_lines=bundle.history_lines, context=context
    )
    kind = trainer.train(settings.groups)
    for number, curve in enumerate(kind.curves):
        if curve:
            best = min(curve, key=lambda point: point.nll)
            context.tell(
                f"adapters {settings.groups}, part {number}: {curve[0].nll:.4f} nats on the tail at first, "
                f"{best.nll:.4f} at best, after step {best.step}"
            )
    if not kind.factors:
        return
    config = lora_config(
        trained_base.model,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        targets=settings.targets,
    )
    names = adapter_names(settings.groups, trained_base.personas.groups(settings.groups, bundle.adapter_seed))
    for name, factors in zip(names, kind.factors, strict=True):
        write_adapter(made / "adapters" / name, factors, config)


def _train_one_by_one(
    trained_base: TrainedBase, bundle: BundleSettings, made: Path, identity: str, context: RunContext
) -> None:
    """Train and write the adapters."""
    settings, seed = bundle.adapters, bundle.adapter_seed
    groups = trained_base.personas.groups(settings.groups, seed)
    config = lora_config(
        trained_base.model,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        targets=settings.targets,
        tokens=trained_base.field_ids,
    )
    training = settings.training_on(chooses=False)
    epochs = trained_base.epochs(training, seed, kept=training.epochs)
    world = World(epochs, trained_base.teacher, tokens=settings.tokens, weights=trained_base.weights)
    inputs = LoneInputs(trained_base.model, world, config, training, seed, identity, context)
    rng, counts, tasks = np.random.default_rng(seed), trained_base.split.train.counts, []
    for number, name in enumerate(adapter_names(settings.groups, groups)):
        members = groups == number
        known_as = f" ({trained_base.personas.names[number]})" if settings.groups == "persona" else ""
        taught = _taught(members, counts, settings.rows, rng)
        rows = int(counts[taught].sum())
        context.tell(f"adapter {name}{known_as}: {rows:,} rows of {taught.sum()} of {members.sum()} users")
        tasks.append(LoneTask(name, number, taught))
    for task, place in zip(tasks, train_one_by_one(inputs, tasks), strict=True):
        shutil.copytree(place, made / "adapters" / task.name)


def _taught(members: BoolArray, counts: IntArray, rows: int | None, rng: np.random.Generator) -> BoolArray:
    """(u,) whose documents train the adapter of some members (u,), who have (u,) rows each."""
    if rows is None:
        return members
    taught, left = np.zeros_like(members), rows
    for user in rng.permutation(np.flatnonzero(members)):
        if counts[user] <= left:
            taught[user], left = True, left - counts[user]
    return taught


def _few_lines(split: Split, corpus: Corpus, tokens: int | None) -> Split:
    """Held-out rows of users drawn at random, one at least, whose lines and as many of unseen items have few tokens."""
    if tokens is None:
        return split
    lengths = np.array([len(corpus.encoded[line]) for line in corpus.of_item])
    of_user = np.bincount(split.test.users, 2 * lengths[split.test.items], split.test.n_users)
    order = np.random.default_rng(0).permutation(np.flatnonzero(of_user))
    asked = np.zeros(split.test.n_users, np.bool_)
    asked[order[: max(1, int(np.searchsorted(np.cumsum(of_user[order]), tokens, side="right")))]] = True
    return split._replace(test=split.test.take(asked[split.test.users]))


def _measure(agent: UserAgent, split: Split, workers: Workers | None) -> dict[str, float]:
    """Held-out figures of a population, as `personagym fidelity` prints them with intervals.

    Without those that the rows cannot tell, such as the AUC where nobody has an item left to tell real choices from.
    """
    asked = FidelityTest.draw(split, np.random.default_rng(0)).ask(agent, workers=workers)
    everybody = np.ones((1, split.test.n_users))
    figures = {name: float(figure.resampled(everybody)[0]) for name, figure in asked.statistics.items()}
    return {name: round(figure, 4) for name, figure in figures.items() if np.isfinite(figure)}
