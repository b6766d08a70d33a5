"""How a bundle is made: the settings of its base and of its adapters."""

from dataclasses import dataclass, field

from personagym_agents.inference.language_users import HISTORY_LINES
from personagym_agents.model.adapters import Targets
from personagym_agents.personas.clustering import Groups, PersonaSettings
from personagym_agents.training.loop import TrainingSettings

SMALL = "small"
"""Name of the base that is trained here from random weights."""


@dataclass(frozen=True)
class AdapterSettings:
    """The adapters."""

    groups: Groups = "persona"
    """Users who share an adapter."""
    rows: int | None = None
    """Training rows of each adapter at most: those of users of its group, drawn at random as long as they fit. None
    for all."""
    rank: int = 16
    alpha: int = 16
    dropout: float = 0.1
    targets: Targets = "all-linear"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=1, learning_rate=5e-4, warmup=10, weight_decay=0.0, averaging=0.98
        )
    )

    def __post_init__(self) -> None:
        if self.rows is not None and self.rows < 1:
            raise ValueError(f"AdapterSettings.rows must be at least 1 or None, got {self.rows}")


@dataclass(frozen=True)
class BundleSettings:
    """How a bundle is made."""

    base: str = SMALL
    """`small`: a Llama-architecture model trained here from random weights; else a causal LM by name or path, whose
    own weights stay as they are."""
    width: int = 128
    """Hidden size of the small base."""
    layers: int = 3
    """Layers of the small base."""
    vocabulary: int = 8192
    """Entries of the small base's tokenizer."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """Training of the small base."""
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    personas: PersonaSettings = field(default_factory=PersonaSettings)
    profiles: str | None = None
    """File of profiles by a chat model (`personagym profile`), told after the statistical ones; None for none."""
    memory: bool = True
    """Whether lines say what evidence the user recalls about the item (`personagym_agents.memory.evidence`)."""
    reasons: int = 0
    """Reasons of earlier ratings that lines recall about the item, the nearest first
    (`personagym_agents.memory.reasons`)."""
    reason_book: str | None = None
    """File of reasons by a chat model (`personagym reasons`); None composes them from evidence."""
    teacher: str = "mf"
    """Classical users, fitted on the same training rows, whose ratings of unseen items the model learns from too."""
    history_lines: int = HISTORY_LINES

    def __post_init__(self) -> None:
        if self.width < 8 or self.width % 8:
            raise ValueError(
                f"BundleSettings.width must be a multiple of 8, for 4 attention heads of even width, got {self.width}"
            )
        if self.reason_book is not None and not self.reasons:
            raise ValueError("BundleSettings.reason_book is of no use where no reasons are recalled, got reasons 0")
        if self.layers < 1:
            raise ValueError(f"BundleSettings.layers must be at least 1, got {self.layers}")


def paper_settings(base: str) -> BundleSettings:
    """The setting of *Personas within Parameters*: four personas, wide adapters, one reason recalled.

    A persona of some hundred users takes some hundred steps, so the last weights stand as they are: an average over
    that few would keep much of the untrained ones.
    """
    training = TrainingSettings(
        epochs=2, learning_rate=3e-4, warmup=10, weight_decay=0.0, dropout=0.0, teaching_weight=0.0, averaging=0.0
    )
    return BundleSettings(
        base=base,
        adapters=AdapterSettings(rank=256, alpha=32, dropout=0.1, targets="query-key", training=training),
        personas=PersonaSettings(n_personas=4),
        memory=False,
        reasons=1,
    )
