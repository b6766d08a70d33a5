"""What the report is made of: pages with figures that stand out, drawings and tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Tile(NamedTuple):
    """A figure that stands out."""

    kind: str
    """Class for the style sheet: a kind of judge."""
    figure: str
    what: str
    between: str


class Plot(NamedTuple):
    """A drawing."""

    svg: str
    label: str
    """For people who do not see it."""
    caption: str = ""
    wide: bool = False
    """Whether its words are too small for half of the width of a page."""


@dataclass(frozen=True)
class Page:
    """One page of the report."""

    name: str
    """Anchor, and name of the template `page_NAME.html.j2`."""
    tab: str
    """What the navigation calls it."""
    title: str
    content: Mapping[str, Any]
    """What the template is given."""
    setting: Mapping[str, Any] = field(default_factory=dict)
    """What one has to know to run it again."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """From `environment_snapshot`."""
