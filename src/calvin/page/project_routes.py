"""Addresses of projects: the list of them, what is in one, its rows, edits, and what is known of it besides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from calvin.page.desk import Desk
from calvin.page.project_summary import steps, summary
from calvin.page.replies import MAX_JSON, Body, Refusal, answer, asked, checked, plain, read_body
from calvin.page.shelf import id_of
from calvin.page.subtitle_routes import Choice, find_choice
from calvin.page.workshop import desk_of, workshop_of
from calvin.studio.edit.edits import EDIT
from calvin.studio.edit.finding import find
from calvin.studio.edit.outcome import Outcome, StaleCue
from calvin.studio.edit.rows import rows
from calvin.studio.edit.steps import apply, redo, undo
from calvin.studio.edit.study_log import keep_log, log_table, note_edit
from calvin.studio.project.glance import Glance, glance
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.script.project_lint import lint_project

EDIT_NUMBER = "x-calvin-edit"
"""The header by which an edit that is sent again is known."""
_LONGEST_MS = 10**9


class NewProject(Body):
    """A film to be made a project of: described by a model, or with empty places."""

    fid: str
    empty: bool = False
    model: Annotated[str, Field(max_length=500)] | None = None
    fetch: bool = False
    subtitles: Choice | None = None


class LogSwitch(Body):
    """Whether the log for studies is kept."""

    on: bool


class RowsWish(Body):
    """`light`: without the findings of lint, which take longest."""

    light: bool = False


class Search(Body):
    """What to look for in the texts."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    case: bool = False
    whole: bool = False


async def list_projects(request: Request) -> Response:
    """Projects, and films without one."""
    workshop = workshop_of(request)
    workshop.look()
    seen = {pid: glance(folder) for pid, folder in workshop.shelf.projects.items()}
    titles = Counter(one.title for one in seen.values())
    projects = [
        {
            "pid": pid, "title": _title(seen[pid], folder, titles), "cues": seen[pid].cues,
            "approved": seen[pid].approved, "path_label": workshop.shelf.label(folder),
        }
        for pid, folder in workshop.shelf.projects.items()
    ]  # fmt: skip
    films = []
    for film in workshop.shelf.films:
        pid = id_of(film.project)
        job = workshop.jobs.last(pid)
        shown = {"fid": film.fid, "name": film.path.name, "pid": pid, "note": film.note}
        films.append({**shown, "job": job.shown() if job else None})
    return answer({"projects": projects, "films": films})


def _title(seen: Glance, folder: Path, titles: Counter[str]) -> str:
    """A project's title, with the name of its film where another project has the same one."""
    title = seen.title or folder.name
    return f"{title} ({seen.film.name})" if seen.film is not None and titles[seen.title] > 1 else title


async def make_project(request: Request) -> Response:
    """Begin the project of a film, as a job."""
    workshop = workshop_of(request)
    wish = checked(NewProject, await read_body(request, MAX_JSON))
    film = workshop.shelf.film(wish.fid)
    options: dict[str, Any] = {"empty": wish.empty, "model": wish.model, "fetch": wish.fetch}
    options |= find_choice(workshop, film.path, wish.subtitles) if wish.subtitles else {}
    desk, job = await workshop.make(film, options)
    return answer({"pid": desk.pid, "job": job.shown()}, 202)


async def show_project(request: Request) -> Response:
    """What is known of a project as a whole."""
    desk = desk_of(request)
    found = await desk.read(lambda store: summary(store, desk.pid))
    job = workshop_of(request).jobs.running(desk.pid)
    return answer({**found, "busy": job.shown() if job else None})


async def list_rows(request: Request) -> Response:
    """All rows in time order; light ones at once, whole ones beside the edits."""
    desk, wish = desk_of(request), asked(RowsWish, request)
    if wish.light:
        return await desk.read(lambda store: answer({"rows": rows(store, light=True)}))
    return await desk.study(lambda store: answer({"rows": rows(store)}))


async def show_row(request: Request) -> Response:
    """One row, with every text that its cue has had."""
    key = request.path_params["key"]

    def look(store: ProjectStore) -> dict[str, Any]:
        found = rows(store, [key])
        if not found:
            raise Refusal(404, "There is no such cue or place (any more).")
        pasts = store.history(found[0].cue) if found[0].cue else []
        history = [{"text": past.text, "author": str(past.author), "at": past.written_at} for past in pasts]
        return {**plain(found[0]), "history": history}

    return answer(await desk_of(request).study(look))


async def edit(request: Request) -> Response:
    """Carry out one edit."""
    body = await read_body(request, MAX_JSON)
    took_ms, body = _took(body)
    wanted = checked(EDIT, body)

    def work(store: ProjectStore) -> Outcome:
        try:
            outcome = apply(store, wanted)
            note_edit(store, wanted, outcome, took_ms)
            return outcome
        except StaleCue as stale:
            raise Refusal(409, str(stale), mine=stale.mine, theirs=stale.theirs) from stale

    return await _changed(request, work)


async def take_back(request: Request) -> Response:
    """Undo the last step."""
    return await _changed(request, undo)


async def do_again(request: Request) -> Response:
    """Do the step again that was undone last."""
    return await _changed(request, redo)


async def _changed(request: Request, work: Callable[[ProjectStore], Outcome]) -> Response:
    workshop, desk, number = workshop_of(request), desk_of(request), request.headers.get(EDIT_NUMBER)
    before = workshop.remembered(desk.pid, number)
    if before is not None:
        return answer(before)
    outcome = plain(await desk.change(work))
    workshop.remember(desk.pid, number, outcome)
    names = ("changed", "removed", "undo", "redo")
    workshop.events.tell(desk.pid, {"type": "rows", **{name: outcome[name] for name in names}, "by": number})
    return answer(outcome)


def _took(body: bytes) -> tuple[int | None, bytes]:
    """The time that an edit says it took, and the edit without it."""
    if b'"took_ms"' not in body:
        return None, body
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None, body  # what is wrong with it is said where it is read
    if not isinstance(values, dict):
        return None, body
    took = values.pop("took_ms", None)
    if took is not None and (type(took) is not int or not 0 <= took < _LONGEST_MS):
        raise Refusal(422, "That cannot be read: took_ms: a number of milliseconds is expected.")
    try:
        return took, json.dumps(values).encode()
    except (ValueError, RecursionError):
        return None, body


async def search_texts(request: Request) -> Response:
    """Where a text stands."""
    wish = asked(Search, request)
    found = await desk_of(request).study(lambda store: find(store, wish.text, case=wish.case, whole_word=wish.whole))
    return answer({"matches": found})


async def lint_summary(request: Request) -> Response:
    """What lint finds, with how many there are of each rule."""

    def look(store: ProjectStore) -> dict[str, Any]:
        found = [finding.to_json() for finding in lint_project(store)]
        counts: dict[str, int] = {}
        for one in found:
            counts[one["rule"]] = counts.get(one["rule"], 0) + 1
        errors = sum(one["level"] == "error" for one in found)
        return {"errors": errors, "warnings": len(found) - errors, "rules": counts, "findings": found}

    return answer(await desk_of(request).study(look))


async def switch_log(request: Request) -> Response:
    """Keep the log for studies from now on, or no longer."""
    wish, desk = checked(LogSwitch, await read_body(request, MAX_JSON)), desk_of(request)
    await desk.change(lambda store: keep_log(store, wish.on))
    return answer({"on": wish.on})


async def show_log(request: Request) -> Response:
    """The log for studies, as a table."""
    text = await desk_of(request).study(log_table)
    name = {"content-disposition": 'attachment; filename="edit-log.csv"'}
    return Response(text.encode("utf-8", "replace"), media_type="text/csv; charset=utf-8", headers=name)


async def first_events(desk: Desk) -> dict[str, Any]:
    """What a page is told that begins to listen."""
    try:
        return {"type": "hello", **await desk.read(steps)}
    except Exception:  # a project that is being made, or in trouble, says so where it is asked for
        return {"type": "hello", "undo": None, "redo": None}
