"""The report's page on validation."""

from typing import Any

import numpy as np

from personagym_env.evaluation.reporting.looks import SOURCES
from personagym_env.evaluation.reporting.views import Cell, Grid, Line, Page, Plot, estimate, heads, name, words
from personagym_env.evaluation.validation.board import HALVES, AspectBoard, Source, Validation
from personagym_env.evaluation.validation.plots import REAL_COLOUR, Style, aspect_plot, distance_plot, styles
from personagym_env.evaluation.validation.tables import distance_title


def validation_page(validation: Validation) -> Page:
    """Simulated against real held-out logs."""
    looks = styles(validation.sources)
    content = {
        "validation": validation,
        "key": _key(validation, looks),
        "summary": Plot(
            distance_plot(validation),
            "Distance of every log from the held-out one, by respect",
            "Kolmogorov-Smirnov distance, total variation or largest gap, as the table names it, with 95 % intervals "
            "over users. The grey bar reaches as far as two random halves of the held-out users are apart in all but "
            "the worst 2.5 % of cases: what lies inside cannot be told from equal.",
        ),
        "plots": [
            Plot(aspect_plot(board, looks), f"{board.aspect.title} of every log") for board in validation.aspects
        ],
        "grids": [_levels(validation), _distances(validation), _sources(validation)],
        "assumptions": validation.assumptions,
    }
    return Page(
        "validation",
        "Validation",
        "Do simulated logs look like real ones?",
        content,
        validation.setting,
        validation.environment,
    )


def _key(validation: Validation, looks: dict[str, Style]) -> list[dict[str, Any]]:
    """Line and marker of each log, for the key above the plots."""
    real = {"name": "real, held out (with its 95 % interval)", "colour": REAL_COLOUR, "dash": "", "shape": ""}
    drawn = (
        {"name": title, "colour": style.colour, "dash": style.dash_array, "shape": style.shape}
        for title, style in looks.items()
    )
    return [real, *drawn]


def _names(validation: Validation, *, halves: bool) -> list[str]:
    return [source.name for source in validation.sources if halves or source.name != HALVES]


def _levels(validation: Validation) -> Grid:
    names = _names(validation, halves=False)

    def line(board: AspectBoard) -> Line:
        digits = 1 if board.level.value >= 10 else 3
        cells = (estimate(board.row(source).level, digits) for source in names)
        return Line((name(board.aspect.level), estimate(board.level, digits), *cells))

    return Grid(
        heads("", ("real, held out", *names)),
        [line(board) for board in validation.aspects],
        "What the logs look like",
        "95 % intervals over users. Concentration has none: a resample holds fewer distinct users and is more "
        "concentrated than the sample.",
    )


def _distances(validation: Validation) -> Grid:
    names = _names(validation, halves=True)
    users = [source.name for source in validation.sources if source.kind == "users"]
    lines = []
    for board in validation.aspects:
        for way in board.aspect.distances:
            values = {source: board.row(source).distances[way] for source in names}
            best = min((values[one].value for one in users if not np.isnan(values[one].value)), default=np.nan)
            cells = (
                estimate(values[one], 3, "best" if one in users and values[one].value == best else "") for one in names
            )
            first = board.aspect.title if way == board.aspect.distances[0] else ""
            lines.append(Line((name(first), words(distance_title(board, way)), *cells)))
    return Grid(
        (*heads("respect", ()), words("distance"), *(Cell(one) for one in names)),
        lines,
        "Distance from the held-out log",
        "0 is the same. 95 % intervals over users, which reach as far down as the bootstrap reaches up, because noise "
        "only adds to a distance; of two halves, the mean over random halvings and where 95 % of them lie. Bold: the "
        "nearest of the simulated users.",
    )


def _sources(validation: Validation) -> Grid:
    def line(source: Source) -> Line:
        sessions = "–" if source.sessions is None else f"{source.sessions:,}"
        return Line(
            (
                name(source.name),
                words(SOURCES[source.kind]),
                Cell(source.description, style="t w"),
                Cell(f"{source.rows:,}"),
                Cell(sessions),
            )
        )

    return Grid(
        (*heads("log", ()), words("what it is"), words("how it came about"), Cell("rows"), Cell("sessions")),
        [line(source) for source in validation.sources],
        "The logs",
    )
