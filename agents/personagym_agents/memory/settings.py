"""What can be asked of the memory."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recall:
    """What users recall about an item before they answer; reasons stand before evidence."""

    evidence: bool = True
    """Whether they recall what the training log tells in numbers (`personagym_agents.memory.evidence`)."""
    reasons: int = 0
    """How many reasons they recall of their own earlier ratings, those nearest to the item first
    (`personagym_agents.memory.reasons`)."""
    reason_book: str | None = None
    """File of reasons by a chat model (`personagym reasons`); None composes them from evidence."""
    encoder: str | None = None
    """Which tells what reason is near to an item: `minilm`, or the folder of a sentence encoder as
    sentence-transformers saves one; None weighs their words (TF-IDF)."""

    def __post_init__(self) -> None:
        if self.reasons < 0:
            raise ValueError(f"recall.reasons must be at least 0, got {self.reasons}")
        for name in ("reason_book", "encoder"):
            if getattr(self, name) is not None and not self.reasons:
                raise ValueError(f"recall.{name} is of no use where no reasons are recalled, got recall.reasons 0")

    def __bool__(self) -> bool:
        return self.evidence or self.reasons > 0

    def __str__(self) -> str:
        return " and ".join(["reasons"] * bool(self.reasons) + ["evidence"] * self.evidence) or "nothing"
