"""The dashboard: six tabs in a browser, one a room, on the same server and the same engine."""

from __future__ import annotations

from fastapi import FastAPI

from penchant.app.server.service import Service
from penchant.errors import NotInstalledError


def mount(app: FastAPI, service: Service) -> None:
    """Put the dashboard under ``/dashboard`` of an application.

    Raises:
        NotInstalledError: When NiceGUI is not there.
    """
    try:
        import nicegui  # noqa: F401
    except ImportError as error:
        raise NotInstalledError("nicegui, which the dashboard needs,", "pip install 'penchant[dashboard]'") from error
    from penchant.app.dashboard.page import mount as put

    put(app, service)
