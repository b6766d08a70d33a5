"""Control populations of a language model: the same weights, told less, told lies, or with each other's adapters.

What a population without histories gets right, the weights know by heart; what one with shuffled ratings gets right,
does not come from the ratings that a document tells; what one with each other's adapters gets right, comes from
training adapters at all and not from whom they were trained on.
"""

from dataclasses import replace

import numpy as np

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import ProfileWriter
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.cross_fitted import make_memory
from personagym_agents.memory.evidence import Codes, Evidence, Memory
from personagym_agents.memory.settings import Recall
from personagym_env.data.tables import Catalogue, IntArray
from personagym_env.evaluation.fidelity.contamination import shuffled_ratings


class ColdStartMemory(Memory):
    """What somebody without a single rating recalls, whoever is asked: what the crowd thinks.

    Args:
        known: what users recall who have ratings.
        catalogue: of the log's items.
    """

    def __init__(self, known: Memory, catalogue: Catalogue) -> None:
        train = known.train
        self._stranger = train.n_users
        widened = replace(train, n_users=train.n_users + 1)
        reasons = None if known.reasons is None else replace(known.reasons, train=widened)
        super().__init__(widened, None if known.evidence is None else Evidence.fit(widened, catalogue), reasons)

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) the same for each of (b,) users."""
        return super().recall(np.full(len(users), self._stranger))


def without_history(agent: LanguageUserAgent) -> LanguageUserAgent:
    """The population as if nobody had rated anything: no lines, a profile of no ratings, a stranger's memory.

    Attributes such as age stay, and so do the crowd's opinions and each user's adapter: what is left is what weights
    and catalogue know.
    """
    corpus = agent.corpus
    memory = None if corpus.memory is None else ColdStartMemory(corpus.memory, corpus.dataset.catalogue)
    nothing = corpus.train.take(np.zeros(len(corpus.train), np.bool_))
    return told_otherwise(agent, replace(corpus, train=nothing, memory=memory), "without history")


def with_shuffled_ratings(agent: LanguageUserAgent, rng: np.random.Generator) -> LanguageUserAgent:
    """The population with each user's ratings dealt anew over the user's own rows, in history, profile and memory.

    The crowd's opinions stay as they are: they are about items, not about the user. Reasons are composed anew.
    """
    corpus = agent.corpus
    train = shuffled_ratings(corpus.train, rng)
    known = corpus.memory
    memory = None
    if known is not None:
        reasons = known.reasons
        recall = Recall() if reasons is None else Recall(reasons=reasons.count, encoder=reasons.encoder)
        recall = replace(recall, evidence=known.evidence is not None)
        memory = make_memory(corpus.dataset.catalogue, train, recall)
    return told_otherwise(agent, replace(corpus, train=train, memory=memory), "shuffled ratings")


def with_adapters_of_others(agent: LanguageUserAgent, rng: np.random.Generator) -> LanguageUserAgent:
    """The population with each user's adapter given to another user, drawn at random; documents stay as they are.

    Of adapters that are shared a user can draw the same again, about as often as it has users.

    Raises:
        ValueError: the population has no adapters.
    """
    if agent.population.gate is None:
        raise ValueError(f"the adapters of {agent.name!r} cannot be dealt to other users: it has none")
    circle = rng.permutation(agent.n_users)
    dealt = np.empty_like(agent.population.adapters)
    dealt[circle] = agent.population.adapters[np.roll(circle, 1)]
    return told_otherwise(agent, agent.corpus, "adapters of others", adapter_of=dealt, writer=agent.writer)


def told_otherwise(
    agent: LanguageUserAgent,
    corpus: Corpus,
    what: str,
    *,
    adapter_of: IntArray | None = None,
    writer: ProfileWriter | None = None,
) -> LanguageUserAgent:
    """The population with another corpus; its own adapters and statistical profiles unless others are given.

    Profiles that somebody else wrote tell of ratings, and so do response styles, so controls that are told something
    else must not have them.
    """
    population = agent.population
    own = None if population.gate is None else population.adapters
    return LanguageUserAgent(
        population.model,
        corpus,
        name=f"{agent.name}, {what}",
        gate=population.gate,
        adapter_of=own if adapter_of is None else adapter_of,
        history_lines=agent.history_lines,
        writer=writer,
        styles=population.styles if corpus is agent.corpus else None,
    )
