"""Memory of a training, planned from the shape of its model before the first step.

What a step keeps for its gradients grows with the tokens that go through the model together. So a batch is cut into
micro-batches of as many tokens as fit, whose gradients add up to those of the batch; a single sequence that does not
fit is met by computing the layers again (`checkpointed`). Figures are of Llama-shaped layers and of what `torch` keeps
of them; `benchmarks/speed/pretrained_base.py` holds them against what the system counts.
"""

from dataclasses import dataclass

from transformers import PreTrainedModel

_GB = 1e9
_STATES = 5
"""Numbers in single precision of each trained weight: itself, its gradient, two moments, its moving average."""
_NARROW, _WIDE = 20, 8
"""Rows of the hidden and of the inner size that a layer keeps of a token."""
_ADAPTED = 12
"""Rows of the hidden size that dropout within adapters adds, and what else goes into them."""
_MASK = 8
"""Bytes that masks take for each pair of tokens of a sequence."""


@dataclass(frozen=True)
class MemoryPlan:
    """How a batch is cut so that a training stays within its memory."""

    weights: float
    """GB of the model's weights."""
    states: float
    """GB of what is trained, with gradients, moments and average."""
    per_token: float
    """Bytes kept of each token of a micro-batch."""
    length: int
    """Tokens of the longest sequence of an epoch."""
    batch: int
    """Sequences of a step."""
    tokens: int
    """Of a micro-batch at most, padding included."""
    checkpointing: bool

    @property
    def total(self) -> float:
        """GB beside the program and the log."""
        return self.weights + self.states + self.together * (self.per_token + _MASK * self.length) / _GB

    @property
    def together(self) -> int:
        """Tokens that go through the model together, padding included."""
        return self.rows(self.length) * self.length

    def rows(self, length: int) -> int:
        """Sequences of a length that go through the model together."""
        return min(self.batch, max(1, self.tokens // max(1, length)))

    def __str__(self) -> str:
        again = "layers computed again for their gradients" if self.checkpointing else "all layers kept"
        return (
            f"memory of a step: weights {self.weights:.2f} GB, trained weights and their moments {self.states:.2f} GB, "
            f"up to {self.together:,} tokens at a time ({again}), {self.total:.1f} GB in all beside "
            "the program and the log"
        )


def plan_memory(
    model: PreTrainedModel, *, length: int, batch: int, gigabytes: float, halves: bool, checkpointing: bool | None
) -> MemoryPlan:
    """Cut batches so that what a step keeps fits.

    Args:
        model: as it is trained, with its adapters.
        length: tokens of the longest sequence.
        batch: sequences of a step.
        gigabytes: that a step may keep of its tokens.
        halves: whether layers compute in half precision.
        checkpointing: whether layers are computed again; None where a sequence does not fit otherwise.
    """
    config = model.config
    layers, hidden = int(config.num_hidden_layers), int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * hidden)
    trained = [parameter.numel() for parameter in model.parameters() if parameter.requires_grad]
    everything = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    frozen = sum(trained) < model.num_parameters() - sum(trained)
    number = 2 if halves else 4
    layer = number * ((_NARROW + _ADAPTED * frozen) * hidden + _WIDE * inner)
    whole, again = layers * layer, layer + layers * 4 * hidden

    def fits(per_token: float) -> int:
        return int(gigabytes * _GB / (per_token + _MASK * length))

    chosen = fits(whole) < length if checkpointing is None else checkpointing
    per_token = again if chosen else whole
    return MemoryPlan(
        weights=everything / _GB,
        states=sum(trained) * 4 * _STATES / _GB,
        per_token=per_token,
        length=length,
        batch=batch,
        tokens=fits(per_token),
        checkpointing=chosen,
    )
