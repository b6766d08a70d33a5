"""Distributions of a wanted mean: reached wherever it can be, and no farther from the given one than need be."""

import numpy as np
import pytest

from personagym_agents.classical.link import fit_link
from personagym_agents.classical.mean_matching import with_means

SCALES = ([0.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0], np.arange(0.5, 5.5, 0.5).tolist(), [0.0, 100.0, 101.0])


@pytest.mark.parametrize("scale", SCALES)
def test_means_are_as_wanted(scale: list[float]) -> None:
    rng = np.random.default_rng(0)
    worth = np.asarray(scale)
    chances = rng.dirichlet(np.full(len(scale), 0.5), (40, 7)).transpose(2, 0, 1).clip(1e-6)
    wanted = rng.uniform(worth[0], worth[-1], (40, 7))
    found = with_means(chances, wanted, worth)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    width = worth[-1] - worth[0]
    reached = np.tensordot(worth, found, axes=1)
    most = worth[-1] - 0.01 * width
    np.testing.assert_allclose(reached, wanted.clip(worth[0] + 0.01 * width, most), atol=2e-3 * width)


def test_what_has_the_mean_already_stays() -> None:
    chances = np.array([[0.7, 0.1], [0.1, 0.8], [0.2, 0.1]])
    worth = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(with_means(chances, worth @ chances, worth), chances, atol=1e-6)


def test_shapes_survive() -> None:
    """Who never gives the middle of the scale does not with another mean either."""
    found = with_means(np.array([[0.49], [0.02], [0.49]]), np.array([2.4]), np.array([1.0, 2.0, 3.0]))
    assert found[1] < 0.03
    assert found[2] - found[0] == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_no_answer_depends_on_what_is_worked_out_beside_it(scale: list[float]) -> None:
    """To the bit: what is found of a pair is kept, whoever it was asked with, and pieces of work differ in size."""
    rng = np.random.default_rng(1)
    worth = np.asarray(scale)
    chances = rng.dirichlet(np.full(len(scale), 0.5), 600).T.clip(1e-6)
    wanted = rng.uniform(worth[0], worth[-1], 600)
    whole = with_means(chances, wanted, worth)
    for size in (1, 3, 10):
        parts = [slice(begin, begin + size) for begin in range(0, 300, size)]
        found = [with_means(chances[:, part], wanted[part], worth) for part in parts]
        np.testing.assert_array_equal(np.concatenate(found, axis=1), whole[:, :300])


def test_links_that_know_the_scale_expect_a_line_in_the_mean() -> None:
    """Where styles differ between the users of a log, and the mean is right as it is."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(1.3, 2.7, 8_000)
    extreme = rng.random(8_000) < 0.5
    ends = 1 + 2.0 * (rng.random(8_000) < (mean - 1) / 2)
    ratings = np.where(extreme, ends, np.clip(np.rint(mean + rng.normal(0, 0.2, 8_000)), 1, 3))
    styles = np.where(extreme[:, None], [0.5, -3.0, 0.5], [-1.0, 0.8, -1.0])[:, None]
    worth = (1.0, 2.0, 3.0)
    errors = []
    for scale in ((), worth):
        link = fit_link(mean, np.zeros((8_000, 0)), (ratings - 1).astype(np.int64), 3, styles, scale)
        (tilt,) = link.tilts(styles.transpose(1, 0, 2))
        chances = link.distribution(link.location(mean), np.ones(8_000, np.float32), tilt)
        errors.append(np.mean((chances @ worth - mean) ** 2))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.01
