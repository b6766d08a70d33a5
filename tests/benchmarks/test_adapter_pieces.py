"""Training in pieces, measured: by stand-ins for a cluster, on the small log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.bundles import QUICK
from fixtures.workers import PickledWorkers
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.personas.settings import PersonaSettings
from personagym_env.run_context import RunContext
from speed import adapter_pieces
from speed.machine_results import AdapterPieces
from speed.tables import adapter_pieces_table


def test_adapters_side_by_side_are_one_piece_and_alone_one_each(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def workers(address: str, processors: int) -> Iterator[PickledWorkers]:
        yield PickledWorkers(processors)

    monkeypatch.setattr(adapter_pieces, "ray_workers", workers)
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=900,
        teacher="bias",
        training=QUICK,
        adapters=AdapterSettings(rank=2, alpha=2, training=QUICK),
        personas=PersonaSettings(n_personas=2),
        history_lines=6,
    )
    args = adapter_pieces.Args(str(small_folder), settings, resamples=20, output=tmp_path / "pieces.json")
    found = adapter_pieces.measure(args, RunContext(tmp_path), tmp_path)
    assert [(run.together, run.pieces, run.workers) for run in found.runs] == [(64, 1, 1), (1, 2, 1), (1, 2, 2)]
    assert all(run.took.processor > 0 for run in found.runs)
    assert found.adapters == 2
    for difference in found.alone_less_stack.values():
        assert difference.low <= difference.value <= difference.high
    found.save(args.output)
    table = adapter_pieces_table(AdapterPieces.load(args.output))
    assert [row.cells[0].content for row in table.rows] == ["side by side", "alone", "alone"]
