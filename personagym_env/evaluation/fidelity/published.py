"""Figures of others, by protocol: what a board's own figures stand beside."""

from collections.abc import Mapping

from personagym_env.evaluation.fidelity.board import PublishedFigure

PUBLISHED: Mapping[str, tuple[PublishedFigure, ...]] = {
    "u1": (
        PublishedFigure(
            "GC-MC",
            0.910,
            None,
            "van den Berg, Kipf and Welling, Graph Convolutional Matrix Completion, arXiv 1706.02263",
        ),
        PublishedFigure("GC-MC, features", 0.905, None, "the same"),
        PublishedFigure(
            "IGMC",
            0.905,
            None,
            "Zhang and Chen, Inductive Matrix Completion Based on Graph Neural Networks, ICLR 2020, arXiv 1904.12058",
        ),
        PublishedFigure(
            "GLocal-K",
            0.8889,
            0.6950,
            "Han et al., GLocal-K: Global and Local Kernels for Recommender Systems, CIKM 2021, arXiv 2108.12184",
        ),
        PublishedFigure(
            "GHRS",
            0.887,
            None,
            "Darban and Valipour, GHRS: Graph-based Hybrid Recommendation System with Application to Movie "
            "Recommendation, Expert Systems with Applications 2022, arXiv 2111.11293",
        ),
    )
}
"""Named splits of MovieLens-100K. Choices of others may have been made on the held-out rows."""
