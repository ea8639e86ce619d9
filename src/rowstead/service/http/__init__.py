"""The service over HTTP: what may be handed to strangers is called by them, by JSON-RPC 2.0.

Nothing here needs Starlette or uvicorn until a server is made (`HTTPService.asgi`) or listens; they come
with the extra `serve`.
"""

from rowstead.service.http.authentication import Incoming, Tokens, Unauthenticated
from rowstead.service.http.limits import Limits
from rowstead.service.http.service import HTTPService

__all__ = ["HTTPService", "Incoming", "Limits", "Tokens", "Unauthenticated"]
