"""Windows, batches, augmentation, content vectors and losses, each by hand on a few numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable
from penchant.interest.models.sequence.augment import augmented, like
from penchant.interest.models.sequence.batches import (
    MASK,
    PAD,
    START,
    Sequences,
    asked,
    batches,
    drawn_ahead,
    padded,
    real_times,
    windows,
)
from penchant.interest.models.sequence.content import Content, ridge, strongest, words


def sequences(lengths, validation="none", seconds=86400.0):
    user = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    item = np.concatenate([np.arange(n) for n in lengths]).astype(np.int32)
    at = item * seconds
    return Sequences.of(Interactions(user, item, at, item + 1.0, len(lengths), max(lengths)), validation)


def test_events_are_sorted_by_user_and_time_and_the_last_are_held_out():
    user, item = np.array([1, 0, 1, 0], np.int32), np.array([5, 6, 7, 8], np.int32)
    found = Interactions(user, item, np.array([4.0, 3.0, 2.0, 1.0]), np.ones(4), 2, 9)
    last = Sequences.of(found, "last")
    assert last.item.tolist() == [8, 6, 7, 5]
    assert last.start.tolist() == [0, 2, 4]
    assert last.held_out.tolist() == [False, True, False, True]
    assert Sequences.of(found, "time").held_out.tolist() == [False, False, False, True]
    assert not Sequences.of(found, "none").held_out.any()
    assert last.kept().tolist() == [1, 1]
    assert last.everything().kept().tolist() == [2, 2]


def test_windows_cover_everything_once_or_the_newest_only():
    found, rng = sequences([3, 25, 1], "last"), np.random.default_rng(0)
    assert windows(found, 5, "last", rng).tolist() == [[0, 2], [21, 27], [28, 29]]
    several = windows(found, 5, "all", rng)
    inside = several[(several[:, 0] >= 3) & (several[:, 1] <= 28)]
    assert np.diff(inside, axis=1).max() == 6
    covered = np.unique(np.concatenate([np.arange(a, b) for a, b in inside]))
    assert covered.tolist() == list(range(3, 27))  # not the held-out one
    assert windows(sequences([4]), 5, "all", rng).tolist() == [[0, 4]]


def test_a_batch_asks_for_the_item_after_each():
    batch = padded(sequences([3, 2]), np.array([[0, 3], [3, 5]]))
    assert batch.inputs.tolist() == [[START, 0, 1], [START, 0, PAD]]
    assert batch.target.tolist() == [[0, 1, 2], [0, 1, PAD]]
    assert batch.at.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert batch.weight.tolist() == [[1.0, 2.0, 3.0], [1.0, 2.0, 0.0]]


def test_every_window_is_in_one_batch():
    found = sequences([3, 9, 4, 7, 5])
    chosen = windows(found, 20, "last", np.random.default_rng(0))
    seen = [batch.target for batch in batches(found, chosen, 2, np.random.default_rng(1))]
    assert [part.shape[0] for part in seen].count(2) == 2
    assert sorted(int((row >= 0).sum()) for part in seen for row in part) == [3, 4, 5, 7, 9]


def test_targets_further_ahead_stay_in_the_window():
    batch = padded(sequences([6, 2]), np.array([[0, 6], [6, 8]]))
    assert drawn_ahead(batch, 1, np.random.default_rng(0)) is batch
    drawn = np.array([drawn_ahead(batch, 3, np.random.default_rng(seed)).target for seed in range(60)])
    assert set(drawn[:, 0, 0]) == {0, 1, 2}
    assert set(drawn[:, 0, 5]) == {5}
    assert set(drawn[:, 1, 1]) == {1}
    assert set(drawn[:, 1, 2:].ravel()) == {PAD}


def test_what_a_network_is_shown_of_a_history():
    row = np.array([4, -1, 2, 0])
    item = np.array([0, 1, 2, 3, 9, 2], np.int32)
    at = np.array([1.0, 2.0, 3.0, 3.0, 4.0, 5.0]) * 86400
    histories = Histories(np.array([0, 5, 5, 6]), item, at, np.ones(6), np.full(3, 1e9))
    inputs, days, last = asked(histories, row, 2)
    assert inputs.tolist() == [[START, 2, 0], [START, PAD, PAD], [START, 2, PAD]]
    assert days.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert last.tolist() == [2, 0, 1]
    inputs, days, _ = asked(histories, row, 9)
    assert inputs[0].tolist() == [START, 4, 2, 0]
    assert days[0].tolist() == [0.0, 0.0, 2.0, 2.0]
    assert asked(histories, np.zeros(0, np.int64), 9)[0].tolist() == [[START]] * 3


def test_numbers_in_place_of_times_are_known_as_such():
    rng = np.random.default_rng(0)
    assert not real_times(sequences([30, 20], seconds=1.0))
    assert not real_times(sequences([30, 20], seconds=0.0))
    assert not real_times(sequences([1, 1, 1]))
    at = np.sort(rng.exponential(size=(3, 20)).cumsum(axis=1) ** 3, axis=1).ravel()
    user = np.repeat(np.arange(3), 20).astype(np.int32)
    assert real_times(Sequences.of(Interactions(user, user, at * 3600, np.ones(60), 3, 3), "none"))


@pytest.mark.parametrize("way", ["crop", "mask", "reorder", "substitute"])
def test_augmentation_changes_what_it_says(way):
    found = sequences([20] * 40)
    batch = padded(found, windows(found, 30, "last", np.random.default_rng(0)))
    alike = like(found, 20)
    changed = augmented(batch, (way,), 1.0, alike, np.random.default_rng(1))
    assert augmented(batch, (), 1.0, alike, np.random.default_rng(1)) is batch
    rare = augmented(batch, (way,), 0.01, alike, np.random.default_rng(1))
    assert (rare.inputs == batch.inputs).all(axis=1).mean() > 0.9
    real = batch.inputs >= 0
    if way == "mask":
        assert set(changed.inputs[changed.inputs != batch.inputs]) == {MASK}
        assert 0.1 < (changed.inputs == MASK)[real].mean() < 0.3
        assert np.array_equal(changed.target, batch.target)
    elif way == "substitute":
        other = changed.inputs != batch.inputs
        assert 0.1 < other[real].mean() < 0.3
        assert (np.abs(changed.inputs - batch.inputs)[other] <= 2).all()  # neighbours in the walk
        assert np.array_equal(changed.target, batch.target)
    elif way == "crop":
        sizes = (changed.target >= 0).sum(axis=1)
        assert sizes.min() >= 12
        assert len(set(sizes.tolist())) > 3
        first = changed.target[:, 0]
        assert all(
            (row[:n] == np.arange(a, a + n)).all() for row, a, n in zip(changed.target, first, sizes, strict=True)
        )
    else:
        assert all(sorted(row.tolist()) == list(range(20)) for row in changed.target)
        assert (changed.target != batch.target).any(axis=1).mean() > 0.8
        assert np.array_equal(changed.inputs[:, 1:], changed.target[:, :-1])


def test_content_vectors_are_of_length_one_and_alike_for_the_alike():
    text = ["green tea", "black tea", "tea pot", "red wine", "white wine", "wine glass", "tea", "wine", "", "zzz"]
    items = ItemTable(sparse.csr_array((10, 0)), text, np.zeros(10))
    content = Content.fit(items, 4, 100)
    vectors, says = content.vectors(items)
    assert says.tolist() == [True] * 8 + [False] * 2
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0] * 8 + [0.0] * 2, abs=1e-5)
    assert vectors[0] @ vectors[6] > vectors[0] @ vectors[7]
    again = Content.fit(items, 4, 100)
    assert np.array_equal(again.directions, content.directions)
    assert Content.fit(ItemTable.bare(10), 4, 100) is None
    few = ItemTable(sparse.csr_array((2, 0)), ["tea", "tea"], np.zeros(2))
    assert Content.fit(few, 4, 100) is None


def test_topics_alone_are_content_too():
    topics = sparse.csr_array(np.eye(3)[np.arange(12) % 3])
    items = ItemTable(topics, [""] * 12, np.zeros(12))
    vectors, says = Content.fit(items, 8, 100).vectors(items)
    assert says.all()
    assert vectors[0] @ vectors[3] == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] @ vectors[1] < 0.9
    assert Content.fit(items, 8, 100).vectors(ItemTable.bare(2))[1].tolist() == [False, False]


def test_directions_are_those_of_a_full_decomposition():
    rows = sparse.csr_array(
        np.random.default_rng(3).standard_normal((40, 4)) @ np.random.default_rng(4).random((4, 30))
    )
    s, vt = strongest(rows, 4)
    assert s == pytest.approx(np.linalg.svd(rows.toarray(), compute_uv=False)[:4])
    assert np.abs(vt @ vt.T - np.eye(4)).max() < 1e-8


def test_words_of_no_letters_are_none():
    assert words("  -- !") == []
    assert words("茶 and 茶叶蛋") == ["茶", "and", "茶叶", "叶蛋"]


def test_ridge_finds_a_linear_rule():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((200, 3)), rng.standard_normal((3, 2))
    assert ridge(x, x @ w, np.ones(200), 1e-6) == pytest.approx(w, abs=1e-5)


def tiny_network(n_items, prior=None, comes_back=False, **config):
    torch = pytest.importorskip("torch")
    from penchant.interest.models.sequence.models import Gated

    model = Gated(Gated.Config(embedding_size=8, **config))
    torch.manual_seed(1)
    given = np.zeros(n_items, np.float32) if prior is None else prior
    return model._build(given, np.zeros((n_items, 0), np.float32), 0, False, comes_back), model.config


def walk(n_items, shape, seed=0):
    """A batch of random windows, every step a target."""
    items = np.random.default_rng(seed).integers(n_items, size=shape).ravel()
    user = np.repeat(np.arange(shape[0]), shape[1]).astype(np.int32)
    at = np.tile(np.arange(shape[1]) * 86400.0, shape[0])
    found = Sequences.of(Interactions(user, items.astype(np.int32), at, np.ones(at.size), shape[0], n_items), "none")
    return padded(found, np.stack([found.start[:-1], found.start[1:]], axis=1))


@pytest.mark.parametrize(("comes_back", "mask"), [(False, False), (False, True), (True, False)])
def test_a_sampled_softmax_has_the_full_one_as_its_mean(comes_back, mask):
    torch = pytest.importorskip("torch")
    from penchant.interest.models.sequence.losses import Losses
    from penchant.interest.models.sequence.training import _Tensors

    rng = np.random.default_rng(0)
    prior = rng.standard_normal(50).astype(np.float32)
    prior -= np.log(np.exp(prior).sum())
    batch, h, values = _Tensors(walk(50, (4, 12)), "cpu"), torch.randn(4, 12, 8), []
    for most, tries in ((100, 1), (10, 300)):
        network, config = tiny_network(50, prior, comes_back, full_softmax_items=most, n_negatives=400, scale=4.0)
        losses = Losses(network, config, mask, None, "cpu")
        with torch.no_grad():
            values.append(np.mean([float(losses(h, batch)) for _ in range(tries)]))
    assert values[1] == pytest.approx(values[0], rel=0.01)


def test_own_items_score_higher_the_more_and_the_later_they_came():
    torch = pytest.importorskip("torch")
    network, _ = tiny_network(6, comes_back=True)
    with torch.no_grad():
        network.again.order[:] = torch.linspace(0.02, -0.1, network.again.order.shape[1])
        inputs = torch.tensor([[START, 3, 2, 2, 5, PAD]])
        own = network.own(inputs, torch.zeros(1, 6), torch.tensor([0, 0]), torch.tensor([4, 2]))
    assert own[0].argsort(descending=True).tolist()[:3] == [2, 5, 3]
    assert (own[0, [0, 1, 4]] == 0).all()
    assert own[1, 5] == 0  # not yet
    assert own[1, 2] > own[1, 3] > 0


def test_a_large_batch_in_parts_has_the_same_gradient():
    torch = pytest.importorskip("torch")
    from penchant.interest.models.sequence.losses import Losses
    from penchant.interest.models.sequence.training import _Tensors

    network, config = tiny_network(30)
    batch, h, gradients = _Tensors(walk(30, (6, 5)), "cpu"), torch.randn(6, 5, 8), []
    for at_once in (10**9, 100):
        losses = Losses(network, config, True, None, "cpu")
        losses.at_once = at_once
        network.zero_grad()
        losses(h, batch).backward()
        gradients.append(network.ids.grad.clone())
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_no_later_event_is_seen():
    torch = pytest.importorskip("torch")
    from penchant.interest.models.sequence.models import Caser, Gated, Gru, Lstm, Transformer

    inputs = torch.tensor([[START, 1, 2, 3, 4, 5]])
    changed = torch.tensor([[START, 1, 2, 0, PAD, 1]])
    days, later = torch.tensor([[0.0, 0, 1, 2, 5, 9]]), torch.tensor([[0.0, 0, 1, 7, 7, 8]])
    for kind in (Gated, Transformer, Gru, Lstm, Caser):
        model = kind(kind.Config(embedding_size=8))
        torch.manual_seed(0)
        network = model._build(np.zeros(6, np.float32), np.zeros((6, 0), np.float32), 0, True, True).eval()
        with torch.no_grad():
            assert torch.allclose(network(inputs, days)[:, :3], network(changed, later)[:, :3], atol=1e-6), kind
            assert not torch.allclose(network(inputs, days)[:, 3:], network(changed, later)[:, 3:], atol=1e-3), kind
