"""Saving things that are made of things that can be saved."""

import numpy as np
import pytest

from personagym_recommenders.storage import Storable, load_storable


class Leaf(Storable):
    """Learns one array."""

    def __init__(self, size: int = 1) -> None:
        self.size = size

    def grow(self) -> "Leaf":
        """Learn."""
        self.values_ = np.arange(float(self.size))
        return self


class Tree(Storable):
    """Has a stem and leaves."""

    def __init__(self, stem: Leaf, leaves: tuple[Leaf, ...], note: dict[str, int] | None = None) -> None:
        self.stem, self.leaves, self.note = stem, tuple(leaves), note


def test_parts_come_back(tmp_path):
    Tree(Leaf(3).grow(), (Leaf(1).grow(), Leaf(2).grow()), {"rings": 4}).save(tmp_path)
    tree = load_storable(tmp_path)
    assert isinstance(tree, Tree)
    assert tree.note == {"rings": 4}
    np.testing.assert_array_equal(tree.stem.values_, [0, 1, 2])
    assert [leaf.size for leaf in tree.leaves] == [1, 2]
    np.testing.assert_array_equal(tree.leaves[1].values_, [0, 1])


def test_a_missing_part_is_an_error(tmp_path):
    Tree(Leaf(3).grow(), (Leaf(1).grow(),)).save(tmp_path)
    (tmp_path / "stem" / "recommender.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="stem"):
        Tree.load(tmp_path)


def test_classes_are_not_imported_by_name(tmp_path):
    unknown = type("Pickle", (Leaf,), {})
    unknown().grow().save(tmp_path)
    unknown.__name__ = "Renamed"
    with pytest.raises(ValueError, match="saved Pickle, and no class of that name"):
        load_storable(tmp_path)


def test_another_class_is_refused(tmp_path):
    Leaf().grow().save(tmp_path)
    with pytest.raises(ValueError, match="saved Leaf, not a Tree"):
        Tree.load(tmp_path)
