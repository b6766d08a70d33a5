"""What can be asked of a training."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SamplingOptions:
    """How documents are drawn."""

    lines: int = 18
    """Rows of a user shown in one sequence at most."""
    candidate_share: float = 2 / 3
    """Share of the shown rows that are candidates instead of history."""
    hidden_titles: float = 0.25
    """Share of the history lines that hide their title."""
    recalling: float = 0.25
    """Share of the history lines that show what was recalled about the item, as those of a session do."""
    choices: bool = True
    """Whether an unseen item stands beside each candidate, so that choices are learned."""
    forgetful: float = 0.15
    """Share of the candidates about which nothing is recalled."""


@dataclass(frozen=True)
class TrainingSettings:
    """Hyper-parameters of one training."""

    epochs: int = 8
    """Times that every training row is shown."""
    batch: int = 24
    """Sequences in a step."""
    learning_rate: float = 2e-3
    """Peak of the cosine schedule, after `warmup` steps."""
    warmup: int = 100
    """Steps until the peak."""
    weight_decay: float = 0.3
    """AdamW's, on matrices alone."""
    dropout: float = 0.1
    """Of the embeddings and of the last hidden states."""
    choice_weight: float = 1.0
    """Weight of the choice loss beside the rating loss."""
    teaching_weight: float = 1.0
    """Weight of the teacher's loss beside the rating loss."""
    averaging: float = 0.99
    """Decay of the moving average of the weights, which is what training returns; 0 for the last weights."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    checkpointing: bool | None = None
    """Whether layers are computed again for their gradients: a third more work for a fraction of the memory. None where
    one sequence does not fit into `memory` otherwise."""
    memory: float = 3.0
    """GB that a step may keep of its tokens; a larger batch goes through the model in parts."""
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "warmup"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainingSettings.{name} must be at least 1, got {getattr(self, name)}")
        if self.memory <= 0:
            raise ValueError(f"TrainingSettings.memory must be above 0, got {self.memory}")
        for name in ("dropout", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"TrainingSettings.{name} must lie in [0, 1), got {getattr(self, name)}")
