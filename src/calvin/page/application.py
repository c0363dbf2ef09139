"""The application: every address with what answers it, behind the guard; and what OpenAPI says of the addresses."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from calvin.core.errors import CalvinError
from calvin.core.package import __version__
from calvin.page import (
    cast_routes,
    html_routes,
    job_routes,
    media_routes,
    picks,
    project_routes,
    sound_routes,
    subtitle_routes,
)
from calvin.page.guard import TOKEN_HEADER, Guard
from calvin.page.replies import answer, on_fault, on_http, on_trouble
from calvin.page.workshop import Workshop
from calvin.studio.edit.edits import EDIT


@dataclass(frozen=True)
class Endpoint:
    """An address, what answers it, and the shapes of its body and query, if it takes any."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]
    body: Any = None
    query: Any = None
    kinds: tuple[str, ...] = ("audio/wav",)
    """Of what is brought in by PUT."""


_P, _SUBTITLES = "/api/p/{pid}", ("application/x-subtitles",)
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", html_routes.home),
    Endpoint("GET", "/p/{pid}/", html_routes.editor),
    Endpoint("GET", "/api/projects", project_routes.list_projects),
    Endpoint("POST", "/api/projects", project_routes.make_project, project_routes.NewProject),
    Endpoint("GET", "/api/events", job_routes.all_events),
    Endpoint("GET", _P, project_routes.show_project),
    Endpoint("GET", f"{_P}/rows", project_routes.list_rows, query=project_routes.RowsWish),
    Endpoint("GET", f"{_P}/rows/{{key}}", project_routes.show_row),
    Endpoint("POST", f"{_P}/edits", project_routes.edit, EDIT),
    Endpoint("POST", f"{_P}/undo", project_routes.take_back),
    Endpoint("POST", f"{_P}/redo", project_routes.do_again),
    Endpoint("GET", f"{_P}/find", project_routes.search_texts, query=project_routes.Search),
    Endpoint("GET", f"{_P}/lint", project_routes.lint_summary),
    Endpoint("POST", f"{_P}/log", project_routes.switch_log, project_routes.LogSwitch),
    Endpoint("GET", f"{_P}/log.csv", project_routes.show_log),
    Endpoint("GET", f"{_P}/cast", cast_routes.show_cast),
    Endpoint("POST", f"{_P}/cast", cast_routes.change_cast, cast_routes.CAST),
    Endpoint(
        "PUT", f"{_P}/cast/pictures", cast_routes.bring_picture, None, cast_routes.Whose, ("image/png", "image/jpeg")
    ),
    Endpoint("GET", f"{_P}/subtitles", subtitle_routes.list_subtitles),
    Endpoint("GET", f"{_P}/subtitles/{{choice}}", subtitle_routes.show_subtitles),
    Endpoint("PUT", f"{_P}/subtitles", subtitle_routes.bring_subtitles, None, subtitle_routes.Named, _SUBTITLES),
    Endpoint("GET", f"{_P}/picks", picks.list_picks),
    Endpoint("GET", f"{_P}/peaks", sound_routes.show_peaks, query=sound_routes.PeaksWish),
    Endpoint("GET", f"{_P}/downloads", media_routes.downloads),
    Endpoint("POST", f"{_P}/jobs", job_routes.start_job, job_routes.JOB),
    Endpoint("GET", f"{_P}/jobs", job_routes.list_jobs),
    Endpoint("DELETE", f"{_P}/jobs/{{number}}", job_routes.stop_job),
    Endpoint("GET", f"{_P}/events", job_routes.events),
    Endpoint("POST", f"{_P}/ask", job_routes.ask, job_routes.Question),
    Endpoint("POST", f"{_P}/again", job_routes.again, job_routes.OtherWords),
    Endpoint("DELETE", f"{_P}/asked/{{number}}", job_routes.stop_asking),
    Endpoint("POST", f"{_P}/speak", sound_routes.speak_one, sound_routes.SpeakOne),
    Endpoint("PUT", f"{_P}/recordings/{{number}}", sound_routes.bring_recording),
    Endpoint("DELETE", f"{_P}/recordings/{{number}}", sound_routes.drop_recording),
    Endpoint("GET", "/media/p/{pid}/recording/{number}.wav", sound_routes.recording),
    Endpoint("GET", "/media/p/{pid}/film", media_routes.film),
    Endpoint("GET", "/media/p/{pid}/still/{ms:int}.jpg", media_routes.still),
    Endpoint("GET", "/media/p/{pid}/cue/{number}/voice.wav", sound_routes.voice_alone),
    Endpoint("GET", "/media/p/{pid}/cue/{number}/mix.wav", sound_routes.cue_in_mix, query=sound_routes.Hearing),
    Endpoint(
        "GET", "/media/p/{pid}/gap/{start:int}-{end:int}.wav", sound_routes.stretch_in_mix, query=sound_routes.Hearing
    ),
    Endpoint("GET", "/media/p/{pid}/download/{number}", media_routes.download),
)
"""Every address there is, besides static files and this list itself."""


def create_app(workshop: Workshop) -> ASGIApp:
    """The application over a workshop, which is closed when the server ends."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await workshop.start()
        yield
        await workshop.close()

    routes = [Route(one.path, one.handler, methods=[one.method]) for one in ENDPOINTS]
    app = Starlette(
        routes=[
            *routes,
            Route("/api/openapi.json", show_openapi, methods=["GET"]),
            Mount("/static", StaticFiles(directory=html_routes.HERE / "static", check_dir=False)),
        ],
        middleware=[Middleware(Guard, admission=workshop.admission)],
        exception_handlers={
            HTTPException: on_http,
            CalvinError: on_trouble,
            OSError: on_trouble,
            sqlite3.Error: on_trouble,
            Exception: on_fault,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.workshop = workshop
    return app


async def show_openapi(_: Request) -> Response:
    """The addresses in OpenAPI's form."""
    return answer(openapi())


def openapi() -> dict[str, Any]:
    """The addresses as OpenAPI 3.1 describes them."""
    paths: dict[str, dict[str, Any]] = {}
    shapes: dict[str, Any] = {}
    for one in ENDPOINTS:
        path = re.sub(r":int\}", "}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, path, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "calvin studio", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}},
        },
        "security": [{"token": []}],
    }


def _operation(one: Endpoint, path: str, shapes: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if kind else "string"}}
        for name, kind in re.findall(r"\{(\w+)(:int)?\}", one.path)
    ]
    if one.query is not None:
        shape = _shape(one.query, shapes)
        needed = shape.get("required", [])
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": schema}
            for name, schema in shape.get("properties", {}).items()
        ]
    found: dict[str, Any] = {
        "summary": (one.handler.__doc__ or "").strip().splitlines()[0],
        "operationId": one.handler.__name__,
        "parameters": parameters,
        "responses": {"default": {"description": "An answer, or an error in a sentence."}},
    }
    if one.body is not None:
        content = {"application/json": {"schema": _shape(one.body, shapes)}}
        found["requestBody"] = {"required": True, "content": content}
    elif one.method == "PUT":
        found["requestBody"] = {"required": True, "content": {kind: {} for kind in one.kinds}}
    elif one.method == "POST":
        found["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}}}
    return found


def _shape(body: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    adapter = body if isinstance(body, TypeAdapter) else TypeAdapter(body)
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    shapes.update(schema.pop("$defs", {}))
    return schema
