"""Gorse's public paths. Errors are plain text, writes answer ``{"RowAffected": n}``."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import answer
from penchant.app.server.asking import needs
from penchant.app.server.gorse import objects, rows
from penchant.app.server.gorse.lists import Lists
from penchant.app.server.gorse.objects import GorseFeedback, GorseItem, GorseUser
from penchant.app.server.keys import Caller
from penchant.app.server.problems import Problem
from penchant.app.server.reading import clean_id, decode, read_json
from penchant.app.server.routes.collect import take
from penchant.app.server.service import Service, service_of
from penchant.clock import parse_moment
from penchant.domain.item import Item

router = APIRouter(prefix="/api", include_in_schema=False)
Id = Annotated[str, Path()]
Reader = Annotated[Caller, needs("read")]
Writing = Annotated[Caller, needs("ingest", user_in_body=True)]
Admin = Annotated[Caller, needs("admin")]


def lists_of(service: Service) -> Lists:
    """Return what makes Gorse's lists, made when it is first needed."""
    known = getattr(service, "gorse_lists", None)
    if known is None:
        known = service.gorse_lists = Lists(service.engine)  # type: ignore[attr-defined]
    return known


def _whole(request: Request, name: str, default: int, least: int = 0) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least):
        raise Problem("bad-request", f"{name} is {text[:40]!r}; a whole number, at least {least}")
    return int(text)


def page_of(request: Request, default: int = 10) -> tuple[int, int]:
    """Return ``(n, offset)`` of a request."""
    return min(_whole(request, "n", default, 1), 10_000), _whole(request, "offset", 0)


async def write(request: Request, caller: Caller, events: list[dict[str, Any]]) -> Response:
    """Ingest events and answer as Gorse does, or with the reason why one was refused."""
    receipt = await take(service_of(request), caller, events)
    if receipt.refusals:
        raise Problem("bad-request", receipt.refusals[0].reason)
    return answer({"RowAffected": len(events)})


# -- users -------------------------------------------------------------------------------------------------------------


@router.post("/user")
async def post_user(request: Request, caller: Writing) -> Response:
    """Take one user."""
    given = await read_json(request, GorseUser)
    return await write(request, caller, [objects.user_event(given.user_id, given.labels, given.comment)])


@router.post("/users")
async def post_users(request: Request, caller: Writing) -> Response:
    """Take many users."""
    given = await read_json(request, list[GorseUser])
    return await write(request, caller, [objects.user_event(one.user_id, one.labels, one.comment) for one in given])


@router.patch("/user/{user_id}")
async def patch_user(request: Request, caller: Annotated[Caller, needs("ingest")], user_id: Id) -> Response:
    """Change a user."""
    given = await read_json(request, objects.UserPatch)
    event = objects.user_event(clean_id("user", user_id), given.labels, given.comment)
    if given.labels is None:
        del event["facts"]["labels"]
    return await write(request, caller, [event])


def _user(service: Service, user_id: str) -> GorseUser | None:
    profile = service.engine.profile(user_id, n=1)
    if not profile.known:
        return None
    facts = {name: profile.facts[name].value for name in ("labels", "comment") if name in profile.facts}
    return GorseUser(user_id, facts.get("labels"), str(facts.get("comment", "")))


@router.get("/user/{user_id}")
async def get_user(request: Request, _: Reader, user_id: Id) -> Response:
    """Show a user."""
    service = service_of(request)
    found = await service.work(_user, service, clean_id("user", user_id))
    if found is None:
        raise Problem("not-found", "user not found")
    return answer(found)


@router.get("/users")
async def get_users(request: Request, _: Reader) -> Response:
    """List users, page by page."""
    service, (n, _offset) = service_of(request), page_of(request, 100)
    users = await service.work(_users, service, n, request.query_params.get("cursor", ""))
    return answer({"Cursor": users[-1].user_id if len(users) == n else "", "Users": users})


def _users(service: Service, n: int, after: str) -> list[GorseUser]:
    return [_user(service, user_id) or GorseUser(user_id) for user_id in service.engine.users(n, after)]


@router.delete("/user/{user_id}")
async def delete_user(request: Request, _: Admin, user_id: Id) -> Response:
    """Erase a user, from everything: more than Gorse does."""
    service, user_id = service_of(request), clean_id("user", user_id)
    erased = await service.work(service.engine.forget, user_id)
    service.kept.drop(user_id)
    return answer({"RowAffected": int(erased > 0)})


# -- items -------------------------------------------------------------------------------------------------------------


def _item(service: Service, item_id: str) -> Item | None:
    """Return an item that is there for Gorse's clients."""
    if item_id not in service.engine.ledger.items:
        return None
    item = service.engine.item(item_id)
    return None if objects.gone(item) else item


async def _put_items(request: Request, caller: Caller, given: list[GorseItem]) -> Response:
    service = service_of(request)
    now = parse_moment(service.engine.now())
    known = [service.engine.item(one.item_id).changed_s > 0 for one in given]
    events = [objects.item_event(one, there, now) for one, there in zip(given, known, strict=True)]
    return await write(request, caller, events)


@router.post("/item")
async def post_item(request: Request, caller: Annotated[Caller, needs("ingest")]) -> Response:
    """Take one item."""
    return await _put_items(request, caller, [await read_json(request, GorseItem)])


@router.post("/items")
async def post_items(request: Request, caller: Annotated[Caller, needs("ingest")]) -> Response:
    """Take many items."""
    return await _put_items(request, caller, await read_json(request, list[GorseItem]))


@router.patch("/item/{item_id}")
async def patch_item(request: Request, caller: Annotated[Caller, needs("ingest")], item_id: Id) -> Response:
    """Change what is given of an item."""
    given, service = await read_json(request, objects.ItemPatch), service_of(request)
    now = objects.item_of(service.engine.item(clean_id("item", item_id)))
    changes = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not None}
    return await _put_items(request, caller, [msgspec.structs.replace(now, **changes)])


@router.get("/item/{item_id}")
async def get_item(request: Request, _: Reader, item_id: Id) -> Response:
    """Show an item."""
    service = service_of(request)
    found = await service.work(_item, service, clean_id("item", item_id))
    if found is None:
        raise Problem("not-found", "item not found")
    return answer(objects.item_of(found))


@router.get("/items")
async def get_items(request: Request, _: Reader) -> Response:
    """List items, page by page, or those whose words hold all of ``q``."""
    service, (n, _offset) = service_of(request), page_of(request, 100)
    query, cursor = request.query_params.get("q", ""), _whole(request, "cursor", 0)
    found, after = await service.work(_search if query else _page, service, n, query or cursor)
    return answer({"Cursor": "" if after is None else str(after), "Items": [objects.item_of(one) for one in found]})


def _page(service: Service, n: int, cursor: Any) -> tuple[list[Item], int | None]:
    found, after = service.engine.items(n, cursor)
    return [one for one in found if not objects.gone(one)], after


def _search(service: Service, n: int, query: Any) -> tuple[list[Item], int | None]:
    words = query.casefold().split()
    found: list[Item] = []
    for item in list(service.engine.ledger.states.every("catalog").values()):
        if item is None or objects.gone(item) or len(found) >= n:
            continue
        text = f"{item.item_id} {item.title or ''} {' '.join(item.topics)} {item.attributes.get('labels')}".casefold()
        if all(word in text for word in words):
            found.append(item)
    return found, None


@router.delete("/item/{item_id}")
async def delete_item(request: Request, caller: Annotated[Caller, needs("ingest")], item_id: Id) -> Response:
    """Take an item out of every answer; the log keeps what was done with it."""
    service, item_id = service_of(request), clean_id("item", item_id)
    if _item(service, item_id) is None:
        return answer({"RowAffected": 0})
    return await write(request, caller, [{"type": "item", "item_id": item_id, "attributes": {"deleted": True}}])


@router.put("/item/{item_id}/category/{category}")
async def put_category(
    request: Request, caller: Annotated[Caller, needs("ingest")], item_id: Id, category: Id
) -> Response:
    """Add a category to an item."""
    now = objects.item_of(service_of(request).engine.item(clean_id("item", item_id)))
    categories = list(dict.fromkeys([*(now.categories or ()), clean_id("category", category)]))
    return await _put_items(request, caller, [msgspec.structs.replace(now, categories=categories)])


# -- feedback ----------------------------------------------------------------------------------------------------------


async def _take_feedback(request: Request, caller: Caller, how: str) -> Response:
    service, given = service_of(request), await read_json(request, list[GorseFeedback])
    now, types = parse_moment(service.engine.now()), dict(service.config.gorse_types)
    return await write(request, caller, [objects.feedback_event(one, how, types, now) for one in given])


@router.post("/feedback")
async def post_feedback(request: Request, caller: Writing) -> Response:
    """Take feedback; the value is added to what is there of the same type, user and item."""
    return await _take_feedback(request, caller, "add")


@router.put("/feedback")
async def put_feedback(request: Request, caller: Writing) -> Response:
    """Take feedback in place of what is there of the same type, user and item."""
    return await _take_feedback(request, caller, "put")


@router.get("/feedback")
@router.get("/feedback/{kind}")
async def get_feedback(request: Request, _: Reader, kind: str | None = None) -> Response:
    """List feedback, page by page."""
    service, (n, _offset) = service_of(request), page_of(request, 100)
    after, skip = _place(request.query_params.get("cursor", ""))
    found, after, skip = await service.work(rows.all_rows, service.engine, after, skip, n, kind)
    cursor = base64.urlsafe_b64encode(msgspec.json.encode([after, skip])).decode() if after or skip else ""
    return answer({"Cursor": cursor, "Feedback": found})


def _place(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "", 0
    try:
        place: tuple[str, int] = decode(base64.urlsafe_b64decode(cursor), tuple[str, int])
    except ValueError:
        raise Problem("bad-request", "cursor: give the one of the page before") from None
    return place


async def _rows(request: Request, user_id: str, **wanted: str | None) -> list[GorseFeedback]:
    service = service_of(request)
    found = await service.work(rows.rows_of_user, service.engine, clean_id("user", user_id))
    return [one for one in found.values() if all(value in (None, getattr(one, name)) for name, value in wanted.items())]


@router.get("/user/{user_id}/feedback")
@router.get("/user/{user_id}/feedback/{kind}")
async def get_user_feedback(request: Request, _: Reader, user_id: Id, kind: str | None = None) -> Response:
    """List a user's feedback."""
    return answer(await _rows(request, user_id, feedback_type=kind))


@router.get("/item/{item_id}/feedback")
@router.get("/item/{item_id}/feedback/")
@router.get("/item/{item_id}/feedback/{kind}")
async def get_item_feedback(request: Request, _: Reader, item_id: Id, kind: str | None = None) -> Response:
    """List everybody's feedback on an item."""
    service = service_of(request)
    found = await service.work(rows.rows_of_item, service.engine, clean_id("item", item_id))
    return answer([one for one in found if kind in (None, one.feedback_type)])


@router.get("/feedback/{user_id}/{item_id}")
async def get_pair(request: Request, _: Reader, user_id: Id, item_id: Id) -> Response:
    """List a user's feedback on an item."""
    return answer(await _rows(request, user_id, item_id=clean_id("item", item_id)))


@router.get("/feedback/{kind}/{user_id}/{item_id}")
async def get_one(request: Request, _: Reader, kind: Id, user_id: Id, item_id: Id) -> Response:
    """Show one row of feedback, an empty object when there is none."""
    found = await _rows(request, user_id, item_id=clean_id("item", item_id), feedback_type=kind)
    return answer(found[0] if found else {})


@router.delete("/feedback/{user_id}/{item_id}")
@router.delete("/feedback/{kind}/{user_id}/{item_id}")
async def delete_feedback(
    request: Request, caller: Annotated[Caller, needs("ingest")], user_id: Id, item_id: Id, kind: str | None = None
) -> Response:
    """Take feedback back."""
    service = service_of(request)
    found = await _rows(request, user_id, item_id=clean_id("item", item_id), feedback_type=kind)
    now = parse_moment(service.engine.now())
    events = [
        objects.feedback_event(msgspec.structs.replace(one, timestamp="", value=0.0), "delete", {}, now)
        for one in found
    ]
    return await write(request, caller, events) if events else answer({"RowAffected": 0})
