"""When to ask a server again: exponential back-off, and what `Retry-After` says."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Backoff:
    """How long to wait between tries, in seconds."""

    first: float = 1.0
    """Wait after the first failure; every further one doubles it."""
    longest: float = 120.0
    """A wait is never longer; a server that wants a longer one is given up."""
    tries: int = 7
    """Requests per answer at most."""

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.longest and self.tries >= 1):
            raise ValueError(
                "Backoff needs 0 < first <= longest and tries >= 1, "
                f"got first={self.first}, longest={self.longest}, tries={self.tries}"
            )

    def wait(self, failures: int, spread: float) -> float:
        """Seconds to wait after so many failures; `spread` in 0..1 keeps requests from coming back all at once.

        >>> [Backoff(first=1, longest=5).wait(failures, 1.0) for failures in (1, 2, 3, 4, 2000)]
        [1.0, 2.0, 4.0, 5.0, 5.0]
        """
        doublings = min(failures - 1, 64)
        return float(min(self.longest, self.first * 2**doublings) * (0.5 + 0.5 * spread))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: a number or a date); None if it says nothing.

    >>> retry_after("3"), retry_after("soon"), retry_after(None)
    (3.0, None, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
