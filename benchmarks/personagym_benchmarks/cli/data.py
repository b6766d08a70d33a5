"""The data of a command."""

from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset


def load_split(source: str) -> tuple[Dataset, Split]:
    """A data set by name or path, and its temporal split."""
    dataset = load_dataset(source)
    return dataset, temporal_split(dataset.interactions)
