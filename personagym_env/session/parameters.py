"""Parameters of a session: one frozen dataclass per part, every field with its unit, valid and plausible range, source.

The defaults are assumptions. What a log can identify is fitted from it by `personagym_env.session.fitting.sessions`;
the simulation card (`personagym_env.card`) prints which parameter is which.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple, Self

Range = tuple[float, float]

GAP_MINUTES = 30.0
"""A pause longer than this ends a session, the convention of web analytics."""

_CRASWELL = "position-based model: Craswell et al., WSDM 2008; decay 1 as in Joachims et al., WSDM 2017"
_LOGIT = "multinomial logit with an outside option: McFadden 1974; as choice model of slates: Ie et al., IJCAI 2019"
_SATIATION = "exponentially forgotten exposure: Leqi et al., Rebounding Bandits, NeurIPS 2021; magnitude assumed"
_SMOOTHING = "exponential smoothing of outcomes: Hogarth, Einhorn, Cognitive Psychology 1992; rate assumed"
_LEAVING = "discrete-time logistic hazard: Singer, Willett, J. Educational Statistics 1993; magnitude assumed"
_RETURNING = "return time as survival: Kapoor et al., KDD 2014; log-normal accelerated failure time; magnitude assumed"
_RECOVERY = "forgetting between visits: Leqi et al., Rebounding Bandits, NeurIPS 2021; half-life assumed"
_EPISODE = "the designer's choice of how long to watch a user, not a claim about users"
_PAUSE = "convention of web analytics: Catledge, Pitkow, Computer Networks 1995, found 25.5 minutes"
_DRIFT = "Gaussian random walk of preferences: Charlin et al., Dynamic Poisson Factorization, RecSys 2015; off"
_INSTRUCTIONS = "critiques: Burke et al., IEEE Expert 1997; that users say them when about to leave is assumed; off"
_REWARD = "the designer's choice of what to reward, not a claim about users"


class Assumption(NamedTuple):
    """What is known about a parameter that no log has spoken about."""

    name: str
    """Part and field, for example `examination.decay`."""
    default: float
    unit: str
    valid: Range
    """Values outside raise ValueError."""
    plausible: Range
    """Values worth trying in a sensitivity analysis."""
    source: str


def _assume(default: float, *, unit: str, valid: Range, plausible: Range, source: str) -> Any:
    return field(default=default, metadata={"unit": unit, "valid": valid, "plausible": plausible, "source": source})


class _Part:
    """Checks every field of a part against its valid range."""

    def __post_init__(self) -> None:
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            where = f"{type(self).__name__}.{entry.name}"
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{where} must be a number, got {value!r}")
            low, high = entry.metadata["valid"]
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{where} must be a finite number in [{low:g}, {high:g}], got {value!r}")


@dataclass(frozen=True)
class Examination(_Part):
    """Which places of a slate a user looks at, each independently of the others."""

    decay: float = _assume(1.0, unit="exponent", valid=(0, 100), plausible=(0, 2), source=_CRASWELL)
    """Place j = 0, 1, ... is examined with probability `(1 / (1 + j)) ** decay`; 0 examines every place."""


@dataclass(frozen=True)
class Choice(_Part):
    """Which examined item is taken, if any."""

    temperature: float = _assume(1.0, unit="logits per logit", valid=(1e-3, 1e3), plausible=(0.5, 2), source=_LOGIT)
    """Divides the log odds of wanting an item; small values make choices certain."""
    outside: float = _assume(0.0, unit="logits", valid=(-1e3, 1e3), plausible=(-2, 2), source=_LOGIT)
    """Utility of taking nothing; at 0 a single examined item is taken exactly as often as it is wanted."""
    satiation_weight: float = _assume(0.2, unit="logits", valid=(0, 1e3), plausible=(0, 1), source=_SATIATION)
    """Utility that an item loses per unit of satiation with its genres."""


@dataclass(frozen=True)
class Satisfaction(_Part):
    """A latent level in 0..1 that follows what happens to the user; 0 and 1 are the ends of the rating scale."""

    initial: float = _assume(0.6, unit="share of the scale", valid=(0, 1), plausible=(0.4, 0.8), source=_SMOOTHING)
    """Level at the start of a session."""
    rate: float = _assume(0.2, unit="per consumption", valid=(0, 1), plausible=(0.05, 0.5), source=_SMOOTHING)
    """Share of the way towards the normalised rating that one consumption moves the level."""
    miss_rate: float = _assume(0.1, unit="per step", valid=(0, 1), plausible=(0, 0.3), source=_SMOOTHING)
    """Share of the way towards 0 that a step without consumption moves the level; logs never show such steps."""


@dataclass(frozen=True)
class Satiation(_Part):
    """How long a user stays tired of a genre just consumed."""

    decay: float = _assume(0.8, unit="per step", valid=(0, 1), plausible=(0.5, 0.95), source=_SATIATION)
    """Factor that every step applies; a consumed item then adds 1, shared among its genres."""


@dataclass(frozen=True)
class Leaving(_Part):
    """Logistic hazard of ending the session after a step."""

    intercept: float = _assume(-2.0, unit="logits", valid=(-1e3, 1e3), plausible=(-4, 0), source=_LEAVING)
    """Log odds of leaving at satisfaction 0 before the first step."""
    satisfaction_weight: float = _assume(-2.0, unit="logits", valid=(-1e3, 1e3), plausible=(-4, 0), source=_LEAVING)
    """Log odds per unit of satisfaction; below 0 satisfied users stay."""
    duration_weight: float = _assume(0.3, unit="logits", valid=(-1e3, 1e3), plausible=(-1.5, 1), source=_LEAVING)
    """Log odds per unit of `log(1 + steps)`; above 0 users tire, below 0 those who have stayed keep staying."""


@dataclass(frozen=True)
class Returning(_Part):
    """Whether and when a user who left comes back; an episode holds several sessions if `max_sessions` is above 1.

    The logarithm of the days away is normal, cut off below at `pause`, with mean `location + satisfaction_weight * s`,
    where s is the satisfaction that the user left with.
    """

    max_sessions: float = _assume(1, unit="sessions", valid=(1, 1e6), plausible=(1, 20), source=_EPISODE)
    """Sessions that an episode may have: a whole number. At 1 leaving ends the episode."""
    horizon: float = _assume(30.0, unit="days", valid=(0, 1e6), plausible=(7, 365), source=_EPISODE)
    """A user whose return would come later than this after the first session is lost, and the episode ends."""
    location: float = _assume(1.5, unit="log days", valid=(-1e3, 1e3), plausible=(-1, 4), source=_RETURNING)
    """Mean of the log days away of a user who left with satisfaction 0."""
    satisfaction_weight: float = _assume(-1.0, unit="log days", valid=(-1e3, 1e3), plausible=(-3, 0), source=_RETURNING)
    """Log days per unit of satisfaction; below 0 satisfied users come back sooner."""
    spread: float = _assume(1.5, unit="log days", valid=(1e-3, 1e3), plausible=(0.5, 3), source=_RETURNING)
    """Standard deviation of the log days away."""
    pause: float = _assume(GAP_MINUTES, unit="minutes", valid=(1e-3, 1e6), plausible=(10, 120), source=_PAUSE)
    """The shortest absence; a shorter one would have been the same session."""
    recovery: float = _assume(1.0, unit="days", valid=(1e-6, 1e6), plausible=(0.1, 14), source=_RECOVERY)
    """Half-life, while away, of satiation and of what satisfaction has moved from its initial level."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_sessions != int(self.max_sessions):
            raise ValueError(f"Returning.max_sessions must be a whole number, got {self.max_sessions!r}")


@dataclass(frozen=True)
class Drift(_Part):
    """A slow change of taste that nothing in the session explains; what was consumed moves taste through the agent."""

    scale: float = _assume(0.0, unit="logits per consumption ** 0.5", valid=(0, 10), plausible=(0, 0.2), source=_DRIFT)
    """Each consumption moves each genre's preference by a normal number with this standard deviation; 0 is no drift."""


@dataclass(frozen=True)
class Instructions(_Part):
    """Whether users who nearly left say what they wish; see `personagym_env.session.instructions`."""

    reach: float = _assume(0.0, unit="times the hazard", valid=(0, 1e3), plausible=(0, 5), source=_INSTRUCTIONS)
    """Who stays speaks if a hazard that many times as high would have made it leave; up to 1 nobody does."""

    @property
    def on(self) -> bool:
        """Whether anybody ever speaks."""
        return self.reach > 1


@dataclass(frozen=True)
class RewardWeights(_Part):
    """Weights that fold the named reward components into one number."""

    rating: float = _assume(1.0, unit="per scale", valid=(-1e6, 1e6), plausible=(0, 1), source=_REWARD)
    """For the rating of what was consumed, scaled so that the ends of the rating scale are 0 and 1."""
    click: float = _assume(0.0, unit="per consumption", valid=(-1e6, 1e6), plausible=(0, 1), source=_REWARD)
    """For having consumed anything."""
    leave: float = _assume(0.0, unit="per session", valid=(-1e6, 1e6), plausible=(-10, 0), source=_REWARD)
    """For every leaving of a session; below 0 punishes it."""
    empty: float = _assume(0.0, unit="per place", valid=(-1e6, 1e6), plausible=(-1, 0), source=_REWARD)
    """For every empty place of the slate; below 0 punishes them."""
    retention: float = _assume(0.0, unit="per return", valid=(-1e6, 1e6), plausible=(0, 10), source=_REWARD)
    """For every return of a user who had left; above 0 rewards retention."""


@dataclass(frozen=True)
class SessionParameters:
    """Everything about a session that is a number."""

    examination: Examination = Examination()
    """Attention to places."""
    choice: Choice = Choice()
    """From attention to consumption."""
    satisfaction: Satisfaction = Satisfaction()
    """What outcomes do to the user."""
    satiation: Satiation = Satiation()
    """What repetition does to the user."""
    leaving: Leaving = Leaving()
    """The end of a session."""
    returning: Returning = Returning()
    """The next session."""
    drift: Drift = Drift()
    """Taste that changes by itself."""
    instructions: Instructions = Instructions()
    """What users say."""
    reward: RewardWeights = RewardWeights()
    """What counts as a good step."""

    def updated(self, changes: Mapping[str, Mapping[str, float]]) -> Self:
        """A copy with some fields changed.

        Args:
            changes: part to field to value, for example `{"choice": {"outside": 1.0}}`.

        Raises:
            ValueError: a part or field does not exist, or a value is out of range.
            TypeError: something is no mapping of names to values.
        """
        if not isinstance(changes, Mapping):
            raise TypeError(f'parameters map parts to fields, as in {{"choice": {{"outside": 1.0}}}}, got {changes!r}')
        parts = {}
        for part, values in changes.items():
            known = {entry.name for entry in fields(getattr(self, part))} if part in self.to_dict() else set()
            if not known:
                raise ValueError(f"no part {part!r} of SessionParameters, expected one of {sorted(self.to_dict())}")
            if not isinstance(values, Mapping):
                raise TypeError(f"{part!r} maps some of {sorted(known)} to values, got {values!r}")
            if unknown := set(values) - known:
                raise ValueError(f"no field {sorted(unknown)} in {part!r}, expected some of {sorted(known)}")
            parts[part] = replace(getattr(self, part), **values)
        return replace(self, **parts)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Part to field to value; `SessionParameters().updated(...)` reads it back."""
        return asdict(self)

    def assumptions(self) -> Iterator[tuple[Assumption, float]]:
        """Every field in order, with the value that it has here."""
        part: Any
        entry: Any
        for part in fields(self):
            values = getattr(self, part.name)
            for entry in fields(values):
                name, value, default = f"{part.name}.{entry.name}", getattr(values, entry.name), entry.default
                yield Assumption(name=name, default=default, **entry.metadata), float(value)
