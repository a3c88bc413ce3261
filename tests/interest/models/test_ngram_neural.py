from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.domain.item_model import ItemTraining
from penchant.interest.models import ngram_neural
from penchant.interest.models.ngram_neural import NeuralNGram, NeuralNGramConfig
from penchant.testing.model_contract import ItemModelContract, asked, catalogue, planted, trained_on

SMALL = NeuralNGramConfig(context=2, size=12, hidden=24, epochs=25, batch=32, negatives=40, learning_rate=0.1)


class TestNeuralNGram(ItemModelContract):
    expected_next = 0.3

    def make(self):
        return NeuralNGram(SMALL)


def test_the_loss_falls():
    model = NeuralNGram(SMALL)
    model.fit(planted().training)
    assert model.losses[-1] < 0.7 * model.losses[0]


def test_the_gradient_is_the_slope_of_the_loss():
    """One small step along every row of the output vectors lowers the loss by rate times the squared gradient."""
    rng = np.random.default_rng(0)
    count = np.array([4.0, 2.0, 1.0, 3.0, 5.0])
    context, target = np.array([[5, 0], [1, 2], [3, 4]]), np.array([1, 3, 0])
    every = 400  # so many that every item is drawn
    steps = {}

    class Record:
        def rows(self, name, weights, rows, gradient):
            full = np.zeros_like(weights)
            full[rows] = gradient
            steps[name] = full

    def loss(weights):
        return ngram_neural._step(weights, Record(), context, target, count, every, np.random.default_rng(1))

    weights = ngram_neural._begin(NeuralNGramConfig(context=2, size=3, hidden=4), 5, count, rng)
    for name in ("vector", "hidden", "shift", "out", "bias"):
        array = getattr(weights, name)
        setattr(weights, name, array.astype(np.float64))
    loss(weights)
    gradients = {name: steps[name].copy() for name in steps}
    for name, gradient in gradients.items():
        array = getattr(weights, name)
        flat, slope = array.reshape(-1), gradient.reshape(-1)
        for place in range(0, flat.size, 3):
            old = flat[place]
            flat[place] = old + 1e-4
            above = loss(weights)
            flat[place] = old - 1e-4
            below = loss(weights)
            flat[place] = old
            assert (above - below) / 2e-4 == pytest.approx(slope[place], abs=2e-4), name


def test_items_that_training_never_saw_are_not_scored():
    model = NeuralNGram(SMALL)
    model.fit(trained_on([0, 0, 1], [0, 1, 0], 4))
    scores = model.scores(asked([0], [3], []), catalogue(6))
    assert np.isfinite(scores[:, :2]).all()
    assert np.isneginf(scores[:, 2:]).all()


def test_no_more_examples_than_allowed():
    told = []
    training = planted().training
    quick = NeuralNGram(NeuralNGramConfig(epochs=2, max_examples=1, batch=1))
    quick.fit(ItemTraining(training.interactions, training.items, 0, lambda *step: told.append(step)))
    assert [done for _, done, _ in told] == [0, 1]
    assert len(quick.losses) == 2


@pytest.mark.parametrize("wrong", [{"context": 0}, {"epochs": 0}, {"learning_rate": 0.0}, {"dims": 2}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        NeuralNGramConfig(**wrong)
