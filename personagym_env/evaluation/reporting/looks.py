"""Titles, colours and markers, the same in every plot and table.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; kinds differ in marker as well.
"""

from collections.abc import Mapping
from typing import NamedTuple

from personagym_env.evaluation.agreement.judges import JudgeKind
from personagym_env.evaluation.robustness.verdicts import SettingKind
from personagym_env.evaluation.validation.board import SourceKind

INK, FAINT, GRID = "#1f2933", "#6b7785", "#dfe4ea"
BLACK, BLUE, SKY, GREEN = "#000000", "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PINK, BROWN = "#E69F00", "#D55E00", "#CC79A7", "#8c510a"

SERIES = (
    (BLUE, "o"),
    (VERMILION, "D"),
    (GREEN, "s"),
    (PINK, "^"),
    (ORANGE, "v"),
    (SKY, "P"),
    (BLACK, "X"),
    (FAINT, "*"),
    (BROWN, "h"),
)
"""Colour and marker of what has no kind, in turn."""


class Look(NamedTuple):
    """What a kind is called, and how it is drawn."""

    title: str
    colour: str
    marker: str


JUDGES: Mapping[JudgeKind, Look] = {
    "users": Look("simulated users rate the same picks", BLUE, "o"),
    "sessions": Look("sessions with simulated users", GREEN, "s"),
    "metric": Look("offline metric on the held-out log", VERMILION, "D"),
    "check": Look("check of the test's power", FAINT, "X"),
}
"""Judges of recommenders."""

SETTINGS: Mapping[SettingKind, Look] = {
    "default": Look("default", BLACK, ""),
    "seed": Look("other random draws", BLACK, "o"),
    "split": Look("other split", ORANGE, "v"),
    "catalogue": Look("half the items", PINK, "^"),
    "picks": Look("number of picks", SKY, "P"),
    "slate": Look("places of a slate", GREEN, "s"),
    "memory": Look("memory of the session", FAINT, "X"),
    "assumed": Look("assumed parameter", VERMILION, "D"),
    "fitted": Look("fitted parameter", BLUE, "h"),
}
"""Settings of the robustness report; the default one is drawn nowhere."""

SOURCES: Mapping[SourceKind, str] = {
    "halves": "real rows",
    "preceding": "real rows",
    "users": "simulated users",
    "chance": "a simulator without knowledge",
}
"""Logs that a validation compares, by title."""
