"""The plot of the robustness study: how much of a judge's order stands in each setting."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from personagym_env.evaluation.reporting.looks import FAINT, INK, SETTINGS
from personagym_env.evaluation.reporting.svg import draw, plain
from personagym_env.evaluation.robustness.verdicts import SETTING_KINDS, Robustness

_LANES = 0.56
"""Share of a judge's line that the lanes of the kinds take, below the judge's name."""


def stability_plot(report: Robustness) -> str:
    """Tau of every verdict with the judge's default one: a line per judge, a lane per kind; flips of winners hollow."""
    judges = report.judges

    def paint(ax: Axes) -> None:
        for at, judge in enumerate(judges):
            rows = [row for row in report.of(judge) if row.kind != "default"]
            kinds = [kind for kind in SETTING_KINDS if any(row.kind == kind for row in rows)]
            for row in rows:
                _, colour, marker = SETTINGS[row.kind]
                lane = at + 0.46 - _LANES * (1 - (kinds.index(row.kind) + 0.5) / len(kinds))
                fill = "white" if row.winner != row.default_winner else colour
                ax.plot(row.tau_default, lane, marker, ms=6.5, color=colour, mfc=fill, mew=1.5, ls="")
            if judge in report.chance:
                ax.plot([report.chance[judge]] * 2, [at - 0.14, at + 0.46], color=INK, lw=1.6, alpha=0.75)
            ax.axhline(at - 0.5, color=FAINT, lw=0.6, alpha=0.5)
            ax.annotate(plain(judge), (0.01, at - 0.3), xycoords=("axes fraction", "data"), va="center", fontsize=10.5)
        ax.axvline(report.stable, color=FAINT, lw=1.2, ls=(0, (4, 3)), zorder=1)
        ax.set_yticks([])
        ax.set_ylim(len(judges) - 0.5, -0.5)
        ax.margins(x=0.03)
        ax.set_xlabel("Kendall’s τ with the judge’s own default order")
        ax.legend(
            handles=[
                Line2D([], [], color=look.colour, marker=look.marker, ms=6.5, ls="", label=look.title)
                for kind, look in SETTINGS.items()
                if kind != "default" and any(row.kind == kind for row in report.rows)
            ],
            frameon=False,
            labelcolor=INK,
            fontsize=10,
            ncols=2,
            loc="lower center",
            bbox_to_anchor=(0.5, 1),
        )

    return draw((5.4, 1.9 + 0.72 * len(judges)), paint)
