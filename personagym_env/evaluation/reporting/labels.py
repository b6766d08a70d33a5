"""Names beside the points of a plot."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from personagym_env.evaluation.reporting.looks import INK


def place_labels(ax: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each name beside its point where it covers the fewest other names and points.

    Greedy over eight places around each point, in rough text units: good enough for some twenty names.
    """
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    unit = 72 / ax.figure.dpi  # pixels to points
    where = ax.transData.transform([(x, y) for x, y, _ in points]) * unit
    frame = ax.get_window_extent()
    left, right = frame.x0 * unit, frame.x1 * unit
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in where]
    for (px, py), (x, y, name) in zip(where, points, strict=True):
        width, height = 5.9 * len(name), 11.0
        best: tuple[float, tuple[float, float], tuple[float, float, float, float]] | None = None
        for dx, dy in ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.3), (0, -1.3)):
            x0 = px + (8 if dx > 0 else -8 - width if dx < 0 else -width / 2)
            y0 = py + 10 * dy - height / 2 + 1
            box = (x0, y0, x0 + width, y0 + height)
            cost = sum(_overlap(box, other) for other in taken) + 50 * (max(0, left - x0) + max(0, box[2] - right))
            if best is None or cost < best[0] - 1e-9:
                best = (cost, (x0 - px, y0 - py), box)
        assert best is not None
        taken.append(best[2])
        ax.annotate(
            name,
            (x, y),
            xytext=best[1],
            textcoords="offset points",
            fontsize=9.5,
            color=INK,
            in_layout=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
