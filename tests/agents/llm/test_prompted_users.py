"""Prompted users keep the promises of the protocol, and the session is in their prompts."""

import numpy as np
import pytest

from personagym_agents.llm.prompted_users import PromptedUsers
from personagym_env.conformance.user_agent import check_user_agent


def test_prompted_users_conform(prompted_users: PromptedUsers) -> None:
    check_user_agent(prompted_users, slate_size=2)
    assert prompted_users.calls > 0


def test_a_session_is_told_in_the_next_prompt(prompted_users: PromptedUsers) -> None:
    before, after = prompted_users.document(2), prompted_users.document(2, [(7, 4)])
    assert after.splitlines()[-1] == f"{prompted_users.lines[7]} 5"
    assert len(before.splitlines()) == len(after.splitlines())  # the oldest line made room
    sessions, row, slate = prompted_users.open(1), np.zeros(1, np.int64), np.array([[3, 9]])
    sessions.start(row, row + 2)
    fresh = sessions.react(row, slate).rating
    sessions.consume(row, np.array([7]), np.array([4]))
    assert np.abs(sessions.react(row, slate).rating - fresh).max() > 1e-4


def test_ratings_that_are_no_whole_numbers_are_refused(prompted_users: PromptedUsers) -> None:
    log = prompted_users.train
    halves = type(log)(log.users, log.items, log.ratings, None, log.n_users, log.n_items, (*log.scale, 5.5))
    with pytest.raises(ValueError, match="whole numbers one after the other"):
        PromptedUsers(prompted_users.model, prompted_users.dataset, halves)
