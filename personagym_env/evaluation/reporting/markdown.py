"""Tables in Markdown, for a README."""

from collections.abc import Iterable, Sequence

from personagym_env.evaluation.core.statistics import Interval


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns after the first one are figures, and stand on the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(interval: Interval | None, digits: int) -> str:
    """A value with its interval, if it has one; a dash where there is none."""
    if interval is None or interval.value != interval.value:
        return "–"
    text = f"{interval.value:.{digits}f}"
    return text if interval.low != interval.low else f"{text} ({interval.low:.{digits}f}–{interval.high:.{digits}f})"
