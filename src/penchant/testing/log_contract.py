"""What every event log must do, as tests to inherit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from penchant.clock import parse_moment, to_us
from penchant.collect.contract import EventLog
from penchant.domain.row import Row, log_schema

OpenLog = Callable[[], EventLog]

NASTY_TEXTS = (
    "plain",
    "with space and\ttab",
    "line\nbreak\r\nand more",
    "'single' \"double\" `back` \\ backslash \\N \\.",
    "semi;colon, comma % percent {brace} $dollar ?mark :name",
    "naïve café Straße",
    "日本語 한국어 العربية עברית",
    "right-to-left \u202e mark \u200f and zero\u200bwidth",
    "emoji 😀 👩‍👩‍👧‍👦 🏳️‍🌈",
    "e\u0301 is not \u00e9",
    "\x01\x1f\x7f\x85\ufeff\uffff",
    "NULL",
    "",
)
"""Text that back ends have been known to change."""


def row(number: int, user_id: str | None = "ann", at_us: int | None = None, **fields: object) -> Row:
    """Return a row with the event id ``e<number>``; its other fields may be given by name."""
    happened = 1_700_000_000_000_000 + number * 1_000_000 if at_us is None else at_us
    plain = Row(f"e{number}", "view", user_id, f"i{number % 7}", happened, happened + 5, None, None, None, None, None)
    return plain._replace(**fields)  # type: ignore[arg-type]


def all_rows(log: EventLog) -> list[tuple[int, Row]]:
    """Return everything in the log as ``(position, row)``."""
    return [(line[0], Row(*line[1:])) for frame in log.read() for line in frame.rows()]


class EventLogContract:
    """Inherit, give the fixture ``open_log``, and every promise of ``EventLog`` is tested.

    ``open_log`` returns a function that opens the log; called again after ``close`` it opens the same log. Set
    ``durable = False`` when nothing outlives ``close``, and ``transactional = False`` when a transaction cannot be
    taken back.
    """

    durable = True
    transactional = True

    @pytest.fixture
    def open_log(self) -> OpenLog:
        """Return a function that opens the log under test, empty at first."""
        raise NotImplementedError("give a fixture open_log")

    @pytest.fixture
    def log(self, open_log: OpenLog) -> Iterator[EventLog]:
        """Return an empty log."""
        log = open_log()
        yield log
        log.close()

    @pytest.fixture
    def reopen(self, log: EventLog, open_log: OpenLog) -> Iterator[OpenLog]:
        """Return a function that closes the log and opens it again; the same log where that keeps nothing."""
        now = log

        def again() -> EventLog:
            nonlocal now
            if self.durable:
                now.close()
                now = open_log()
            return now

        yield again
        now.close()

    def test_an_empty_log_answers(self, log: EventLog) -> None:
        assert (log.tail(), log.count(), list(log.read()), log.at_positions([1, 2])) == (0, 0, [], [])
        assert log.append([]).size == 0
        assert log.erase("nobody") == 0
        for frame in (log.of_user("nobody"), log.of_user("nobody", 5), log.span(0, 10**18)):
            assert frame.height == 0
            assert dict(frame.schema) == log_schema()

    def test_rows_come_back_in_the_order_of_arrival(self, log: EventLog) -> None:
        given = [row(3), row(1, None), row(2, "bob")]
        first = log.append(given)
        second = log.append([row(9), row(0)])
        positions = [*first.tolist(), *second.tolist()]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert all_rows(log) == list(zip(positions, [*given, row(9), row(0)], strict=True))
        assert (log.tail(), log.count()) == (positions[-1], 5)

    def test_an_event_id_is_taken_once(self, log: EventLog) -> None:
        log.append([row(1), row(2)])
        positions = log.append([row(2, "bob"), row(3), row(3, "bob"), row(1), row(4)])
        assert [place > 0 for place in positions.tolist()] == [False, True, False, False, True]
        assert positions[4] > positions[1]
        assert [(kept.event_id, kept.user_id) for _, kept in all_rows(log)] == [
            ("e1", "ann"),
            ("e2", "ann"),
            ("e3", "ann"),
            ("e4", "ann"),
        ]
        assert log.append([row(1), row(4)]).tolist() == [0, 0]
        assert log.count() == 4

    def test_an_import_done_again_is_all_duplicates(self, log: EventLog) -> None:
        rows = [row(i) for i in range(2000)]
        log.append(rows)
        again = log.append([*rows, row(2000)])
        assert np.flatnonzero(again).tolist() == [2000]
        assert log.count() == 2001
        assert again[2000] == log.tail()

    def test_reading_goes_on_after_a_position(self, log: EventLog) -> None:
        positions = log.append([row(i) for i in range(10)]).tolist()
        for chunk in (1, 3, 10, 11):
            frames = list(log.read(chunk=chunk))
            assert all(0 < frame.height <= chunk for frame in frames)
            assert [place for frame in frames for place in frame["position"].to_list()] == positions
        for cut in (0, 3, 9):
            later = [place for frame in log.read(after=positions[cut], chunk=2) for place in frame["position"]]
            assert later == positions[cut + 1 :]
        assert [frame.height for frame in log.read(after=log.tail())] == []

    def test_a_user_has_only_own_events_up_to_a_moment(self, log: EventLog) -> None:
        log.append([row(5), row(1, "bob"), row(2, None), row(3), row(4, "ann "), row(6, "Ann")])
        assert log.of_user("ann")["event_id"].to_list() == ["e5", "e3"]
        assert log.of_user("ann", row(3).at_us)["event_id"].to_list() == ["e3"]
        assert log.of_user("ann", row(3).at_us - 1).height == 0
        assert log.of_user("").height == 0
        assert dict(log.of_user("ann").schema) == log_schema()

    def test_a_span_has_both_ends(self, log: EventLog) -> None:
        log.append([row(i, "ann" if i % 2 else None) for i in (4, 1, 3, 2, 5)])
        assert log.span(row(2).at_us, row(4).at_us)["event_id"].to_list() == ["e4", "e3", "e2"]
        assert log.span(row(2).at_us, row(2).at_us)["event_id"].to_list() == ["e2"]
        assert log.span(row(4).at_us, row(2).at_us).height == 0
        log.append([row(6, at_us=-7), row(7, at_us=0)])
        assert log.span(-7, -1)["event_id"].to_list() == ["e6"]
        assert log.span(-(2**62), 0)["event_id"].to_list() == ["e6", "e7"]

    def test_rows_are_found_by_position(self, log: EventLog) -> None:
        positions = log.append([row(i) for i in range(6)]).tolist()
        wanted = [positions[4], 0, -3, positions[1], positions[4], positions[-1] + 1]
        assert log.at_positions(wanted) == [(positions[1], row(1)), (positions[4], row(4))]
        assert log.at_positions(np.array(positions).tolist()) == list(zip(positions, map(row, range(6)), strict=True))
        # More than any database takes as parameters of one query.
        assert len(log.at_positions(range(1, 70_001))) == 6

    def test_an_erased_user_is_gone_for_good(self, log: EventLog, reopen: OpenLog) -> None:
        given = [row(1), row(2, "bob"), row(3, None), row(4), row(5, "bob")]
        positions = log.append(given).tolist()
        assert log.erase("bob") == 2
        assert log.erase("bob") == 0
        log = reopen()
        kept = [pair for pair in zip(positions, given, strict=True) if pair[1].user_id != "bob"]
        assert all_rows(log) == kept
        assert log.at_positions(positions) == kept
        assert log.of_user("bob").height == 0
        assert log.count() == 3
        assert log.span(0, 10**18)["event_id"].to_list() == ["e1", "e3", "e4"]
        assert log.append([row(2, "bob"), row(1)]).astype(bool).tolist() == [True, False]

    def test_positions_are_never_used_again(self, log: EventLog, reopen: OpenLog) -> None:
        positions = log.append([row(1), row(2, "bob"), row(3, "bob")]).tolist()
        log.erase("bob")
        assert log.tail() >= positions[-1]
        log = reopen()
        assert log.tail() >= positions[-1]
        more = log.append([row(4)]).tolist()
        assert more[0] > positions[-1]
        log.erase("ann")
        log = reopen()
        assert log.count() == 0
        assert log.append([row(5)])[0] > more[0]

    def test_marks_are_kept(self, log: EventLog, reopen: OpenLog) -> None:
        assert log.mark("import") is None
        log.set_mark("import", "file 1")
        log.set_mark("import", "file 2 'quoted' 😀")
        log.set_mark("", "empty name")
        log.append([row(1)])
        log = reopen()
        assert (log.mark("import"), log.mark(""), log.mark("other")) == ("file 2 'quoted' 😀", "empty name", None)

    def test_opening_again_finds_everything(self, log: EventLog, reopen: OpenLog) -> None:
        given = [row(i, "ann" if i % 3 else None) for i in range(20)]
        log.append(given[:15])
        log.append(given[15:])
        before, tail = all_rows(log), log.tail()
        log = reopen()
        assert all_rows(log) == before
        assert [kept for _, kept in before] == given
        assert (log.tail(), log.count()) == (tail, 20)
        assert log.append([row(3), row(99)]).astype(bool).tolist() == [False, True]
        assert log.of_user("ann").height == 13 + 1

    @pytest.mark.parametrize("text", NASTY_TEXTS)
    def test_text_comes_back_as_it_was(self, log: EventLog, reopen: OpenLog, text: str) -> None:
        given = row(1, f"u{text}", item_id=f"i{text}", session_id=text, event_id=f"e{text}", topics=text, payload=text)
        log.append([given])
        # The same text in a batch of many, which some back ends write another way.
        crowd = [given._replace(event_id=f"{i} {text}") for i in range(600)]
        log.append(crowd)
        log = reopen()
        assert [kept for _, kept in all_rows(log)] == [given, *crowd]
        assert log.of_user(f"u{text}").height == 601
        assert log.append([given]).tolist() == [0]

    def test_numbers_and_nothing_come_back_as_they_were(self, log: EventLog, reopen: OpenLog) -> None:
        first, last = to_us(parse_moment("0001-01-01")), to_us(parse_moment("9999-12-31T23:59:59.999999"))
        numbers: Sequence[float | None] = (None, 0.0, 0.1, -0.1, 1e-320, 1.7976931348623157e308, -1e12, 2.0**53 + 2)
        given = [row(i, value=number, amount=number, item_id=None) for i, number in enumerate(numbers)]
        given += [row(20, at_us=first, arrived_us=first), row(21, at_us=last, arrived_us=last)]
        log.append(given)
        log = reopen()
        assert [repr(kept) for _, kept in all_rows(log)] == [repr(line) for line in given]

    def test_a_big_batch_is_like_many_small_ones(self, log: EventLog) -> None:
        log.append([row(i) for i in range(0, 3000, 2)])
        positions = log.append([row(i % 2500, None if i % 5 == 0 else f"u{i % 50}") for i in range(3500)])
        # Taken already: the even numbers below 2500; repeated inside the batch: 0..999.
        expected = [i < 2500 and i % 2 == 1 for i in range(3500)]
        assert (positions > 0).tolist() == expected
        taken = positions[positions > 0]
        assert np.all(np.diff(taken) > 0)
        assert log.count() == 1500 + 1250
        assert [place for place, _ in all_rows(log)][-1250:] == taken.tolist()
        assert [kept.event_id for _, kept in all_rows(log)][-2:] == ["e2497", "e2499"]

    def test_a_transaction_is_all_or_nothing(self, log: EventLog) -> None:
        with log.transaction():
            log.append([row(1)])
            log.set_mark("upto", "1")
        if self.transactional:
            with pytest.raises(ZeroDivisionError), log.transaction():  # noqa: PT012
                log.append([row(2)])
                with log.transaction():
                    log.append([row(i) for i in range(100, 1100)])
                    log.set_mark("upto", "2")
                assert log.count() == 1002
                _ = 1 / 0
        assert [kept.event_id for _, kept in all_rows(log)] == ["e1"]
        assert log.mark("upto") == "1"
        assert log.append([row(2)])[0] > 0
