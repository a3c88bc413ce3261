"""Evaluate, and whatever else takes long: asked for once, done in the background, looked at until it is done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from penchant.app.server.answers import answer
from penchant.app.server.asking import needs
from penchant.app.server.keys import Caller
from penchant.app.server.openapi import told
from penchant.app.server.problems import Problem
from penchant.app.server.reading import read_json
from penchant.app.server.service import service_of
from penchant.app.server.tasks import Task, TaskBody, TaskList

router = APIRouter(tags=["evaluate"])
Admin = Annotated[Caller, needs("admin")]


@router.post("/v1/tasks")
@told(Task, body=TaskBody, example={"kind": "fit", "what": ["tracker", "item_knn"]}, status=202)
async def post_task(request: Request, _: Admin) -> Response:
    """Ask for a fit, an evaluation of lists on the log, or a rebuild; it is done after what was asked before it."""
    service = service_of(request)
    task = await service.work(service.tasks.add, await read_json(request, TaskBody))
    return answer(task, 202, {"Location": f"/v1/tasks/{task.id}"})


@router.get("/v1/tasks")
@told(TaskList)
async def get_tasks(request: Request, _: Admin) -> Response:
    """List the newest tasks."""
    return answer(TaskList(service_of(request).tasks.every()))


@router.get("/v1/tasks/{task_id}")
@told(Task, problems=("not-found",))
async def get_task(request: Request, _: Admin, task_id: Annotated[str, Path(min_length=1, max_length=64)]) -> Response:
    """Show how far a task is, and what came of it."""
    found = service_of(request).tasks.get(task_id)
    if found is None:
        raise Problem("not-found", "no such task; the newest 50 are kept")
    return answer(found)
