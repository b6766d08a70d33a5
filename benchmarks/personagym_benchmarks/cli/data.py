"""The data of a command."""

from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset


def load_split(source: str, split: str | None = None) -> tuple[Dataset, Split]:
    """A data set by name or path, parted by the split of a name, or by its default one."""
    dataset = load_dataset(source)
    return dataset, named_split(dataset, split).split
