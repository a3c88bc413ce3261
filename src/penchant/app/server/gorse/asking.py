"""Gorse's paths of lists: recommendations, neighbours, the newest and the most liked, sessions, health."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import answer
from penchant.app.server.asking import needs
from penchant.app.server.gorse import objects
from penchant.app.server.gorse.objects import GorseFeedback
from penchant.app.server.gorse.routes import lists_of, page_of
from penchant.app.server.keys import Caller
from penchant.app.server.problems import Problem
from penchant.app.server.reading import clean_id, read_json
from penchant.app.server.routes.collect import take
from penchant.app.server.service import service_of
from penchant.clock import parse_moment

router = APIRouter(prefix="/api", include_in_schema=False)
Id = Annotated[str, Path()]
Asker = Annotated[Caller, needs("recommend")]
NOT_PERSONAL = {"latest": "new", "popular": "popular", "trending": "popular"}
"""Our sources by the names of Gorse's lists for everybody."""


def _categories(request: Request, category: str = "") -> list[str]:
    return [one for one in (category, *request.query_params.getlist("category")) if one]


@router.get("/recommend/{user_id}")
@router.get("/recommend/{user_id}/")
@router.get("/recommend/{user_id}/{category}")
async def get_recommend(request: Request, caller: Asker, user_id: Id, category: str = "") -> Response:
    """Recommend items that the user has not dealt with; ids, or with ``X-API-Version: 2`` scores too."""
    service, (n, offset) = service_of(request), page_of(request)
    lists, user_id = lists_of(service), clean_id("user", user_id)
    read = await service.work(lists.read_by, user_id)
    found = await service.work(lists.recommend, user_id, _categories(request, category), n, offset, None, read)
    back = request.query_params.get("write-back-type")
    if back:
        if not caller.may("ingest"):
            raise Problem("not-allowed", "write-back needs a key with the role 'ingest'")
        now = parse_moment(service.engine.now())
        at = (now + objects.delay(request.query_params.get("write-back-delay", ""))).isoformat()
        shown = [GorseFeedback(back, user_id, one.id, timestamp=at) for one in found]
        types = dict(service.config.gorse_types)
        await take(service, caller, [objects.feedback_event(one, "add", types, now) for one in shown])
    scored = request.headers.get("x-api-version") == "2"
    return answer(found if scored else [one.id for one in found])


@router.get("/collaborative-filtering/{user_id}")
@router.get("/collaborative-filtering/{user_id}/{category}")
async def get_collaborative(request: Request, _: Asker, user_id: Id, category: str = "") -> Response:
    """Give the final list with scores, which is what Gorse answers here."""
    service, (n, offset) = service_of(request), page_of(request)
    found = await service.work(
        lists_of(service).recommend, clean_id("user", user_id), _categories(request, category), n, offset
    )
    return answer(found)


@router.get("/latest")
@router.get("/latest/{category}")
@router.get("/popular")
@router.get("/popular/{category}")
@router.get("/non-personalized/{name}")
async def get_for_everybody(request: Request, _: Asker, name: str = "", category: str = "") -> Response:
    """List what is new, or most liked, without what ``user-id`` has dealt with."""
    service, (n, offset) = service_of(request), page_of(request)
    name = name or request.url.path.split("/")[2]
    if name not in NOT_PERSONAL:
        raise Problem("not-found", f"no list named {name[:40]!r}; known: {', '.join(NOT_PERSONAL)}")
    lists, user_id = lists_of(service), request.query_params.get("user-id", "")
    without = await service.work(lists.read_by, user_id)
    strategy = NOT_PERSONAL[name]
    return answer(await service.work(lists.recommend, "", _categories(request, category), n, offset, strategy, without))


@router.get("/item/{item_id}/neighbors")
@router.get("/item/{item_id}/neighbors/")
@router.get("/item/{item_id}/neighbors/{category}")
@router.get("/item-to-item/{name}/{item_id}")
async def get_item_neighbors(request: Request, _: Asker, item_id: Id, name: str = "", category: str = "") -> Response:
    """List items like one; the name of the list does not matter, we have one."""
    service, (n, offset) = service_of(request), page_of(request)
    lists = lists_of(service)
    without = await service.work(lists.read_by, request.query_params.get("user-id", ""))
    categories = _categories(request, category)
    return answer(await service.work(lists.like_item, clean_id("item", item_id), categories, n, offset, without))


@router.get("/user/{user_id}/neighbors")
@router.get("/user/{user_id}/neighbors/")
@router.get("/user-to-user/{name}/{user_id}")
async def get_user_neighbors(
    request: Request, _: Annotated[Caller, needs("recommend", alone=True)], user_id: Id, name: str = ""
) -> Response:
    """List users like one."""
    service, (n, offset) = service_of(request), page_of(request)
    return answer(await service.work(lists_of(service).like_user, clean_id("user", user_id), n, offset))


@router.post("/session/recommend")
@router.post("/session/recommend/{category}")
async def post_session(request: Request, _: Asker, category: str = "") -> Response:
    """List what is like the items of a session that is told with the question and kept nowhere."""
    service, (n, offset) = service_of(request), page_of(request)
    items = [objects.check_id(one.item_id) for one in await read_json(request, list[GorseFeedback])][-100:]
    return answer(await service.work(lists_of(service).session, items, _categories(request, category), n, offset))


@router.get("/health/live")
@router.get("/health/ready")
async def get_health(request: Request) -> Response:
    """Say whether the log can be reached."""
    found = await service_of(request).ready()
    told = found.reason or ""
    status = {
        "Ready": found.ready,
        "DataStoreError": told,
        "CacheStoreError": "",
        "DataStoreConnected": found.ready,
        "CacheStoreConnected": True,
    }
    return answer(status, 200 if found.ready or request.url.path.endswith("live") else 503)
