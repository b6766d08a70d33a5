"""Publishes results: `python benchmarks/publish.py` copies them from `runs/` and fills the tables of the documentation.

Commands write to `runs/`, and nothing but this script writes `benchmarks/results/`. It takes the files of `runs/` that
are published already; a new one is published by its name: `python benchmarks/publish.py kernels.json`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

import docs_tables
from personagym_benchmarks.console import mistakes_in_one_line
from personagym_env.files import write_atomically


@dataclass(frozen=True)
class Args:
    """What to publish."""

    files: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of files in `runs`; those that are published already if none is given."""
    runs: Path = Path("runs")
    """Where commands write."""
    results: Path = docs_tables.RESULTS
    """Where the published results are."""


def find_results(args: Args) -> list[Path]:
    """The files to publish.

    Raises:
        ValueError: one that was named is missing, there is none, or one is no JSON.
    """
    names = args.files or sorted(path.name for path in args.results.iterdir())
    found = [args.runs / name for name in names if (args.runs / name).is_file()]
    if missing := sorted(set(args.files) - {path.name for path in found}):
        raise ValueError(f"{args.runs} lacks {', '.join(missing)}")
    if not found:
        raise ValueError(f"{args.runs} holds no result that is published: expected any of {', '.join(names)}")
    for path in found:
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ValueError(f"{path} is no JSON: {error}") from error
    return found


def main(args: Args) -> None:
    """Copy, then fill the tables."""
    for path in find_results(args):
        write_atomically(args.results / path.name, path.read_bytes())
        print(f"{path} -> {args.results / path.name}")
    docs_tables.main()


if __name__ == "__main__":
    with mistakes_in_one_line("publish"):
        main(tyro.cli(Args, description=__doc__))
