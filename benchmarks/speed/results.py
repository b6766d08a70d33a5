"""What the benchmarks of speed found, as it goes into files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from personagym_env.evaluation.core.result_file import Result

TimeShares = Mapping[str, float]
"""Function or operation to its share of the time, the largest first."""
Way = Literal["SB3VecEnv", "DummyVecEnv"]
"""How PPO steps its environments."""


class Ratio(NamedTuple):
    """One speed over another, repeat by repeat."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class StepRate:
    """User-steps per second over repeats."""

    users: str
    envs: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class FillingStep:
    """One step of all environments while a table fills."""

    known: float
    """Share of the pairs in question that the table holds before the step."""
    user_steps: float
    """Per second."""


@dataclass(frozen=True)
class Filling:
    """Steps of frozen users from an empty table on."""

    users: str
    items: int
    """Items that slates are drawn from."""
    steps: tuple[FillingStep, ...]


@dataclass(frozen=True)
class Frozen:
    """Users whose answers stand in a table."""

    envs: int
    times_classical: Ratio
    """With a full table, over the classical users who filled it."""
    filling: Filling


@dataclass(frozen=True, kw_only=True)
class Throughput(Result):
    """User-steps per second of the environment."""

    KIND = "throughput"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/throughput.py"

    rates: tuple[StepRate, ...]
    frozen: Frozen
    profiles: Mapping[str, TimeShares]


@dataclass(frozen=True)
class DecisionRate:
    """Decisions per second over repeats."""

    model: str
    way: str
    pass_size: int | None
    """Candidates per packed pass; None for the engine's own size, and for ways without passes."""
    median: float
    low: float
    high: float
    gemm_share: float | None
    """Achieved FLOP rate over that of torch's `matmul`; None where the FLOPs are not counted."""
    onednn_share: float | None
    """Achieved FLOP rate over that of oneDNN's matrix product."""
    times_one_prompt: float | None
    """Over one prompt per pair with the same model; None where that was not measured."""


@dataclass(frozen=True)
class EngineProfile:
    """Where the engine's time goes."""

    time_shares: TimeShares
    next_bottleneck: str
    """The operation that exceeds most what its FLOPs would take in a matrix product."""
    share_beyond_gemm_rate: float
    """By how much, as a share of all time."""


@dataclass(frozen=True, kw_only=True)
class EngineSpeed(Result):
    """Decisions per second of the reaction engine, beside plain ways."""

    KIND = "engine speed"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/engine.py"

    gemm_gflops: float
    onednn_gflops: float
    rates: tuple[DecisionRate, ...]
    times_one_prompt_at_gemm_rate: Mapping[str, float]
    """Model to how many times one prompt per pair 64 users would reach if every product ran at the peak rate."""
    bfloat16_largest_difference: float
    """The most by which half precision moves a probability of wanting an item."""
    profile: Mapping[str, EngineProfile]


@dataclass(frozen=True)
class KernelGain:
    """What a kernel gives to so many users."""

    kernel: str
    adapters: str
    users: int
    decisions_per_second: float
    """With it, the median of the repeats."""
    without: float
    """The same without it."""
    ratio: Ratio
    """Median over the repeats, and the ends of its 95 % interval from order statistics."""
    largest_difference: float
    """The most by which a probability of choosing an item differs between the two."""


@dataclass(frozen=True)
class KernelVerdict:
    """What a kernel costs in lines, and whether it earns them."""

    lines: Mapping[str, int]
    """File to lines."""
    shared_lines: Mapping[str, int]
    """The same of what other kernels need too."""
    earns_its_lines: bool


@dataclass(frozen=True, kw_only=True)
class KernelGains(Result):
    """What each kernel of the engine gives over the path through torch."""

    KIND = "gains of kernels"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/engine_kernels.py"

    kernels: Mapping[str, KernelVerdict]
    gains: tuple[KernelGain, ...]


@dataclass(frozen=True)
class Size:
    """What one number of users took."""

    users: int
    step_us: float
    """Microseconds per user-step."""
    reset_us: float
    """Microseconds per user of the first reset."""
    held_mb: float
    """Mebibytes held in the session's course."""
    peak_mb: float
    """Mebibytes at the peak."""
    memory_kb: float
    """Kibibytes held per user. At small sizes they are tables over the catalogue, which do not grow."""
    further_kb: float | None
    """Kibibytes held per further user, from the next smaller size to this one; None of the smallest."""


@dataclass(frozen=True)
class GrowthProfile:
    """Where the time of a step goes."""

    users: int
    time_shares: TimeShares
    next_bottleneck: str


@dataclass(frozen=True, kw_only=True)
class Growth(Result):
    """Time per user-step and memory per user, by number of users."""

    KIND = "growth"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/growth.py"

    sizes: tuple[Size, ...]
    profile: GrowthProfile


@dataclass(frozen=True)
class MixedRate:
    """Decisions per second of one way over repeats."""

    width: int
    layers: int
    adapters: int
    way: str
    median: float
    low: float
    high: float
    times_one_adapter: float
    """Time over that of merged weights of one adapter, repeat by repeat, the median."""
    weights_mb: float
    """Mebibytes of weights that the way keeps."""
    largest_difference: float
    """The most by which a probability of wanting an item differs from that of peft's mixed batch."""


@dataclass(frozen=True, kw_only=True)
class MixedAdapters(Result):
    """Ways of letting users with different adapters share a batch."""

    KIND = "speed of mixed adapters"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/mixed_adapters.py"

    rates: tuple[MixedRate, ...]
    fastest: Mapping[str, str]
    """Model and number of adapters to the fastest way."""


@dataclass(frozen=True)
class PPOComparison:
    """The two ways, with as many environments; seconds are medians over repeats."""

    envs: int
    user_steps: Mapping[Way, float]
    """User-steps per second, end to end."""
    ratio: Ratio
    """`SB3VecEnv` over `DummyVecEnv`."""
    rollout_ratio: float
    """The same of the rollouts alone."""
    update_share: Mapping[Way, float]
    """Share of the time that is spent on updates."""


@dataclass(frozen=True)
class PPOProfile:
    """Where the time of a rollout and its update goes."""

    environments: int
    time_shares: TimeShares


@dataclass(frozen=True, kw_only=True)
class PPOThroughput(Result):
    """PPO on the vector environment and on single ones."""

    KIND = "PPO throughput"
    FORMAT = 1
    COMMAND = "python benchmarks/speed/ppo_throughput.py"

    comparisons: tuple[PPOComparison, ...]
    profile: PPOProfile
