"""Whether variants know anything that the shipped users do not: the answers of both mixed, on held-out rows.

`python benchmarks/ablations/variants_together.py` asks the shipped users and every variant the questions of the
fidelity board. Rating distributions are mixed by their geometric mean and chances of choices by the mean of their log
odds, in a share for the variant that does best for the *other* half of the users: no row chooses what it is judged by.
The last partner is all variants in equal shares. Beside them stands matrix factorisation, which is no variant.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.special import expit, logit

import personagym_agents
from ablations.results import BLENDED, MixedVariant, VariantsTogether, variants_together_table
from personagym_agents.variants import VARIANTS
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import BoolArray, Dataset, FloatArray
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import LEAST_PROBABILITY, Answers, FidelityTest
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import RunContext

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Of the partner, among which the other half of the users chooses."""
EVERY = "all variants"


@dataclass(frozen=True)
class Args:
    """Who is mixed with whom."""

    dataset: str = "ml-100k"
    users: str = "persona"
    """Who are mixed with: the shipped users by default."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    beside: tuple[str, ...] = ("mf",)
    """Partners that are no variants."""
    negatives: int = 20
    """Unseen items of each user."""
    resamples: int = 2_000
    seed: int = 0
    run: Path = Path("runs/variants-together")
    output: Path = Path("runs/variants-together.json")


def geometric(parts: Sequence[FloatArray], shares: Sequence[float]) -> FloatArray:
    """(n, r) distributions whose logarithms are mixed."""
    logs = [share * np.log(np.maximum(part, LEAST_PROBABILITY)) for part, share in zip(parts, shares, strict=True)]
    mixed = np.exp(np.sum(logs, axis=0))
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def by_odds(parts: Sequence[FloatArray], shares: Sequence[float]) -> FloatArray:
    """Chances whose log odds are mixed."""
    kept = [np.clip(part, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY) for part in parts]
    odds = np.sum([share * logit(part) for part, share in zip(kept, shares, strict=True)], axis=0)
    return np.asarray(expit(odds))


def mixed(name: str, parts: Sequence[Answers], shares: Sequence[float]) -> Answers:
    """The answers of several populations as those of one."""
    return Answers(
        name,
        ratings=geometric([_there(part.ratings) for part in parts], shares),
        score=by_odds([_there(part.score) for part in parts], shares),
        unseen={kind: by_odds([part.unseen[kind] for part in parts], shares) for kind in parts[0].unseen},
        wants=True,
    )


def _there(values: FloatArray | None) -> FloatArray:
    assert values is not None  # whom this script asks answers everything
    return values


class Halves:
    """Two halves of the users, each of which chooses shares for the other.

    Args:
        test: the questions.
        own: what the users say who are mixed with.
        rng: deals users.
    """

    def __init__(self, test: FidelityTest, own: Answers, rng: np.random.Generator) -> None:
        self._test, self._own = test, own
        self._second: BoolArray = rng.permutation(test.split.test.n_users) % 2 == 1

    def best(self, partner: Answers) -> tuple[Answers, dict[str, tuple[float, float]]]:
        """The mixture with shares that the other half chose, and these shares for either half."""
        every = [
            mixed(partner.name, (self._own, partner), (1 - share, share)) if share else self._own for share in SHARES
        ]
        found = [self._test.measure(answers).statistics for answers in every]
        chosen = {}
        for key, sign in (("nll", 1.0), ("auc", -1.0)):
            told = [sign * statistics[key].resampled(self._weights) for statistics in found]
            first, second = np.argmin(told, axis=0).tolist()
            # The first half is mixed as the second chose, and the other way round.
            chosen[key] = second, first
        rating, choice = (np.asarray(chosen[key]) for key in ("nll", "auc"))
        return self._dealt(every, rating, choice), {
            key: (SHARES[places[0]], SHARES[places[1]]) for key, places in chosen.items()
        }

    @property
    def _weights(self) -> FloatArray:
        """(2, u) the users of the first half, then those of the second."""
        return np.stack([~self._second, self._second]).astype(np.float64)

    def _dealt(self, every: Sequence[Answers], rating: FloatArray, choice: FloatArray) -> Answers:
        half = self._second.astype(np.int64)
        rows, owners = half[self._test.split.test.users], half[self._test.owners]
        ratings = np.stack([_there(answers.ratings) for answers in every])
        score = np.stack([_there(answers.score) for answers in every])
        row = np.arange(len(rows))
        unseen = {
            kind: np.stack([answers.unseen[kind] for answers in every])[choice[owners], np.arange(len(owners))]
            for kind in every[0].unseen
        }
        return replace(every[0], ratings=ratings[rating[rows], row], score=score[choice[rows], row], unseen=unseen)


@dataclass(frozen=True)
class Asking:
    """Fits populations on the training rows and asks them."""

    args: Args
    test: FidelityTest
    dataset: Dataset
    context: RunContext

    def __call__(self, name: str) -> Answers:
        """What it says to the questions."""
        told, train = self.dataset, self.test.split.train
        with self.context.bar(f"{name}: fit", None):
            if name in VARIANTS:
                agent = VARIANTS[name].fit(told, train, seed=self.args.seed)
            else:
                agent = personagym_agents.load(name, told, train)
        with self.context.bar(f"{name}: questions", self.test.n_questions) as advance:
            answers = self.test.answers(agent, name=name, progress=advance)
        del agent
        gc.collect()  # a model and its caches, before the next one is fitted
        return answers

    def partners(self) -> Iterator[Answers]:
        """Answers of one partner after the other, at last of all variants in equal shares."""
        yield from map(self, self.args.beside)
        asked = []
        for name in self.args.variants:
            asked.append(self(name))
            yield asked[-1]
        if len(asked) > 1:
            yield mixed(EVERY, asked, [1 / len(asked)] * len(asked))


def study(args: Args, context: RunContext) -> VariantsTogether:
    """Ask everybody, mix, compare."""
    dataset = load_dataset(args.dataset)
    part = named_split(dataset)
    rng = np.random.default_rng(args.seed)
    test = FidelityTest.draw(part.split, rng, args.negatives)
    weights = user_resamples(part.split.test.n_users, args.resamples, rng)
    ask = Asking(args, test, blind(dataset, part.split.train), context)
    own = ask(args.users)
    halves = Halves(test, own, rng)

    def samples(answers: Answers) -> Mapping[str, FloatArray]:
        statistics = test.measure(answers).statistics
        return {key: statistics[key].resampled(weights) for key in BLENDED}

    usual, rows = samples(own), []
    for partner in ask.partners():
        together, shares = halves.best(partner)
        found = samples(together)
        rows.append(
            MixedVariant(
                partner.name,
                {key: interval(found[key] - usual[key]) for key in BLENDED},
                shares["nll"],
                shares["auc"],
            )
        )
        told = ", ".join(f"{key} {one.value:+.4f}" for key, one in rows[-1].differences.items())
        context.tell(f"{partner.name}: {told}")
    return VariantsTogether(
        users=args.users,
        figures={key: interval(usual[key]) for key in BLENDED},
        rows=tuple(rows),
        setting=recorded(args) | {"training rows": part.description, "shares": list(SHARES)},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, {})},
    )


def main(args: Args) -> None:
    """Measure, tell and write."""
    console = make_console()
    with console_run(console, args.run, VariantsTogether.COMMAND) as context:
        found = study(args, context)
        found.save(args.output)
    console.print(rich_table(variants_together_table(found)))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
