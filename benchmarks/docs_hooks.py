"""Hooks of the documentation: plots of the results are pictures of the gallery, and notebooks are pages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parent / "results"
BESIDE, WITHIN = "../benchmarks/results/", "assets/plots/"
"""Where a page finds plots in the repository, and on the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take every plot into the site, and make a page of every notebook."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            files.remove(file)
            page = file.src_uri.removesuffix("ipynb") + "md"
            files.append(File.generated(config, page, content="\n\n".join(_rendered(json.loads(file.content_string)))))
    for plot in sorted(RESULTS.glob("*.svg")):
        files.append(File.generated(config, f"{WITHIN}{plot.name}", abs_src_path=str(plot)))
    return files


def _rendered(notebook: dict[str, Any]) -> Iterator[str]:
    """Text as it is, code and what it printed in blocks."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            yield f"```text\n{''.join(output['text']).rstrip()}\n```"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let pages find them there."""
    return markdown.replace(BESIDE, WITHIN)
