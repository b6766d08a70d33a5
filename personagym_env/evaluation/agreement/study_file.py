"""The agreement study as a result."""

from dataclasses import dataclass

from personagym_env.evaluation.agreement.analysis import AgreementBoard
from personagym_env.evaluation.core.result_file import Result


@dataclass(frozen=True, kw_only=True)
class AgreementStudy(Result):
    """Boards by way to know real value."""

    KIND = "agreement study"
    FORMAT = 3
    COMMAND = "personagym agreement"

    dataset: str
    boards: tuple[AgreementBoard, ...]
