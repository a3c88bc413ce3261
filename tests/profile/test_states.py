from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from penchant import Engine
from penchant.clock import fixed
from penchant.collect.log.memory import MemoryLog
from penchant.collect.log.sql import SqlLog
from penchant.domain.vocabulary import Vocabulary
from penchant.interest.tracker import Tracker
from penchant.loop.fold import FLUSH_AT_ONCE, MANY, WAITING, Ledger
from penchant.profile import LEARNERS
from penchant.profile.states import SqlCheckpoint, States
from penchant.storage.database import Database
from penchant.testing import as_rows, toy_log

ENDS = "2027-01-01"


def crowd(n, first=0, users=300):
    """Many users with a few events each, so that a flush cannot write all of them."""
    events = []
    for i in range(first, first + n):
        user = (i * 7919) % users
        events.append(
            {
                "event_id": f"e{i}",
                "type": ("view", "purchase", "user", "like")[i % 4],
                "user_id": f"user-{user}",
                "item_id": f"item-{i % 37}",
                "topics": [f"topic-{i % 11}"],
                "at": 1_767_225_600 + i * 60,
                "facts": {"n": i} if i % 4 == 2 else None,
            }
        )
    return events


def open_on(url, **settings):
    return Engine.open(url, clock=fixed(ENDS), **settings)


def kill(engine):
    """Leave the engine as a killed process would: what it has not written is lost."""
    engine.ledger.log.close()


@pytest.fixture
def checkpoint(sqlite_url):
    database = Database(sqlite_url)
    yield SqlCheckpoint(database)
    database.close()


def test_a_checkpoint_keeps_states_names_and_its_place(checkpoint):
    assert (checkpoint.position(), checkpoint.load("tracker", "ann"), checkpoint.vocabulary("item")) == (0, None, [])
    checkpoint.save([("tracker", "ann", 5, b"five"), ("facts", "ann", 5, b"f"), ("tracker", "", 5, b"")], 5)
    checkpoint.save_vocabulary("item", 0, ["tea", "milk"])
    checkpoint.save_vocabulary("item", 2, ["😀 salt"])
    checkpoint.save_vocabulary("topic", 0, ["tea"])
    checkpoint.save_vocabulary("topic", 1, [])
    assert checkpoint.load("tracker", "ann") == (5, b"five")
    assert sorted(checkpoint.load_all("tracker")) == [("", 5, b""), ("ann", 5, b"five")]
    assert checkpoint.position() == 5
    assert checkpoint.vocabulary("item") == ["tea", "milk", "😀 salt"]
    checkpoint.drop("tracker", "ann")
    assert (checkpoint.load("tracker", "ann"), checkpoint.load("facts", "ann")) == (None, (5, b"f"))
    checkpoint.drop("tracker", None)
    assert list(checkpoint.load_all("tracker")) == []


def test_an_older_state_never_overwrites_a_newer_one(checkpoint):
    checkpoint.save([("tracker", "ann", 9, b"nine")], 9)
    checkpoint.save([("tracker", "ann", 8, b"eight")], 9)
    assert checkpoint.load("tracker", "ann") == (9, b"nine")
    checkpoint.save([("tracker", "ann", 9, b"nine again")], 9)
    assert checkpoint.load("tracker", "ann") == (9, b"nine again")


def test_states_come_in_when_they_are_asked_for(checkpoint):
    tracker = Tracker()
    checkpoint.save([("tracker", "ann", 3, tracker.encode(tracker.start()))], 3)
    states = States({"tracker": tracker}, checkpoint, {})
    assert states.get("tracker", "bob") is None
    assert (states.position("tracker", "ann"), states.position("tracker", "bob")) == (3, 0)
    assert states.get("tracker", "ann") is states.get("tracker", "ann")
    assert list(states.every("tracker")) == ["ann"]


def test_what_a_writer_puts_stays_when_a_slow_reader_comes_with_the_old_state(checkpoint):
    """A reader may look into the checkpoint while a writer folds; the reader's find is older."""
    tracker, newer = Tracker(), Tracker()
    checkpoint.save([("tracker", "ann", 1, tracker.encode(tracker.start()))], 1)

    class Slow(SqlCheckpoint):
        def load(self, learner, key):
            found = super().load(learner, key)
            states.put("tracker", {"ann": "the newer state"}, 2, 2)
            return found

    states = States({"tracker": newer}, Slow(checkpoint._database), {})
    assert states.get("tracker", "ann") == "the newer state"
    assert states.position("tracker", "ann") == 2


def test_flushing_writes_what_waits_longest_and_says_how_far_it_got(checkpoint):
    tracker = Tracker()
    items = Vocabulary(["tea"])
    states = States({"tracker": tracker}, checkpoint, {"item": items})
    for position, key in [(1, "ann"), (2, "bob"), (3, "cat")]:
        states.put("tracker", {key: tracker.start()}, position, position)
    states.put("tracker", {"ann": tracker.start()}, 4, 4)
    assert states.waiting == 3
    items.add("milk")
    states.flush(1, 4)
    states.flushed(1)
    assert (states.waiting, checkpoint.position()) == (2, 1)  # bob's event 2 is not kept yet
    assert checkpoint.load("tracker", "ann")[0] == 4
    assert checkpoint.vocabulary("item") == ["milk"]  # "tea" was there when the states were opened
    states.flush(None, 4)
    states.flushed(None)
    assert (states.waiting, checkpoint.position()) == (0, 4)


def test_a_flush_that_failed_is_done_again(checkpoint):
    tracker = Tracker()
    states = States({"tracker": tracker}, checkpoint, {})
    states.put("tracker", {"ann": tracker.start()}, 1, 1)
    with pytest.raises(KeyError), checkpoint._database.transaction():  # noqa: PT012
        states.flush(None, 1)
        raise KeyError
    assert checkpoint.load("tracker", "ann") is None
    assert states.waiting == 1
    states.flush(None, 1)
    states.flushed(None)
    assert checkpoint.load("tracker", "ann") is not None


def test_without_a_checkpoint_nothing_waits():
    states = States({"tracker": Tracker()}, None, {})
    states.put("tracker", {"ann": Tracker().start()}, 1, 1)
    states.flush(None, 1)
    assert states.waiting == 0
    assert states.get("tracker", "bob") is None


def test_a_restart_after_a_checkpoint_replays_nothing(sqlite_url, toy):
    engine = open_on(sqlite_url)
    engine.ingest(toy.events)
    engine.checkpoint()
    before = engine.ledger.states.as_bytes()
    kill(engine)
    engine = open_on(sqlite_url)
    assert engine.ledger.catch_up() == 0
    assert engine.ledger._kept == len(toy.events)
    assert engine.ledger.states.as_bytes() == before
    kill(engine)


def test_a_restart_without_a_checkpoint_replays_everything(sqlite_url, toy):
    engine = open_on(sqlite_url)
    engine.ingest(toy.events)
    before = engine.ledger.states.as_bytes()
    kill(engine)
    engine = open_on(sqlite_url)
    assert engine.ledger.states.as_bytes() == before
    kill(engine)


def test_crashes_between_partial_flushes_lose_nothing(sqlite_url):
    """Each life ends without a word; what the checkpoint holds is a patchwork of moments."""
    chance = random.Random(3)  # noqa: S311
    memory = open_on("memory")
    engine = open_on(sqlite_url, checkpoint_events=50)
    for begin in range(0, 3000, 250):
        events = crowd(250, begin)
        memory.ingest(events)
        cuts = sorted(chance.sample(range(1, 250), 4))
        for first, last in zip([0, *cuts], [*cuts, 250], strict=True):
            engine.ingest(events[first:last])
        kill(engine)
        engine = open_on(sqlite_url, checkpoint_events=50)
    assert 0 < engine.ledger.states._checkpoint.position() < engine.log.tail()
    kill(engine)
    engine = open_on(sqlite_url)
    live = engine.ledger.states.as_bytes()
    assert live == memory.ledger.states.as_bytes()
    assert engine.rebuild() == 3000
    assert engine.ledger.states.as_bytes() == live
    kill(engine)


def test_no_event_pays_for_many_states(sqlite_url):
    engine = open_on(sqlite_url, checkpoint_events=1)
    engine.ingest(crowd(2000))
    waiting = engine.ledger.states.waiting
    assert waiting > 5 * FLUSH_AT_ONCE
    engine.ingest(crowd(1, 2000))
    assert waiting - FLUSH_AT_ONCE <= engine.ledger.states.waiting <= waiting - FLUSH_AT_ONCE + 10
    kill(engine)


def test_what_waits_is_bounded_when_events_come_one_by_one(sqlite_url):
    engine = open_on(sqlite_url)
    for event in crowd(1500, users=1500):
        engine.ingest(event)
    assert engine.ledger.states.waiting <= WAITING + 20
    kill(engine)


def test_more_keys_than_are_looked_up_one_by_one(sqlite_url):
    events = crowd(3000, users=2 * MANY)
    engine = open_on(sqlite_url)
    engine.ingest(events[:1500])
    engine.close()
    engine = open_on(sqlite_url)
    engine.ingest(events[1500:])
    memory = open_on("memory")
    memory.ingest(events)
    assert engine.ledger.states.as_bytes() == memory.ledger.states.as_bytes()
    engine.close()


def test_learners_added_later_are_filled_from_the_log_by_a_rebuild(sqlite_url):
    rows = as_rows(crowd(50))
    database = Database(sqlite_url)
    some = {name: LEARNERS[name]() for name in ("behaviour", "history")}
    first = Ledger(SqlLog(database), SqlCheckpoint(database), some)
    first.append(rows)
    first.checkpoint()
    more = some | {"facts": LEARNERS["facts"]()}
    second = Ledger(SqlLog(database), SqlCheckpoint(database), more)
    assert second.states.get("facts", "user-0") is None
    assert second.rebuild() == 50
    whole = Ledger(MemoryLog(), None, more)
    whole.append(rows)
    assert second.states.as_bytes() == whole.states.as_bytes()
    database.close()


def test_readers_and_a_writer_at_once_keep_every_event(sqlite_url):
    toy = toy_log(n_users=20, deeds_per_user=30)
    engine = open_on(sqlite_url)
    engine.ingest(toy.events[: len(toy.events) // 2])
    engine.close()
    engine = open_on(sqlite_url)  # every state has to come in from the checkpoint
    done = threading.Event()

    def read():
        while not done.is_set():
            for user in range(20):
                engine.profile(f"user-{user}")

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for event in toy.events[len(toy.events) // 2 :]:
            engine.ingest(event)
        done.set()
        for reader in readers:
            reader.result(30)
    live = engine.ledger.states.as_bytes()
    engine.rebuild()
    assert engine.ledger.states.as_bytes() == live
    engine.close()
