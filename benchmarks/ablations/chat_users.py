"""Prompted users on a few held-out rows: error beside floors, calls and seconds, and two probes that readers expect.

`python benchmarks/ablations/chat_users.py` asks SmolLM2, a number of times for each row: as it is, once it has thought
of why the person would like the item, and of why not; and which of five items it would take, in two orders. An agent
that is asked both ways should give the same number; place and popularity should move it no more than the person.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from ablations.results import ChatUsers
from personagym_agents.classical.users import fit_classical
from personagym_agents.llm.answer_chances import prompted_ratings
from personagym_agents.llm.chat import Prices
from personagym_agents.llm.dialects import Dialect
from personagym_agents.llm.endpoint import EndpointSettings
from personagym_agents.llm.prompted import Argument, Asked, list_conversation
from personagym_agents.llm.prompted_users import PromptedUsers, chat_users, served_chat_users
from personagym_benchmarks.console import make_console
from personagym_benchmarks.variants.board import Measurement, VariantRow
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
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity
from personagym_env.evaluation.reporting.terminal import rich_table

SHOWN, RESAMPLES = 5, 1_000
FLOORS = ("bias", "mf")
_ARGUMENTS: tuple[Argument, ...] = ("for", "against")
_TITLES = {"rmse": "RMSE", "nll": "NLL"}


@dataclass(frozen=True)
class Settings:
    """What is asked."""

    dataset: str = "ml-100k"
    users: int = 25
    per_user: int = 4
    """Held-out rows of each."""
    output: Path = Path("runs/chat.json")
    seed: int = 0
    model: str = "smollm2"
    """A local base by name or path; with a base URL, the server's name of its model."""
    base_url: str | None = None
    """Of a server that speaks OpenAI's protocol; None runs the model here."""
    dialect: Dialect = "openai"
    """Whose words the server is asked in: `vllm` and `sglang` tell the chances of exactly the answers."""
    adapter: str | None = None
    """Of the server's model, by the server's name for it."""
    prices: tuple[float, float] | None = None
    """What the server charges for a million tokens that it reads, and that it writes."""
    key_variable: str | None = None
    """Environment variable that holds the server's key."""
    folder: Path | None = None
    """Where what a server answers is kept, so that nothing is asked twice, and times are those of the first run; None
    asks anew."""


def both_ways(agent: PromptedUsers, rows: Interactions) -> tuple[FloatArray, FloatArray]:
    """(n,) expected ratings after thinking of why the person would like each item, and of why not."""
    found = np.zeros((2, len(rows)))
    ends = int(rows.scale[0]), int(rows.scale[-1])
    for user in np.unique(rows.users):
        own = np.flatnonzero(rows.users == user)
        asked = Asked(agent.document(int(user)), [agent.lines[item] for item in rows.items[own]])
        for which, argument in enumerate(_ARGUMENTS):
            said = prompted_ratings(agent.model, asked, ends, argument)
            found[which, own] = said @ np.asarray(rows.scale)
    agent.calls += 2 * len(rows)
    return found[0], found[1]


def places(agent: PromptedUsers, rows: Interactions, others: IntArray) -> FloatArray:
    """(n, 2, s) chance of each item of a list, the held-out one first, shown in two orders that mirror each other."""
    found = np.zeros((len(rows), 2, SHOWN))
    words = [str(place) for place in range(1, SHOWN + 1)]
    rng = np.random.default_rng(0)
    for row in range(len(rows)):
        items = np.concatenate([rows.items[[row]], others[row]])
        order = rng.permutation(SHOWN)
        orders = order, order[::-1]
        document = agent.document(int(rows.users[row]))
        asked = [list_conversation(document, [agent.lines[item] for item in items[one]]) for one in orders]
        chances = agent.model.chances(asked, words)
        for which, one in enumerate(orders):
            found[row, which, one] = chances[which]
    agent.calls += 2 * len(rows)
    return found


class Bench:
    """The rows that are asked about, and the resamples of their users.

    Args:
        split: whose held-out rows are drawn from.
        settings: how many, and of whom.
    """

    def __init__(self, split: Split, settings: Settings) -> None:
        rng = np.random.default_rng(settings.seed)
        test, self.train = split.test, split.train
        people = rng.permutation(np.flatnonzero(test.counts >= settings.per_user))[: settings.users]
        self.rows = test.take(np.isin(test.users, people) & (test.rank_in_user < settings.per_user))
        self._weights = user_resamples(self.train.n_users, RESAMPLES, rng)
        owners = np.unique(self.rows.users)
        self.others: IntArray = np.repeat(unseen_items(split, owners, SHOWN - 1, rng), settings.per_user, axis=0)

    def samples(self, ratings: FloatArray) -> dict[str, FloatArray]:
        """Resamples of the figures of (n, r) distributions."""
        found = rating_fidelity(ratings, self.rows)
        return {key: found[key].resampled(self._weights) for key in _TITLES}

    def mean(self, values: FloatArray) -> Interval:
        """Of (n,) values of the rows."""
        return interval(RatioOfSums.of_users(self.rows.users, values, self.train.n_users).resampled(self._weights))

    def board(self, agent: PromptedUsers) -> tuple[list[VariantRow], list[Measurement]]:
        """The agent and the floors on the same rows, and the agent less each floor."""
        begin = time.process_time()
        # Slates as long as a user's rows, because a longer one is filled up with items that cost calls.
        size = int(self.rows.counts.max())
        chat = react_to_pairs(agent, self.rows.users, self.rows.items, slate_size=size).rating
        spent = (time.process_time() - begin) / len(self.rows)
        own, asked = self.samples(chat), f"{len(self.rows)} held-out rows"
        rows = [VariantRow(f"chat, {asked}", "users", _intervals(own), microseconds=1e6 * spent)]
        differences = [Measurement("what is asked", "expected rating", "spread over rows", self._spread(chat))]
        for floor in FLOORS:
            samples = self.samples(
                react_to_pairs(fit_classical(floor, self.train), self.rows.users, self.rows.items).rating
            )
            rows.append(VariantRow(f"{floor}, the same rows", "floor", _intervals(samples)))
            for key, title in _TITLES.items():
                value = interval(own[key] - samples[key])
                differences.append(Measurement("beside floors", f"chat less {floor}", title, value))
        return rows, differences

    def _spread(self, ratings: FloatArray) -> Interval:
        value = float((ratings @ np.asarray(self.rows.scale)).std())
        return Interval(value, np.nan, np.nan)

    def probe_sides(self, agent: PromptedUsers) -> list[Measurement]:
        """Do numbers stay where reasons for and against are thought of first?"""
        why, why_not = both_ways(agent, self.rows)
        setting = "why yes less why no"
        return [
            Measurement("asked both ways", setting, "expected rating", self.mean(why - why_not)),
            Measurement("asked both ways", setting, "expected rating, absolute", self.mean(np.abs(why - why_not))),
        ]

    def probe_places(self, agent: PromptedUsers) -> list[Measurement]:
        """Does the place in a list, or popularity, move the chance of an item?"""
        chances = places(agent, self.rows, self.others)
        popularity = np.log1p(np.bincount(self.train.items, minlength=self.train.n_items))
        shown = popularity[np.concatenate([self.rows.items[:, None], self.others], axis=1)]
        lean = (chances.mean(axis=1) - 1 / SHOWN) * (shown - shown.mean(axis=1, keepdims=True))
        change = np.abs(chances[:, 0] - chances[:, 1]).mean(axis=1)
        setting = f"list of {SHOWN}"
        return [
            Measurement("place", f"{setting}, mirrored", "change of an item's chance", self.mean(change)),
            Measurement("choice", setting, "chance of the item taken", self.mean(chances[:, :, 0].mean(axis=1))),
            Measurement("popularity", setting, "chance times log popularity", self.mean(lean.sum(axis=1))),
        ]


def _intervals(samples: Mapping[str, FloatArray]) -> dict[str, Interval]:
    return {key: interval(sample) for key, sample in samples.items()}


def study(agent: PromptedUsers, dataset: Dataset, split: Split, settings: Settings) -> ChatUsers:
    """Ask everything."""
    bench = Bench(split, settings)
    rows, differences = bench.board(agent)
    probes = [*bench.probe_sides(agent), *bench.probe_places(agent)]
    return ChatUsers(
        rows=tuple(rows),
        measurements=(*differences, *probes),
        calls=agent.calls,
        setting=recorded(settings) | ({} if agent.usage is None else {"usage": asdict(agent.usage)}),
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, {})},
    )


def main(settings: Settings) -> None:
    """Ask, print, write."""
    dataset = load_dataset(settings.dataset)
    split = named_split(dataset, None, None).split
    told = blind(dataset, split.train)
    if settings.base_url is None:
        agent = chat_users(told, split.train, settings.model)
    else:
        endpoint = EndpointSettings(settings.base_url, settings.model, key_variable=settings.key_variable)
        agent = served_chat_users(
            told,
            split.train,
            endpoint,
            dialect=settings.dialect,
            adapter=settings.adapter,
            folder=settings.folder,
        )
    found = study(agent, dataset, split, settings)
    found.save(settings.output)
    console = make_console()
    if agent.usage is not None:
        console.print(agent.usage.report(None if settings.prices is None else Prices(*settings.prices)))
    for row in found.rows:
        console.print(f"{row.name}: {row.figures}")
    for _, table in own_tables({"chat": found.measurements}):
        console.print(rich_table(table))


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
