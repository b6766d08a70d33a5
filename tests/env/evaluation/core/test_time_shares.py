"""The profiler names who takes the time."""

from personagym_env.evaluation.core.time_shares import time_shares


def _work() -> None:
    sum(range(3_000_000))
    for _ in range(10):
        len("")


def test_the_largest_share_comes_first() -> None:
    shares = time_shares(_work, count=2)
    assert len(shares) == 2
    name, share = next(iter(shares.items()))
    assert "sum" in name
    assert 0.9 < share <= 1
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
