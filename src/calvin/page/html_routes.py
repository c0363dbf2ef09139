"""The pages themselves: the list of projects, and the editor of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from calvin.core.package import __version__
from calvin.page.replies import Refusal
from calvin.page.workshop import Workshop, desk_of, workshop_of
from calvin.studio.project.database import is_project
from calvin.studio.project.glance import glance

HERE = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


async def home(request: Request) -> Response:
    """The list of projects and films; where there is one project alone, that."""
    workshop = workshop_of(request)
    workshop.look()
    only = list(workshop.shelf.projects)
    if workshop.shelf.only and len(only) == 1:
        return RedirectResponse(f"/p/{only[0]}/", 303)
    return _page(workshop, "index.html", title="Projects", projects=[], films=[])


async def editor(request: Request) -> Response:
    """The editor of a project; while it is being made, the list, which shows how far that is."""
    workshop = workshop_of(request)
    try:
        desk = desk_of(request)
    except Refusal as refused:
        return _page(workshop, "message.html", refused.status, title="Not found", text=str(refused))
    if not is_project(desk.folder) or workshop.jobs.making(desk.pid):
        return RedirectResponse("/", 303)
    title = glance(desk.folder).title or desk.folder.stem
    return _page(workshop, "editor.html", pid=desk.pid, title=title)


def _page(workshop: Workshop, name: str, status: int = 200, **values: Any) -> Response:
    common = {"token": workshop.admission.token, "version": __version__, "status": status}
    text = _TEMPLATES.get_template(name).render(common | values)
    return HTMLResponse(text.encode("utf-8", "replace"), status)
