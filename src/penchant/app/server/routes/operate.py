"""Operate: whether the server lives and can do its work, its figures, and what the engine holds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from penchant import __version__
from penchant.app.server.answers import Health, Status, answer
from penchant.app.server.asking import needs
from penchant.app.server.keys import Caller
from penchant.app.server.meter import MEDIA_TYPE
from penchant.app.server.openapi import told
from penchant.app.server.service import Service, service_of

router = APIRouter(tags=["operate"])


@router.get("/health/live")
@told(Health)
async def live() -> Response:
    """Say that the process answers."""
    return answer(Health(ready=True))


@router.get("/health/ready")
@told(Health)
async def ready(request: Request) -> Response:
    """Say whether the log can be reached and there is room for events; 503 when not."""
    found = await service_of(request).ready()
    return answer(found, 200 if found.ready else 503)


@router.get("/metrics")
@told(str, media_type=MEDIA_TYPE)
async def metrics(request: Request, _: Annotated[Caller, needs("read")]) -> Response:
    """Show the figures in Prometheus' text format."""
    service = service_of(request)
    return Response(await service.work(service.meter.text), media_type=MEDIA_TYPE)


@router.get("/v1/status")
@told(Status)
async def status(request: Request, _: Annotated[Caller, needs("read")]) -> Response:
    """Show how much the engine holds."""
    service = service_of(request)
    return answer(await service.work(_status, service))


def _status(service: Service) -> Status:
    engine = service.engine
    kind: Any = engine.settings.url.partition(":")[0].partition("+")[0]
    return Status(
        version=__version__,
        events=engine.log.count(),
        items=len(engine.ledger.items),
        topics=len(engine.ledger.topics),
        position=engine.log.tail(),
        storage=kind,
    )
