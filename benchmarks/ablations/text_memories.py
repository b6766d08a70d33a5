"""`dual-memory` in words beside its numbers: ten candidates ranked by memories that a chat model keeps.

`python benchmarks/ablations/text_memories.py` lets SmolLM2 live through the latest training rows of some users, twice:
learning from every choice, and from right ones alone. Then it chooses between each user's first held-out item and each
of nine items that the user never took; how many of them it prefers is the rank of the item taken. Beside it stand the
same model without any memory (titles, years and genres alone), the numeric users, who know all training rows, and
popularity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from ablations.results import TextMemoriesFound
from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.answer_chances import AnswerModel, EndpointAnswers, LocalAnswers
from personagym_agents.llm.chat import ChatModel
from personagym_agents.llm.dialects import Dialect
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.local import LocalChat
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on
from personagym_agents.variants.dual_memory import fit_dual_memory
from personagym_agents.variants.dual_memory_text import Encounter, TextMemories
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_benchmarks.variants.board import Measurement
from personagym_benchmarks.variants.dual_memory import CANDIDATES, CUTS, ndcg_of_first
from personagym_benchmarks.variants.tables import own_tables
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.negatives import unseen_items
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import RunContext

RESAMPLES = 2_000
CORE, TWIN, EMPTY = "disagreement", "agreement alone", "no memory"
NUMERIC = "numeric, disagreement"


@dataclass(frozen=True)
class Settings:
    """Who lives through what."""

    dataset: str = "ml-100k"
    users: int = 20
    rows: int = 5
    """Latest training rows of each that are lived through, in their order."""
    model: str = "smollm2"
    """A local base by name or path; with a base URL, the server's name of its model."""
    base_url: str | None = None
    """Of a server that speaks OpenAI's protocol; None runs the model here."""
    dialect: Dialect = "openai"
    """Whose words the server is asked in for chances."""
    key_variable: str | None = None
    """Environment variable that holds the server's key."""
    seed: int = 0
    run: Path = Path("runs/text-memories")
    output: Path = Path("runs/text_memories.json")


def encounters_of(train: Interactions, users: IntArray, rows: int, seed: int) -> list[list[Encounter]]:
    """Rounds in which every user and every item stands once at most, each user's rows in their order.

    The other item is drawn by popularity among those that the user has no row for and that stand nowhere else in the
    round. A user whose item is taken in a round already has it in one more round, before anybody goes on.
    """
    rng = np.random.default_rng(seed)
    popularity = np.bincount(train.items, minlength=train.n_items) / len(train)
    rounds: list[list[Encounter]] = []
    for turn in range(rows, 0, -1):
        waves: list[list[Encounter]] = []
        for user in users[train.counts[users] >= turn].tolist():
            taken = int(train.items[train.indptr[user + 1] - turn])
            wave = next((one for one in waves if taken not in _items(one)), None)
            if wave is None:
                waves.append(wave := [])
            free = popularity.copy()
            free[train.items[train.indptr[user] : train.indptr[user + 1]]] = 0
            free[list(_items(wave))] = 0
            wave.append(Encounter(user, taken, int(rng.choice(train.n_items, p=free / free.sum()))))
        rounds += waves
    return rounds


def _items(wave: Sequence[Encounter]) -> set[int]:
    return {item for met in wave for item in met[1:]}


def preferred(memories: TextMemories, users: IntArray, shown: IntArray) -> FloatArray:
    """(n, c) scores of candidates (n, c): 0 of the first, and of every other how much rather it is chosen than that."""
    pairs = [
        Encounter(user, int(items[0]), int(other))
        for user, items in zip(users.tolist(), shown, strict=True)
        for other in items[1:]
    ]
    chance = memories.choose(pairs).reshape(len(users), -1)
    return np.concatenate([np.zeros((len(users), 1)), 1 / 2 - chance], axis=1)


def _candidates(split: Split, settings: Settings) -> tuple[IntArray, IntArray]:
    rng = np.random.default_rng(settings.seed)
    train, test = split
    room = train.n_items - train.counts - test.counts
    able = np.flatnonzero((test.counts > 0) & (train.counts > 0) & (room >= CANDIDATES))
    if len(able) < settings.users:
        raise ValueError(f"expected {settings.users} users with training and held-out rows, got {len(able)}")
    users = np.sort(rng.permutation(able)[: settings.users])
    others = unseen_items(split, users, CANDIDATES - 1, rng)
    return users, np.concatenate([test.items[test.indptr[users]][:, None], others], axis=1)


def _in_words(
    told: Dataset,
    answers: AnswerModel,
    chat: ChatModel,
    rounds: Sequence[Sequence[Encounter]],
    candidates: tuple[IntArray, IntArray],
    context: RunContext,
) -> Iterator[tuple[str, FloatArray, TextMemories]]:
    """Name, scores and what is remembered: without a memory, of agreement alone, and of disagreement."""
    for name, lived in ((EMPTY, ()), (TWIN, rounds), (CORE, rounds)):
        n_users = told.interactions.n_users
        memories = TextMemories(told.catalogue, n_users, answers, chat, context, disagreeing=name == CORE)
        for number, one in enumerate(lived, 1):
            memories.live(one)
            context.tell(f"{name}: round {number} of {len(lived)}, {dict(memories.counts)}")
        yield name, preferred(memories, *candidates), memories


def study(
    answers: AnswerModel, chat: ChatModel, dataset: Dataset, split: Split, settings: Settings, context: RunContext
) -> TextMemoriesFound:
    """Live, rank, compare.

    Raises:
        ChatError: the model cannot be asked.
        ValueError: there are fewer users with rows on both sides than are asked for.
    """
    train = split.train
    users, shown = _candidates(split, settings)
    rounds = encounters_of(train, users, settings.rows, settings.seed)
    told = blind(dataset, train)
    scores: dict[str, FloatArray] = {}
    counts: dict[str, Mapping[str, int]] = {}
    remembered: tuple[str, ...] = ()
    for name, found, memories in _in_words(told, answers, chat, rounds, (users, shown), context):
        scores[name], counts[name] = found, dict(sorted(memories.counts.items()))
        if name == CORE:
            remembered = tuple(memories.users[user] for user in users.tolist())
    everyone, items = np.repeat(users, CANDIDATES), shown.ravel()
    numeric = react_to_pairs(fit_dual_memory(told, train, seed=settings.seed), everyone, items)
    scores[NUMERIC] = numeric.choice_probability.reshape(shown.shape)
    scores["popularity"] = np.bincount(train.items, minlength=train.n_items)[shown].astype(np.float64)
    weights = user_resamples(train.n_users, RESAMPLES, np.random.default_rng(settings.seed))
    return TextMemoriesFound(
        measurements=tuple(_measurements({name: ndcg_of_first(users, one, weights) for name, one in scores.items()})),
        counts=counts,
        memories=remembered,
        encounters=sum(map(len, rounds)),
        users=len(users),
        setting=recorded(settings),
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, {})},
    )


def _measurements(samples: Mapping[str, Mapping[int, FloatArray]]) -> Iterator[Measurement]:
    setting = f"1 taken among {CANDIDATES}, the others any items"
    for name, cuts in samples.items():
        for cut in CUTS:
            yield Measurement("ranking", setting, f"NDCG@{cut}, {name}", interval(cuts[cut]))
            if name != CORE:
                less = interval(samples[CORE][cut] - cuts[cut])
                yield Measurement("ranking", setting, f"NDCG@{cut}, {CORE} less {name}", less)


def opened(settings: Settings) -> tuple[AnswerModel, ChatModel]:
    """The model behind both seams, local or served.

    Raises:
        ImportError: what reads the base is not installed.
        ValueError: there is no such base, or the key's variable is not set.
    """
    if settings.base_url is None:
        model, tokenizer = load_base(settings.model)
        place_on(model, chosen_device(None))
        return LocalAnswers(model, tokenizer), LocalChat.of(model, tokenizer)
    chat = EndpointChat(EndpointSettings(settings.base_url, settings.model, key_variable=settings.key_variable))
    return EndpointAnswers(chat, settings.dialect), chat


def main(settings: Settings) -> None:
    """Ask, print, write."""
    dataset = load_dataset(settings.dataset)
    split = named_split(dataset, None, None).split
    answers, chat = opened(settings)
    console = make_console()
    with console_run(console, settings.run, "python benchmarks/ablations/text_memories.py") as context:
        kept = CachedChat(chat, AnswerCache(context.folder))  # a run that was cut off goes on from what was written
        found = study(answers, kept, dataset, split, settings, context)
    found.save(settings.output)
    for _, table in own_tables({"dual-memory in words": found.measurements}):
        console.print(rich_table(table))


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
