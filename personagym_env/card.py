"""The simulation card: which parameters of a world come from the log, which are assumed, which were set by hand."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypedDict

from rich.console import Console
from rich.table import Table

from personagym_env.benchmark import Benchmark
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.session.parameters import Assumption, SessionParameters
from personagym_env.text import one_line

SensitivityPoint = TypedDict(
    "SensitivityPoint",
    {"setting": float, "sessions": float, "return": float, "usual_return": float, "tau": float, "flips": str},
)
"""What one value of a parameter did: the value, how many sessions an episode could have, the mean return that it led to
and that under the card's own value, Kendall's tau between the rankings of recommenders under the two, and what of the
verdict flips, in words, empty if nothing does."""

HEADINGS = ("parameter", "value", "unit", "origin", "on what", "sensitivity")
"""Columns of the card's tables."""


@dataclass(frozen=True)
class CardEntry:
    """One parameter of the world."""

    assumption: Assumption
    """Name, unit, documented default, plausible range and source."""
    value: float
    """What the world uses."""
    estimate: Estimate | None
    """What the log says, if it was asked."""
    sensitivity: tuple[SensitivityPoint, ...] | None = None
    """What other values do, in the order measured; None if nobody measured it."""

    @property
    def origin(self) -> str:
        """`fitted` from the log, `assumed` (the documented default), or `set` by whoever made the world."""
        if self.estimate is not None and self.value == self.estimate.value:
            return "fitted"
        return "assumed" if self.value == self.assumption.default else "set"

    @property
    def grounds(self) -> str:
        """What the value rests on, in words."""
        known, estimate = self.assumption, self.estimate
        range_ = f"plausible {known.plausible[0]:g} to {known.plausible[1]:g}"
        default = f"default {known.default:g}, {range_}; {known.source}"
        if estimate is None:
            return default
        interval = f"95 % in [{estimate.low:.4g}, {estimate.high:.4g}] from {estimate.rows:,} rows"
        if self.origin == "fitted":
            return f"{interval}; {estimate.method}"
        return f"{default}; the log says {estimate.value:.4g}, {interval}"

    @property
    def effects(self) -> str:
        """The sensitivity in words; empty if nobody measured it."""
        return "; ".join(map(_effect, self.sensitivity or ()))

    @property
    def cells(self) -> tuple[str, ...]:
        """The entry under `HEADINGS`."""
        known = self.assumption
        return known.name, f"{self.value:.4g}", known.unit, self.origin, self.grounds, self.effects


@dataclass(frozen=True)
class SimulationCard:
    """Every parameter of a world with its origin, and what the log's sessions look like."""

    title: str
    """The world: data set, training rows, user agent."""
    entries: tuple[CardEntry, ...]
    """In the order of `SessionParameters`."""
    statistics: dict[str, float]
    """The log's sessions, from `SessionFit.statistics`."""
    notes: tuple[str, ...]
    """What could not be fitted, and why."""
    findings: dict[str, Estimate] = field(default_factory=dict)
    """What the log says of quantities that are no parameter, from `SessionFit.findings`."""
    sensitivity_of: str = ""
    """Whose sessions the sensitivity was measured in; empty if nobody measured it."""
    benchmark: Benchmark | None = None
    """What is measured in the world is measured in."""

    def with_sensitivity(
        self, measured: Mapping[str, Sequence[SensitivityPoint]], sensitivity_of: str
    ) -> "SimulationCard":
        """The card with what other values of some parameters do.

        Args:
            measured: points by name of the parameter, for example `{"choice.outside": [{"setting": 1.0, ...}]}`.
            sensitivity_of: whose sessions it was measured in, for people.

        Raises:
            ValueError: a name is no parameter of the card, or a point lacks an entry.
        """
        names = {entry.assumption.name for entry in self.entries}
        if unknown := set(measured) - names:
            raise ValueError(f"no parameters {sorted(unknown)} on the card, expected some of {sorted(names)}")
        wanted = set(SensitivityPoint.__annotations__)
        for name, points in measured.items():
            for point in points:
                if set(point) != wanted:
                    raise ValueError(f"a point of {name!r} needs {sorted(wanted)}, got {sorted(point)}")
        entries = tuple(
            replace(entry, sensitivity=tuple(measured[entry.assumption.name]))
            if entry.assumption.name in measured
            else entry
            for entry in self.entries
        )
        return replace(self, entries=entries, sensitivity_of=sensitivity_of)

    def to_json(self) -> str:
        """The card as a JSON object: title, statistics, notes, findings, and parameters by name."""
        parameters = {
            entry.assumption.name: {
                "value": entry.value,
                "origin": entry.origin,
                "estimate": None if entry.estimate is None else entry.estimate._asdict(),
                "sensitivity": entry.sensitivity,
                **{key: value for key, value in entry.assumption._asdict().items() if key != "name"},
            }
            for entry in self.entries
        }
        card = {
            "title": self.title,
            "statistics": self.statistics,
            "notes": self.notes,
            "findings": {name: estimate._asdict() for name, estimate in self.findings.items()},
            "sensitivity_of": self.sensitivity_of,
            "benchmark": None if self.benchmark is None else asdict(self.benchmark),
            "parameters": parameters,
        }
        return json.dumps(card, indent=2)

    def __str__(self) -> str:
        return self.to_text()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands below the table, in words: how to read it, findings, what was not fitted, the log's sessions."""
        measured = (
            f"Sensitivity: {self.sensitivity_of}; each parameter alone; return of an episode, mean over recommenders, "
            "for that under the card's value; tau of their ranking with that under the card's value"
        )
        return (
            *([f"What is measured here is of {self.benchmark}"] if self.benchmark is not None else []),
            *([measured] if self.sensitivity_of else []),
            *(f"{name}: {_words(found)}" for name, found in self.findings.items()),
            *(f"Not fitted: {note}." for note in self.notes),
            *(f"{name}: {_number(value)}" for name, value in self.statistics.items()),
        )

    def to_text(self, width: int = 150) -> str:
        """The card as a table of `width` characters; the last column stands only where something was measured."""
        table = Table()
        shown = len(HEADINGS) - (not any(entry.effects for entry in self.entries))
        for heading in HEADINGS[:shown]:
            table.add_column(
                heading,
                justify="right" if heading == "value" else "left",
                no_wrap=heading in ("parameter", "value", "origin"),
            )
        for entry in self.entries:
            table.add_row(*entry.cells[:shown])
        text = io.StringIO()
        console = Console(file=text, width=width, no_color=True, highlight=False)
        console.print(one_line(self.title), markup=False)
        console.print(table)
        for remark in self.remarks:
            console.print(remark, markup=False)
        return text.getvalue()


def _effect(point: SensitivityPoint) -> str:
    across = "" if point["sessions"] == 1 else f", up to {point['sessions']:.0f} sessions"
    flips = f", flips {point['flips']}" if point["flips"] else ""
    returns = f"return {point['return']:.3g} for {point['usual_return']:.3g}"
    return f"at {point['setting']:.4g}{across}: {returns}, tau {point['tau']:.2f}{flips}"


def _number(value: float) -> str:
    return f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def _words(found: Estimate) -> str:
    return f"{found.value:.4g}, 95 % in [{found.low:.4g}, {found.high:.4g}] ({found.rows:,}; {found.method})"


def simulation_card(title: str, parameters: SessionParameters, fit: SessionFit) -> SimulationCard:
    """Say of every parameter whether it is the log's, the default or the caller's."""
    said = {**fit.findings, **fit.estimates}
    entries = tuple(
        CardEntry(assumption, value, said.get(assumption.name)) for assumption, value in parameters.assumptions()
    )
    names = {entry.assumption.name for entry in entries}
    findings = {name: estimate for name, estimate in fit.findings.items() if name not in names}
    return SimulationCard(title, entries, dict(fit.statistics), fit.notes, findings)
