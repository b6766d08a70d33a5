"""The report's page on validation."""

from typing import Any

from personagym_env.evaluation.reporting.pages import Page, Plot
from personagym_env.evaluation.validation.board import Validation
from personagym_env.evaluation.validation.plots import REAL_COLOUR, Style, aspect_plot, distance_plot, styles
from personagym_env.evaluation.validation.tables import validation_tables


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
        "tables": list(validation_tables(validation)),
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
