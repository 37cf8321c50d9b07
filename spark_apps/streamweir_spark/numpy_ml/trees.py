"""Trees of Spark ML, all of a model side by side: which leaf each row comes to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamweir_spark.numpy_ml.stages import Numbers, SavedStage

_CONTINUOUS = -1
_ROWS_AT_ONCE = 4096
"""So many rows' features stay in the processor's cache."""

Split = tuple[int, frozenset[float], bool]
"""A split by category: the slot, some categories, and whether these go left (or all others)."""


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one after the other. A row goes left where its feature is at most the threshold.

    feature: a slot of the vector, or behind these one of `splits`, which is 0 where a row goes left, else 1.
    children: left and right one of each node; a leaf's are the leaf. roots: of each tree.
    values: by node what its leaf says. depth: of the deepest tree.
    """

    splits: tuple[Split, ...]
    feature: Numbers
    threshold: Numbers
    children: Numbers
    roots: Numbers
    values: list[Any]
    depth: int

    def leaves(self, features: Numbers) -> Numbers:
        """The leaf of each row (columns) in each tree (rows)."""
        parts = [
            self._leaves(features[:, start : start + _ROWS_AT_ONCE])
            for start in range(0, features.shape[1], _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts, axis=1) if parts else np.empty((len(self.roots), 0), np.int64)

    def _leaves(self, features: Numbers) -> Numbers:
        rows = features.shape[1]
        flat = np.concatenate([features, *(_sides(features, split) for split in self.splits)]).ravel()
        places = np.arange(rows)
        found = np.empty((len(self.roots), rows), np.int64)
        for tree, root in enumerate(self.roots):
            node = np.full(rows, root)
            for _ in range(self.depth):
                # Not "above": what is no number goes right.
                right = ~(flat.take(self.feature.take(node) * rows + places) <= self.threshold.take(node))
                after = self.children.take(2 * node + right)
                if np.array_equal(after, node):
                    break
                node = after
            found[tree] = node
        return found


def forest(stage: SavedStage, value: str) -> Trees:
    """The trees of an ensemble; value: the entry of a node that its leaf says."""
    by_tree: dict[int, list[dict[str, Any]]] = {}
    for row in stage.data():
        by_tree.setdefault(row["treeID"], []).append(row["nodeData"])
    return _trees(stage, [by_tree[tree] for tree in sorted(by_tree)], value)


def single(stage: SavedStage, value: str) -> Trees:
    """The same of a model that is one tree."""
    return _trees(stage, [stage.data()], value)


def weights(stage: SavedStage) -> list[float]:
    """How much each tree of an ensemble counts."""
    # By place, because not every version of Spark names the columns.
    rows = [list(row.values()) for row in stage.data("treesMetadata")]
    return [float(weight) for _, _, weight in sorted(rows, key=lambda row: row[0])]


def _trees(stage: SavedStage, trees: Iterable[list[dict[str, Any]]], value: str) -> Trees:
    splits: dict[Split, int] = {}
    feature, threshold, children, values = list[int](), list[float](), list[int](), list[Any]()
    roots, depth, slots = list[int](), 0, _width(stage)
    for nodes in trees:
        first, ordered = len(values), sorted(nodes, key=lambda node: node["id"])
        if [node["id"] for node in ordered] != list(range(len(ordered))):
            raise stage.refused("has a tree whose nodes are not numbered from 0")
        roots.append(first)
        for node in ordered:
            leaf = node["leftChild"] < 0
            place, bound = (0, 0.0) if leaf else _question(node["split"], splits, slots)
            feature.append(place)
            threshold.append(bound)
            pair = (node["id"], node["id"]) if leaf else (node["leftChild"], node["rightChild"])
            children += [first + child for child in pair]
            values.append(node[value])
        depth = max(depth, _depth(ordered, 0))
    return Trees(
        tuple(splits), np.array(feature), np.array(threshold), np.array(children), np.array(roots),
        values, depth,
    )  # fmt: skip


def _width(stage: SavedStage) -> int:
    """How many slots the vector of features has."""
    if (found := stage.entries.get("numFeatures")) is None:
        raise stage.refused("does not say how many features it has")
    return int(found)


def _question(split: Mapping[str, Any], splits: dict[Split, int], slots: int) -> tuple[int, float]:
    """The feature that a node looks at, and its threshold."""
    slot, asked, categories = (
        split["featureIndex"],
        split["leftCategoriesOrThreshold"],
        split["numCategories"],
    )
    if categories == _CONTINUOUS:
        return slot, asked[0]
    # Spark keeps the smaller side: what is in neither goes with the larger one.
    few = len(asked) <= categories / 2
    named = frozenset(asked) if few else frozenset(map(float, range(categories))) - frozenset(asked)
    return slots + splits.setdefault((slot, named, few), len(splits)), 0.5


def _sides(features: Numbers, split: Split) -> Numbers:
    slot, named, few = split
    inside = np.isin(features[slot], list(named))
    return np.where(inside == few, 0.0, 1.0)[np.newaxis]


def _depth(nodes: list[dict[str, Any]], root: int) -> int:
    deepest, waiting = 0, [(root, 0)]
    while waiting:
        place, depth = waiting.pop()
        deepest = max(deepest, depth)
        if nodes[place]["leftChild"] >= 0:
            waiting += [(nodes[place][child], depth + 1) for child in ("leftChild", "rightChild")]
    return deepest
