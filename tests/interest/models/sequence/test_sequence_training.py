"""Training of sequence models: early stopping, going on after a crash, odd data, and what is learned beside items."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

torch = pytest.importorskip("torch")

from penchant.domain.interactions import Interactions  # noqa: E402
from penchant.domain.item_model import Histories, ItemTable, ItemTraining  # noqa: E402
from penchant.domain.packing import pack, unpack  # noqa: E402
from penchant.errors import ConfigError, FormatError, NotFittedError  # noqa: E402
from penchant.interest.models.sequence.model import FORMAT  # noqa: E402
from penchant.interest.models.sequence.models import Gated, Gru, Transformer  # noqa: E402

TINY = {"embedding_size": 16, "max_length": 12, "batch_size": 16, "epochs": 4, "learning_rate": 5e-3, "threads": 1}
TINY |= {"device": "cpu"}


def walks(n_users=60, length=12, n_items=20, seed=0):
    """Users walk through the items in a circle, an hour a step; every other one twice as fast."""
    rng = np.random.default_rng(seed)
    step = np.arange(length)
    item = (rng.integers(n_items, size=(n_users, 1)) + step) % n_items
    at = 1.6e9 + rng.uniform(0, 86400 * 30, (n_users, 1)) + 3600.0 * step
    weight = np.where(item % 2 == 0, 1.0, 4.0)
    user = np.repeat(np.arange(n_users), length)
    return Interactions(
        user.astype(np.int32), item.ravel().astype(np.int32), at.ravel(), weight.ravel(), n_users, n_items
    )


def events(user, item, n_items, at=None):
    user, item = np.array(user, np.int32), np.array(item, np.int32)
    at = np.arange(user.size) * 60.0 if at is None else np.array(at, np.float64)
    return Interactions(user, item, at, np.ones(user.size), int(user.max(initial=-1)) + 1, n_items)


def training(interactions, **more):
    return ItemTraining(interactions, ItemTable.bare(interactions.n_items), **more)


def gated(**values):
    return Gated(Gated.Config(**{**TINY, **values}))


def ask(item, at=None):
    item = np.array(item, np.int32)
    at = 1.7e9 + np.arange(item.size) * 60.0 if at is None else np.array(at, np.float64)
    return Histories(np.array([0, item.size]), item, at, np.ones(item.size), np.array([2e9]))


def state_of(model):
    return unpack(model.encode(), FORMAT)["learned"]["network"]


@pytest.mark.parametrize("validation", ["time", "last", "none"])
def test_training_says_how_it_went(validation):
    told = []
    model = gated(validation=validation)
    model.fit(training(walks(), progress=lambda *what: told.append(what)))
    assert told == [("training sequence", n, 4) for n in range(1, model.report["epochs"] + 1)]
    assert (model.report["best_epoch"] > 0) == (validation != "none")


def test_it_stops_when_it_gets_no_better_and_keeps_the_best(tmp_path):
    chance = np.random.default_rng(0)
    noise = events(np.repeat(np.arange(40), 10), chance.integers(30, size=400), 30)
    model = gated(validation="last", epochs=40, patience=2)
    model.fit(training(noise))
    assert model.report["epochs"] == model.report["best_epoch"] + 2 < 40

    def stop(_what, done, _all):
        if done == model.report["epochs"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gated(validation="last", epochs=40, patience=2).fit(training(noise, folder=str(tmp_path), progress=stop))
    saved = unpack((tmp_path / "sequence.training").read_bytes(), 1)
    assert np.array_equal(state_of(model)["ids"], saved["best"]["ids"])
    assert not np.array_equal(state_of(model)["ids"], saved["averaged"]["ids"])


def test_refit_learns_the_validation_events_too():
    # Item 9 follows item 8 in the held-out events only.
    user = np.repeat(np.arange(30), 3)
    item = np.tile([7, 8, 9], 30)
    item[::3] = np.arange(30) % 7
    data = events(user, item, 10)
    without, including = (gated(validation="last", epochs=12, refit=refit) for refit in (False, True))
    for model in (without, including):
        model.fit(training(data))
    chances = [
        torch.softmax(torch.tensor(m.scores(ask([3, 8]), ItemTable.bare(10)))[0], 0)[9] for m in (without, including)
    ]
    assert chances[1] > 3 * chances[0]


def test_an_interrupted_training_goes_on_to_the_same_model(tmp_path):
    def stop(_what, done, _all):
        if done == 2:
            raise KeyboardInterrupt

    config = {"validation": "last", "augment": ("crop", "mask", "reorder", "substitute"), "averaging": 0.9}
    whole = gated(**config)
    whole.fit(training(walks()))
    with pytest.raises(KeyboardInterrupt):
        gated(**config).fit(training(walks(), folder=str(tmp_path), progress=stop))
    assert [path.name for path in tmp_path.iterdir()] == ["sequence.training"]
    done = []
    again = gated(**config)
    again.fit(training(walks(), folder=str(tmp_path), progress=lambda _what, n, _all: done.append(n)))
    assert done == [3, 4]
    assert again.encode() == whole.encode()
    assert not list(tmp_path.iterdir())


def test_a_killed_training_leaves_a_whole_file(tmp_path):
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_sequence_training import gated, training, walks
def die(_what, done, _all):
    if done == 2:
        os._exit(9)
gated(validation="last").fit(training(walks(), folder={str(tmp_path)!r}, progress=die))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9  # noqa: S603
    done = []
    again = gated(validation="last")
    again.fit(training(walks(), folder=str(tmp_path), progress=lambda _what, n, _all: done.append(n)))
    whole = gated(validation="last")
    whole.fit(training(walks()))
    assert done[0] == 3
    assert again.encode() == whole.encode()


@pytest.mark.parametrize(
    "what", ["another seed", "other data", "another configuration", "half a file", "another format"]
)
def test_a_file_of_another_training_is_not_gone_on_with(tmp_path, what):
    def stop(_what, done, _all):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gated().fit(training(walks(), folder=str(tmp_path), progress=stop))
    file = tmp_path / "sequence.training"
    seed, data, config = 0, walks(), {}
    if what == "another seed":
        seed = 1
    elif what == "other data":
        data = walks(seed=1)
    elif what == "another configuration":
        config = {"dropout": 0.0}
    elif what == "half a file":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(pack(999, {}))
    done = []
    gated(**config).fit(training(data, folder=str(tmp_path), seed=seed, progress=lambda _w, n, _a: done.append(n)))
    assert done[0] == 1


def test_nothing_outside_is_changed():
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    gated(threads=threads + 1, epochs=1).fit(training(walks()))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == torch.float32


def test_another_seed_is_another_model():
    one, other = gated(epochs=1), gated(epochs=1)
    one.fit(training(walks(), seed=0))
    other.fit(training(walks(), seed=1))
    assert not np.array_equal(state_of(one)["ids"], state_of(other)["ids"])


def test_every_sequence_of_length_one():
    model = gated(epochs=12, validation="none")
    model.fit(training(events(np.arange(60), [0] * 40 + [1] * 20, 4)))
    scores = model.scores(ask([]), ItemTable.bare(4))[0]
    assert scores[0] > scores[1]
    assert np.isneginf(scores[2:]).all()


def test_an_empty_validation_slice_trains_to_the_end():
    same = events(np.repeat(np.arange(10), 4), np.tile(np.arange(4), 10), 4, at=np.zeros(40))
    model = gated(validation="time", patience=1)
    model.fit(training(same))
    assert model.report["epochs"] == 4
    assert model.report["best_epoch"] == 0


def test_everything_within_the_validation_slice_is_still_trained_on():
    model = gated(validation="time")
    model.fit(training(events([0, 0], [0, 1], 2, at=[5.0, 6.0])))
    assert np.isfinite(model.scores(ask([0]), ItemTable.bare(2))).all()


def test_a_user_of_a_hundred_thousand_events():
    n = 100_000
    model = gated(epochs=1, max_length=100, batch_size=16, n_blocks=1, n_heads=1, embedding_size=8, learning_rate=2e-2)
    item = np.arange(n) % 5
    model.fit(training(events(np.zeros(n, int), item, 5)))
    scores = model.scores(ask(item.tolist()), ItemTable.bare(5))[0]
    assert np.argmax(scores) == 0  # item 4 came last; 0 follows it


def test_the_newest_events_alone_count():
    model = gated()
    model.fit(training(walks()))
    tail = list(range(12))
    long, short = (model.scores(ask(row), ItemTable.bare(20)) for row in ([5, 9, 13] * 50 + tail, tail))
    # Times differ, so only where there are none would the two be equal; the items seen are the same.
    assert np.argmax(long) == np.argmax(short)


def test_items_of_no_training_event_need_content():
    seen = events(np.repeat(np.arange(30), 8), (np.arange(240) * 7) % 10, 12)
    bare = gated()
    bare.fit(training(seen))
    scores = bare.scores(ask([0, 7]), ItemTable.bare(13))[0]
    assert np.isfinite(scores[:10]).all()
    assert np.isneginf(scores[10:]).all()


def test_a_new_item_is_scored_like_what_it_says():
    # Two worlds, tea and coffee; the users of one never touch the other. Items 20 and 21 come after training.
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(60), 10)
    item = rng.integers(10, size=600) + 10 * (user % 2)
    text = [f"{'green tea leaf' if n < 10 else 'black coffee bean'} {n}" for n in range(20)] + [
        "tea leaf",
        "coffee bean",
    ]
    nothing = sparse.csr_array((22, 0))
    items = ItemTable(nothing, text, np.full(22, -np.inf))
    known = ItemTable(nothing[:20], text[:20], items.since[:20])
    model = gated(epochs=12)
    model.fit(ItemTraining(events(user, item, 20), known))
    tea, coffee = model.scores(ask([1, 2, 3]), items)[0], model.scores(ask([11, 12, 13]), items)[0]
    assert tea[20] > tea[21]
    assert coffee[21] > coffee[20]
    nowhere = replace(items, text=[*text[:20], "", "xyzzy"])
    assert np.isneginf(model.scores(ask([1]), nowhere)[0, 20:]).all()


def test_real_times_matter_and_numbers_in_their_place_do_not():
    # Which half of the items comes next depends on whether there was a pause before the last event.
    rng = np.random.default_rng(0)
    item, at = [], []
    for _ in range(150):
        now, place, row = 1.6e9, int(rng.integers(6)), []
        for _ in range(10):
            pause = rng.random() < 0.4
            now += 86400.0 * 20 if pause else 60.0
            row.append((place, now))
            place = 6 + int(rng.integers(6)) if pause else int(rng.integers(6))
        item += [i for i, _ in row]
        at += [t for _, t in row]
    user = np.repeat(np.arange(150), 10)
    timed, blind = gated(epochs=14, mask_seen="no"), gated(epochs=14, time_bias=False)
    for model in (timed, blind):
        model.fit(training(events(user, item, 12, at=at)))
    counted = gated(epochs=1)
    counted.fit(training(events(user, item, 12)))
    bias = state_of(counted)
    assert "body.bias.time" not in bias
    assert "body.bias.time" in state_of(timed)
    quick, slow = ask([1, 2], at=[0.0, 60.0]), ask([1, 2], at=[0.0, 86400.0 * 20])
    low, high = (torch.softmax(torch.tensor(timed.scores(one, ItemTable.bare(12))[0]), 0) for one in (quick, slow))
    assert low[:6].sum() > 0.8
    assert high[6:].sum() > 0.8
    assert np.array_equal(blind.scores(quick, ItemTable.bare(12)), blind.scores(slow, ItemTable.bare(12)))


@pytest.mark.parametrize("kind", [Gated, Transformer])
def test_topics_and_evidence_are_learned_beside_items(kind):
    data = walks()
    topics = sparse.csr_array((np.ones(20), (np.arange(20), np.arange(20) // 10)), shape=(20, 2))
    items = ItemTable(topics, [""] * 20, np.full(20, -np.inf))
    model = kind(kind.Config(**TINY | {"epochs": 20, "topic_weight": 0.5, "evidence_weight": 0.5}))
    model.fit(ItemTraining(data, items))
    p = model.next_topics(ask([2, 3, 4]))
    assert p.shape == (1, 2)
    assert p.sum() == pytest.approx(1.0)
    assert p[0, 0] > 0.7
    light = model.next_evidence(ask([1, 2, 3]), np.array([4]))
    heavy = model.next_evidence(ask([2, 3, 4]), np.array([5]))
    assert 0 < light[0] < 2 < heavy[0]  # 1 for even items, 4 for odd ones
    assert np.isnan(model.next_evidence(ask([2]), np.array([99]))).all()
    again = kind()
    again.decode(model.encode())
    assert np.array_equal(again.next_topics(ask([2, 3, 4])), p)


def test_what_was_not_learned_is_not_answered():
    model = gated(epochs=1)
    with pytest.raises(NotFittedError, match="sequence is not fitted; call fit or decode first"):
        model.scores(ask([0]), ItemTable.bare(20))
    model.fit(training(walks()))
    with pytest.raises(NotFittedError, match="set topic_weight above 0"):
        model.next_topics(ask([0]))
    with pytest.raises(NotFittedError, match="set evidence_weight above 0"):
        model.next_evidence(ask([0]), np.array([0]))
    model.fit(training(events([], [], 3)))
    with pytest.raises(NotFittedError, match="fitted on no interactions"):
        model.next_topics(ask([0]))


def test_further_ahead_than_the_next():
    # Everybody buys 0 and then 1, 2, 3 in turn: five steps ahead all of them are likely, one step ahead only one is.
    data = events(np.repeat(np.arange(60), 9), np.tile([0, 1, 2, 3, 1, 2, 3, 1, 2], 60), 4)
    chances = []
    for n in (1, 6):
        model = gated(epochs=15, next_n=n, mask_seen="no", validation="none")
        model.fit(training(data))
        chances.append(torch.softmax(torch.tensor(model.scores(ask([0]), ItemTable.bare(4))[0]), 0)[1:].numpy())
    assert chances[0].max() > 0.8
    assert chances[1].min() > 0.15


@pytest.mark.parametrize("most", [5, 100], ids=["sampled", "full"])
def test_users_who_come_back_get_their_own_items(most):
    # Each user has three items of 30 and takes them in any order, for ever.
    rng = np.random.default_rng(0)
    own = np.array([rng.choice(30, 3, replace=False) for _ in range(80)])
    item = np.take_along_axis(own, rng.integers(3, size=(80, 12)), axis=1).ravel()
    model = gated(epochs=15, validation="none", full_softmax_items=most, n_negatives=16)
    model.fit(training(events(np.repeat(np.arange(80), 12), item, 30)))
    assert "again.order" in state_of(model)
    best = np.argsort(-model.scores(ask([4, 9, 17, 9, 4, 17]), ItemTable.bare(31))[0])[:3]
    assert set(best.tolist()) == {4, 9, 17}
    again = Gated()
    again.decode(model.encode())
    assert again.encode() == model.encode()
    assert "again.order" not in state_of(_fitted(gated(epochs=1, again=False), events([0, 0, 0], [1, 1, 2], 4)))


def test_own_items_come_last_where_nobody_comes_back():
    model = gated(epochs=1, mask_seen="yes")
    model.fit(training(walks()))
    both = ask([3, 25, 4])
    scores = model.scores(both, ItemTable.bare(20))[0]
    assert scores[3] == scores[4] == np.delete(scores, [3, 4]).min()
    assert (model.scores(both, ItemTable.bare(4))[0, :3] > -np.inf).all()
    again = Gated()
    again.decode(model.encode())
    assert np.array_equal(again.scores(both, ItemTable.bare(20))[0], scores)


def _fitted(model, data):
    model.fit(training(data))
    return model


def test_the_reasons_are_what_the_score_falls_without():
    model = gated(epochs=15, validation="none")
    model.fit(training(walks()))
    history = ask([15, 3, 4, 5])
    reasons = model.because(history, 6).tolist()
    assert reasons[0] == 5
    whole = model.scores(history, ItemTable.bare(20))[0, 6]
    fall = [whole - model.scores(ask([i for i in (15, 3, 4, 5) if i != r]), ItemTable.bare(20))[0, 6] for r in reasons]
    assert min(fall) > 0
    assert model.because(history, 400).size == 0
    assert model.because(ask([]), 6).size == 0


def test_bytes_of_another_model_or_version_are_refused():
    model, other = gated(epochs=1), Gru()
    model.fit(training(walks()))
    with pytest.raises(FormatError, match="bytes of the model 'sequence' given; this is 'gru'"):
        other.decode(model.encode())
    fields = unpack(model.encode(), FORMAT)
    with pytest.raises(FormatError, match=f"format {FORMAT + 1} given"):
        model.decode(pack(FORMAT + 1, fields))
    for change in ({"config": {"no_such": 1}}, {"learned": {}}, {"learned": [1]}):
        with pytest.raises(FormatError, match="not a saved sequence model"):
            model.decode(pack(FORMAT, {**fields, **change}))
    network = {**fields["learned"]["network"]}
    network["ids"] = network["ids"][:, :3]
    with pytest.raises(FormatError, match="not a saved sequence model"):
        model.decode(pack(FORMAT, {**fields, "learned": {**fields["learned"], "network": network}}))
    assert model.fitted


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ConfigError, match="device 'cuda' given, and torch sees no GPU"):
        gated(device="cuda").fit(training(walks()))


def test_a_width_that_heads_do_not_divide():
    with pytest.raises(ValueError, match="n_heads 3 must divide embedding_size 16"):
        gated(n_heads=3)
