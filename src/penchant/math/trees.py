"""Decision trees as arrays: what libraries have grown, scored without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.errors import FormatError
from penchant.math.arrays import Float32Array, FloatArray, Int32Array


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees whose leaf values add up; node 0 of each is its root, numbers of nodes go through all trees.

    Attributes:
        root: First node of each tree, shape ``(n_trees,)``.
        feature: Column that a node looks at, -1 for a leaf, shape ``(n_nodes,)``.
        threshold: ``x <= threshold`` goes left, shape ``(n_nodes,)``.
        left: Next node on the left, shape ``(n_nodes,)``.
        right: Next node on the right, shape ``(n_nodes,)``.
        value: Of a leaf, shape ``(n_nodes,)``.
    """

    root: Int32Array
    feature: Int32Array
    threshold: FloatArray
    left: Int32Array
    right: Int32Array
    value: FloatArray

    @property
    def n_features(self) -> int:
        """Return how many columns the trees may ask for."""
        return int(self.feature.max(initial=-1)) + 1

    @classmethod
    def none(cls) -> Trees:
        """Return no trees: every score is 0."""
        empty = np.empty(0, np.int32)
        return cls(empty, empty, np.empty(0), empty, empty, np.empty(0))

    @classmethod
    def joined(cls, trees: Sequence[Mapping[str, Any]]) -> Trees:
        """Return trees given one by one: arrays ``feature``, ``threshold``, ``left``, ``right``, ``value`` of each."""
        if not trees:
            return cls.none()
        sizes = [len(tree["feature"]) for tree in trees]
        root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        moved = {
            side: np.concatenate([np.asarray(tree[side]) + first for tree, first in zip(trees, root, strict=True)])
            for side in ("left", "right")
        }
        feature, threshold, value = (
            np.concatenate([np.asarray(tree[name]) for tree in trees]) for name in ("feature", "threshold", "value")
        )
        leaf = feature < 0
        return cls(
            root,
            np.where(leaf, -1, feature).astype(np.int32),
            np.where(leaf, 0.0, threshold),
            np.where(leaf, 0, moved["left"]).astype(np.int32),
            np.where(leaf, 0, moved["right"]).astype(np.int32),
            np.where(leaf, value, 0.0),
        )

    @classmethod
    def mean(cls, several: Sequence[Trees]) -> Trees:
        """Return trees that say the mean of what several say."""
        split = [
            {name: getattr(one, name)[a:b] - (a if name in ("left", "right") else 0) for name in cls.__slots__[1:]}
            | {"value": one.value[a:b] / len(several)}
            for one in several
            for a, b in zip(one.root, [*one.root[1:], one.feature.size], strict=True)
        ]
        return cls.joined(split)

    @classmethod
    def of_lightgbm(cls, dumped: Mapping[str, Any]) -> Trees:
        """Return the trees of ``Booster.dump_model()``, trained without missing values and categories.

        Raises:
            FormatError: When a tree asks another kind of question than ``x <= threshold``.
        """
        return cls.joined([_of_lightgbm_tree(tree["tree_structure"]) for tree in dumped["tree_info"]])

    @classmethod
    def of_sklearn(cls, grown: Sequence[Any]) -> Trees:
        """Return the mean probability of the second class over fitted ``DecisionTreeClassifier``."""
        trees = []
        for one in grown:
            tree = one.tree_
            share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
            second = share[:, 1] if share.shape[1] > 1 else np.full(len(share), float(one.classes_[0]))
            trees.append(
                {
                    "feature": tree.feature,
                    "threshold": tree.threshold,
                    "left": tree.children_left,
                    "right": tree.children_right,
                    "value": second / len(grown),
                }
            )
        return cls.joined(trees)

    def predict(self, x: Float32Array) -> FloatArray:
        """Return the sum of the leaves that each row falls into, shape ``(n,)``.

        Args:
            x: Finite, shape ``(n, F)``; as many columns as the trees ask for.
        """
        from penchant.math.tree_kernels import add_leaves

        if x.shape[1] < self.n_features:
            raise FormatError(f"{x.shape[1]} columns given to trees that ask for {self.n_features}")
        rows = np.ascontiguousarray(x, dtype=np.float32)
        found: FloatArray = add_leaves(rows, self.root, self.feature, self.threshold, self.left, self.right, self.value)
        return found

    def encode(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def _of_lightgbm_tree(root: Mapping[str, Any]) -> dict[str, list[Any]]:
    tree: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}

    def add(node: Mapping[str, Any]) -> int:
        number = len(tree["feature"])
        for name in tree:
            tree[name].append(0)
        if "split_index" not in node:
            tree["feature"][number], tree["value"][number] = -1, node["leaf_value"]
            return number
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise FormatError(f"a split of kind {node['decision_type']}, {node['missing_type']}; only x <= threshold")
        tree["feature"][number], tree["threshold"][number] = node["split_feature"], node["threshold"]
        tree["left"][number] = add(node["left_child"])
        tree["right"][number] = add(node["right_child"])
        return number

    add(root)
    return tree
