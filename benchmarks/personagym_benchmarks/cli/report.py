"""`personagym report`: all results as one page."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain


@dataclass(frozen=True)
class ReportCommand:
    """Write one HTML file, to be read offline, of the results that a folder holds."""

    output: Path = Path("runs/report.html")
    """Where the report goes."""
    results: Path = Path("runs")
    """Folder with any of leaderboard.json, agreement.json, fidelity.json and validation.json, and robustness.json."""

    def main(self) -> None:
        """Run the command."""
        from personagym_env.evaluation.agreement.study import AgreementStudy
        from personagym_env.evaluation.fidelity.board import FidelityReport
        from personagym_env.evaluation.leaderboard.board import Leaderboard
        from personagym_env.evaluation.reporting.report import write_report
        from personagym_env.evaluation.robustness.verdicts import Robustness
        from personagym_env.evaluation.validation.board import Validation

        files = {name: self.results / f"{name}.json" for name in ("leaderboard", "agreement", "validation", "fidelity")}
        varied = self.results / "robustness.json"
        found = {name for name, path in files.items() if path.is_file()}
        if not found:
            expected = ", ".join(path.name for path in files.values())
            raise SystemExit(f"{self.results} holds no results: expected any of {expected}")
        write_report(
            Leaderboard.load(files["leaderboard"]) if "leaderboard" in found else None,
            self.output,
            AgreementStudy.load(files["agreement"]) if "agreement" in found else None,
            Validation.load(files["validation"]) if "validation" in found else None,
            FidelityReport.load(files["fidelity"]) if "fidelity" in found else None,
            Robustness.load(varied) if varied.is_file() else None,
        )
        print_plain(make_console(), f"{self.output}: {', '.join(sorted(found))}")
