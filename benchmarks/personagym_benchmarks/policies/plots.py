"""The learning curve, drawn."""

import io

import matplotlib.pyplot as plt
import numpy as np

from personagym_benchmarks.policies.training import LearningCurve


def curve_plot(curve: LearningCurve) -> str:
    """Return by training step with its interval, and a line for each static recommender, as SVG."""
    steps, values = [point.steps for point in curve.points], np.array([point.value for point in curve.points])
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(steps, values[:, 0], marker=".", label="PPO")
    axes.fill_between(steps, values[:, 1], values[:, 2], alpha=0.2, linewidth=0)
    for i, (name, reference) in enumerate(curve.static.items(), start=1):
        axes.axhline(reference.value, color=f"C{i}", linestyle="--", linewidth=1, label=name)
    axes.set(xlabel="user-steps of training", ylabel="return of a session")
    axes.legend(loc="lower right")
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg")
    plt.close(figure)
    return drawing.getvalue()
