"""Hooks of the documentation: the plots of the results are pictures of the gallery, without a copy of them."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parent / "results"
BESIDE, WITHIN = "../benchmarks/results/", "assets/plots/"
"""Where a page finds plots in the repository, and on the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take every plot into the site."""
    for plot in sorted(RESULTS.glob("*.svg")):
        files.append(File.generated(config, f"{WITHIN}{plot.name}", abs_src_path=str(plot)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let pages find them there."""
    return markdown.replace(BESIDE, WITHIN)
