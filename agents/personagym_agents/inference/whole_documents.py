"""Many whole documents in one packed pass: the form for documents that differ anywhere, not in their last line alone.

What they all begin with is a row of the pass, the rest of each a candidate behind it.
"""

from collections.abc import Sequence

import numpy as np
import torch

from personagym_agents.inference.engine import Population, reaction_of
from personagym_agents.inference.model_hooks import packed_attention
from personagym_agents.inference.packed_pass import PackedPass
from personagym_agents.inference.pass_layout import lay_out
from personagym_agents.inference.prefix_cache import PrefixStore
from personagym_agents.model.causal_lm import answer_logits
from personagym_agents.model.packing import Segments
from personagym_env.protocols import Reaction


@torch.no_grad()
def answer_documents(population: Population, user: int, documents: Sequence[Sequence[int]]) -> Reaction:
    """Answers behind whole documents, with the adapter of one user.

    Args:
        population: whose model answers.
        user: internal id.
        documents: (d,) tokens of each, up to the place of the answer; two at least.

    Returns:
        The reaction with shapes (1, d) and (1, d, r).
    """
    opening = np.array([tokens[0] for tokens in documents])  # the tokenizer's begin token, where it has one
    distinct, row = np.unique(opening, return_inverse=True)
    place = np.array([int((row[:at] == row[at]).sum()) for at in range(len(row))])
    table = Segments.of([*([int(token)] for token in distinct), *(tokens[1:] for tokens in documents)])
    # A row that has fewer documents than others repeats the first one; its copies are answered and dropped.
    candidates = np.full((len(distinct), int(place.max()) + 1, 1), len(distinct))
    candidates[row, place, 0] = len(distinct) + np.arange(len(documents))
    rows, empty = np.arange(len(distinct)), np.zeros(len(distinct), np.int64)
    packed = PackedPass(
        model=population.model,
        store=PrefixStore(len(distinct)),
        rows=rows,
        filled=empty,
        runs=lay_out(table, empty, rows[:, None], candidates),
        gate=population.gate,
        adapters=np.full(len(distinct), population.adapters[user]),
    )
    with packed_attention(population.model):
        hidden = packed.run()
    logits = answer_logits(population.model, hidden, population.answer_ids).double()
    logits = logits.view(len(distinct), candidates.shape[1], -1)[torch.from_numpy(row), torch.from_numpy(place)]
    return reaction_of(logits[None])
