"""Recommend: lists for users, with reasons; why an item is or is not in one."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import Recommendations, SimilarItems, SimilarUsers, answer, encode
from penchant.app.server.asking import At, ItemId, N, UserId, needs
from penchant.app.server.keys import Caller
from penchant.app.server.openapi import told
from penchant.app.server.reading import read_json
from penchant.app.server.service import Service, service_of
from penchant.domain.slate import Explanation, Recommendation
from penchant.engine import Engine

router = APIRouter(tags=["recommend"])
Asker = Annotated[Caller, needs("recommend")]
MAX_EXCLUDED = 1000
MAX_RULES = 100


class ListBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A question for a list; the rules are those of docs/how-to/apply-business-rules.md."""

    n: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    at: str | float | None = None
    strategy: str | None = None
    exclude: Annotated[list[str], msgspec.Meta(max_length=MAX_EXCLUDED)] = []
    context: dict[str, Any] = {}
    filter: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    boost: Annotated[dict[str, float], msgspec.Meta(max_length=MAX_RULES)] = {}
    pin: Annotated[dict[str, int], msgspec.Meta(max_length=MAX_RULES)] = {}
    quota: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_RULES)] = []
    why: bool = True


@router.get("/v1/users/{user_id}/recommendations")
@told(Recommendations, problems=("unknown-name", "not-fitted", "not-installed"))
async def get_recommendations(
    request: Request,
    _: Asker,
    user_id: UserId,
    n: N = 10,
    at: At = None,
    strategy: Annotated[str | None, Query(max_length=64, description="One source or model; default: all.")] = None,
    exclude: Annotated[list[str] | None, Query(max_length=MAX_EXCLUDED, description="Items to leave out.")] = None,
    filter: Annotated[
        str | None, Query(max_length=2000, description="Only items for which this holds.", examples=["price < 20"])
    ] = None,
    why: Annotated[bool, Query(description="Give reason, evidence and score by source.")] = True,
) -> Response:
    """Recommend items to a user, who may be unknown."""
    asked = ListBody(n=n, at=at, strategy=strategy, exclude=exclude or [], filter=filter, why=why)
    return await _list(service_of(request), user_id, asked)


@router.post("/v1/users/{user_id}/recommendations")
@told(
    Recommendations,
    body=ListBody,
    example={"n": 5, "exclude": ["t1"], "context": {"device": "phone"}, "boost": {'topic = "tea"': 1.5}},
    problems=("unknown-name", "not-fitted", "not-installed"),
)
async def post_recommendations(request: Request, _: Asker, user_id: UserId) -> Response:
    """Recommend items to a user; the question stands in the body, where there is room for a context."""
    return await _list(service_of(request), user_id, await read_json(request, ListBody))


async def _list(service: Service, user_id: str, asked: ListBody) -> Response:
    question = msgspec.json.encode(asked) if asked.at is None else None
    body = service.kept.get(user_id, question) if question else None
    service.meter.kept(body is not None)
    if body is None:
        begun = service.kept.begin(user_id)
        body = await service.work(make_list, service.engine, user_id, asked)
        if question:
            service.kept.put(user_id, question, body, begun)
    # The list may be one that was kept; the id is this answer's own.
    start = f'{{"recommendation_id":"r-{service.new_id()}",'.encode()
    return Response(start + body[1:], media_type="application/json")


def make_list(engine: Engine, user_id: str, asked: ListBody) -> bytes:
    """Return the answer to a question for a list, as JSON without its id."""
    slate = engine.recommend(
        user_id,
        asked.n,
        asked.at,
        asked.context,
        asked.exclude,
        asked.strategy,
        filter=asked.filter,
        boost=asked.boost,
        pin=asked.pin,
        quota=asked.quota,
    )
    if not asked.why:
        slate = [_bare(one) for one in slate]
    return encode({"user_id": user_id, "recommendations": slate})


def _bare(one: Recommendation) -> Recommendation:
    return dataclasses.replace(one, reason="", evidence=(), parts={})


@router.get("/v1/users/{user_id}/explanations/{item_id}")
@told(Explanation)
async def get_explanation(request: Request, _: Asker, user_id: UserId, item_id: ItemId, at: At = None) -> Response:
    """Say why an item is, or is not, recommended to a user."""
    service = service_of(request)
    return answer(await service.work(service.engine.explain, user_id, item_id, at))


@router.get("/v1/items/{item_id}/similar")
@told(SimilarItems)
async def get_similar_items(request: Request, _: Asker, item_id: ItemId, n: N = 10, at: At = None) -> Response:
    """List items like one: taken by the same users, near in the item vectors, or about the same topics."""
    service = service_of(request)
    return answer(SimilarItems(item_id, await service.work(service.engine.similar_items, item_id, n, at)))


@router.get("/v1/users/{user_id}/similar")
@told(SimilarUsers)
async def get_similar_users(
    request: Request, _: Annotated[Caller, needs("recommend", alone=True)], user_id: UserId, n: N = 10
) -> Response:
    """List the users whose long-term interests are most like a user's; not for a key that is confined to a user."""
    service = service_of(request)
    return answer(SimilarUsers(user_id, await service.work(service.engine.similar_users, user_id, n)))
