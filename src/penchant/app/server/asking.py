"""The parts of a question that many routes share: ids from the path, the role that is needed, ``n`` and ``at``."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Path, Query
from starlette.requests import Request

from penchant.app.server.keys import Caller
from penchant.app.server.problems import Problem
from penchant.app.server.reading import clean_id


def needs(role: str, *, user_in_body: bool = False, alone: bool = False) -> Any:
    """Return the dependency of a route that a key with this role may use.

    A key that is confined to a user may use only the routes of that user, and those whose body names the user
    (``user_in_body``), which then look themselves; none of those that tell of other users (``alone``).
    """

    async def check(request: Request) -> Caller:
        caller: Caller = request.scope["penchant.caller"]
        if not caller.may(role):
            raise Problem("not-allowed", f"this needs a key with the role {role!r}")
        if caller.user_id is not None and not user_in_body:
            named = request.path_params.get("user_id")
            if alone or named is None or clean_id("user_id", named) != caller.user_id:
                raise Problem("not-allowed", "this key is confined to one user")
        return caller

    return Depends(check)


_Text = Annotated[str, Path(min_length=1, max_length=256)]


async def _user_id(user_id: _Text) -> str:
    return clean_id("user_id", user_id)


async def _item_id(item_id: _Text) -> str:
    return clean_id("item_id", item_id)


UserId: TypeAlias = Annotated[str, Depends(_user_id)]
ItemId: TypeAlias = Annotated[str, Depends(_item_id)]
N: TypeAlias = Annotated[int, Query(ge=1, le=1000, description="How many, at most.")]
Level: TypeAlias = Annotated[
    int | None, Query(ge=0, le=1000, description="Sum up to this level of the topic hierarchy, 0 for the top.")
]
At: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The moment asked about, ISO 8601 in UTC; the answer knows nothing after it. Left out: now.",
        examples=["2026-03-01T12:00:00Z"],
    ),
]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=1024, description="From the page before; left out: begin.")]
