"""Interest: what a user cares about, now and at any moment before."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import Interests, answer
from penchant.app.server.asking import At, Level, N, UserId
from penchant.app.server.openapi import told
from penchant.app.server.routes.profile import Reader
from penchant.app.server.service import service_of
from penchant.domain.taste import Taste

router = APIRouter(tags=["interest"])


@router.get("/v1/users/{user_id}/interests")
@told(Interests)
async def get_interests(
    request: Request, _: Reader, user_id: UserId, n: N = 10, at: At = None, level: Level = None
) -> Response:
    """List a user's interests, the most probable first; none for an unknown user."""
    service = service_of(request)
    found = await service.work(service.engine.interests, user_id, n, at, level=level)
    return answer(Interests(user_id, found))


@router.get("/v1/users/{user_id}/taste")
@told(Taste)
async def get_taste(request: Request, _: Reader, user_id: UserId, at: At = None) -> Response:
    """Show the items that stand for a user's taste; it needs item vectors (fit ``taste``)."""
    service = service_of(request)
    return answer(await service.work(service.engine.taste, user_id, at))
