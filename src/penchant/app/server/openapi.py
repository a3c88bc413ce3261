"""The description of the API: bodies and answers as schemas made from the very types that are read and sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from penchant.app.server.answers import ProblemDocument
from penchant.app.server.problems import MEDIA_TYPE, TITLES

F = TypeVar("F", bound=Callable[..., Any])
REF = "#/components/schemas/{name}"
DESCRIPTION = """\
Live, dated, explainable interest profiles, and recommendations from them.

Every error is a problem document (RFC 9457). Every answer has an `X-Request-ID`; one that is given is kept.
Events are taken once by `event_id`: sending them again after a broken connection is safe.
"""
TAGS = {
    "collect": "Events, items and feedback go in.",
    "profile": "What is known of a user; statements; export and forgetting.",
    "interest": "What a user cares about, now and at a moment.",
    "recommend": "Lists, reasons, and what is alike.",
    "evaluate": "Work in the background: fit, evaluate, rebuild.",
    "operate": "Whether it lives, and its figures.",
}
ALWAYS = ("bad-value", "no-key", "not-allowed", "too-many-requests", "storage", "headers-too-large")


@dataclass(frozen=True)
class Told:
    """What a route reads and answers."""

    answer: Any
    body: Any = None
    example: Any = None
    answer_example: Any = None
    problems: tuple[str, ...] = ()
    media_type: str = "application/json"
    body_type: str = "application/json"
    status: int = 200
    links: dict[str, Any] = field(default_factory=dict)


_TOLD: dict[Callable[..., Any], Told] = {}


def told(answer: Any, **more: Any) -> Callable[[F], F]:
    """Return a decorator that notes what a route reads and answers; see ``Told``."""

    def note(function: F) -> F:
        _TOLD[function] = Told(answer, **more)
        return function

    return note


def describe(app: FastAPI, version: str, routers: Sequence[APIRouter]) -> dict[str, Any]:
    """Return the OpenAPI document of an app with the routes of these routers."""
    document = get_openapi(
        title="penchant",
        version=version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": meaning} for name, meaning in TAGS.items()],
    )
    routes = {
        (route.path, method.lower()): route.endpoint
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    described = [
        (operation, _TOLD[routes[path, method]])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    kinds: list[Any] = [kind for _, told in described for kind in (told.answer, told.body) if kind is not None]
    kinds = [ProblemDocument, *kinds]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    of = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    for operation, told in described:
        _fill(operation, told, of)
    document["components"] = {
        "schemas": components,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    }
    return document


def _fill(operation: dict[str, Any], told: Told, of: dict[int, Any]) -> None:
    """Put schemas and examples into the description of one route."""
    public = "operate" in operation.get("tags", ()) and told.media_type == "application/json"
    operation["security"] = [] if public else [{"bearer": []}, {"apiKey": []}]
    if told.body is not None:
        content: dict[str, Any] = {"schema": of[id(told.body)]}
        if told.example is not None:
            content["example"] = told.example
        operation["requestBody"] = {"required": True, "content": {told.body_type: content}}
    good: dict[str, Any] = {"description": "Done"}
    if told.answer is not None:
        content = {"schema": of[id(told.answer)]}
        if told.answer_example is not None:
            content["example"] = told.answer_example
        good["content"] = {told.media_type: content}
    if told.links:
        good["links"] = told.links
    body = ("bad-request", "body-too-large", "wrong-media-type", "too-slow", "busy") if told.body is not None else ()
    named = dict.fromkeys((*ALWAYS, *body, *told.problems, "internal"))
    operation["responses"] = {str(told.status): good}
    for name in named:
        status, title = TITLES[name]
        known = operation["responses"].setdefault(
            str(status), {"description": title, "content": {MEDIA_TYPE: {"schema": of[id(ProblemDocument)]}}}
        )
        if title not in known["description"]:
            known["description"] += f"; {title[0].lower()}{title[1:]}"
