"""Everybody is asked the same questions, and what they say is set side by side."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from personagym_agents.bundle.manifest import read_manifest
from personagym_benchmarks.transfer.board import Clusters, Comparison, Kind, TransferRow
from personagym_benchmarks.transfer.populations import (
    ZERO_SHOT,
    NamedUsers,
    make_users,
    why_left_out,
    zero_shot_controls,
)
from personagym_benchmarks.transfer.questions import Figures, Questions, difference, intervals
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_env.benchmark import user_hashes
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.fidelity.board import Difference
from personagym_env.evaluation.fidelity.fidelity_test import Answers
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext


@dataclass(frozen=True, eq=False)
class Asked:
    """What one population said, and how long that took."""

    name: str
    kind: Kind
    answers: Answers
    training_seconds: float | None = None
    setup_seconds: float | None = None
    answer_seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Asker:
    """One log, and who is asked about it."""

    args: TransferSettings
    dataset: Dataset
    context: RunContext
    left_out: dict[str, str] = field(default_factory=dict)
    """Is told who cannot be asked, and why."""
    hashes: dict[str, str | None] = field(default_factory=dict)
    """Is told who was asked, from `user_hashes`."""

    def ask_all(
        self, questions: Questions, part: str, users: Sequence[NamedUsers], *, controls: bool = False
    ) -> Iterator[Asked]:
        """Floors, then populations that can be fitted to the training rows of the questions.

        Args:
            questions: what everybody is asked.
            part: of the study, for people.
            users: of whom.
            controls: whether controls follow zero-shot users.
        """
        split = questions.test.split
        kinds = questions.test.unseen
        for answers in questions.test.floor_answers():
            if kinds or answers.score is None:
                yield Asked(answers.name, "floor", answers)
        for one in users:
            if why := why_left_out(one, self.dataset, split.train):
                self._leave_out(part, one.name, why)
                continue
            made = self._timed(questions, part, one.name, "users", partial(self._make, one, split))
            if made is None:
                continue
            agent, asked = made
            yield replace(asked, training_seconds=_trained(one, self.dataset.name))
            if controls and one.place == ZERO_SHOT:
                for name, make in zero_shot_controls(agent, self.args, self.dataset, split.train):
                    control = self._timed(questions, part, name, "control", make)
                    if control is not None:
                        yield control[1]

    def _make(self, one: NamedUsers, split: Split) -> UserAgent:
        return make_users(one, self.args, self.dataset, split.train)

    def _timed(
        self, questions: Questions, part: str, name: str, kind: Kind, make: Callable[[], UserAgent]
    ) -> tuple[UserAgent, Asked] | None:
        """Make a population and ask it; None, and a reason in `left_out`, if it cannot be made of these rows."""
        started = time.process_time()
        with self.context.bar(f"{self.dataset.name}, {part}: {name}", questions.test.n_questions) as advance:
            try:
                agent = make()
            except ValueError as error:
                self._leave_out(part, name, str(error))
                return None
            made = time.process_time()
            answers = questions.test.answers(agent, name=name, progress=advance)
        if kind == "users":
            self.hashes.update(user_hashes([agent]))
        seconds = round(made - started, 2), round(time.process_time() - made, 2)
        return agent, Asked(name, kind, answers, None, *seconds)

    def _leave_out(self, part: str, name: str, why: str) -> None:
        self.left_out[f"{part}: {name}"] = why
        self.context.tell(f"{self.dataset.name}, {part}: {name} left out, {why}")


def _trained(users: NamedUsers, dataset: str) -> float | None:
    """Seconds that training a bundle took, if its manifest has them."""
    if not users.is_bundle:
        return None
    return getattr(read_manifest(Path(users.at(dataset))), "seconds", None)


def compare(
    asked: Sequence[Asked],
    figures: Mapping[str, Figures],
    compared: Sequence[str],
    weights: FloatArray,
    *,
    train_rows: int,
    held_out_rows: int,
    clusters: Clusters = "users",
) -> Comparison:
    """Figures of all populations, and how far the compared ones are from the others.

    Args:
        asked: in the order of the table.
        figures: of each, by name.
        compared: names of some of them.
        weights: (b, a) of the users who were asked, or of the items where these are the clusters.
        train_rows: what they knew.
        held_out_rows: what they were asked about.
        clusters: what the weights are of.
    """
    pairs = ((left, one.name) for left in compared if left in figures for one in asked if one.name != left)
    return Comparison(
        train_rows=train_rows,
        held_out_rows=held_out_rows,
        users=weights.shape[1],
        rows=tuple(
            TransferRow(
                one.name,
                one.kind,
                intervals(figures[one.name], weights),
                one.training_seconds,
                one.setup_seconds,
                one.answer_seconds,
            )
            for one in asked
        ),
        differences=tuple(
            Difference(left, right, difference(figures[left], figures[right], weights)) for left, right in pairs
        ),
        clusters=clusters,
    )
