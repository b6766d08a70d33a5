"""Fixtures that stand in `tests/fixtures`."""

from fixtures.bundles import *  # noqa: F403
from fixtures.chat_server import *  # noqa: F403
from fixtures.language_models import *  # noqa: F403
