"""The plots of the fidelity board, beside its JSON."""

from pathlib import Path

from personagym_env.evaluation.fidelity.board import FidelityReport
from personagym_env.evaluation.fidelity.plots import choose_rows, reliability_plot, share_plot
from personagym_env.files import write_atomically


def write_plots(report: FidelityReport, output: Path) -> list[Path]:
    """SVG files beside the JSON, for each protocol: reliability of choices, and shares of the ratings."""
    written = []
    for board in report.boards:
        rows = choose_rows(board)
        for name, plot in (("reliability", reliability_plot(rows)), ("stars", share_plot(board, rows))):
            written.append(output.with_name(f"{output.stem}-{board.protocol}-{name}.svg"))
            write_atomically(written[-1], plot)
    return written
