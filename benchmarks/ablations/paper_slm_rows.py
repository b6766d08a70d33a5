"""How the rows of the paper's table are made: floors, prompts, and adapters on a pretrained base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.classical.users import fit_classical
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.field_tokens import families_of, field_ids
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.llm.answer_chances import LocalAnswers, prompted_ratings
from personagym_agents.llm.local import LocalChat
from personagym_agents.llm.prompted import Asked, conversation, parsed_rating
from personagym_agents.memory.cross_fitted import make_memory
from personagym_agents.memory.settings import Recall
from personagym_agents.model.adapters import add_adapters, lora_config
from personagym_agents.model.causal_lm import chosen_device, load_base, multiplies_halves, place_on
from personagym_agents.model.ordered_levels import order_levels
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training.base import TrainedBase, train_base
from personagym_agents.training.loop import train
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_agents.training.world import World
from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, IntArray
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.run_context import RunContext

if TYPE_CHECKING:
    from peft import PeftModel

MEMORY = "profile and memory"
_PROFILE, _MEMORY = Recall(evidence=False), Recall(evidence=False, reasons=1)
PROMPTED = ("prompted, profile", f"prompted, {MEMORY}")
"""Rows without adapters."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Held-out rows that everybody is asked about."""

    dataset: Dataset
    split: Split
    users: IntArray
    """(n,)"""
    items: IntArray
    """(n,)"""
    ratings: FloatArray
    """(n,) what the users really gave."""
    prompted: BoolArray
    """(n,) whether prompts ask too."""

    @classmethod
    def draw(cls, dataset: Dataset, split: Split, per_user: int, per_user_prompted: int) -> "Questions":
        """So many rows of each user at random, the same at every call."""
        test = split.test
        rank = np.random.default_rng(0).permutation(len(test))
        order = np.lexsort((rank, test.users))
        place = np.arange(len(test)) - test.indptr[test.users[order]]
        kept = place < per_user
        rows = order[kept]
        ratings = np.asarray(test.ratings[rows], np.float64)
        return cls(dataset, split, test.users[rows], test.items[rows], ratings, place[kept] < per_user_prompted)

    @property
    def owners(self) -> IntArray:
        """(n,) user of each row, among those that are asked."""
        return np.asarray(np.unique(self.users, return_inverse=True)[1])

    @property
    def n_users(self) -> int:
        """Users who are asked."""
        return len(np.unique(self.users))


@dataclass(frozen=True)
class Found:
    """What one row answered."""

    name: str
    expected: Sequence[float | None]
    """(n,) expected rating of each held-out row; None where it was not asked."""
    rows: int = 0
    """Training rows of all adapters together."""
    unparsable: float | None = None
    generated: int = 0
    minutes: float = 0.0

    def errors(self, questions: Questions) -> FloatArray:
        """(n,) NaN where it was not asked."""
        return np.array(self.expected, np.float64) - questions.ratings


def floor(name: str, questions: Questions) -> Found:
    """Classical users, fitted on all training rows."""
    users = fit_classical(name, questions.split.train, catalogue=questions.dataset.catalogue)
    rating = react_to_pairs(users, questions.users, questions.items).rating
    rows = len(questions.split.train)
    return Found(name, (rating @ np.asarray(users.scale)).tolist(), rows=rows)


def prompted(name: str, questions: Questions, base: str, generated: int) -> Found:
    """The base as it is, asked in its chat template; the digits' probabilities, and free answers to some."""
    model, tokenizer = load_base(base)
    place_on(model, chosen_device(None))
    train, scale = questions.split.train, (int(questions.split.train.scale[0]), int(questions.split.train.scale[-1]))
    recall = Recall(evidence=False, reasons=1 if name.endswith(MEMORY) else 0)
    memory = make_memory(questions.dataset.catalogue, train, recall)
    corpus = Corpus.build(questions.dataset, train, tokenizer, memory=memory)
    agent = LanguageUserAgent(model, corpus, name=name)
    expected = np.full(len(questions.users), np.nan)
    conversations = []
    for user in np.unique(questions.users):
        rows = np.flatnonzero((questions.users == user) & questions.prompted)
        codes = corpus.recall(np.array([user]))[0]
        lines = [corpus.line_text(int(item), codes[item]) for item in questions.items[rows]]
        document = agent.document(int(user))
        distributions = prompted_ratings(LocalAnswers(model, tokenizer), Asked(document, lines), scale)
        expected[rows] = distributions @ np.arange(scale[0], scale[1] + 1)
        conversations += [conversation(document, line, scale) for line in lines]
    drawn = np.random.default_rng(0).permutation(len(conversations))[:generated]
    answers = LocalChat.of(model, tokenizer).answers([conversations[place] for place in drawn], 8)
    missed = [parsed_rating(answer.text, scale) is None for _, answer in answers]
    told = [None if np.isnan(value) else float(value) for value in expected]
    return Found(name, told, unparsable=float(np.mean(missed)) if missed else None, generated=len(missed))


@dataclass(frozen=True)
class AdaptedRow:
    """One way to train adapters."""

    name: str
    rows: int
    """Training rows of each adapter."""
    recall: Recall = _PROFILE
    personas: bool = False
    """Whether each persona gets an adapter."""
    begins: str | None = None
    """Row whose adapter it begins as."""
    again: bool = False
    """Whether it learns from the rows that the personas' adapters learn from."""
    random: bool = False
    """Whether the base has random weights."""
    seed: int = 0
    epochs: int = 1
    learning_rate: float = 1e-3

    @property
    def key(self) -> str:
        """The name with the seed."""
        return f"{self.name} #{self.seed}"


_ADAPTERS = AdapterSettings(rank=16, alpha=32, dropout=0.0, choices=True)
_SINGLE = "one adapter (5.2k rows), profile"
ADAPTED = (
    AdaptedRow("one adapter (2.1k rows), profile", 2_100),
    AdaptedRow("one adapter (2.1k rows), profile, random base", 2_100, random=True),
    AdaptedRow(_SINGLE, 5_200),
    AdaptedRow("4 personas, profile", 1_300, personas=True, begins=_SINGLE),
    AdaptedRow("one adapter (5.2k rows), longer, profile", 1_300, begins=_SINGLE, again=True),
    AdaptedRow(f"one adapter (2.1k rows), {MEMORY}", 2_100, recall=_MEMORY),
    AdaptedRow(f"one adapter (5.2k rows), {MEMORY}", 5_200, recall=_MEMORY),
    AdaptedRow(
        f"4 personas, {MEMORY}", 1_300, recall=_MEMORY, personas=True, begins=f"one adapter (5.2k rows), {MEMORY}"
    ),
)
"""Cheapest first; those that begin as another stand behind it."""


def adapted(row: AdaptedRow, questions: Questions, base: str, folder: Path) -> Found:
    """Adapters on a base, trained on rows of the users who are asked."""
    place = folder / "adapters" / row.key.replace(" ", "-").replace(",", "")
    trained = _base(questions, base, row.recall)
    training = _training(row)
    trained = replace(trained, settings=replace(trained.settings, adapters=replace(_ADAPTERS, training=training)))
    if row.random:
        trained = replace(trained, model=_random_weights(trained, row.seed))
    groups = _groups(row, trained, questions)
    expected, shown = np.full(len(questions.users), np.nan), 0
    for number, (taught, members) in enumerate(groups):
        state = _train(row, trained, taught, place, number, folder)
        answered = np.isin(questions.users, members)
        expected[answered] = _ask(trained, questions, answered, state)
        shown += int(trained.split.train.counts[taught].sum())
    return Found(row.name, expected.tolist(), rows=shown)


@lru_cache(maxsize=1)
def _base(questions: Questions, base: str, recall: Recall) -> TrainedBase:
    """A base that is ready for adapters; rows of one kind of document stand behind each other."""
    personas = PersonaSettings(features="behaviour", n_personas=4)
    settings = BundleSettings(base=base, recall=recall, teacher="bias", personas=personas)
    return train_base(questions.dataset, questions.split, settings, RunContext(Path("runs")))


def _training(row: AdaptedRow) -> TrainingSettings:
    return TrainingSettings(
        epochs=row.epochs,
        batch=4,
        learning_rate=row.learning_rate,
        warmup=10,
        weight_decay=0.0,
        dropout=0.0,
        choice_weight=0.0,
        teaching_weight=0.0,
        averaging=0.9,
        sampling=SamplingOptions(lines=9, hidden_titles=0.0, choices=False),
    )


def _random_weights(trained: TrainedBase, seed: int) -> PreTrainedModel:
    """The same architecture as nobody has trained it; added tokens begin on curves, as those of the base do."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(trained.model.config)  # type: ignore[no-untyped-call]
    tokenizer = trained.corpus.tokenizer
    ids = field_ids(tokenizer)
    families = families_of(tokenizer.convert_ids_to_tokens(list(ids)), ids)
    order_levels(model, [[[token] for token in family] for family in families], share=0.5, kept=1.0)
    place_on(model, trained.model.device)
    return model  # type: ignore[no-any-return]


def _groups(row: AdaptedRow, trained: TrainedBase, questions: Questions) -> list[tuple[BoolArray, IntArray]]:
    """Whose documents train each adapter (u,), and which users it answers for."""
    asked = np.zeros(trained.split.train.n_users, np.bool_)
    asked[questions.users] = True
    groups = trained.personas.assignment
    parts = [asked & (groups == number) for number in np.unique(groups)]
    counts = trained.split.train.counts
    rng = np.random.default_rng(row.seed)
    if not (row.personas or row.again):
        return [(_drawn(asked, counts, row.rows, rng), np.flatnonzero(asked))]
    taught = [_drawn(part, counts, row.rows, rng) for part in parts]
    if row.again:
        return [(np.logical_or.reduce(taught), np.flatnonzero(asked))]
    return [(some, np.flatnonzero(part)) for some, part in zip(taught, parts, strict=True)]


def _drawn(members: BoolArray, counts: IntArray, rows: int, rng: np.random.Generator) -> BoolArray:
    """(u,) members drawn as long as their (u,) rows fit."""
    taught, left = np.zeros_like(members), rows
    for user in rng.permutation(np.flatnonzero(members)):
        if counts[user] <= left:
            taught[user], left = True, left - counts[user]
    return taught


def _train(
    row: AdaptedRow, trained: TrainedBase, taught: BoolArray, place: Path, number: int, folder: Path
) -> Mapping[str, torch.Tensor]:
    """What an adapter learns; kept, so that others can begin as it."""
    kept = place / f"{number}.safetensors"
    if kept.is_file():
        return load_file(kept)
    begin = None
    if row.begins is not None:
        key = replace(row, name=row.begins).key.replace(" ", "-").replace(",", "")
        begin = load_file(folder / "adapters" / key / "0.safetensors")
    model, settings = trained.model, trained.settings.adapters
    torch.manual_seed(row.seed * 10_007 + number)
    wrapped = _put_on(trained, begin)
    losses: list[float] = []

    def note(name: str, step: int, told: Mapping[str, float]) -> None:
        losses.append(told["rating"])
        if step % 10 == 0:
            print(f"{row.key}, part {number}, step {step}: {np.mean(losses[-10:]):.3f} nats", flush=True)

    context = RunContext(place, figures=note)
    epochs = trained.epochs(settings.training, row.seed)
    world = World(epochs, trained.teacher, users=taught)
    identity = f"{row!r} {number} {trained.split.train.fingerprint()}"
    train(model, [world], settings.training, name=f"part-{number}", identity=identity, context=context)
    state = {
        name: value.detach().contiguous().clone() for name, value in model.named_parameters() if value.requires_grad
    }
    wrapped.unload()
    place.mkdir(parents=True, exist_ok=True)
    save_file(state, kept)
    return state


def _put_on(trained: TrainedBase, state: Mapping[str, torch.Tensor] | None) -> "PeftModel":
    """Give the model an adapter, with a state or untrained; `unload` takes it off again."""
    settings = trained.settings.adapters
    config = lora_config(
        trained.model,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        targets=settings.targets,
        tokens=trained.field_ids,
    )
    wrapped = add_adapters(trained.model, ["adapter"], config)
    if state is not None:
        parameters = dict(trained.model.named_parameters())
        with torch.no_grad():
            for name, value in state.items():
                parameters[name].copy_(value)
    return wrapped


def _ask(
    trained: TrainedBase, questions: Questions, answered: BoolArray, state: Mapping[str, torch.Tensor]
) -> FloatArray:
    """What users with the adapter expect to rate."""
    wrapped = _put_on(trained, state)
    agent = LanguageUserAgent(trained.model, trained.corpus, name="adapted", writer=trained.writer)
    device = trained.model.device
    with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_halves(device)):
        rating = react_to_pairs(agent, questions.users[answered], questions.items[answered]).rating
    wrapped.unload()
    return np.asarray(rating @ np.asarray(agent.scale))
