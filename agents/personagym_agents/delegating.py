"""Users who answer through other users, and have their size and scale."""

from personagym_env.protocols import UserAgent


class DelegatingUsers:
    """Base of populations that have something of their own around `users`, who know the ratings and the items."""

    users: UserAgent
    """Who are asked in the end."""

    @property
    def scale(self) -> tuple[float, ...]:
        """See `UserAgent.scale`."""
        return self.users.scale

    @property
    def n_users(self) -> int:
        """See `UserAgent.n_users`."""
        return self.users.n_users

    @property
    def n_items(self) -> int:
        """See `UserAgent.n_items`."""
        return self.users.n_items
