"""`personagym profile`: profiles by a chat model."""

from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.cli.writing import WritingCommand


@dataclass(frozen=True)
class ProfileCommand(WritingCommand):
    """Let a chat model write the profiles of all users; what their ratings do not bear out is thrown out."""

    folds: int = 2
    """Profiles for training, each without one part of a user's ratings; 0 for none."""
    run: Path = Path("runs/profile")
    """Folder of the answers. A run that was cut off goes on from there."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents.llm.profiling import profile_users
        from personagym_agents.llm.reflection import ReflectionSettings

        self.write(profile_users, ReflectionSettings(folds=self.folds, free_text=self.free_text), self.run)
