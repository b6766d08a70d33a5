"""Tables and figures in HTML, by the templates beside this file."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from personagym_env.evaluation.core.snapshot import describe
from personagym_env.evaluation.reporting.numbers import number, signed
from personagym_env.evaluation.reporting.svg import inline, with_own_ids
from personagym_env.evaluation.reporting.table import Cell, Column

_ARROWS = {"high": " ↑", "low": " ↓", None: ""}


def make_environment() -> Environment:
    """Templates that escape whatever they are given, and the filters that they use."""
    environment = Environment(
        loader=PackageLoader("personagym_env.evaluation.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "breakable": _breakable,
        "content": _content,
        "describe": describe,
        "drawing": _Drawings(),
        "ends": _ends,
        "head": _head,
        "number": number,
        "told": told,
    }
    return environment


def told(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {told(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(told(entry) for entry in value)
    return str(value)


def _content(cell: Cell) -> str:
    text = cell.text()
    return text if isinstance(cell.content, str) else signed(text)


def _ends(cell: Cell) -> str:
    """The interval of a cell, empty if it has none."""
    ends = cell.ends()
    if ends is None:
        return ""
    low, high = map(signed, ends)
    return f"{low} to {high}" if "−" in low else f"{low}–{high}"


def _head(column: Column) -> str:
    """The head of a column, with an arrow to the good end."""
    return column.head + _ARROWS[column.good]


def _breakable(text: str) -> Markup:
    """The text, which may be broken after dots and underscores."""
    return Markup(str(escape(text)).replace(".", ".<wbr>").replace("_", "_<wbr>"))


class _Drawings:
    """Lets SVG that this package drew into the page, with ids of its own for every drawing."""

    def __init__(self) -> None:
        self._shown = 0

    def __call__(self, svg: str) -> Markup:
        self._shown += 1
        return Markup(with_own_ids(inline(svg), f"g{self._shown}"))
