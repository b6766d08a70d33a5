"""The agreement study as JSON, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from personagym_env.evaluation.agreement_study import AgreementBoard, ContestantRow, JudgeAgreement, JudgeDifference
from personagym_env.evaluation.leaderboard import read_intervals, without_nan, write_atomically
from personagym_env.evaluation.statistics import Interval

FORMAT = 1
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
        text = json.dumps(without_nan({"format": FORMAT} | asdict(self)), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, text + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is no agreement study of this format.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']}, expected {FORMAT}")
            boards = tuple(_board(board) for board in raw["boards"])
            return cls(raw["dataset"], boards, raw["setting"], raw["environment"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name} is no agreement study: {error}") from error


def _board(raw: Mapping[str, Any]) -> AgreementBoard:
    return AgreementBoard(
        **dict(raw)
        | {
            "contestants": tuple(
                ContestantRow(row["name"], row["model_class"], _one(row["real"]), read_intervals(row["said"]))
                for row in raw["contestants"]
            ),
            "bounds": read_intervals(raw["bounds"]),
            "judges": tuple(_judge(row) for row in raw["judges"]),
            "differences": tuple(_difference(row) for row in raw["differences"]),
            "reliability": _one(raw["reliability"]),
        }
    )


def _judge(raw: Mapping[str, Any]) -> JudgeAgreement:
    names = ("tau", "rho", "pairwise", "clear_pairs", "regret", "regret_share")
    figures = {name: _one(raw[name]) for name in names}
    return JudgeAgreement(**dict(raw) | figures | {"class_shift": read_intervals(raw["class_shift"])})


def _difference(raw: Mapping[str, Any]) -> JudgeDifference:
    own = raw["self_preference"]
    return JudgeDifference(
        raw["left"], raw["right"], _one(raw["tau"]), _one(raw["regret"]), None if own is None else _one(own)
    )


def _one(raw: list[float | None]) -> Interval:
    return read_intervals({"": raw})[""]
