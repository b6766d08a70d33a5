"""The gallery shows every plot of the results, and none that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_gallery_has_every_plot() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(\.\./benchmarks/results/([\w-]+\.svg)\)", text)
    assert len(shown) == len(set(shown))
    assert set(shown) == {path.name for path in (ROOT / "benchmarks" / "results").glob("*.svg")}
