"""How a bundle is made: the settings of its base and of its adapters; needs no torch."""

from dataclasses import dataclass, field, replace

from personagym_agents.documents.document import HISTORY_LINES
from personagym_agents.memory.settings import Recall
from personagym_agents.model.settings import Targets
from personagym_agents.personas.settings import Groups, PersonaSettings
from personagym_agents.training.settings import TrainingSettings
from personagym_env.collaborative.propensity import PropensityKind

SHIPPED = "shipped"
"""Name of the base that the package ships, which reads any log."""
SMALL = "small"
"""Name of the base that is trained here from random weights."""
_OF_SMALL = ("width", "layers", "vocabulary", "training", "logs", "log_rows", "variants")
"""Settings that are about this base alone."""


@dataclass(frozen=True)
class AdapterSettings:
    """The adapters."""

    groups: Groups = "persona"
    """Users who share an adapter."""
    rows: int | None = None
    """Training rows of each adapter at most: those of users of its group, drawn at random as long as they fit. None
    for all."""
    tokens: int | None = 1_000_000
    """Tokens of the documents that an epoch shows at most, drawn anew each time; the tail is asked in a fifth as many,
    and held-out rows are measured in as many. Items with long texts are read in part, so that a training takes minutes
    whatever the texts. None for all."""
    rank: int = 16
    """Of the adapters' matrices."""
    alpha: int = 16
    """What the adapters are scaled by, times their rank."""
    dropout: float = 0.0
    """Within the adapters."""
    targets: Targets = "all-linear"
    """Layers that get adapters: all linear ones, or the attention's queries and keys."""
    seed: int | None = None
    """Of the adapters' trainings and of random groups; None takes that of the bundle."""
    tail: float = 0.1
    """Share of each user's training rows, the latest, that tell each adapter when to stop; 0 trains all to the end."""
    checks: int = 2
    """Times in an epoch that the tail is asked."""
    penalty: float = 0.0
    """What draws a user's own adapter back to that of the persona, where it began; see `train_stack`."""
    own_rate: float = 0.15
    """Learning rate of users' own adapters, in that of the others: few steps on few rows go astray at the full one."""
    side_by_side: int = 64
    """Adapters that are trained together at most, in batches of all their users' documents: a piece of work. 1 trains
    each alone, in fewer steps of more documents of its own users. Their gradients are dense, and most of many adapters
    have no row in a batch."""
    choices: bool | None = None
    """Whether adapters learn to choose and from the teacher too, besides ratings; None where the base has not learned
    that. On one that has, ratings alone make better users in half the time, of choices as of ratings."""
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=1, batch=12, learning_rate=2e-3, warmup=10, weight_decay=0.0, averaging=0.95
        )
    )

    def __post_init__(self) -> None:
        if not 0 <= self.tail < 1:
            raise ValueError(f"AdapterSettings.tail must lie in [0, 1), got {self.tail}")
        if self.own_rate <= 0:
            raise ValueError(f"AdapterSettings.own_rate must be above 0, got {self.own_rate}")
        if self.side_by_side < 1:
            raise ValueError(f"AdapterSettings.side_by_side must be at least 1, got {self.side_by_side}")
        if self.checks < 1 or self.penalty < 0:
            raise ValueError(
                f"AdapterSettings.checks must be at least 1, and penalty at least 0: got {self.checks}, {self.penalty}"
            )
        if self.tokens is not None and self.tokens < 1:
            raise ValueError(f"AdapterSettings.tokens must be at least 1 or None, got {self.tokens}")
        if self.rows is not None and self.rows < 1:
            raise ValueError(f"AdapterSettings.rows must be at least 1 or None, got {self.rows}")

    def training_on(self, *, chooses: bool) -> TrainingSettings:
        """The training of adapters on a base that has learned to choose, or has not."""
        if self.choices or (self.choices is None and not chooses):
            return self.training
        sampling = replace(self.training.sampling, candidate_share=1.0, choices=False)
        return replace(self.training, choice_weight=0.0, teaching_weight=0.0, sampling=sampling)


@dataclass(frozen=True)
class BundleSettings:
    """How a bundle is made."""

    base: str = SHIPPED
    """`shipped`: the base of the package, which stays as it is and gets adapters; `small`: a Llama-architecture model
    trained here from random weights; else a causal LM by name or path, whose own weights stay as they are."""
    width: int = 128
    """Hidden size of the small base."""
    layers: int = 4
    """Layers of the small base."""
    vocabulary: int = 8192
    """Entries of the small base's tokenizer."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """Training of the small base."""
    logs: tuple[str, ...] = ()
    """Other logs that the small base reads too, by name or path: with them it learns to read any log."""
    log_rows: int | None = 5_000
    """Rows of each other log, and of each variant, that an epoch shows at most, drawn anew each time; None for all."""
    variants: int = 0
    """Variants of each log, also of its own, that the small base reads too; see `training.log_variants`."""
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    personas: PersonaSettings = field(default_factory=PersonaSettings)
    profiles: str | None = None
    """File of profiles by a chat model (`personagym profile`), told after the statistical ones; None for none."""
    recall: Recall = field(default_factory=Recall)
    teacher: str = "stack"
    """Classical users, fitted on the same training rows, whose ratings of unseen items the model learns from too."""
    propensities: PropensityKind | None = None
    """Weigh the loss of each rating by its inverse propensity, read off the log by its margins or by co-consumption as
    well: what is learned then stands for items that nobody picked out to rate. None counts all alike."""
    history_lines: int = HISTORY_LINES
    """Latest ratings that a document shows."""
    taste: bool = True
    """Whether profiles tell taste, besides habits."""
    titles: bool = True
    """Whether lines name their items; else they tell year, genres and crowd alone, in half the tokens."""
    styles: bool = True
    """Whether answers go by response styles: which ratings users and items have more often than is expected. Links to
    the scale of another log always do."""
    seed: int = 0
    """Of the base, the personas and, unless they have their own, the adapters."""

    def __post_init__(self) -> None:
        if self.base != SMALL:
            small = BundleSettings(base=SMALL)
            own = [name for name in _OF_SMALL if getattr(self, name) != getattr(small, name)]
            if own:
                raise ValueError(f"{', '.join(own)}: of the small base alone, got base {self.base!r}")
        if self.width < 8 or self.width % 8:
            raise ValueError(
                f"BundleSettings.width must be a multiple of 8, for 4 attention heads of even width, got {self.width}"
            )
        if self.layers < 1:
            raise ValueError(f"BundleSettings.layers must be at least 1, got {self.layers}")

    @property
    def adapter_seed(self) -> int:
        """That of the adapters' trainings."""
        return self.seed if self.adapters.seed is None else self.adapters.seed


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
        adapters=AdapterSettings(
            tokens=None,
            rank=256,
            alpha=32,
            dropout=0.1,
            targets="query-key",
            choices=True,
            training=training,
        ),
        personas=PersonaSettings(features="behaviour", n_personas=4),
        recall=Recall(evidence=False, reasons=1),
        styles=False,
    )
