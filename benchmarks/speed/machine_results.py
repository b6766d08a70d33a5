"""What the benchmarks of machines found: logs, clusters, cold starts, pretrained bases and GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class CollectRate:
    """Decisions of a log per second over repeats."""

    candidates: int | None
    """Items that the recommender draws from; None for the whole catalogue."""
    median: float
    """Per second that passes."""
    low: float
    high: float
    processor_median: float
    """Per second of one processor, whatever else the machine does."""
    processor_low: float
    processor_high: float


@dataclass(frozen=True, kw_only=True)
class CollectSpeed(Result):
    """Decisions per second of collecting a log."""

    KIND = "speed of collecting"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/collect.py"

    rates: tuple[CollectRate, ...]


class Clocked(NamedTuple):
    """Seconds of one run."""

    passed: float
    """Of the wall: longer where other programs keep the machine busy."""
    processor: float
    """Of all workers' processors, on their pieces."""


@dataclass(frozen=True)
class Scaled:
    """The same log, collected by one worker and by several."""

    users: str
    sessions: int
    decisions: int
    file_bytes: int
    """On disk."""
    workers: int
    one: Clocked
    several: Clocked
    worker_mb: tuple[float, float]
    """Mebibytes of a worker process at the end, with several: all that it maps, and what is its own alone."""

    @property
    def speed_up(self) -> float:
        """By the wall."""
        return self.one.passed / self.several.passed

    @property
    def efficiency(self) -> float:
        """Processor time of one worker over that of several; idle cores speed up by so many times the workers."""
        return self.one.processor / self.several.processor


@dataclass(frozen=True)
class LongLog:
    """A log of many sessions, all of one length, collected once by several workers."""

    users: str
    sessions: int
    decisions: int
    file_bytes: int
    """On disk."""
    workers: int
    took: Clocked
    first_part: float
    """Seconds of the wall until the first part stood on the disk."""
    peak_gb: float
    """Gibibytes of all processes together at the most, what several map counted once."""


@dataclass(frozen=True, kw_only=True)
class Scale(Result):
    """What a Ray cluster costs and gives."""

    KIND = "scale"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/scale.py"

    runs: tuple[Scaled, ...]
    long_log: LongLog | None = None
    """None if it was not asked for."""
    start_seconds: float
    """That Ray takes to start, by the wall."""
    smallest_job_seconds: float
    """That a job of one piece which does nothing takes then."""


@dataclass(frozen=True)
class TrainedPieces:
    """Adapters of a kind, trained in pieces."""

    together: int
    """Adapters that are trained side by side at most."""
    pieces: int
    workers: int
    took: Clocked
    worker_mb: tuple[float, float]
    """As of `Scaled`."""


@dataclass(frozen=True, kw_only=True)
class AdapterPieces(Result):
    """What training adapters in pieces costs, and what adapters that are trained alone are worth."""

    KIND = "training in pieces"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/adapter_pieces.py"

    runs: tuple[TrainedPieces, ...]
    """Side by side, then alone: by one worker, and by several."""
    alone_less_stack: Mapping[str, Interval]
    """By statistic of held-out rows, over the same users."""
    adapters: int


@dataclass(frozen=True)
class Start:
    """Processor seconds in a process of its own."""

    users: str
    first: bool
    """Whether the cache folder was empty, so that everything is fitted."""
    package: float
    """To import `personagym_env`."""
    libraries: float
    """To import what answers, `torch` and `transformers`; 0 for users who need neither."""
    median: float
    """To `gym.make` and `reset` beyond that, over repeats."""
    low: float
    high: float
    modules: tuple[str, ...]
    """Of what only fits and training need, that which was imported."""


@dataclass(frozen=True, kw_only=True)
class ColdStart(Result):
    """How long a process takes from nothing to the first observation."""

    KIND = "cold start"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/cold_start.py"

    starts: tuple[Start, ...]


@dataclass(frozen=True)
class BaseRate:
    """How fast users of a pretrained base answer."""

    precision: str
    """Of its weights."""
    users: int
    per_second: float
    """Decisions per second of one processor."""


@dataclass(frozen=True, kw_only=True)
class PretrainedBase(Result):
    """What a pretrained base costs."""

    KIND = "pretrained base"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/pretrained_base.py"

    planned_gb: float
    """Of a step, beside the program and the log."""
    peak_gb: float
    """That the process of the training held at most."""
    milliseconds_per_token: float
    """Of one processor in training."""
    tokens_per_line: float
    """With what is recalled and the answer."""
    rates: tuple[BaseRate, ...]
    largest_difference: float
    """The most by which the chance of a rating differs between half and single precision."""


@dataclass(frozen=True)
class GpuRate:
    """Decisions per second of one model on a GPU over repeats."""

    model: str
    users: int
    median: float
    low: float
    high: float
    gemm_share: float
    """Achieved FLOP rate over that of a large product of matrices in half precision, in the same run."""


@dataclass(frozen=True, kw_only=True)
class GpuSpeed(Result):
    """What one GPU does."""

    KIND = "GPU speed"
    FORMAT = 1
    COMMAND = "benchmarks/speed/gpu.sh"

    gpu: str
    rates: tuple[GpuRate, ...]
    user_steps: Mapping[str, float]
    """Number of environments to user-steps per second with the shipped users."""
    training_seconds: float
    """Of adapters on the shipped base; NaN if it was not measured, or did not end in time."""
