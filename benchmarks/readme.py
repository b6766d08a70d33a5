"""Writes the tables of README.md from the committed results: `python benchmarks/readme.py`."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from personagym_env.evaluation.figures import FIDELITY, KIND_TITLES
from personagym_env.evaluation.leaderboard import Leaderboard, write_atomically
from personagym_env.evaluation.statistics import Interval

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
OFFLINE_SHOWN = ("recall@10", "NDCG@10", "coverage")
"""Offline metrics that the README names; the report has all."""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(interval: Interval | None, digits: int) -> str:
    if interval is None or interval.value != interval.value:
        return "–"
    text = f"{interval.value:.{digits}f}"
    return text if interval.low != interval.low else f"{text} ({interval.low:.{digits}f}–{interval.high:.{digits}f})"


def ranking(board: Leaderboard) -> str:
    """The leaderboard: what simulated users say, and what held-out people say."""
    rows = (
        [
            f"*{row.name}* (reads the users)" if row.reference else row.name,
            _cell(row.simulated["return"], 2),
            _cell(row.simulated["clicks"], 2),
            _cell(row.simulated["rating"], 2),
            f"{row.offline['ndcg'].value:.3f}",
            _cell(row.real, 3),
        ]
        for row in board.rows
    )
    head = ("recommender", "simulated return", "clicks per step", "simulated rating", "NDCG@10", "real value")
    return _table(head, rows)


def agreement(board: Leaderboard) -> str:
    """How well the rankings of the users, of the classical floors and of offline metrics agree with the real one."""
    shown = [
        row
        for row in board.agreements
        if row.kind in ("closed pool", "floor") or row.judge.endswith(board.agent) or row.judge in OFFLINE_SHOWN
    ]
    rows = (
        [row.judge, KIND_TITLES[row.kind], _cell(row.tau, 2), _cell(row.regret, 3)]
        for row in sorted(shown, key=lambda row: -row.tau.value)
    )
    return _table(("judge", "what it looks at", "Kendall's tau", "regret, points"), rows)


def fidelity(board: Leaderboard) -> str:
    """How true each population is to held-out people, floors first."""
    rows = ([row.name, *(_cell(row.figures.get(name), 3) for name in FIDELITY)] for row in board.fidelity)
    return _table(("users", *(figure.title for figure in FIDELITY.values())), rows)


def throughput(results: Path) -> str:
    """User-steps per second."""
    rates = json.loads(results.read_text(encoding="utf-8"))["rates"]
    rows = ([r["users"], str(r["envs"]), f"{r['median']:,.0f}", f"{r['low']:,.0f}–{r['high']:,.0f}"] for r in rates)
    return _table(("users", "environments", "user-steps/s", "lowest–highest"), rows)


def fill(text: str) -> str:
    """The README with every marked table made afresh."""
    board = Leaderboard.load(RESULTS / "leaderboard.json")
    made = {
        "ranking": ranking(board),
        "agreement": agreement(board),
        "fidelity": fidelity(board),
        "throughput": throughput(RESULTS / "throughput.json"),
    }
    for name, table in made.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no place for the table {name!r}")
        text = pattern.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    write_atomically(readme, fill(readme.read_text(encoding="utf-8")))
