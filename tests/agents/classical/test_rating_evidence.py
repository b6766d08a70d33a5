"""What a log says of ratings is read off it once: the next process takes all of it from the cache folder."""

from pathlib import Path

import numpy as np
import pytest

from personagym_agents.classical import corrections
from personagym_agents.classical.rating_evidence import fit_evidence
from personagym_env.data.tables import Dataset
from personagym_env.fit_cache import kept
from personagym_env.fit_cache.kept import keeping_fits


def test_a_fit_that_was_kept_is_not_made_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path))
    monkeypatch.setattr(kept, "LEAST_SECONDS", 0.0)
    users = np.arange(dataset.interactions.n_users)
    with keeping_fits():
        first = fit_evidence(dataset.interactions, dataset.catalogue).features(users)
        made = sorted(path.name.partition("-")[0] for path in (tmp_path / "fits").glob("*.safetensors"))
        # Texts are read by scikit-learn, which takes half a second to import.
        monkeypatch.setattr(corrections, "text_offsets", None)
        second = fit_evidence(dataset.interactions, dataset.catalogue).features(users)
    assert made == ["fit_corrections", *["fit_factors"] * 3, "fit_neighbours"]
    np.testing.assert_array_equal(first, second)
