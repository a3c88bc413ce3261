"""Everything that can be asked, each as a function that returns the request; both clients have them as methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from penchant.client.calls import Call, asked, encode, events_body, user_path, when
from penchant.clock import Moment
from penchant.domain.alike import Export, SimilarItem, SimilarUser
from penchant.domain.consent import Consent, Purpose
from penchant.domain.event import Receipt
from penchant.domain.interests import Interest
from penchant.domain.item import Item
from penchant.domain.profile import Profile
from penchant.domain.slate import Explanation, Recommendation


def ingest(events: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Call[Receipt]:
    """Send one event, or many; when this returns they are durable and every answer knows them.

    Events without an ``event_id`` get one, so that sending again after a broken connection counts nothing twice.
    """
    return Call("POST", "/v1/events", Receipt, body=events_body(events))


def put_item(
    item_id: str,
    title: str | None = None,
    topics: list[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Call[Receipt]:
    """Put an item into the catalogue."""
    body = encode(item_id=item_id, title=title, topics=topics, attributes=attributes)
    return Call("POST", "/v1/items", Receipt, body=body)


def feedback(
    recommendation_id: str, user_id: str, item_id: str, type: str = "click", value: float | None = None
) -> Call[Receipt]:
    """Tell what a user did with an item of a list that was recommended."""
    body = encode(recommendation_id=recommendation_id, user_id=user_id, item_id=item_id, type=type, value=value)
    return Call("POST", "/v1/feedback", Receipt, body=body)


def item(item_id: str) -> Call[Item]:
    """Return what the catalogue says of an item."""
    return Call("GET", f"/v1/items/{quote(item_id, safe='')}", Item)


def items(n: int = 100, cursor: str | None = None) -> Call[dict[str, Any]]:
    """Return a part of the catalogue: ``items``, and the ``cursor`` of the next part."""
    return Call("GET", "/v1/items", dict[str, Any], asked(n=n, cursor=cursor))


def users(n: int = 100, cursor: str | None = None) -> Call[dict[str, Any]]:
    """Return a part of the users: ``user_ids``, and the ``cursor`` of the next part."""
    return Call("GET", "/v1/users", dict[str, Any], asked(n=n, cursor=cursor))


def profile(user_id: str, at: Moment | None = None, n: int = 10, *, level: int | None = None) -> Call[Profile]:
    """Return what is known of a user."""
    return Call("GET", user_path(user_id, "/profile"), Profile, asked(at=when(at), n=n, level=level))


def interests(user_id: str, n: int = 10, at: Moment | None = None, *, level: int | None = None) -> Call[list[Interest]]:
    """Return a user's ``n`` most probable topics."""
    params = asked(n=n, at=when(at), level=level)
    return Call("GET", user_path(user_id, "/interests"), list[Interest], params, pick="interests")


def say(
    user_id: str,
    topic: str,
    value: float = 1.0,
    *,
    scope: Literal["always", "now"] = "always",
    until: Moment | None = None,
    at: Moment | None = None,
) -> Call[Receipt]:
    """Take what a user says of a topic; 0 withdraws it."""
    body = encode(topic=topic, value=value, scope=scope, until=when(until), at=when(at))
    return Call("POST", user_path(user_id, "/statements"), Receipt, body=body)


def mute(user_id: str, topic: str, until: Moment | None = None) -> Call[Receipt]:
    """Stop recommending a topic to a user."""
    return Call("POST", user_path(user_id, "/mutes"), Receipt, body=encode(topic=topic, until=when(until)))


def unmute(user_id: str, topic: str) -> Call[Receipt]:
    """Recommend a muted topic again."""
    return Call("DELETE", user_path(user_id, "/mutes"), Receipt, {"topic": topic})


def recommend(
    user_id: str,
    n: int = 10,
    at: Moment | None = None,
    context: Mapping[str, Any] | None = None,
    exclude: Iterable[str] | None = None,
    strategy: str | None = None,
    *,
    filter: str | None = None,
    boost: Mapping[str, float] | None = None,
    pin: Mapping[str, int] | None = None,
    quota: Sequence[Mapping[str, Any]] | None = None,
) -> Call[list[Recommendation]]:
    """Return ``n`` items for a user, each with source, reason and evidence."""
    call = slate(user_id, n, at, context, exclude, strategy, filter=filter, boost=boost, pin=pin, quota=quota)
    return Call(call.method, call.path, list[Recommendation], body=call.body, pick="recommendations")


def slate(
    user_id: str,
    n: int = 10,
    at: Moment | None = None,
    context: Mapping[str, Any] | None = None,
    exclude: Iterable[str] | None = None,
    strategy: str | None = None,
    *,
    filter: str | None = None,
    boost: Mapping[str, float] | None = None,
    pin: Mapping[str, int] | None = None,
    quota: Sequence[Mapping[str, Any]] | None = None,
) -> Call[dict[str, Any]]:
    """Return the list as the server sends it, with the ``recommendation_id`` that feedback names."""
    rules = {"filter": filter, "boost": boost, "pin": pin, "quota": quota}
    body = encode(n=n, at=when(at), context=context, exclude=list(exclude or ()), strategy=strategy, **rules)
    return Call("POST", user_path(user_id, "/recommendations"), dict[str, Any], body=body)


def explain(user_id: str, item_id: str, at: Moment | None = None) -> Call[Explanation]:
    """Return why an item is, or is not, recommended to a user."""
    path = user_path(user_id, f"/explanations/{quote(item_id, safe='')}")
    return Call("GET", path, Explanation, asked(at=when(at)))


def similar_items(item_id: str, n: int = 10, at: Moment | None = None) -> Call[list[SimilarItem]]:
    """Return items like one."""
    path = f"/v1/items/{quote(item_id, safe='')}/similar"
    return Call("GET", path, list[SimilarItem], asked(n=n, at=when(at)), pick="similar")


def similar_users(user_id: str, n: int = 10) -> Call[list[SimilarUser]]:
    """Return users like one."""
    return Call("GET", user_path(user_id, "/similar"), list[SimilarUser], {"n": n}, pick="similar")


def consent(
    user_id: str,
    purpose: Purpose,
    given: bool = True,
    *,
    source: str | None = None,
    version: str | None = None,
    text: str | None = None,
    evidence: str | None = None,
    at: Moment | None = None,
) -> Call[Receipt]:
    """Take a user's word on a purpose; a refusal acts on everything from here on."""
    said = {"source": source, "version": version, "text": text, "evidence": evidence}
    body = encode(purpose=purpose, given=given, at=when(at), **said)
    return Call("POST", user_path(user_id, "/consents"), Receipt, body=body)


def consents(user_id: str) -> Call[list[Consent]]:
    """Return the newest word on every purpose."""
    return Call("GET", user_path(user_id, "/consents"), list[Consent], pick="consents")


def export(user_id: str) -> Call[Export]:
    """Return everything kept of a user."""
    return Call("GET", user_path(user_id, "/export"), Export)


def forget(user_id: str) -> Call[int]:
    """Erase a user for good; return how many events were erased."""
    return Call("DELETE", user_path(user_id), int, pick="erased_events")


def start_task(kind: Literal["fit", "evaluate", "rebuild"], **options: Any) -> Call[dict[str, Any]]:
    """Ask for work in the background: ``fit`` (``what=[…]``), ``evaluate`` (``max_users``, ``test``), ``rebuild``."""
    return Call("POST", "/v1/tasks", dict[str, Any], body=encode(kind=kind, **options))


def task(task_id: str) -> Call[dict[str, Any]]:
    """Return how far a task is, and what came of it."""
    return Call("GET", f"/v1/tasks/{quote(task_id, safe='')}", dict[str, Any])


def status() -> Call[dict[str, Any]]:
    """Return what the engine holds."""
    return Call("GET", "/v1/status", dict[str, Any])
