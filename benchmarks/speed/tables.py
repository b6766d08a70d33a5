"""The tables of the benchmarks of speed."""

from collections.abc import Sequence

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column
from speed.machine_results import AdapterPieces, ColdStart, CollectSpeed, GpuSpeed, PretrainedBase, Scale
from speed.results import DecisionRate, Growth, KernelGains, MixedAdapters, MixedRate, PPOThroughput, Throughput


def throughput_table(found: Throughput) -> Table:
    """User-steps per second."""
    columns = name_column("users"), Column("envs", "environments"), Column("rate", "user-steps/s")
    rows = (
        Row((Cell(rate.users), Cell(rate.envs, ",d"), Cell(Interval(rate.median, rate.low, rate.high), ",.0f")))
        for rate in found.rates
    )
    return Table.plain("User-steps per second: median, lowest and highest of the repeats", columns, rows)


def engine_table(rates: Sequence[DecisionRate]) -> Table:
    """Decisions per second of the reaction engine, beside plain ways."""
    columns = (
        name_column("model, way"),
        Column("rate", "decisions/s"),
        Column("times", "times one prompt"),
        Column("gemm", "of torch's GEMM"),
        Column("onednn", "of oneDNN's"),
    )
    rows = (
        Row(
            (
                Cell(f"{rate.model}, {rate.way}"),
                Cell(Interval(rate.median, rate.low, rate.high), ",.0f"),
                Cell(rate.times_one_prompt, ".1f"),
                Cell(rate.gemm_share, ".0%"),
                Cell(rate.onednn_share, ".0%"),
            )
        )
        for rate in rates
    )
    return Table.plain("Decisions per second: median, lowest and highest of the repeats", columns, rows)


def gains_table(found: KernelGains) -> Table:
    """Every measurement of a kernel."""
    columns = (
        name_column("kernel", "kernel"),
        words_column("adapters", "adapters"),
        Column("users", "users"),
        Column("with", "decisions/s with"),
        Column("without", "without"),
        Column("ratio", "ratio"),
        Column("difference", "differ by"),
    )
    rows = (
        Row(
            (
                Cell(gain.kernel),
                Cell(gain.adapters),
                Cell(gain.users, ",d"),
                Cell(gain.decisions_per_second, ",.0f"),
                Cell(gain.without, ",.0f"),
                Cell(Interval(*gain.ratio), ".2f"),
                Cell(gain.largest_difference, ".0e"),
            )
        )
        for gain in found.gains
    )
    return Table.plain("What each kernel gives", columns, rows)


def kernels_table(found: KernelGains) -> Table:
    """What each kernel gives, by number of users, beside the lines that it costs."""
    ratios = {(gain.kernel, gain.adapters, gain.users): Interval(*gain.ratio) for gain in found.gains}
    users = sorted({gain.users for gain in found.gains})
    columns = (
        name_column("times as many decisions with"),
        Column("lines", "lines"),
        *(Column(f"{number} users", f"{number} users") for number in users),
    )
    pairs = dict.fromkeys((kernel, adapters) for kernel, adapters, _ in ratios)
    rows = (
        Row(
            (
                Cell(f"{kernel}, {adapters}"),
                Cell(_lines(found, kernel)),
                *(Cell(ratios.get((kernel, adapters, number)), ".2f") for number in users),
            )
        )
        for kernel, adapters in pairs
    )
    return Table.plain("What each kernel gives over the path through torch", columns, rows)


def _lines(found: KernelGains, kernel: str) -> str:
    if kernel not in found.kernels:
        return ""
    own, shared = (sum(part.values()) for part in (found.kernels[kernel].lines, found.kernels[kernel].shared_lines))
    return f"{own} + {shared} shared" if shared else str(own)


def growth_table(found: Growth) -> Table:
    """Time and memory by number of users."""
    columns = (
        name_column("users, all in session"),
        Column("step", "µs per user-step"),
        Column("reset", "µs per first reset"),
        Column("held", "MiB held"),
        Column("peak", "MiB at the peak"),
        Column("memory", "KiB per user"),
        Column("further", "KiB per further user"),
    )
    rows = (
        Row(
            (
                Cell(f"{size.users:,}"),
                *(Cell(one, ",.1f") for one in (size.step_us, size.reset_us, size.held_mb, size.peak_mb)),
                Cell(size.memory_kb, ".1f"),
                Cell(size.further_kb, ".1f"),
            )
        )
        for size in found.sizes
    )
    return Table.plain("Time and memory", columns, rows)


def mixed_rates_table(found: MixedAdapters) -> Table:
    """Every way, with every model and number of adapters."""
    columns = (
        name_column("model"),
        Column("adapters", "adapters"),
        words_column("way", "way"),
        Column("rate", "decisions/s"),
        Column("times", "time of one adapter"),
        Column("weights", "MiB"),
    )
    rows = (
        Row(
            (
                Cell(f"{rate.layers} x {rate.width}"),
                Cell(rate.adapters, "d"),
                Cell(rate.way),
                Cell(Interval(rate.median, rate.low, rate.high), ",.0f"),
                Cell(rate.times_one_adapter, ".2f"),
                Cell(rate.weights_mb, ".0f"),
            )
        )
        for rate in found.rates
    )
    return Table.plain("Users of several adapters in one batch", columns, rows)


def mixed_times_table(found: MixedAdapters) -> Table:
    """Time of a batch whose users have different adapters, over that of a batch with one, of the smaller model."""
    narrowest = min(rate.width for rate in found.rates)
    rates = [rate for rate in found.rates if rate.width == narrowest]
    numbers = sorted({rate.adapters for rate in rates})
    ways = dict.fromkeys(rate.way for rate in rates)
    columns = (
        name_column("users of several adapters in one batch"),
        *(Column(str(number), f"{number} adapters") for number in numbers),
    )
    rows = (Row((Cell(way), *(Cell(_of(rates, way, number), ".2f") for number in numbers))) for way in ways)
    return Table.plain("Time over that of a batch with one adapter", columns, rows)


def _of(rates: Sequence[MixedRate], way: str, adapters: int) -> float:
    return next(rate.times_one_adapter for rate in rates if (rate.way, rate.adapters) == (way, adapters))


def ppo_table(found: PPOThroughput) -> Table:
    """PPO on the vector environment and on single ones."""
    columns = (
        name_column("environments"),
        Column("vector", "SB3VecEnv", unit="user-steps/s"),
        Column("single", "DummyVecEnv", unit="user-steps/s"),
        Column("times", "times"),
        Column("rollouts", "times, rollouts alone"),
        Column("updates", "updates' share of the time with SB3VecEnv"),
    )
    rows = (
        Row(
            (
                Cell(f"{one.envs:,}"),
                Cell(one.user_steps["SB3VecEnv"], ",.0f"),
                Cell(one.user_steps["DummyVecEnv"], ",.0f"),
                Cell(Interval(*one.ratio), ".1f"),
                Cell(one.rollout_ratio, ".1f"),
                Cell(one.update_share["SB3VecEnv"], ".0%"),
            )
        )
        for one in found.comparisons
    )
    return Table.plain("PPO, end to end", columns, rows)


def collect_table(found: CollectSpeed) -> Table:
    """Decisions per second by what the recommender draws from."""
    columns = (
        name_column("drawn from"),
        Column("rate", "decisions/s"),
        Column("processor", "decisions per processor second"),
    )
    rows = (
        Row(
            (
                Cell(f"{rate.candidates} candidates" if rate.candidates else "the whole catalogue"),
                Cell(Interval(rate.median, rate.low, rate.high), ",.0f"),
                Cell(Interval(rate.processor_median, rate.processor_low, rate.processor_high), ",.0f"),
            )
        )
        for rate in found.rates
    )
    return Table.plain(
        "Decisions per second of collecting a log: median, lowest and highest of the repeats", columns, rows
    )


def cold_start_table(found: ColdStart) -> Table:
    """Processor seconds from nothing to the first observation."""
    columns = (
        name_column("users"),
        words_column("kept", "fits"),
        Column("package", "import `personagym_env`"),
        Column("libraries", "import `torch`, `transformers`"),
        Column("made", "`gym.make` and `reset`"),
    )
    rows = (
        Row(
            (
                Cell(one.users),
                Cell("made" if one.first else "kept"),
                Cell(one.package, ".2f"),
                Cell(one.libraries or None, ".2f"),
                Cell(Interval(one.median, one.low, one.high), ".2f"),
            )
        )
        for one in found.starts
    )
    return Table.plain("Processor seconds of a process: median, lowest and highest of the repeats", columns, rows)


def pretrained_base_table(found: PretrainedBase) -> Table:
    """Memory and time of a pretrained base."""
    figures = (
        ("memory of a step, planned (GB)", found.planned_gb, ".1f"),
        ("memory of the whole process at most (GB)", found.peak_gb, ".1f"),
        ("training, ms of one processor per token", found.milliseconds_per_token, ".2f"),
        ("tokens of a line", found.tokens_per_line, ".1f"),
        *(
            (f"decisions per second, {_users(rate.users)}, {rate.precision}", rate.per_second, ".1f")
            for rate in found.rates
        ),
        ("largest difference of a chance, bfloat16 and float32", found.largest_difference, ".4f"),
    )
    rows = (Row((Cell(name), Cell(value, form))) for name, value, form in figures)
    return Table.plain("A pretrained base", (name_column("of SmolLM2-135M-Instruct"), Column("value", "value")), rows)


def _users(count: int) -> str:
    return f"{count} user" if count == 1 else f"{count} users"


def scale_table(found: Scale) -> Table:
    """One worker and several."""
    columns = (
        name_column("users"),
        Column("sessions", "sessions"),
        Column("decisions", "decisions"),
        Column("one", "processor seconds, 1 worker"),
        Column("several", "several workers"),
        Column("efficiency", "speed-up by processor seconds"),
        Column("speed_up", "by the wall"),
        Column("bytes", "bytes per decision"),
        Column("memory", "MiB of a worker"),
        Column("own", "its own"),
    )
    rows = (
        Row(
            (
                Cell(f"{one.users}, {one.workers} workers"),
                Cell(one.sessions, ",d"),
                Cell(one.decisions, ",d"),
                Cell(one.one.processor, ".1f"),
                Cell(one.several.processor, ".1f"),
                Cell(one.workers * one.efficiency, ".2f"),
                Cell(one.speed_up, ".2f"),
                Cell(one.file_bytes / one.decisions, ".0f"),
                Cell(one.worker_mb[0], ".0f"),
                Cell(one.worker_mb[1], ".0f"),
            )
        )
        for one in found.runs
    )
    return Table.plain("The same log, collected by one worker and by several", columns, rows)


def adapter_pieces_table(found: AdapterPieces) -> Table:
    """Adapters trained side by side and alone."""
    columns = (
        name_column("trained"),
        Column("pieces", "pieces"),
        Column("workers", "workers"),
        Column("seconds", "processor seconds"),
        Column("memory", "MiB of a worker"),
        Column("own", "its own"),
    )
    rows = (
        Row(
            (
                Cell("alone" if one.together == 1 else "side by side"),
                Cell(one.pieces, ",d"),
                Cell(one.workers, ",d"),
                Cell(one.took.processor, ".1f"),
                Cell(one.worker_mb[0], ".0f"),
                Cell(one.worker_mb[1], ".0f"),
            )
        )
        for one in found.runs
    )
    return Table.plain(f"{found.adapters} persona adapters, trained in pieces", columns, rows)


def gpu_table(found: GpuSpeed) -> Table:
    """Decisions per second on a GPU."""
    columns = (
        name_column("model"),
        Column("users", "users"),
        Column("rate", "decisions/s"),
        Column("share", "of bfloat16 GEMM"),
    )
    rows = (
        Row(
            (
                Cell(one.model),
                Cell(one.users, ",d"),
                Cell(Interval(one.median, one.low, one.high), ",.0f"),
                Cell(one.gemm_share, ".1%"),
            )
        )
        for one in found.rates
    )
    return Table.plain(f"Decisions per second on {found.gpu}", columns, rows)
