"""From a log to a bundle: personas, tokenizer, base model, one adapter per persona, metrics, manifest."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.adapters import Targets, add_adapters, lora_config
from personagym_agents.bundle import (
    Manifest,
    adapter_names,
    load_bundle_agent,
    profile_writer,
    read_manifest,
    save_base,
    save_population,
)
from personagym_agents.checkpoint import fresh_folder, replace_folder
from personagym_agents.classical import fit_classical
from personagym_agents.corpus import Corpus, tokenizer_texts
from personagym_agents.language import HISTORY_LINES, LanguageUserAgent
from personagym_agents.llm.book import ProfileBook
from personagym_agents.memory import Memory
from personagym_agents.model import load_base, small_model
from personagym_agents.occasions import draw_occasions
from personagym_agents.personas import Groups, Personas, PersonaSettings, fit_personas
from personagym_agents.profile import ProfileWriter
from personagym_agents.tokenizer import train_tokenizer
from personagym_agents.training import Report, Teacher, TrainingSettings, train
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.data.traits import user_traits
from personagym_env.evaluation.fidelity import FidelityTest
from personagym_env.evaluation.pairs import react_to_pairs

SMALL = "small"
"""Name of the base that is trained here from random weights."""
_AFTER_BASE = ("adapters", "personas", "history_lines")
"""Settings that the base owes nothing to, so that ablations of them share it."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class AdapterSettings:
    """The adapters."""

    groups: Groups = "persona"
    """Users who share an adapter."""
    rank: int = 16
    alpha: int = 16
    dropout: float = 0.1
    targets: Targets = "all-linear"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=1, learning_rate=5e-4, warmup=10, weight_decay=0.0, averaging=0.98
        )
    )


@dataclass(frozen=True)
class BundleSettings:
    """How a bundle is made."""

    base: str = SMALL
    """`small`: a Llama-architecture model trained here from random weights; else a causal LM by name or path, whose
    own weights stay as they are."""
    width: int = 128
    """Hidden size of the small base."""
    layers: int = 3
    """Layers of the small base."""
    vocabulary: int = 8192
    """Entries of the small base's tokenizer."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """Training of the small base."""
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    personas: PersonaSettings = field(default_factory=PersonaSettings)
    profiles: str | None = None
    """File of profiles by a chat model (`personagym profile`), told after the statistical ones; None for none."""
    memory: bool = True
    """Whether lines say what the user recalls about the item."""
    teacher: str = "mf"
    """Classical users, fitted on the same training rows, whose ratings of unseen items the model learns from too."""
    history_lines: int = HISTORY_LINES


def paper_settings(base: str) -> BundleSettings:
    """The setting of *Personas within Parameters*: four personas, wide adapters on queries and keys, two epochs."""
    training = TrainingSettings(epochs=2, learning_rate=3e-4, weight_decay=0.0, teaching_weight=0.0)
    return BundleSettings(
        base=base,
        adapters=AdapterSettings(rank=256, alpha=32, dropout=0.1, targets="query-key", training=training),
        personas=PersonaSettings(n_personas=4),
    )


def make_bundle(
    dataset: Dataset,
    split: Split,
    settings: BundleSettings,
    *,
    place: Path,
    run: Path,
    base_run: Path | None = None,
    command: str,
    split_words: str,
    say: Say,
    report: Report,
) -> Manifest:
    """Make a bundle from the training rows alone and measure it on the held-out rows.

    Args:
        dataset: texts of items and users.
        split: rows to learn from, and rows to measure on.
        settings: how.
        place: folder of the bundle.
        run: folder of checkpoints; a run that was cut off goes on from there.
        base_run: folder of the base's checkpoints where several bundles share a base; None for `run`.
        command: what a reader types to make the bundle again, for the manifest.
        split_words: how the rows were parted, for the manifest.
        say: is told what happens.
        report: is told the losses.
    """
    torch.manual_seed(settings.training.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    personas = _personas(dataset, split, settings, say)
    occasions = draw_occasions(split.train, np.random.default_rng(settings.training.seed), memory=settings.memory)
    memory = Memory(split.train, occasions.own) if settings.memory else None
    book = None if settings.profiles is None else ProfileBook.load(Path(settings.profiles))
    writer = profile_writer(book, split.train)
    model, tokenizer = _base(dataset, split, memory, writer, settings)
    corpus = Corpus.build(dataset, split.train, tokenizer, memory=memory, occasions=occasions)
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer))
    model.to(device)  # type: ignore[arg-type]
    say(f"base {settings.base!r}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters on {device.type}")
    teacher = _teacher(settings.teacher, split)
    if settings.base == SMALL:
        train(
            model,
            corpus,
            writer,
            teacher,
            settings.training,
            name="base",
            run=base_run or run,
            identity=_identity(corpus, settings, without=_AFTER_BASE),
            report=report,
        )
    made = fresh_folder(place)
    save_base(made, model, tokenizer)
    adapted = _train_adapters(
        model,
        corpus,
        writer,
        personas,
        teacher,
        settings.adapters,
        run=run,
        identity=_identity(corpus, settings, without=("history_lines",)),
        say=say,
        report=report,
    )
    manifest = Manifest(
        dataset=dataset.name,
        train_fingerprint=split.train.fingerprint(),
        split=split_words,
        command=command,
        history_lines=settings.history_lines,
        settings=asdict(settings),
        versions={name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "numpy")},
        metrics={},
    )
    save_population(made, adapted, personas, memory, book, manifest)
    agents = [
        load_bundle_agent(made, dataset, split.train, adapters=adapters)
        for adapters in (False, *((True,) if settings.adapters.groups != "none" else ()))
    ]
    measured = {agent.name: _measure(agent, split) for agent in agents}
    save_population(made, adapted, personas, memory, book, replace(manifest, metrics=measured))
    replace_folder(made, place)
    return read_manifest(place)


def _train_adapters(
    model: PreTrainedModel,
    corpus: Corpus,
    writer: ProfileWriter,
    personas: Personas,
    teacher: Teacher,
    settings: AdapterSettings,
    *,
    run: Path,
    identity: str,
    say: Say,
    report: Report,
) -> PeftModel | None:
    groups = personas.groups(settings.groups)
    names = adapter_names(settings.groups, groups)
    if not names:
        return None
    config = lora_config(
        model, rank=settings.rank, alpha=settings.alpha, dropout=settings.dropout, targets=settings.targets
    )
    adapted = add_adapters(model, names, config)
    for number, name in enumerate(names):
        members = groups == number
        known_as = f" ({personas.names[number]})" if settings.groups == "persona" else ""
        say(f"adapter {name}{known_as}: {members.sum()} users")
        adapted.set_adapter(name)
        train(
            model,
            corpus,
            writer,
            teacher,
            settings.training,
            name=name,
            run=run,
            identity=identity,
            report=report,
            users=members,
        )
    return adapted


def _identity(corpus: Corpus, settings: BundleSettings, without: Collection[str] = ()) -> str:
    """Of the training rows, of how documents are worded and of the settings, by which a checkpoint is known.

    What the rows recall is left out: it comes from products of matrices, whose last digits vary with the threads.
    """
    kept = {name: value for name, value in vars(settings).items() if name not in without}
    return sha256(f"{corpus.train.fingerprint()} {corpus.encoded!r} {kept!r}".encode()).hexdigest()


def _teacher(name: str, split: Split) -> Teacher:
    users = fit_classical(name, split.train)

    def teach(people: IntArray, items: IntArray) -> FloatArray:
        return react_to_pairs(users, people, items, rows=256).rating

    return teach


def _measure(agent: LanguageUserAgent, split: Split) -> dict[str, float]:
    """Held-out figures of a population, as `benchmarks/fidelity.py` prints them with intervals."""
    asked = FidelityTest.draw(split, np.random.default_rng(0)).ask(agent)
    everybody = np.ones((1, split.test.n_users))
    return {name: round(float(figure.resampled(everybody)[0]), 4) for name, figure in asked.statistics.items()}


def _personas(dataset: Dataset, split: Split, settings: BundleSettings, say: Say) -> Personas:
    traits = user_traits(split.train, dataset.catalogue)
    rng = np.random.default_rng(settings.training.seed)
    personas = fit_personas(traits, dataset.catalogue.genre_names, settings.personas, rng=rng)
    say(personas.table())
    return personas


def _base(
    dataset: Dataset, split: Split, memory: Memory | None, writer: ProfileWriter, settings: BundleSettings
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if settings.base != SMALL:
        return load_base(settings.base)
    people = np.arange(split.train.n_users)
    traits = user_traits(split.train, dataset.catalogue)
    profiles = writer.write(people, traits, dataset.catalogue, dataset.users)
    rng = np.random.default_rng(settings.training.seed)
    tokenizer = train_tokenizer(tokenizer_texts(dataset, split.train, profiles, rng, memory), settings.vocabulary)
    return small_model(len(tokenizer), width=settings.width, layers=settings.layers), tokenizer
