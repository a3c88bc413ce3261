"""Collect: events one by one, in batches and as a stream; items; feedback to a list."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import ItemPage, answer
from penchant.app.server.asking import Cursor, ItemId, N, needs
from penchant.app.server.keys import Caller
from penchant.app.server.openapi import told
from penchant.app.server.problems import Problem
from penchant.app.server.reading import decode, read_json, read_lines
from penchant.app.server.service import Service, service_of
from penchant.domain.event import EventType, Receipt, Refusal
from penchant.domain.item import Item
from penchant.errors import EventError
from penchant.loop.together import receipt_of

router = APIRouter(tags=["collect"])
STREAM_GROUP = 1000
"""Lines of a stream that go to the log together."""
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class EventBody(msgspec.Struct, omit_defaults=True):
    """An event, as docs/reference/events.md describes it; fields that are not listed are refused."""

    type: EventType
    user_id: Id | None = None
    item_id: Id | None = None
    at: str | float | None = None
    event_id: Id | None = None
    value: float | None = None
    amount: float | None = None
    session_id: Id | None = None
    topics: list[str] | None = None
    payload: dict[str, Any] | None = None
    title: str | None = None
    attributes: dict[str, Any] | None = None
    facts: dict[str, Any] | None = None
    text: str | None = None
    context: dict[str, Any] | None = None
    target: str | None = None
    purpose: str | None = None
    scope: str | None = None
    until: str | None = None
    parent: str | None = None
    arrived_at: str | float | None = None


class ItemBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """An item of the catalogue; what is given replaces what was known."""

    item_id: Id
    title: str | None = None
    topics: list[str] | None = None
    attributes: dict[str, Any] | None = None
    at: str | float | None = None
    event_id: Id | None = None


class FeedbackBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a user did with an item of a list that was recommended."""

    recommendation_id: Id
    user_id: Id
    item_id: Id
    type: EventType = "click"
    value: float | None = None
    at: str | float | None = None
    event_id: Id | None = None


EVENT = {"event_id": "e-1", "type": "like", "user_id": "ann", "item_id": "t1", "at": "2026-03-01T12:00:00Z"}


class Direct(APIRoute):
    """A route whose endpoint wants the request and the caller, and nothing else.

    FastAPI's solving of dependencies, a third of the time of a request with one event, is left out; the one dependency,
    the role, is asked all the same.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        endpoint, (role,) = self.endpoint, self.dependant.dependencies
        check: Any = role.call

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request, await check(request))
            return response

        return handle


Events = EventBody | list[EventBody]
Writing = Annotated[Caller, needs("ingest", user_in_body=True)]


@told(Receipt, body=Events, example=EVENT, problems=("event-refused",))
async def post_events(request: Request, caller: Writing) -> Response:
    """Take one event, or a list of them.

    When this is answered the events are durable and every answer knows them. One event that is wrong gives a problem;
    of a list the good ones are taken, and the receipt names the others.
    """
    given = await read_json(request)
    several = isinstance(given, list)
    return answer(await take(service_of(request), caller, given if several else [given], several))


router.add_api_route("/v1/events", post_events, methods=["POST"], route_class_override=Direct)


@router.post("/v1/events/stream")
@told(Receipt, body=str, body_type="application/x-ndjson", example=msgspec.json.encode(EVENT).decode() + "\n")
async def post_stream(request: Request, caller: Writing) -> Response:
    """Take events as JSON lines, any number of them, while they arrive.

    They go to the log a thousand at a time. When the connection breaks, what was read is in the log: send all of it
    again, with event ids, and nothing counts twice. Lines that are no JSON are refused like events that are wrong.
    """
    service, receipt, first = service_of(request), Receipt(), 0
    lines: list[bytes] = []
    async for line in read_lines(request, service.config.max_body):
        lines.append(line)
        if len(lines) >= min(STREAM_GROUP, service.config.max_events):
            receipt += await _take_lines(service, caller, lines, first)
            first, lines = first + len(lines), []
    if lines:
        receipt += await _take_lines(service, caller, lines, first)
    return answer(receipt)


async def _take_lines(service: Service, caller: Caller, lines: list[bytes], first: int) -> Receipt:
    """Take lines of a stream; return the receipt with row numbers counted from the beginning of the stream."""
    events, places, refusals = [], [], []
    for place, line in enumerate(lines, first):
        try:
            events.append(decode(line))
            places.append(place)
        except Problem as problem:
            refusals.append(Refusal(place, problem.detail, line[:500].decode("utf-8", "replace")))
    taken = await take(service, caller, events) if events else Receipt()
    moved = [dataclasses.replace(one, row=places[one.row]) for one in taken.refusals]
    unread = receipt_of(0, 0, 0, refusals)
    both = sorted([*moved, *refusals], key=lambda one: one.row)
    return dataclasses.replace(taken + unread, refusals=tuple(both[:100]))


async def take(service: Service, caller: Caller, events: list[Any], several: bool = True) -> Receipt:
    """Hand events to the log and return the receipt.

    Raises:
        EventError: When there is just one, and it is refused.
        Problem: When there are too many, or the key is confined to another user.
    """
    if len(events) > service.config.max_events:
        detail = f"{len(events):,} events in one request; at most {service.config.max_events:,}"
        raise Problem("body-too-large", detail)
    if caller.user_id is not None:
        for event in events:
            if not isinstance(event, dict) or event.get("user_id") != caller.user_id:
                raise Problem("not-allowed", "this key is confined to one user")
    receipt = await service.writer.ingest(events)
    service.meter.receipt(receipt)
    if not several and receipt.refusals:
        raise EventError(receipt.refusals[0].reason)
    return receipt


@router.post("/v1/items")
@told(
    Receipt,
    body=ItemBody | list[ItemBody],
    example={"item_id": "t1", "title": "Green tea", "topics": ["tea"], "attributes": {"origin": "Uji"}},
    problems=("event-refused",),
)
async def post_items(request: Request, caller: Annotated[Caller, needs("ingest")]) -> Response:
    """Put one item, or a list of them, into the catalogue; each can be recommended from the next question on."""
    given = await read_json(request, ItemBody | list[ItemBody])
    several = isinstance(given, list)
    events = [{"type": "item", **msgspec.to_builtins(one)} for one in (given if several else [given])]
    return answer(await take(service_of(request), caller, events, several))


@router.get("/v1/items")
@told(ItemPage)
async def get_items(
    request: Request, _: Annotated[Caller, needs("read")], n: N = 100, cursor: Cursor = None
) -> Response:
    """List the items, in the order in which they became known."""
    service = service_of(request)
    items, after = await service.work(service.engine.items, n, _number(cursor))
    return answer(ItemPage(items=items, cursor=None if after is None else str(after)))


def _number(cursor: str | None) -> int:
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 12):
        raise Problem("bad-value", f"cursor is {cursor[:40]!r}; give the one of the page before")
    return int(cursor or 0)


@router.get("/v1/items/{item_id}")
@told(Item, problems=("not-found",))
async def get_item(request: Request, _: Annotated[Caller, needs("read")], item_id: ItemId) -> Response:
    """Show what the catalogue says of an item."""
    service = service_of(request)
    if item_id not in service.engine.ledger.items:
        raise Problem("not-found", "no event has spoken of this item")
    return answer(await service.work(service.engine.item, item_id))


@router.post("/v1/feedback")
@told(
    Receipt,
    body=FeedbackBody,
    example={"recommendation_id": "r-5f0c", "user_id": "ann", "item_id": "t1", "type": "click"},
    problems=("event-refused",),
)
async def post_feedback(request: Request, caller: Writing) -> Response:
    """Take what a user did with a recommended item; the event keeps the id of the list that it answers."""
    given = await read_json(request, FeedbackBody)
    event = msgspec.to_builtins(given)
    event["payload"] = {"recommendation_id": event.pop("recommendation_id")}
    return answer(await take(service_of(request), caller, [{"type": given.type, **event}], several=False))
