"""The application: routes, guard and errors put together around one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from penchant import __version__
from penchant.app.server.config import ServerConfig
from penchant.app.server.guard import Guard
from penchant.app.server.openapi import describe
from penchant.app.server.problems import Problem, problem_of_status
from penchant.app.server.routes import collect, evaluate, interest, operate, profile, recommend
from penchant.app.server.service import Service
from penchant.engine import Engine


def create_app(engine: Engine, config: ServerConfig | None = None) -> FastAPI:
    """Return the ASGI application of an engine; closing the engine stays with the caller.

    Args:
        engine: Answers and takes events. One application writes through it; others may read its log.
        config: Limits, keys and what else is on; the host and port in it are those that it will be reached at.
    """
    service = Service(engine, config or ServerConfig())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="penchant", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.service = service
    routers = [room.router for room in (collect, profile, interest, recommend, evaluate, operate)]
    for router in routers:
        app.include_router(router)
    if "gorse" in service.config.compat:
        from penchant.app.server.gorse import asking, routes

        app.include_router(asking.router)  # before the others: /user/…/neighbors is no feedback type
        app.include_router(routes.router)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_wrong_parameter)
    if service.config.dashboard:
        from penchant.app.dashboard import mount

        mount(app, service)  # inside the guard, with a door of its own
    app.add_middleware(Guard, service=service)
    if service.config.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.config.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id"],
            expose_headers=["x-request-id"],
        )
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(app, __version__, routers))
        return described

    app.openapi = openapi  # type: ignore[method-assign]
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    words = {404: "no such path; see /openapi.json", 405: "the path does not know this method"}
    problem = problem_of_status(error.status_code, words.get(error.status_code, str(error.detail)), error.headers)
    raise problem  # to the guard, which knows how to tell it


async def _wrong_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    raise Problem("bad-value", f"{where}: {first['msg']}")
