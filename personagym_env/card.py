"""The simulation card: which parameters of a world come from the log, which are assumed, which were set by hand."""

import io
import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from personagym_env.session.fit import Estimate, SessionFit
from personagym_env.session.parameters import Assumption, SessionParameters


@dataclass(frozen=True)
class CardEntry:
    """One parameter of the world."""

    assumption: Assumption
    """Name, unit, documented default, plausible range and source."""
    value: float
    """What the world uses."""
    estimate: Estimate | None
    """What the log says, if it was asked."""

    @property
    def origin(self) -> str:
        """`fitted` from the log, `assumed` (the documented default), or `set` by whoever made the world."""
        if self.estimate is not None and self.value == self.estimate.value:
            return "fitted"
        return "assumed" if self.value == self.assumption.default else "set"


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

    def to_json(self) -> str:
        """The card as a JSON object: title, statistics, notes, and parameters by name."""
        parameters = {
            entry.assumption.name: {
                "value": entry.value,
                "origin": entry.origin,
                "estimate": None if entry.estimate is None else entry.estimate._asdict(),
                **{key: value for key, value in entry.assumption._asdict().items() if key != "name"},
            }
            for entry in self.entries
        }
        rest = {key: value for key, value in asdict(self).items() if key != "entries"}
        return json.dumps({**rest, "parameters": parameters}, indent=2)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = 150) -> str:
        """The card as a table of `width` characters."""
        table = Table()
        table.add_column("parameter", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("unit")
        table.add_column("origin", no_wrap=True)
        table.add_column("on what")
        for entry in self.entries:
            known = entry.assumption
            table.add_row(known.name, f"{entry.value:.4g}", known.unit, entry.origin, _grounds(entry))
        text = io.StringIO()
        console = Console(file=text, width=width, no_color=True, highlight=False)
        console.print(self.title)
        console.print(table)
        for note in self.notes:
            console.print(f"Not fitted: {note}.")
        for name, value in self.statistics.items():
            console.print(f"{name}: {value:,.4g}" if value < 1e4 else f"{name}: {value:,.0f}")
        return text.getvalue()


def _grounds(entry: CardEntry) -> str:
    known, estimate = entry.assumption, entry.estimate
    plausible = f"default {known.default:g}, plausible {known.plausible[0]:g} to {known.plausible[1]:g}; {known.source}"
    if estimate is None:
        return plausible
    interval = f"95 % in [{estimate.low:.4g}, {estimate.high:.4g}] from {estimate.rows:,} rows"
    if entry.origin == "fitted":
        return f"{interval}; {estimate.method}"
    return f"{plausible}; the log says {estimate.value:.4g}, {interval}"


def simulation_card(title: str, parameters: SessionParameters, fit: SessionFit) -> SimulationCard:
    """Say of every parameter whether it is the log's, the default or the caller's."""
    entries = tuple(
        CardEntry(assumption, value, fit.estimates.get(assumption.name))
        for assumption, value in parameters.assumptions()
    )
    return SimulationCard(title, entries, dict(fit.statistics), fit.notes)
