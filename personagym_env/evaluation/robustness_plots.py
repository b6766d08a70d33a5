"""The plot of the robustness study: how much of a judge's order stands in each setting."""

from matplotlib.axes import Axes

from personagym_env.evaluation.plots import FAINT, INK, draw, plain
from personagym_env.evaluation.robustness import KINDS, Kind, Robustness
from personagym_env.evaluation.robustness_tables import KIND_TITLES

KIND_STYLE: dict[Kind, tuple[str, str]] = {
    "seed": ("#000000", "o"),
    "split": ("#E69F00", "v"),
    "catalogue": ("#CC79A7", "^"),
    "picks": ("#56B4E9", "P"),
    "slate": ("#009E73", "s"),
    "memory": ("#6b7785", "X"),
    "assumed": ("#D55E00", "D"),
    "fitted": ("#0072B2", "h"),
}
"""Colour (Okabe and Ito's) and marker of each kind of setting."""
_LANES = 0.62
"""Share of a judge's line that the lanes of the kinds take."""


def stability_plot(report: Robustness) -> str:
    """Tau of every verdict with the judge's default one: a line per judge, a lane per kind; flips of winners hollow."""
    judges = report.judges

    def paint(ax: Axes) -> None:
        labelled: set[Kind] = set()
        for at, judge in enumerate(judges):
            rows = [row for row in report.of(judge) if row.kind != "default"]
            kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
            for row in rows:
                colour, marker = KIND_STYLE[row.kind]
                lane = at + _LANES * ((kinds.index(row.kind) + 0.5) / len(kinds) - 0.5)
                name = None if row.kind in labelled else KIND_TITLES[row.kind]
                labelled.add(row.kind)
                fill = "white" if row.winner != row.default_winner else colour
                ax.plot(row.tau_default, lane, marker, ms=6.5, color=colour, mfc=fill, mew=1.5, ls="", label=name)
            if judge in report.chance:
                ax.plot([report.chance[judge]] * 2, [at - 0.42, at + 0.42], color=INK, lw=1.6, alpha=0.75)
            if at:
                ax.axhline(at - 0.5, color=FAINT, lw=0.6, alpha=0.5)
        ax.axvline(report.stable, color=FAINT, lw=1.2, ls=(0, (4, 3)), zorder=1)
        ax.set_yticks(range(len(judges)), [plain(judge) for judge in judges])
        ax.set_ylim(len(judges) - 0.45, -0.55)
        ax.set_xlabel("Kendall’s τ with the judge’s own order under the default setting")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        handles, names = ax.get_legend_handles_labels()
        for handle in handles:
            handle.set_markerfacecolor(handle.get_color())  # type: ignore[attr-defined]
        ax.legend(
            handles,
            names,
            frameon=False,
            labelcolor=INK,
            fontsize=9,
            ncols=3,
            loc="lower center",
            bbox_to_anchor=(0.4, 1),
        )

    return draw((6.8, 1.9 + 0.62 * len(judges)), paint)
