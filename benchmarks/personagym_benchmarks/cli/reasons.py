"""`personagym reasons`: reasons of ratings by a chat model."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.cli.writing import WritingCommand


@dataclass(frozen=True)
class ReasonsCommand(WritingCommand):
    """Let a chat model say why users took what they took; what their ratings do not bear out is thrown out."""

    run: Path = Path("runs/reasons")
    """Folder of the answers. A run that was cut off goes on from there."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.llm.reasons import ReasonSettings, write_reasons

        self.write(write_reasons, ReasonSettings(free_text=self.free_text), self.run)
