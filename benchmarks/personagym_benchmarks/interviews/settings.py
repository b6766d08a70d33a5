"""What can be asked of interviews."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InterviewSettings:
    """Whom to interview, and who speaks."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users: a name or bundle path that `personagym_agents.load` takes."""
    users: int = 200
    """Users who are interviewed, drawn at random."""
    items: int = 100
    """Unseen items that claims are held against when they are filtered; as many others tell whether said is done."""
    asked: int = 5
    """Held-out items that each user is asked about."""
    chat: str | None = None
    """A chat model that speaks, too: a local one by name or path, or the server's name of it."""
    base_url: str | None = None
    """Server that speaks OpenAI's protocol; None runs the chat model here."""
    resamples: int = 2000
    """Of users, behind the intervals."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ValueError: an option is out of range.
        """
        for name, least in (("users", 2), ("items", 1), ("asked", 1), ("resamples", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
