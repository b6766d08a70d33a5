"""`personagym report`: all results as one page."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain

PAGES = ("leaderboard", "agreement", "validation", "fidelity")
"""Results that make a page; those of robustness speak on the pages of others."""


@dataclass(frozen=True)
class ReportCommand:
    """Write one HTML file, to be read offline, of the results that a folder holds."""

    output: Path = Path("runs/report.html")
    """Where the report goes."""
    results: Path = Path("runs")
    """Folder with any of leaderboard.json, agreement.json, validation.json and fidelity.json, and robustness.json."""

    def main(self) -> None:
        """Read what is there, write the report and say what it is made of.

        Raises:
            ValueError: the folder holds no results, or a file is not what its name says.
        """
        from personagym_env.evaluation.agreement.study import AgreementStudy
        from personagym_env.evaluation.fidelity.board import FidelityReport
        from personagym_env.evaluation.leaderboard.board import Leaderboard
        from personagym_env.evaluation.reporting.report import write_report
        from personagym_env.evaluation.robustness.verdicts import Robustness
        from personagym_env.evaluation.validation.board import Validation

        files = {name: self.results / f"{name}.json" for name in (*PAGES, "robustness")}
        found = [name for name, path in files.items() if path.is_file()]
        if not set(found) & set(PAGES):
            expected = ", ".join(files[name].name for name in PAGES)
            raise ValueError(f"{self.results} holds no results: expected any of {expected}")
        write_report(
            Leaderboard.load(files["leaderboard"]) if "leaderboard" in found else None,
            self.output,
            AgreementStudy.load(files["agreement"]) if "agreement" in found else None,
            Validation.load(files["validation"]) if "validation" in found else None,
            FidelityReport.load(files["fidelity"]) if "fidelity" in found else None,
            Robustness.load(files["robustness"]) if "robustness" in found else None,
        )
        lines = [f"{self.output}, from {self.results}: {', '.join(found)}"]
        if missing := [f"`personagym {name}`" for name in files if name not in found]:
            lines.append(f"not there yet: {', '.join(missing)}")
        print_plain(make_console(), *lines)
