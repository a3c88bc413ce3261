"""A client of the HTTP API, in two forms, whose answers are the engine's own types."""

from penchant.client.calls import ServerError
from penchant.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ServerError"]
