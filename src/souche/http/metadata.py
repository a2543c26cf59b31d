"""The guests' metadata over HTTP: a plain ASGI application that identifies a guest by its source address."""

from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from souche.api.protocol.request_errors import RETRY_SECONDS, TooManyRequests
from souche.app import metadata
from souche.app.context.region import Region
from souche.http.turns import Bounds, Turns

# IMDSv1 only (reference section 9): no PUT for a token.
METHODS: Final = ["GET", "HEAD"]

BOUNDS: Final = Bounds(threads=16, most_each=4, most_waiting=64, most_seconds=30)
"""on requests; each guest counts like an account of the API"""


def create_metadata_app(region: Region) -> Starlette:
    """Serves `/`, `/latest/meta-data/...` and `/latest/user-data` to the region's own guests."""
    turns = Turns.of_threads("metadata", BOUNDS)

    async def serve(request: Request) -> Response:
        source = request.client.host if request.client else ""
        answer = partial(metadata.answer, region, source, request.path_params["path"])
        try:
            found = await turns.run(source, answer)
        except TooManyRequests as error:
            return Response(str(error), 429, {"Retry-After": str(RETRY_SECONDS)}, "text/plain")
        if found is None:
            return Response(status_code=404)
        return Response(found, media_type="text/plain")

    return Starlette(routes=[Route("/{path:path}", serve, methods=METHODS)])
