"""Writes the tables of README.md from the committed results: `python benchmarks/readme.py`."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from personagym_env.evaluation.agreement_file import AgreementStudy
from personagym_env.evaluation.agreement_study import AgreementBoard
from personagym_env.evaluation.agreement_tables import without_range
from personagym_env.evaluation.fidelity_board import FidelityBoard, FidelityReport
from personagym_env.evaluation.figures import DISTRIBUTION, FIDELITY, KIND_TITLES, RATING, TASTE, Figure
from personagym_env.evaluation.leaderboard import Leaderboard
from personagym_env.evaluation.negatives import SUFFIX
from personagym_env.evaluation.result_file import write_atomically
from personagym_env.evaluation.statistics import Interval
from personagym_env.evaluation.validation import AspectBoard, Validation
from personagym_env.evaluation.validation_tables import distance_title

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
ABLATED_ADAPTERS = frozenset(("none", "single", "single-equal-rows", "random", "individual"))
"""Adapters other than those of personas, as `benchmarks/ablation.py` names them."""
NO_MEMORY = ", no memory"
"""Ends the names of its rows whose base has no memory."""
OTHERS = ", adapters of others"
"""Ends the names of its rows whose users answer with each other's adapters."""
OFFLINE_SHOWN = ("recall@10", "NDCG@10", "coverage")
"""Offline metrics that the README names; the report has all."""
PAPER = (
    ("LLaMA-3-8B, prompted, profile", 1.158, 0.847, 0.0),
    ("Phi-3-mini, profile", 1.203, 0.863, 0.0423),
    ("Phi-3-mini, profile and memory", 1.315, 0.952, 0.0293),
    ("Phi-3-mini, one adapter (5.2k rows), profile and memory", 1.150, 0.834, 0.0115),
    ("Phi-3-mini, one adapter (2.1k rows), profile and memory", 1.337, 1.042, 0.0301),
    ("Phi-3-mini, 4 personas, profile", 1.292, 0.937, 0.0229),
    ("Phi-3-mini, 4 personas, profile and memory", 1.171, 0.881, 0.0177),
)
"""Users, RMSE, MAE and URR in *Personas within Parameters* (arXiv 2509.09689), on ML-1M."""


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


def _is_ablation(name: str) -> bool:
    owned = name.removesuffix(OTHERS)
    kind, *told = owned.split(", ")
    return (
        owned != name or kind in ABLATED_ADAPTERS or any(word.startswith(("no memory", "averaging")) for word in told)
    )


def fidelity(board: FidelityBoard) -> str:
    """How true each population is to held-out people, floors first; the ablations have a table of their own."""
    shown = [row for row in board.rows if row.kind != "control" and not _is_ablation(row.name)]
    rows = ([row.title, *(_cell(row.figures.get(name), 3) for name in FIDELITY)] for row in shown)
    return _table(("users", *(figure.title for figure in FIDELITY.values())), rows)


def fidelity_boards(path: Path) -> dict[str, str]:
    """The tables of the fidelity board by marker.

    Markers are `board-PROTOCOL-TABLE`, with fidelity, ratings, shares, taste, ablation, differences, by-user, by-item
    and by-persona as tables, and `board-paper-paper` for the paper's own figures beside ours.
    """
    made: dict[str, str] = {}
    for board in FidelityReport.load(path).boards:
        tables = {
            "fidelity": fidelity(board),
            "ratings": board_ratings(board),
            "shares": board_shares(board),
            "taste": board_taste(board),
            "ablation": board_ablation(board),
            "differences": board_differences(board),
        } | {f"by-{part.by.split()[-1]}": board_parts(board, part.by) for part in board.parts}
        tables |= {"paper": board_paper(board)} if board.protocol == "paper" else {}
        made |= {f"board-{board.protocol}-{name}": table for name, table in tables.items()}
    return made


def _titles(figures: Iterable[Figure]) -> list[str]:
    return [figure.title for figure in figures]


def board_ratings(board: FidelityBoard) -> str:
    """Errors and calibration of ratings, floors first."""
    rows = (
        [row.title, *(_cell(row.figures.get(name), 3) for name in RATING)]
        for row in board.rows
        if "rmse" in row.figures
    )
    return _table(("users", *_titles(RATING.values())), rows)


def board_shares(board: FidelityBoard) -> str:
    """Share of each rating among samples, beside the real ones."""
    real = ["*real*", *(f"{share:.1%}" for share in board.real_shares), *["–"] * len(DISTRIBUTION)]
    rows = (
        [row.title, *(f"{share:.1%}" for share in row.shares), *(_cell(row.figures[name], 3) for name in DISTRIBUTION)]
        for row in board.rows
        if row.shares is not None and not _is_ablation(row.name)
    )
    return _table(("users", *(f"{value:g}" for value in board.scale), *_titles(DISTRIBUTION.values())), [real, *rows])


def board_taste(board: FidelityBoard) -> str:
    """How well real items are told from unseen ones: any, and as popular ones."""
    shown = [name for name in TASTE if name.startswith(("auc", "f1_", "choice_"))]
    figures = {name: TASTE[name].title for name in shown}
    figures |= {
        name + SUFFIX["popular"]: f"{TASTE[name].title}, popular"
        for name in shown
        if name.startswith(("auc", "choice_"))
    }
    rows = (
        [row.title, *(_cell(row.figures.get(name), 3) for name in figures)]
        for row in board.rows
        if "auc" in row.figures and not _is_ablation(row.name)
    )
    return _table(("users", *figures.values()), rows)


def board_ablation(board: FidelityBoard) -> str:
    """Language-model users by who shares an adapter, with and without a memory."""
    figures = _compared()
    rows = (
        [row.title, *(_cell(row.figures.get(name), 4) for name in figures)]
        for row in sorted(board.rows, key=lambda row: NO_MEMORY in row.name)
        if row.name == "persona" or _is_ablation(row.name)
    )
    return _table(("adapters", *figures.values()), rows)


def _compared() -> dict[str, str]:
    """Titles of the figures that differences are told in."""
    return {name: RATING[name].title for name in ("rmse", "mae", "nll")} | {"auc": TASTE["auc"].title}


def board_differences(board: FidelityBoard) -> str:
    """Paired differences with their intervals; one that leaves out 0 is no accident of the sample of users."""
    figures = _compared()
    rows = (
        [f"{row.left} – {row.right}", *(_cell(row.figures.get(name), 4) for name in figures)]
        for row in board.differences
    )
    return _table(("difference", *figures.values()), rows)


def board_parts(board: FidelityBoard, by: str) -> str:
    """RMSE over parts of the held-out rows."""
    parts = [part for part in board.parts if part.by == by]
    names = [row.name for row in board.rows if any(row.name in part.figures for part in parts)]
    rows = (
        [part.label, f"{part.rows:,}", *(_cell(part.figures.get(name, {}).get("rmse"), 3) for name in names)]
        for part in parts
    )
    return _table((by, "rows", *names), rows)


def board_paper(board: FidelityBoard) -> str:
    """The paper's own figures, and ours under its protocol."""
    theirs = ([f"{name} *(paper)*", f"{rmse:.3f}", f"{mae:.3f}", f"{urr:.2%}"] for name, rmse, mae, urr in PAPER)
    ours = (
        [
            row.title,
            *(_cell(row.figures[name], 3) for name in ("rmse", "mae")),
            f"{row.figures['urr'].value:.2%}" if "urr" in row.figures else "–",
        ]
        for row in board.rows
        if "rmse" in row.figures and row.kind != "control"
    )
    return _table(("users", "RMSE", "MAE", "URR"), [*theirs, *ours])


def agreement_study(path: Path) -> dict[str, str]:
    """The tables of the agreement study by marker.

    Markers are `study-TRUTH-TABLE`, with the way to know real value (closed-pool, fully-observed, random-exposure) as
    truth and judges, summary, differences, preferences and contestants as tables.
    """
    made: dict[str, str] = {}
    for board in AgreementStudy.load(path).boards:
        tables = {
            "judges": study_judges(board),
            "summary": study_summary(board),
            "differences": study_differences(board),
            "preferences": study_preferences(board),
            "contestants": study_contestants(board),
        }
        truth = board.truth.replace(" ", "-")
        made |= {f"study-{truth}-{name}": table for name, table in tables.items()}
    return made


def study_judges(board: AgreementBoard) -> str:
    """Agreement of every judge with real value: simulated users, offline metrics, checks of the test's power."""
    rows = (
        [
            row.title,
            *(_cell(interval, 2) for interval in (row.tau, row.rho, row.pairwise, row.clear_pairs)),
            _cell(row.regret, 3),
            f"{row.regret_share.value:.1%}",
            without_range(row),
            row.winner,
        ]
        for row in board.judges
    )
    head = ("judge", "Kendall's tau", "Spearman", "pairs in order", "clear pairs", "regret, points", "of the range")
    return _table((*head, "tau without a class", "its winner"), rows)


def study_summary(board: AgreementBoard) -> str:
    """Agreement of the simulated users, and of the offline metric that agrees best."""
    metrics = sorted((row for row in board.judges if row.kind == "metric"), key=lambda row: -row.tau.value)
    shown = [row for row in board.judges if row.kind == "users"] + metrics[:1]
    rows = (
        [row.title, _cell(row.tau, 2), _cell(row.clear_pairs, 2), f"{row.regret_share.value:.1%}", row.winner]
        for row in shown
    )
    return _table(("judge", "Kendall's tau", "clear pairs", "regret, of the range", "its winner"), rows)


def study_differences(board: AgreementBoard) -> str:
    """Paired differences between judges; an interval that leaves out 0 is no accident of the sample of users."""
    rows = (
        [f"{row.left} – {row.right}", _cell(row.tau, 3), _cell(row.regret, 3), _cell(row.self_preference, 2)]
        for row in board.differences
    )
    return _table(("difference", "Kendall's tau", "regret, points", "self-preference, ranks"), rows)


def study_preferences(board: AgreementBoard) -> str:
    """Ranks by which each judge puts each model class higher than real users do; bold is the judge's own class."""
    classes = list(board.judges[0].class_shift)

    def shift(value: float, own: bool) -> str:
        return f"**{value:+.1f}**" if own else f"{value:+.1f}"

    rows = (
        [
            row.title,
            _cell(row.self_preference, 2),
            *(shift(row.class_shift[name].value, name == row.model_class) for name in classes),
        ]
        for row in board.judges
        if row.kind != "metric"
    )
    return _table(("judge", "its own class", *classes), rows)


def study_contestants(board: AgreementBoard) -> str:
    """Real value of every contestant's picks, and what simulated users expect of them."""
    judges = [judge.title for judge in board.judges if judge.kind == "users"]
    rows = (
        [row.name, row.model_class, _cell(row.real, 3), *(f"{row.said[title].value:.3f}" for title in judges)]
        for row in board.contestants
    )
    return _table(("recommender", "class", "real value", *judges), rows)


def throughput(results: Path) -> str:
    """User-steps per second."""
    rates = json.loads(results.read_text(encoding="utf-8"))["rates"]
    rows = ([r["users"], str(r["envs"]), f"{r['median']:,.0f}", f"{r['low']:,.0f}–{r['high']:,.0f}"] for r in rates)
    return _table(("users", "environments", "user-steps/s", "lowest–highest"), rows)


def engine(results: Path) -> str:
    """Decisions per second of the reaction engine, beside plain ways."""
    rows = (
        [
            f"{rate['model']}, {rate['way']}",
            f"{rate['median']:,.0f}",
            f"{rate['low']:,.0f}–{rate['high']:,.0f}",
            f"{rate['times_one_prompt']:.1f}",
            "–" if rate["gemm_share"] is None else f"{rate['gemm_share']:.0%}",
        ]
        for rate in json.loads(results.read_text(encoding="utf-8"))["rates"]
        if rate["times_one_prompt"] is not None and "per pass" not in rate["way"]
    )
    return _table(("model, way", "decisions/s", "lowest–highest", "times one prompt", "of GEMM rate"), rows)


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
    return _table(("environments", "SB3VecEnv, user-steps/s", "DummyVecEnv", "times", "times, rollouts alone"), rows)


def validation(results: Path) -> str:
    """Distances of other logs from the held-out one, aspect by aspect."""
    found = Validation.load(results)

    def line(board: AspectBoard) -> list[str]:
        way = next(iter(board.rows[0].distances))
        title = f"{board.aspect.title}, {distance_title(board, way)}"
        return [title, *(_cell(row.distances[way], 2) for row in board.rows)]

    heads = ("distance from the held-out log", *(source.name for source in found.sources))
    return _table(heads, (line(board) for board in found.aspects))


def policies(results: Path) -> str:
    """Learners beside static recommenders in the same sessions."""
    found = json.loads(results.read_text(encoding="utf-8"))
    leads = {lead["recommender"]: Interval(*lead["value"]) for lead in found["leads"]}
    rows = (
        [
            line["recommender"],
            line["kind"],
            _cell(Interval(*line["simulated"]["return"]), 2),
            _cell(leads.get(line["recommender"]), 2),
            _cell(Interval(*line["real"]), 3),
        ]
        for line in sorted(found["lines"], key=lambda line: -line["simulated"]["return"][0])
    )
    return _table(("recommender", "kind", "return", "beyond the best static", "real value"), rows)


def growth(results: Path) -> str:
    """Time and memory by number of users."""
    rows = (
        [f"{size['users']:,}", *(f"{size[name]:.1f}" for name in ("step_us", "reset_us", "memory_kb"))]
        for size in json.loads(results.read_text(encoding="utf-8"))["sizes"]
    )
    return _table(("users, all in session", "µs per user-step", "µs per first reset", "kB per user"), rows)


def fill(text: str) -> str:
    """The README with every marked table made afresh."""
    board = Leaderboard.load(RESULTS / "leaderboard.json")
    made = {
        "ranking": ranking(board),
        "agreement": agreement(board),
        "throughput": throughput(RESULTS / "throughput.json"),
        "engine": engine(RESULTS / "engine.json"),
        "ppo": ppo(RESULTS / "ppo_throughput.json"),
        "policies": policies(RESULTS / "policies.json"),
        "validation": validation(RESULTS / "validation.json"),
        "growth": growth(RESULTS / "growth.json"),
    }
    boards = fidelity_boards(RESULTS / "fidelity.json")
    made["fidelity"] = boards["board-temporal-fidelity"]
    made |= {name: boards[name] for name in BOARD_SHOWN}
    made["study-closed-pool-judges"] = agreement_study(RESULTS / "agreement.json")["study-closed-pool-judges"]
    made["latest-closed-pool-summary"] = agreement_study(RESULTS / "agreement-latest.json")["study-closed-pool-summary"]
    for name, table in made.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no place for the table {name!r}")
        text = pattern.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    write_atomically(readme, fill(readme.read_text(encoding="utf-8")))
