"""What training asks of the answers: the rating given consumption, and whether the item was consumed at all."""

from typing import NamedTuple

import torch
from torch.nn import functional

from personagym_agents.training.sampling import NONE


class Losses(NamedTuple):
    """Mean negative log likelihoods in nats."""

    rating: torch.Tensor
    """Of the ratings, given that the item was consumed."""
    choice: torch.Tensor
    """Of consumed against skipped candidates."""
    taught: torch.Tensor
    """Of the teacher's rating distributions on skipped candidates."""

    def total(self, choice_weight: float, teaching_weight: float) -> torch.Tensor:
        """The weighted sum that training minimises; what has no weight may be a mean of nothing."""
        weighted = ((choice_weight, self.choice), (teaching_weight, self.taught))
        return sum((weight * loss for weight, loss in weighted if weight), self.rating)


def answer_losses(
    logits: torch.Tensor,
    rating: torch.Tensor,
    chosen: torch.Tensor,
    teacher: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> Losses:
    """Losses over answers.

    The softmax over all answers factors into P(skip) and the rating given no skip, so that the sum of the two losses
    on a consumed candidate is the cross entropy of its one answer out of 1 + r.

    Args:
        logits: (n, 1 + l) of the answers, skip first.
        rating: (n,) rating index, or `NONE` where there is nothing to learn.
        chosen: (n,) 1 consumed, 0 skipped, or `NONE`.
        teacher: (s, l) the teacher's rating distributions on the s skipped candidates, in order (knowledge
            distillation: Hinton, Vinyals, Dean 2015, at temperature 1).
        target: (r, l) what each rating is as an answer.
        weight: (n,) how much each rating counts, 1 on average over all training rows, so that a batch of rows that
            count more pulls more; all alike if None.
    """
    rated, asked, skipped = rating != NONE, chosen != NONE, chosen == 0
    consumed = torch.logsumexp(logits[:, 1:], dim=-1) - logits[:, 0]
    told, answer = logits[rated, 1:], target[rating[rated]]
    return Losses(
        rating=functional.cross_entropy(told, answer)
        if weight is None
        else (functional.cross_entropy(told, answer, reduction="none") * weight[rated]).mean(),
        choice=functional.binary_cross_entropy_with_logits(consumed[asked], chosen[asked].to(logits.dtype)),
        taught=functional.cross_entropy(logits[skipped, 1:], teacher),
    )
