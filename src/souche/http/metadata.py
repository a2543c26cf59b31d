"""The guests' metadata over HTTP: a plain ASGI application that knows a guest by its source address."""

from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from souche.app import metadata
from souche.app.region import Region

# IMDSv1 only (reference section 9): there is no token to PUT for.
METHODS: Final = ["GET", "HEAD"]


def create_metadata_app(region: Region) -> Starlette:
    """Serves `/`, `/latest/meta-data/...` and `/latest/user-data` to the region's own guests."""

    async def serve(request: Request) -> Response:
        source = request.client.host if request.client else ""
        found = await anyio.to_thread.run_sync(metadata.answer, region, source, request.path_params["path"])
        if found is None:
            return Response(status_code=404)
        return Response(found, media_type="text/plain")

    return Starlette(routes=[Route("/{path:path}", serve, methods=METHODS)])
