"""Writes the tables of the documentation from the published results; `make publish-results` calls it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ablations.frontier_results import Frontier, frontier_differences_table, frontier_table, left_table
from ablations.frontier_results import goals_table as frontier_goals_table
from ablations.memory_results import NearestReasons, WrittenTexts, nearest_reasons_table, written_texts_table
from ablations.paper_slm_results import PaperSLM, paper_slm_table
from ablations.results import (
    Blends,
    ChatUsers,
    RecBoleModels,
    ResponseStyles,
    SteeredAdapters,
    TextMemoriesFound,
    VariantsTogether,
    blends_table,
    recbole_models_table,
    response_styles_table,
    variants_together_table,
)
from ablations.selection_results import PlantedSelections, selection_table
from ablations.variant_judges_results import VariantJudges, variant_judges_table
from kills.results import Kills, kills_table
from personagym_benchmarks.transfer.board import Transfer
from personagym_benchmarks.transfer.tables import controls_table, curves_table, overview_table
from personagym_benchmarks.transfer.verdicts import verdict_table
from personagym_benchmarks.variants import tables as variants
from personagym_benchmarks.variants.board import VariantReport
from personagym_env.evaluation.agreement.all_logs import tables as all_logs
from personagym_env.evaluation.agreement.all_logs.board import AllLogs
from personagym_env.evaluation.agreement.headline import own_table
from personagym_env.evaluation.agreement.study import AgreementBoard, AgreementStudy
from personagym_env.evaluation.agreement.tables import judges_table
from personagym_env.evaluation.backtest.board import Backtest, bins_table, tallies_table
from personagym_env.evaluation.closed_loop import tables as closed_loop
from personagym_env.evaluation.closed_loop.board import ClosedLoop
from personagym_env.evaluation.fidelity import tables as fidelity
from personagym_env.evaluation.fidelity.board import FidelityBoard, FidelityReport
from personagym_env.evaluation.instructions import tables as instructions
from personagym_env.evaluation.instructions.board import Instructions
from personagym_env.evaluation.interviews.board import Interviews
from personagym_env.evaluation.interviews.tables import statements_table
from personagym_env.evaluation.leaderboard.board import Leaderboard
from personagym_env.evaluation.leaderboard.policies import PolicyComparison
from personagym_env.evaluation.leaderboard.policy_tables import policies_table
from personagym_env.evaluation.leaderboard.tables import agreement_table, choice_table, own_judges, ranking_table
from personagym_env.evaluation.off_policy.board import OffPolicyBoard
from personagym_env.evaluation.off_policy.offline_policies import OfflineComparison, offline_table
from personagym_env.evaluation.off_policy.tables import estimators_table, goals_table
from personagym_env.evaluation.reporting.differences import differences_table
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column
from personagym_env.evaluation.validation.board import Validation
from personagym_env.evaluation.validation.tables import distances_table
from personagym_env.files import write_atomically
from personagym_recommenders import REGISTRY, RecommenderSpec
from speed.machine_results import AdapterPieces, ColdStart, CollectSpeed, PretrainedBase, Scale
from speed.results import EngineSpeed, Growth, KernelGains, MixedAdapters, PPOThroughput, Throughput
from speed.tables import (
    adapter_pieces_table,
    cold_start_table,
    collect_table,
    engine_table,
    growth_table,
    kernels_table,
    mixed_times_table,
    ppo_table,
    pretrained_base_table,
    scale_table,
    throughput_table,
)

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
OFFLINE_SHOWN = ("recall", "ndcg", "coverage")
"""Offline metrics that the documentation sets beside the users; the report has all."""
OFF_POLICY_SIZE = 100_000
"""Decisions of the logs on which the documentation shows the off-policy estimators."""
COMPARED = ("name", "rmse", "mae", "nll", "auc")
"""Columns of differences that the documentation has."""


def tables() -> dict[str, str]:
    """Every table of the documentation, in Markdown, by its marker."""
    parts = (
        _of_leaderboard(),
        _of_agreement(),
        _of_fidelity(),
        _of_transfer(),
        _of_off_policy(),
        _of_variants(),
        _of_memories(),
        _of_speed(),
        _of_rest(),
    )
    return {name: markdown(table) for part in parts for name, table in part}


def _of_leaderboard() -> Iterator[tuple[str, Table]]:
    board = Leaderboard.load(RESULTS / "leaderboard.json")
    yield "ranking", ranking_table(board).select("name", "return", "clicks", "rating", "ndcg", "real")
    shown = [
        row
        for row in board.agreements
        if row.kind in ("users", "check") or row.population == board.agent or row.figure in OFFLINE_SHOWN
    ]
    rated, chosen = board.ceilings.get("rating"), board.ceilings.get("choice")
    yield "agreement", agreement_table(sorted(shown, key=lambda row: -row.tau.value), ceiling=rated, grouped=False)
    own = sorted(own_judges(board.choice_agreements, "choice"), key=lambda row: -row.tau.value)
    yield "leaderboard-choice", choice_table(own, ceiling=chosen, grouped=False)
    for name in ("policies", "policies-persona"):
        policies = policies_table(PolicyComparison.load(RESULTS / f"{name}.json"))
        yield name, policies.select("name", "kind", "return", "lead", "real")
    offline = OfflineComparison.load(RESULTS / "offline_policies.json")
    yield "offline-policies", offline_table(offline)
    yield "offline-differences", differences_table(offline.differences, "return")


def _of_agreement() -> Iterator[tuple[str, Table]]:
    board = _closed_pool("agreement")
    shown = [
        row
        for row in board.judges
        if row.figure in ("expected", "return", "rating") or row.kind not in ("users", "sessions")
    ]
    yield "study-closed-pool-judges", judges_table(board, shown)
    yield "study-answers", own_table(AgreementStudy.load(RESULTS / "agreement.json"), "users")
    board = _closed_pool("agreement-latest")
    users = [row for row in board.judges if row.kind == "users"]
    metric = max((row for row in board.judges if row.kind == "metric"), key=lambda row: row.tau.value)
    summary = judges_table(board, [*users, metric])
    yield "latest-closed-pool-summary", summary.select("judge", "tau", "clear_pairs", "regret_share", "winner")
    whole = AgreementStudy.load(RESULTS / "agreement-jester.json")
    yield "whole-answers", own_table(whole, "users")
    sessions = own_table(whole, "sessions")
    yield (
        "whole-sessions",
        sessions.select(*(column.key for column in sessions.columns if "closed pool" not in column.key)),
    )
    every = AllLogs.load(RESULTS / "agreement-all.json")
    yield "all-logs", all_logs.logs_table(every)
    for kind in ("rating", "choice", "joint"):
        yield f"all-{kind}", all_logs.taus_table(every, kind)
    yield "all-together", all_logs.together_table(every)
    yield "all-silence", all_logs.silence_table(every)
    yield "all-pairs", all_logs.pairs_table(every)
    backtest = Backtest.load(RESULTS / "backtest.json")
    yield "backtest", tallies_table(backtest)
    yield "backtest-calibration", bins_table(backtest)
    yield "planted-selection", selection_table(PlantedSelections.load(RESULTS / "planted_selection.json"))


def _closed_pool(name: str) -> AgreementBoard:
    study = AgreementStudy.load(RESULTS / f"{name}.json")
    return next(board for board in study.boards if board.ground_truth == "closed pool")


def _of_fidelity() -> Iterator[tuple[str, Table]]:
    shipped = next(
        board for board in FidelityReport.load(RESULTS / "fidelity.json").boards if board.protocol == "temporal"
    )
    yield "fidelity", fidelity.overview_table(shipped)
    yield "fidelity-differences", _differences(shipped)
    yield "shares", fidelity.shares_table(shipped, shipped.rows)
    yield "taste", fidelity.short_taste_table(shipped, shipped.rows)
    (canonical,) = FidelityReport.load(RESULTS / "u1.json").boards
    yield "u1-published", fidelity.published_table(canonical)
    yield "u1-differences", _differences(canonical)
    boards = {board.protocol: board for board in FidelityReport.load(RESULTS / "fidelity-adapters.json").boards}
    yield "board-temporal-ablation", fidelity.ablation_table(boards["temporal"])
    yield "board-temporal-differences", _differences(boards["temporal"])
    yield "board-paper-paper", fidelity.paper_table(boards["paper"])
    yield "paper-slm", paper_slm_table(PaperSLM.load(RESULTS / "paper-slm.json"))
    yield "board-cold-ratings", fidelity.ratings_table(boards["cold"])
    for file in ("equal-rows", "adapter-settings"):
        (board,) = FidelityReport.load(RESULTS / f"fidelity-{file}.json").boards
        yield f"{file}-temporal-differences", _differences(board)


def _differences(board: FidelityBoard) -> Table:
    return fidelity.differences_table(board).select(*COMPARED)


def _of_variants() -> Iterator[tuple[str, Table]]:
    report = VariantReport.load(RESULTS / "variants.json")
    chat = ChatUsers.load(RESULTS / "chat.json")
    yield "variants", variants.rows_table(replace(report, rows=report.rows + chat.rows))
    yield "chat", next(variants.own_tables({"chat": chat.measurements}))[1]
    words = TextMemoriesFound.load(RESULTS / "text_memories.json").measurements
    shown = tuple(one for one in words if " less " not in one.figure or one.figure.startswith("NDCG@10"))
    yield "text-memories", next(variants.own_tables({"dual-memory in words": shown}))[1]
    own = SteeredAdapters.load(RESULTS / "steered_adapters.json")
    yield "steered-adapters", next(variants.own_tables({"steered": own.measurements}))[1]
    for name in ("variants-agreement", "variants-agreement-cuisines"):
        yield name, variant_judges_table(VariantJudges.load(RESULTS / f"{name}.json"))
    yield "variants-differences", variants.differences_table(report)
    yield "variants-together", variants_together_table(VariantsTogether.load(RESULTS / "variants-together.json"))
    further = VariantReport.load(RESULTS / "variants-cuisines.json")
    yield "variants-cuisines-differences", variants.differences_table(further)


def _of_memories() -> Iterator[tuple[str, Table]]:
    yield "written-texts", written_texts_table(WrittenTexts.load(RESULTS / "written_texts.json"))
    yield "nearest-reasons", nearest_reasons_table(NearestReasons.load(RESULTS / "nearest_reasons.json"))


def _of_speed() -> Iterator[tuple[str, Table]]:
    yield "throughput", throughput_table(Throughput.load(RESULTS / "throughput.json"))
    rates = EngineSpeed.load(RESULTS / "engine.json").rates
    yield "engine", engine_table([rate for rate in rates if rate.times_one_prompt is not None and not rate.pass_size])
    yield "kernels", kernels_table(KernelGains.load(RESULTS / "kernels.json"))
    growth = growth_table(Growth.load(RESULTS / "growth.json"))
    yield "growth", growth.select("name", "step", "reset", "memory")
    yield "collect", collect_table(CollectSpeed.load(RESULTS / "collect.json"))
    yield "scale", scale_table(Scale.load(RESULTS / "scale.json"))
    yield "adapter-pieces", adapter_pieces_table(AdapterPieces.load(RESULTS / "adapter_pieces.json"))
    yield "cold-start", cold_start_table(ColdStart.load(RESULTS / "cold_start.json"))
    yield "pretrained-base", pretrained_base_table(PretrainedBase.load(RESULTS / "pretrained_base.json"))
    yield "mixed-adapters", mixed_times_table(MixedAdapters.load(RESULTS / "mixed_adapters.json"))
    ppo = ppo_table(PPOThroughput.load(RESULTS / "ppo_throughput.json"))
    yield "ppo", ppo.select("name", "vector", "single", "times", "rollouts")


def _transfer() -> Transfer:
    """The study with the cold items of several draws, which were asked apart."""
    study = Transfer.load(RESULTS / "transfer.json")
    drawn = {board.dataset: board.cold_items for board in Transfer.load(RESULTS / "transfer-cold-items.json").boards}
    return replace(study, boards=tuple(replace(board, cold_items=drawn[board.dataset]) for board in study.boards))


def _of_transfer() -> Iterator[tuple[str, Table]]:
    study = _transfer()
    yield "transfer-verdicts", verdict_table(study)
    yield "transfer-answers", overview_table(study, "answers")
    yield "transfer-cold-items", overview_table(study, "cold_items")
    yield "transfer-known", curves_table(study, "known")
    yield "transfer-size", curves_table(study, "size")
    yield "transfer-controls", controls_table(study)
    yield "transfer-adapted", _adapted_table(Transfer.load(RESULTS / "transfer-adapted.json"))


def _adapted_table(study: Transfer) -> Table:
    """What users who were adapted to a log have less than others there."""
    measures = {"rmse": "RMSE", "mae": "MAE", "nll": "NLL, nats", "auc": "choice AUC"}
    columns = (name_column("data set: adapted, less"), *(Column(key, title) for key, title in measures.items()))
    rows = (
        Row(
            (
                Cell(f"{board.dataset}: {other}"),
                *(Cell(board.answers.difference("adapted", other, key), ".4f") for key in measures),
            )
        )
        for board in study.boards
        for other in ("mf", "trees", "stack", "zero-shot")
    )
    return Table.plain("Adapted users, against others on the same log", columns, rows)


def _of_off_policy() -> Iterator[tuple[str, Table]]:
    board = OffPolicyBoard.load(RESULTS / "off_policy.json")
    shown = estimators_table(board, OFF_POLICY_SIZE)
    yield "off-policy", shown.select("name", "mode", "estimator", "rmse", "coverage", "trusted", "tau", "regret")
    yield "off-policy-goals", goals_table(board)
    loop = ClosedLoop.load(RESULTS / "closed_loop.json")
    yield "closed-loop", closed_loop.arms_table(loop)
    yield "closed-loop-differences", closed_loop.differences_table(loop)


def _of_rest() -> Iterator[tuple[str, Table]]:
    yield "interviews", statements_table(Interviews.load(RESULTS / "interviews.json"))
    wishes = Instructions.load(RESULTS / "instructions.json")
    yield "instructions-predictions", instructions.predictions_table(wishes)
    yield "instructions-listeners", instructions.listeners_table(wishes)
    yield "instructions-differences", instructions.differences_table(wishes)
    validation = Validation.load(RESULTS / "validation.json")
    yield "validation", distances_table(validation, main=True, form=".2f")
    mixture = Validation.load(RESULTS / "validation-mixture.json")
    yield "validation-mixture", distances_table(mixture, main=True, form=".2f")
    yield "blends", blends_table(Blends.load(RESULTS / "blends.json"))
    yield "response-styles", response_styles_table(ResponseStyles.load(RESULTS / "response_styles.json"))
    frontier = Frontier.load(RESULTS / "frontier.json")
    yield "frontier", frontier_table(frontier)
    yield "frontier-differences", frontier_differences_table(frontier)
    yield "frontier-left", left_table(frontier)
    yield "frontier-goals", frontier_goals_table(frontier)
    history = Frontier.load(RESULTS / "frontier-8-lines.json")
    yield "frontier-8-lines", frontier_table(history)
    yield "frontier-8-lines-differences", frontier_differences_table(history)
    statements = Frontier.load(RESULTS / "frontier-polis.json")
    yield "frontier-polis", frontier_table(statements)
    yield "frontier-polis-differences", frontier_differences_table(statements)
    recalling = Frontier.load(RESULTS / "frontier-memory.json")
    yield "frontier-memory", frontier_table(recalling)
    yield "frontier-memory-differences", frontier_differences_table(recalling)
    yield "kills", kills_table(Kills.load(RESULTS / "kill.json"))
    yield "recommenders", _recommenders_table()
    yield "recbole-models", recbole_models_table(RecBoleModels.load(RESULTS / "recbole_models.json"))


def _recommenders_table() -> Table:
    """Every name of the registry, with what its recommender is."""
    columns = name_column("name"), words_column("class", "model class"), words_column("notes", "notes")
    rows = (Row((Cell(f"`{spec.name}`"), Cell(spec.model_class), Cell(_notes(spec)))) for spec in REGISTRY.values())
    return Table.plain("Recommenders by name", columns, rows)


def _notes(spec: RecommenderSpec) -> str:
    tags = {"slow": spec.slow, "learns while it is judged": spec.online, "default": spec.default}
    return ", ".join(
        [*(f"needs {need}" for need in sorted(spec.needs)), *(tag for tag, holds in tags.items() if holds)]
    )


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
