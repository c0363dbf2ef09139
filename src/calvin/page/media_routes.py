"""Addresses of what is seen and heard: film, stills, sounds, and files to take away."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from calvin.page.film_files import film_file, finished_files
from calvin.page.replies import Refusal, answer
from calvin.page.workshop import desk_of, workshop_of

_MOST_MS = 10**9


async def film(request: Request) -> Response:
    """The film, or its copy for browsers; ranges of it where they are asked for."""
    desk = desk_of(request)
    found = await desk.read(lambda store: film_file(store.folder, store.bound_film()))
    if found.path is None:
        raise Refusal(404 if found.state == "gone" else 409, found.why)
    try:
        stamp = found.path.stat()
    except OSError as error:
        raise Refusal(404, "The film is no longer where it was: bring it back there.") from error
    return FileResponse(found.path, media_type=found.media_type, stat_result=stamp)


async def still(request: Request) -> Response:
    """The still on screen at a time."""
    desk, at_ms = desk_of(request), min(request.path_params["ms"], _MOST_MS)
    jpeg = await asyncio.to_thread(workshop_of(request).stills.jpeg, desk.folder, at_ms)
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


async def downloads(request: Request) -> Response:
    """Files that were made of the project, to be taken away."""
    desk = desk_of(request)
    found = await desk.read(finished_files)
    return answer([one.shown(desk.pid) for one in found])


async def download(request: Request) -> Response:
    """One of these files."""
    found = await desk_of(request).read(finished_files)
    wanted = next((one for one in found if one.id == request.path_params["number"]), None)
    if wanted is None:
        raise Refusal(404, "There is no such file (any more): see the list again.")
    return FileResponse(wanted.path, filename=wanted.path.name, stat_result=wanted.path.stat())
