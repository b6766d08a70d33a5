"""Prompted users on a few held-out rows: error beside floors, calls and seconds, and two probes that readers expect.

`python benchmarks/ablations/chat_users.py` asks SmolLM2, a number of times for each row: as it is, once it has thought
of why the person would like the item, and of why not; and which of five items it would take, in two orders. An agent
that is asked both ways should give the same number; place and popularity should move it no more than the person.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from personagym_agents.classical.users import fit_classical
from personagym_agents.llm.prompted import Asked, first_token_chances, list_conversation, prompted_ratings
from personagym_agents.llm.prompted_users import PromptedUsers, chat_users
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.negatives import unseen_items
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity
from personagym_env.files import write_atomically

SHOWN, RESAMPLES = 5, 1_000


@dataclass(frozen=True)
class Settings:
    """What is asked."""

    dataset: str = "ml-100k"
    users: int = 25
    per_user: int = 4
    """Held-out rows of each."""
    output: Path = Path("runs/chat-users.json")
    seed: int = 0


def both_ways(agent: PromptedUsers, rows: Interactions) -> tuple[FloatArray, FloatArray]:
    """(n,) expected ratings after thinking of why the person would like each item, and of why not."""
    found = np.zeros((2, len(rows)))
    ends = int(rows.scale[0]), int(rows.scale[-1])
    for user in np.unique(rows.users):
        own = np.flatnonzero(rows.users == user)
        asked = Asked(agent.document(int(user)), [agent.lines[item] for item in rows.items[own]])
        for which, argument in enumerate(("for", "against")):
            said = prompted_ratings(agent.model, agent.tokenizer, asked, ends, argument)  # type: ignore[arg-type]
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
        chances = first_token_chances(agent.model, agent.tokenizer, asked, words)
        for which, one in enumerate(orders):
            found[row, which, one] = chances[which]
    agent.calls += 2 * len(rows)
    return found


def main(settings: Settings) -> None:
    """Ask, print, write."""
    dataset = load_dataset(settings.dataset)
    split = named_split(dataset, None, None).split
    train, told = split.train, blind(dataset, split.train)
    rng = np.random.default_rng(settings.seed)
    people = rng.permutation(np.flatnonzero(split.test.counts >= settings.per_user))[: settings.users]
    rows = split.test.take(np.isin(split.test.users, people) & (split.test.rank_in_user < settings.per_user))
    weights = user_resamples(train.n_users, RESAMPLES, rng)
    owners = np.unique(rows.users)
    others: IntArray = np.repeat(unseen_items(split, owners, SHOWN - 1, rng), settings.per_user, axis=0)
    agent = chat_users(told, train)

    def mean(values: FloatArray) -> Interval:
        return interval(RatioOfSums.of_users(rows.users, values, train.n_users).resampled(weights))

    begin = time.process_time()
    said = react_to_pairs(agent, rows.users, rows.items)
    seconds = time.process_time() - begin
    figures: dict[str, Interval | float] = {"calls": agent.calls, "processor seconds a call": seconds / agent.calls}
    chat = {name: one.resampled(weights) for name, one in rating_fidelity(said.rating, rows).items()}
    figures |= {f"{name}, chat": interval(sample) for name, sample in chat.items()}
    for floor in ("bias", "mf"):
        rating = react_to_pairs(fit_classical(floor, train), rows.users, rows.items).rating
        samples = {name: one.resampled(weights) for name, one in rating_fidelity(rating, rows).items()}
        figures |= {f"{name}, chat less {floor}": interval(chat[name] - sample) for name, sample in samples.items()}
    why, why_not = both_ways(agent, rows)
    figures["expected rating, asked why less asked why not"] = mean(why - why_not)
    figures["the same, absolute"] = mean(np.abs(why - why_not))
    figures["spread of expected ratings over items"] = float((said.rating @ np.asarray(rows.scale)).std())
    chances = places(agent, rows, others)
    figures["change of an item's chance when the list is mirrored"] = mean(
        np.abs(chances[:, 0] - chances[:, 1]).mean(axis=1)
    )
    figures["chance of the item that was really taken"] = mean(chances[:, :, 0].mean(axis=1))
    popularity = np.log1p(np.bincount(train.items, minlength=train.n_items))
    shown = popularity[np.concatenate([rows.items[:, None], others], axis=1)]
    lean = (chances.mean(axis=1) - 1 / SHOWN) * (shown - shown.mean(axis=1, keepdims=True))
    figures["chance times log popularity, centred, summed over a list"] = mean(lean.sum(axis=1))
    for name, value in figures.items():
        print(f"{name}: {value if isinstance(value, Interval) else f'{value:.3g}'}")
    setting = {name: str(value) for name, value in asdict(settings).items() if name != "output"}
    report = {"setting": setting, "environment": environment_snapshot(), "figures": figures}
    write_atomically(settings.output, json.dumps(report, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Settings))
