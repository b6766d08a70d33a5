"""The agreement study as JSON, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from personagym_env.evaluation.agreement.analysis import AgreementBoard, ContestantRow, JudgeAgreement, JudgeDifference
from personagym_env.evaluation.core.result_file import read_interval, read_intervals, read_result, write_result

FORMAT = 2
"""Version of the JSON layout."""


@dataclass(frozen=True)
class AgreementStudy:
    """Boards by way to know real value, and what one has to know to make them again."""

    dataset: str
    boards: tuple[AgreementBoard, ...]
    setting: Mapping[str, Any]
    """How rows were dealt, sizes, seeds, who was left out and why."""
    environment: Mapping[str, Any]
    """From `environment_snapshot`."""

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all."""
        write_result(path, FORMAT, self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is no agreement study of this format.
        """
        return read_result(
            path,
            FORMAT,
            "agreement study",
            lambda raw: cls(**raw | {"boards": tuple(_board(board) for board in raw["boards"])}),
        )


def _board(raw: Mapping[str, Any]) -> AgreementBoard:
    return AgreementBoard(
        **dict(raw)
        | {
            "contestants": tuple(
                ContestantRow(row["name"], row["model_class"], read_interval(row["real"]), read_intervals(row["said"]))
                for row in raw["contestants"]
            ),
            "bounds": read_intervals(raw["bounds"]),
            "judges": tuple(_judge(row) for row in raw["judges"]),
            "differences": tuple(_difference(row) for row in raw["differences"]),
            "reliability": read_interval(raw["reliability"]),
        }
    )


def _judge(raw: Mapping[str, Any]) -> JudgeAgreement:
    names = ("tau", "rho", "pairwise", "clear_pairs", "regret", "regret_share")
    figures = {name: read_interval(raw[name]) for name in names}
    return JudgeAgreement(**dict(raw) | figures | {"class_shift": read_intervals(raw["class_shift"])})


def _difference(raw: Mapping[str, Any]) -> JudgeDifference:
    own = raw["self_preference"]
    return JudgeDifference(
        raw["left"],
        raw["right"],
        read_interval(raw["tau"]),
        read_interval(raw["regret"]),
        None if own is None else read_interval(own),
    )
