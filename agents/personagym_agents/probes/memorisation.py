"""Does a base recite the data set? Titles to complete, and ratings asked for by nothing but ids.

A base that was pretrained on the web may have read the data set itself: who asks it to rate held-out rows then measures
its memory. Two probes, after "Do LLMs memorize recommendation datasets?" (Di Palma et al., SIGIR 2025): the second half
of a title given the first, and the rating of a held-out row given the ids of user and item alone. What a base that has
read nothing does is chance, and is told beside what it does. Shapes: n rows, r ratings, b prompts, L tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.tokenizer import encode_texts
from personagym_agents.model.causal_lm import answer_logits, decoder_of
from personagym_env.data.tables import FloatArray, Interactions
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.contamination import TitleMemorisation

_BATCH = 64
_LEAD = "Movie:"
TITLES = 500
"""Titles that are asked for at most."""


@torch.no_grad()
def title_memorisation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, titles: Sequence[str], rng: np.random.Generator
) -> TitleMemorisation:
    """Ask a base to complete titles.

    Args:
        model: causal LM with its language-modelling head.
        tokenizer: its tokenizer.
        titles: of the catalogue.
        rng: draws titles, and for each one whose second half it is compared with.

    Raises:
        ValueError: fewer than two titles have two tokens.
    """
    lead = len(encode_texts(tokenizer, [_LEAD])[0])
    encoded = [ids for ids in encode_texts(tokenizer, [f"{_LEAD} {title}" for title in titles]) if len(ids) > lead + 1]
    if len(encoded) < 2:
        raise ValueError(f"recitation needs two titles of two tokens or more, got {len(encoded)}")
    drawn = [encoded[place] for place in rng.permutation(len(encoded))[:TITLES]]
    # Cut between tokens, so that the halves are what the base would have read.
    middle = [(lead + len(ids) + 1) // 2 for ids in drawn]
    starts = [ids[:cut] for ids, cut in zip(drawn, middle, strict=True)]
    own = [ids[cut:] for ids, cut in zip(drawn, middle, strict=True)]
    other = own[1:] + own[:1]
    # The first tokens of both, so that neither half is likelier for being shorter.
    length = [min(len(a), len(b)) for a, b in zip(own, other, strict=True)]
    likelier, complete = [], []
    for few in _blocks(len(drawn)):
        ours = _score(model, starts[few], [half[:end] for half, end in zip(own[few], length[few], strict=True)])
        theirs = _score(model, starts[few], [half[:end] for half, end in zip(other[few], length[few], strict=True)])
        likelier += [a.likelihood > b.likelihood for a, b in zip(ours, theirs, strict=True)]
        complete += [whole.greedy for whole in _score(model, starts[few], own[few])]
    return TitleMemorisation(len(drawn), _share(likelier), _share(complete))


@torch.no_grad()
def ratings_from_ids(
    model: PreTrainedModel, corpus: Corpus, rows: Interactions, ids: tuple[Sequence[str], Sequence[str]]
) -> FloatArray:
    """(n, r) rating distributions of rows, asked for by the source's ids of user and item and nothing else.

    Args:
        model: causal LM.
        corpus: says how the tokenizer writes answers.
        rows: to be rated.
        ids: the source's ids of users and of items, such as `Users.ids` and `Catalogue.ids`.
    """
    users, items = ids
    texts = [
        f"user {users[user]}; item {items[item]};{corpus.answers.lead}"
        for user, item in zip(rows.users.tolist(), rows.items.tolist(), strict=True)
    ]
    answers = torch.tensor(corpus.answers.ids, device=model.device)
    encoded = encode_texts(corpus.tokenizer, texts)
    parts = []
    for few in _blocks(len(encoded)):
        tokens, mask = _padded(encoded[few], model.device)
        hidden = decoder_of(model)(input_ids=tokens, attention_mask=mask).last_hidden_state
        last = hidden[torch.arange(len(tokens)), mask.sum(dim=1) - 1]
        parts.append(torch.softmax(answer_logits(model, last, answers)[:, 1:].double(), dim=-1).cpu().numpy())
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Completion:
    likelihood: float
    """Log likelihood of the second half, nats."""
    greedy: bool
    """Whether every token of it was the likeliest."""


def _score(model: PreTrainedModel, starts: list[list[int]], ends: list[list[int]]) -> list[_Completion]:
    """The second halves behind the first."""
    tokens, mask = _padded([start + end for start, end in zip(starts, ends, strict=True)], model.device)
    chances = torch.log_softmax(model(input_ids=tokens, attention_mask=mask).logits.float(), dim=-1)
    scored = []
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        asked = chances[row, len(start) - 1 : len(start) + len(end) - 1]
        wanted = torch.tensor(end, device=asked.device)
        likelihood = asked.gather(1, wanted[:, None]).sum().item()
        scored.append(_Completion(likelihood, bool((asked.argmax(dim=1) == wanted).all())))
    return scored


def _padded(encoded: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(b, L) tokens, padded behind, and their mask."""
    width = max(map(len, encoded))
    tokens = torch.tensor([ids + [0] * (width - len(ids)) for ids in encoded], device=device)
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in encoded], device=device)
    return tokens, mask


def _share(yes: list[bool]) -> Interval:
    """With Wilson's 95 % interval."""
    test = binomtest(sum(yes), len(yes))
    bounds = test.proportion_ci(method="wilson")
    return Interval(sum(yes) / len(yes), float(bounds.low), float(bounds.high))


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))
