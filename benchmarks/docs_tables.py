"""Writes the tables of the documentation from the published results; `make publish-results` calls it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from personagym_env.evaluation.agreement.study import AgreementBoard, AgreementStudy
from personagym_env.evaluation.agreement.tables import without_range
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.markdown import fidelity_boards
from personagym_env.evaluation.leaderboard.board import Leaderboard
from personagym_env.evaluation.leaderboard.policies import PolicyComparison
from personagym_env.evaluation.reporting import markdown
from personagym_env.evaluation.reporting.looks import JUDGES
from personagym_env.evaluation.validation.board import AspectBoard, Validation
from personagym_env.evaluation.validation.tables import distance_title
from personagym_env.files import write_atomically

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BOARD_SHOWN = (
    "board-temporal-ablation",
    "board-temporal-differences",
    "board-temporal-shares",
    "board-temporal-taste",
    "board-paper-paper",
    "board-cold-ratings",
)
"""Tables of the fidelity board that the README has."""
OFFLINE_SHOWN = ("recall", "ndcg", "coverage")
"""Offline metrics that the README names; the report has all."""


def ranking(board: Leaderboard) -> str:
    """The leaderboard: what simulated users say, and what held-out people say."""
    rows = (
        [
            f"*{row.name}* (reads the users)" if row.reference else row.name,
            markdown.cell(row.simulated["return"], 2),
            markdown.cell(row.simulated["clicks"], 2),
            markdown.cell(row.simulated["rating"], 2),
            f"{row.offline['ndcg'].value:.3f}",
            markdown.cell(row.real, 3),
        ]
        for row in board.rows
    )
    head = ("recommender", "simulated return", "clicks per step", "simulated rating", "NDCG@10", "real value")
    return markdown.table(head, rows)


def agreement(board: Leaderboard) -> str:
    """How well the rankings of the users, of the classical floors and of offline metrics agree with the real one."""
    shown = [
        row
        for row in board.agreements
        if row.kind in ("users", "check") or row.population == board.agent or row.figure in OFFLINE_SHOWN
    ]
    rows = (
        [row.judge, JUDGES[row.kind].title, markdown.cell(row.tau, 2), markdown.cell(row.regret, 3)]
        for row in sorted(shown, key=lambda row: -row.tau.value)
    )
    return markdown.table(("judge", "what it looks at", "Kendall's tau", "regret, points"), rows)


def agreement_study(path: Path) -> dict[str, str]:
    """The tables of the agreement study by marker.

    Markers are `study-TRUTH-TABLE`, with the way to know real value (closed-pool, fully-observed, random-exposure) as
    truth and judges, summary, differences, preferences and recommenders as tables.
    """
    made: dict[str, str] = {}
    for board in AgreementStudy.load(path).boards:
        tables = {
            "judges": study_judges(board),
            "summary": study_summary(board),
            "differences": study_differences(board),
            "preferences": study_preferences(board),
            "recommenders": study_recommenders(board),
        }
        ground_truth = board.ground_truth.replace(" ", "-")
        made |= {f"study-{ground_truth}-{name}": table for name, table in tables.items()}
    return made


def study_judges(board: AgreementBoard) -> str:
    """Agreement of every judge with real value: simulated users, offline metrics, checks of the test's power."""
    rows = (
        [
            row.title,
            *(markdown.cell(interval, 2) for interval in (row.tau, row.rho, row.pairwise, row.clear_pairs)),
            markdown.cell(row.regret, 3),
            f"{row.regret_share.value:.1%}",
            without_range(row),
            row.winner,
        ]
        for row in board.judges
    )
    head = ("judge", "Kendall's tau", "Spearman", "pairs in order", "clear pairs", "regret, points", "of the range")
    return markdown.table((*head, "tau without a class", "its winner"), rows)


def study_summary(board: AgreementBoard) -> str:
    """Agreement of the simulated users, and of the offline metric that agrees best."""
    metrics = sorted((row for row in board.judges if row.kind == "metric"), key=lambda row: -row.tau.value)
    shown = [row for row in board.judges if row.kind == "users"] + metrics[:1]
    rows = (
        [
            row.title,
            markdown.cell(row.tau, 2),
            markdown.cell(row.clear_pairs, 2),
            f"{row.regret_share.value:.1%}",
            row.winner,
        ]
        for row in shown
    )
    return markdown.table(("judge", "Kendall's tau", "clear pairs", "regret, of the range", "its winner"), rows)


def study_differences(board: AgreementBoard) -> str:
    """Paired differences between judges; an interval that leaves out 0 is no accident of the sample of users."""
    rows = (
        [
            f"{row.left} – {row.right}",
            markdown.cell(row.tau, 3),
            markdown.cell(row.regret, 3),
            markdown.cell(row.self_preference, 2),
        ]
        for row in board.differences
    )
    return markdown.table(("difference", "Kendall's tau", "regret, points", "self-preference, ranks"), rows)


def study_preferences(board: AgreementBoard) -> str:
    """Ranks by which each judge puts each model class higher than real users do; bold is the judge's own class."""
    classes = list(board.judges[0].class_shift)

    def shift(value: float, own: bool) -> str:
        return f"**{value:+.1f}**" if own else f"{value:+.1f}"

    rows = (
        [
            row.title,
            markdown.cell(row.self_preference, 2),
            *(shift(row.class_shift[name].value, name == row.model_class) for name in classes),
        ]
        for row in board.judges
        if row.kind != "metric"
    )
    return markdown.table(("judge", "its own class", *classes), rows)


def study_recommenders(board: AgreementBoard) -> str:
    """Real value of every recommender's picks, and what simulated users expect of them."""
    judges = [judge.title for judge in board.judges if judge.kind == "users"]
    rows = (
        [row.name, row.model_class, markdown.cell(row.real, 3), *(f"{row.said[title].value:.3f}" for title in judges)]
        for row in board.recommenders
    )
    return markdown.table(("recommender", "class", "real value", *judges), rows)


def throughput(results: Path) -> str:
    """User-steps per second."""
    rates = json.loads(results.read_text(encoding="utf-8"))["rates"]
    rows = ([r["users"], str(r["envs"]), f"{r['median']:,.0f}", f"{r['low']:,.0f}–{r['high']:,.0f}"] for r in rates)
    return markdown.table(("users", "environments", "user-steps/s", "lowest–highest"), rows)


def engine(results: Path) -> str:
    """Decisions per second of the reaction engine, beside plain ways."""
    rows = (
        [
            f"{rate['model']}, {rate['way']}",
            f"{rate['median']:,.0f}",
            f"{rate['low']:,.0f}–{rate['high']:,.0f}",
            f"{rate['times_one_prompt']:.1f}",
            *("–" if rate[share] is None else f"{rate[share]:.0%}" for share in ("gemm_share", "onednn_share")),
        ]
        for rate in json.loads(results.read_text(encoding="utf-8"))["rates"]
        if rate["times_one_prompt"] is not None and "per pass" not in rate["way"]
    )
    heads = ("model, way", "decisions/s", "lowest–highest", "times one prompt", "of torch's GEMM", "of oneDNN's")
    return markdown.table(heads, rows)


def kernels(results: Path) -> str:
    """What each kernel of the engine gives over the path through torch, by number of users."""
    found = json.loads(results.read_text(encoding="utf-8"))
    given: dict[str, dict[int, str]] = {}
    for gain in found["gains"]:
        ratio, low, high = gain["ratio"]
        row = given.setdefault(f"{gain['kernel']}, {gain['adapters']}", {})
        row[gain["users"]] = f"{ratio:.2f} ({low:.2f}–{high:.2f})"
    users = sorted({gain["users"] for gain in found["gains"]})
    lines = {}
    for name, kernel in found["kernels"].items():
        own, shared = (sum(kernel[part].values()) for part in ("lines", "shared_lines"))
        lines[name] = f"{own} + {shared} shared" if shared else str(own)
    rows = ([name, lines.get(name.partition(",")[0], ""), *(row[n] for n in users)] for name, row in given.items())
    return markdown.table(("times as many decisions with", "lines", *(f"{n} users" for n in users)), rows)


def ppo(results: Path) -> str:
    """PPO on the vector environment and on single ones."""
    rows = (
        [
            str(found["envs"]),
            *(f"{rate:,.0f}" for rate in found["user_steps"].values()),
            "{:.1f} ({:.1f}–{:.1f})".format(*found["ratio"]),
            f"{found['rollout_ratio']:.1f}",
        ]
        for found in json.loads(results.read_text(encoding="utf-8"))["comparisons"]
    )
    return markdown.table(
        ("environments", "SB3VecEnv, user-steps/s", "DummyVecEnv", "times", "times, rollouts alone"), rows
    )


def validation(results: Path) -> str:
    """Distances of other logs from the held-out one, aspect by aspect."""
    found = Validation.load(results)

    def line(board: AspectBoard) -> list[str]:
        way = next(iter(board.rows[0].distances))
        title = f"{board.aspect.title}, {distance_title(board, way)}"
        return [title, *(markdown.cell(row.distances[way], 2) for row in board.rows)]

    heads = ("distance from the held-out log", *(source.name for source in found.sources))
    return markdown.table(heads, (line(board) for board in found.aspects))


def policies(results: Path) -> str:
    """Learners beside static recommenders in the same sessions."""
    found = PolicyComparison.load(results)
    leads = {lead.recommender: lead.value for lead in found.leads}
    rows = (
        [
            row.recommender,
            row.kind,
            markdown.cell(row.simulated["return"], 2),
            markdown.cell(leads.get(row.recommender), 2),
            markdown.cell(row.real, 3),
        ]
        for row in sorted(found.rows, key=lambda row: -row.simulated["return"].value)
    )
    return markdown.table(("recommender", "kind", "return", "beyond the best static", "real value"), rows)


def blends(results: Path) -> str:
    """What blends of adapters change of the base without any."""
    found = json.loads(results.read_text(encoding="utf-8"))["differences"]
    rows = (
        [name, *(markdown.cell(Interval(**value), 4) for value in measures.values())]
        for name, measures in found.items()
    )
    return markdown.table(("adapters, less none", "RMSE", "NLL", "choice AUC"), rows)


def mixed_adapters(results: Path) -> str:
    """Time of a batch whose users have different adapters, over that of a batch with one, of the smaller model."""
    rates = json.loads(results.read_text(encoding="utf-8"))["rates"]
    narrowest = min(rate["width"] for rate in rates)
    times = {
        (rate["way"], rate["adapters"]): f"{rate['times_one_adapter']:.2f}"
        for rate in rates
        if rate["width"] == narrowest
    }
    numbers = sorted({number for _, number in times})
    rows = ([way, *(times[way, number] for number in numbers)] for way in dict.fromkeys(way for way, _ in times))
    return markdown.table(
        ("users of several adapters in one batch", *(f"{number} adapters" for number in numbers)), rows
    )


def growth(results: Path) -> str:
    """Time and memory by number of users."""
    rows = (
        [f"{size['users']:,}", *(f"{size[name]:.1f}" for name in ("step_us", "reset_us", "memory_kb"))]
        for size in json.loads(results.read_text(encoding="utf-8"))["sizes"]
    )
    return markdown.table(("users, all in session", "µs per user-step", "µs per first reset", "kB per user"), rows)


def tables() -> dict[str, str]:
    """Every table of the documentation by its marker."""
    board = Leaderboard.load(RESULTS / "leaderboard.json")
    made = {
        "ranking": ranking(board),
        "agreement": agreement(board),
        "throughput": throughput(RESULTS / "throughput.json"),
        "engine": engine(RESULTS / "engine.json"),
        "kernels": kernels(RESULTS / "kernels.json"),
        "ppo": ppo(RESULTS / "ppo_throughput.json"),
        "policies": policies(RESULTS / "policies.json"),
        "policies-persona": policies(RESULTS / "policies-persona.json"),
        "validation": validation(RESULTS / "validation.json"),
        "growth": growth(RESULTS / "growth.json"),
        "mixed-adapters": mixed_adapters(RESULTS / "mixed_adapters.json"),
        "blends": blends(RESULTS / "blends.json"),
    }
    boards = fidelity_boards(RESULTS / "fidelity.json")
    made["fidelity"] = boards["board-temporal-fidelity"]
    made |= {name: boards[name] for name in BOARD_SHOWN}
    for file in ("equal-rows", "variants"):
        name = f"{file}-temporal-differences"
        made[name] = fidelity_boards(RESULTS / f"fidelity-{file}.json", file)[name]
    made["study-closed-pool-judges"] = agreement_study(RESULTS / "agreement.json")["study-closed-pool-judges"]
    made["latest-closed-pool-summary"] = agreement_study(RESULTS / "agreement-latest.json")["study-closed-pool-summary"]
    return made


def pages() -> list[Path]:
    """The README and the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fill(text: str, made: Mapping[str, str]) -> str:
    """A page with every marked table made afresh.

    Raises:
        ValueError: a marker names no table, or has no end.
    """
    for name in re.findall(r"<!-- ([\w-]+) -->", text):
        if name not in made:
            raise ValueError(f"no results give a table {name!r}: expected one of {', '.join(sorted(made))}")
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the table {name!r} has no end: expected <!-- /{name} -->")
        text = pattern.sub(lambda match, table=made[name]: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Write the tables of all pages."""
    made = tables()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (filled := fill(text, made)) != text:
            write_atomically(page, filled)
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
