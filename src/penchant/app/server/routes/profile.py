"""Profile: what is known of users, what they say of themselves, and their right to see and to be forgotten."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import Erased, UserPage, answer
from penchant.app.server.asking import At, Cursor, Level, N, UserId, needs
from penchant.app.server.keys import Caller
from penchant.app.server.logs import LOG
from penchant.app.server.openapi import told
from penchant.app.server.reading import clean_id, read_json
from penchant.app.server.routes.collect import Id, Writing, take
from penchant.app.server.service import service_of
from penchant.clock import from_s
from penchant.domain.alike import Export
from penchant.domain.consent import Consent, Purpose
from penchant.domain.event import Receipt
from penchant.domain.profile import Profile
from penchant.errors import EventError

router = APIRouter(tags=["profile"])
Reader = Annotated[Caller, needs("read")]
Topic = Annotated[str, Query(min_length=1, max_length=256, description="The topic, alone or with all under it.")]


class UserBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Facts about a user; each given one replaces what was known under its name."""

    user_id: Id
    facts: dict[str, Any]
    at: str | float | None = None
    event_id: Id | None = None


class StatementBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a user says of a topic: 1 = likes it very much, -1 = not at all, 0 withdraws what was said before."""

    topic: Id
    value: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 1.0
    scope: Literal["always", "now"] = "always"
    until: str | None = None
    at: str | float | None = None


class MuteBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A topic that a user does not want to be shown; it is still learned from."""

    topic: Id
    until: str | None = None


class ConsentBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a user says of a purpose, and how it is known."""

    purpose: Purpose
    given: bool
    source: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    version: str | None = None
    text: str | None = None
    evidence: str | None = None
    at: str | float | None = None


class Consents(msgspec.Struct):
    """A user's newest words."""

    user_id: str
    consents: list[Consent]


@router.post("/v1/users")
@told(
    Receipt,
    body=UserBody | list[UserBody],
    example={"user_id": "ann", "facts": {"city": "Kyoto"}},
    problems=("event-refused",),
)
async def post_users(request: Request, caller: Writing) -> Response:
    """Tell facts about one user, or many."""
    given = await read_json(request, UserBody | list[UserBody])
    several = isinstance(given, list)
    events = [{"type": "user", **msgspec.to_builtins(one)} for one in (given if several else [given])]
    return answer(await take(service_of(request), caller, events, several))


@router.get("/v1/users")
@told(UserPage)
async def get_users(request: Request, _: Reader, n: N = 100, cursor: Cursor = None) -> Response:
    """List the users of whom something is known, in the order of their ids."""
    service = service_of(request)
    after = None if cursor is None else clean_id("cursor", cursor)
    found = await service.work(service.engine.users, n, after)
    return answer(UserPage(user_ids=found, cursor=found[-1] if len(found) == n else None))


@router.get("/v1/users/{user_id}/profile")
@told(Profile)
async def get_profile(
    request: Request, _: Reader, user_id: UserId, n: N = 10, at: At = None, level: Level = None
) -> Response:
    """Show facts, behaviour and interests; ``known`` is false for a user of whom nothing is known."""
    service = service_of(request)
    return answer(await service.work(service.engine.profile, user_id, at, n, level=level))


@router.post("/v1/users/{user_id}/statements")
@told(Receipt, body=StatementBody, example={"topic": "tea", "value": 0.8}, problems=("event-refused",))
async def post_statement(request: Request, caller: Annotated[Caller, needs("ingest")], user_id: UserId) -> Response:
    """Take what a user says of a topic; it outranks what is inferred, and replaces what was said before."""
    said = await read_json(request, StatementBody)
    return await _say(request, caller, user_id, said.topic, said.value, said.scope, said.until, said.at)


@router.delete("/v1/users/{user_id}/statements")
@told(Receipt, problems=("event-refused",))
async def delete_statement(
    request: Request,
    caller: Annotated[Caller, needs("ingest")],
    user_id: UserId,
    topic: Topic,
    scope: Annotated[Literal["always", "now"], Query(description="What was said for good, or for now.")] = "always",
) -> Response:
    """Withdraw what a user said of a topic."""
    return await _say(request, caller, user_id, topic, 0.0, scope)


@router.post("/v1/users/{user_id}/mutes")
@told(Receipt, body=MuteBody, example={"topic": "coffee"}, problems=("event-refused",))
async def post_mute(request: Request, caller: Annotated[Caller, needs("ingest")], user_id: UserId) -> Response:
    """Stop recommending a topic, and those under it, to a user."""
    muted = await read_json(request, MuteBody)
    return await _say(request, caller, user_id, muted.topic, 1.0, "mute", muted.until)


@router.delete("/v1/users/{user_id}/mutes")
@told(Receipt, problems=("event-refused",))
async def delete_mute(
    request: Request, caller: Annotated[Caller, needs("ingest")], user_id: UserId, topic: Topic
) -> Response:
    """Recommend a muted topic again."""
    return await _say(request, caller, user_id, topic, 0.0, "mute")


async def _say(
    request: Request,
    caller: Caller,
    user_id: str,
    topic: str,
    value: float,
    scope: str,
    until: str | None = None,
    at: str | float | None = None,
) -> Response:
    event = {"type": "statement", "user_id": user_id, "topics": [topic], "value": value, "scope": scope}
    given = {**event, "until": until, "at": at}
    return answer(await take(service_of(request), caller, [given], several=False))


@router.post("/v1/users/{user_id}/consents")
@told(
    Receipt,
    body=ConsentBody,
    example={"purpose": "personalise", "given": False, "version": "2026-03"},
    problems=("event-refused",),
)
async def post_consent(request: Request, caller: Annotated[Caller, needs("ingest")], user_id: UserId) -> Response:
    """Take a user's word on a purpose; a refusal acts on everything from the next request on."""
    word, service = await read_json(request, ConsentBody), service_of(request)
    receipt = await service.work(service.engine.consent, user_id, **msgspec.structs.asdict(word))
    service.kept.drop(user_id)
    if receipt.refusals:
        raise EventError(receipt.refusals[0].reason)
    return answer(receipt)


@router.get("/v1/users/{user_id}/consents")
@told(Consents)
async def get_consents(request: Request, _: Reader, user_id: UserId) -> Response:
    """List the newest word on every purpose; where there is none, what the settings say."""
    service = service_of(request)
    return answer(Consents(user_id, list(await service.work(service.engine.consents, user_id))))


@router.get("/v1/users/{user_id}/export")
@told(Export)
async def get_export(request: Request, caller: Reader, user_id: UserId) -> Response:
    """Give everything kept of a user: the profile and every event."""
    service = service_of(request)
    kept = await service.work(service.engine.export, user_id)
    _audit(request, caller, "export", len(kept.events))
    return await service.work(answer, kept)


@router.delete("/v1/users/{user_id}")
@told(Erased)
async def delete_user(request: Request, caller: Annotated[Caller, needs("admin")], user_id: UserId) -> Response:
    """Erase a user from the log, the states and what everybody did, for good; the answer is a receipt.

    Fitted models hold no user ids; they lose the user's influence when they are fitted next.
    """
    service = service_of(request)
    erased = await service.work(service.engine.forget, user_id)
    service.kept.drop(user_id)
    _audit(request, caller, "forget", erased)
    return answer(Erased(user_id, erased, from_s(service.engine.now())))


def _audit(request: Request, caller: Caller, action: str, events: int) -> None:
    """Log that somebody's data were given out or erased: by which key, not whose."""
    extra = {"action": action, "events": events, "key": caller.id, "request_id": request.scope["penchant.request_id"]}
    LOG.info("audit", extra=extra)
