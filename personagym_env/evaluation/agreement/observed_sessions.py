"""Sessions played by the real answers of people who rated everything: what simulated sessions are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.agreement.truths import TruthKind
from personagym_env.evaluation.core.statistics import RatioOfSums

COMPARED = ("return", "clicks", "rating", "length")
"""Figures of sessions that are a truth each."""


@dataclass(frozen=True, eq=False)
class SessionTruth:
    """One figure of sessions under the same session law, with the same random draws."""

    figure: str
    """Key of `reporting.figures.SESSION`."""
    users: IntArray
    """(n,) who have sessions, all of whom rated everything."""
    unit: str
    left_out: int = 0
    """Users of the log who did not rate everything."""
    kind: TruthKind = "sessions"
    bounds: Mapping[str, RatioOfSums] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"observed sessions, {self.figure}"

    @property
    def description(self) -> str:
        """How it was measured."""
        return (
            "sessions under the same law and the same random draws, in which people answer with their real ratings and "
            "choose an item with the chance that it pleases them more than another one"
        )
