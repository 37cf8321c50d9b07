"""The classifiers of two classes that numpy evaluates.

Sums go slot by slot and tree by tree, so that a row's score never depends on the rows beside it, as it does
in a product of matrices.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from streamweir_spark.numpy_ml.stages import Numbers, RowRefused, SavedStage, matrix, vector
from streamweir_spark.numpy_ml.trees import Trees, forest, single, weights

Raw = Callable[[Numbers], Numbers]
"""A model's raw prediction of features (slots x rows): classes x rows."""
Probability = Callable[[Numbers], Numbers]
"""The probabilities (classes x rows) that a raw prediction stands for."""
Scores = tuple[Raw, Probability]


def random_forest(stage: SavedStage) -> Scores:
    """Each tree votes with the shares of its leaf."""
    trees = forest(stage, "impurityStats")
    counts = _counts(stage, trees)
    totals = _summed(list(counts))
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals != 0)
    return lambda features: _summed([shares[:, leaf] for leaf in trees.leaves(features)]), _normalized


def decision_tree(stage: SavedStage) -> Scores:
    """The leaf's counts."""
    tree = single(stage, "impurityStats")
    counts = _counts(stage, tree)
    return lambda features: counts[:, tree.leaves(features)[0]], _normalized


def boosted_trees(stage: SavedStage) -> Scores:
    """A weighted sum of predictions is half the log odds."""
    trees, each = forest(stage, "prediction"), weights(stage)
    stage.require("lossType", "logistic")
    predictions = np.array(trees.values)

    def raw(features: Numbers) -> Numbers:
        leaves = trees.leaves(features)
        margin = _summed([predictions[leaf] * weight for leaf, weight in zip(leaves, each, strict=True)])
        return np.stack([-margin, margin])

    return raw, lambda found: _of_first(1.0 / (1.0 + _exp(-2.0 * found[0])))


def logistic_regression(stage: SavedStage) -> Scores:
    """A weighted sum is the log odds; of the multinomial kind there is one for each class."""
    learnt = stage.learnt()
    coefficients, intercepts = matrix(learnt["coefficientMatrix"]), vector(learnt["interceptVector"])
    if learnt["isMultinomial"]:
        return lambda features: _weighted(coefficients, features, intercepts), _softmax

    def raw(features: Numbers) -> Numbers:
        margin = _weighted(coefficients, features, intercepts)[0]
        return np.stack([-margin, margin])

    return raw, lambda found: _of_first(1.0 / (1.0 + _exp(-found[0])))


def naive_bayes(stage: SavedStage) -> Scores:
    """The log of a class's share, and of how likely each slot is there."""
    kind = stage.require("modelType", "multinomial", "complement", "bernoulli", "gaussian")
    learnt = stage.learnt()
    prior, theta = vector(learnt["pi"]), matrix(learnt["theta"])
    if kind == "gaussian":
        return _gaussian(prior, theta, matrix(learnt["sigma"])), _softmax
    if kind == "bernoulli":
        absent = np.log1p(-np.exp(theta))
        start = prior + _summed(list(absent.T))
        return lambda features: _weighted(theta - absent, _bits(stage, features), start), _softmax
    if kind == "multinomial":
        return lambda features: _weighted(theta, _amounts(stage, features), prior), _softmax

    def complement(features: Numbers) -> Numbers:
        sums = _weighted(theta, _amounts(stage, features), np.zeros(len(prior)))
        largest = sums.max(axis=0)
        return sums - (np.log(_summed(list(_exp(sums - largest)))) + largest)

    return complement, _softmax


def perceptron(stage: SavedStage) -> Scores:
    """Layers of weighted sums, with sigmoids between them."""
    layers, left = stage.params["layers"], vector(stage.learnt()["weights"])
    steps = []
    for inputs, outputs in pairwise(layers):
        end = inputs * outputs
        steps.append((left[:end].reshape((outputs, inputs), order="F"), left[end : end + outputs]))
        left = left[end + outputs :]

    def raw(features: Numbers) -> Numbers:
        values = features
        for place, (weight, bias) in enumerate(steps):
            values = values if place == 0 else 1.0 / (1.0 + _exp(-values))
            values = _weighted(weight, values, bias)
        return values

    return raw, _softmax


def _counts(stage: SavedStage, trees: Trees) -> Numbers:
    """What the leaves counted, classes x nodes."""
    counts = np.array(trees.values, dtype=np.float64).T
    if len(counts) != 2:
        raise stage.refused(f"knows {len(counts)} classes")
    return counts


def _gaussian(prior: Numbers, theta: Numbers, sigma: Numbers) -> Raw:
    constants = prior - _summed(list(np.log(sigma).T)) / 2.0

    def raw(features: Numbers) -> Numbers:
        apart = [
            (values - theta[:, place, np.newaxis]) ** 2 / sigma[:, place, np.newaxis]
            for place, values in enumerate(features)
        ]
        return constants[:, np.newaxis] - _summed(apart) / 2.0

    return raw


def _bits(stage: SavedStage, features: Numbers) -> Numbers:
    if not ((features == 0) | (features == 1)).all():
        raise RowRefused(f"stage {stage.uid} ({stage.kind}) takes 0 and 1 only")
    return features


def _amounts(stage: SavedStage, features: Numbers) -> Numbers:
    if not (features >= 0).all():
        raise RowRefused(f"stage {stage.uid} ({stage.kind}) takes no negative and no missing number")
    return features


def _weighted(coefficients: Numbers, features: Numbers, start: Numbers) -> Numbers:
    """Outputs x rows: the sums of the slots by the outputs' coefficients, then the start."""
    found = np.zeros((len(coefficients), features.shape[1]))
    for place, values in enumerate(features):
        found += coefficients[:, place, np.newaxis] * values
    return found + start[:, np.newaxis]


def _summed(parts: Sequence[Numbers]) -> Numbers:
    """In order, as Spark adds them up."""
    found = np.zeros_like(parts[0])
    for part in parts:
        found = found + part
    return found


def _normalized(raw: Numbers) -> Numbers:
    totals = _summed(list(raw))
    return np.divide(raw, totals, out=raw.copy(), where=totals != 0)


def _softmax(raw: Numbers) -> Numbers:
    powers = _exp(raw - raw.max(axis=0))
    return powers / _summed(list(powers))


def _of_first(probability: Numbers) -> Numbers:
    return np.stack([probability, 1.0 - probability])


def _exp(values: Numbers) -> Numbers:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(values)
