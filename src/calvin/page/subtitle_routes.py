"""Addresses of subtitles: those that lie beside a film or in it, and files that are brought in, each known by an id."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from calvin.core.errors import CalvinError
from calvin.core.text_tables import counted
from calvin.media.subtitles import SUFFIXES, find_subtitles
from calvin.page.desk import Desk
from calvin.page.replies import Body, Refusal, answer, asked, check_kind, read_body
from calvin.page.workshop import Workshop, desk_of, workshop_of
from calvin.studio.project.store import ProjectStore

MAX_SUBTITLES = 10 << 20
"""Bytes of a subtitle file; that of a film has less than one MB."""
Choice = Annotated[str, Field(pattern=r"^(none|track-[0-9]{1,4}|file-[0-9a-f]{12}|brought-[0-9a-f]{12})$")]
"""Which subtitles a project goes by: none (people are heard), a track of the film, or a file."""
_MOST = 100
_NAME = re.compile(r"[^\w .()\[\]-]+")


class Named(Body):
    """The name of a file that is brought in."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


async def list_subtitles(request: Request) -> Response:
    """The subtitles that a film can go by, and what its project goes by now."""
    workshop, desk = workshop_of(request), desk_of(request)
    film, now = await _film(workshop, desk)
    try:
        own = await workshop.speaker.ask("tracks", desk.folder, {"film": str(film)})
    except CalvinError as error:
        own = {"tracks": [], "note": str(error)}
    choices = [{"id": one, "words": path.name} for one, path in _files(film).items()]
    choices += [{"id": f"track-{one['track']}", "words": one["words"]} for one in own["tracks"]]
    choices += [{"id": one, "words": f"{path.name}, brought in"} for one, path in _brought(workshop, film).items()]
    choices.append({"id": "none", "words": "None: listen for where people speak"})
    return answer({"choices": choices, "now": now, "note": own["note"]})


async def show_subtitles(request: Request) -> Response:
    """What is read of one of them, and what is dropped of it."""
    workshop, desk = workshop_of(request), desk_of(request)
    film, _ = await _film(workshop, desk)
    wanted = find_choice(workshop, film, request.path_params["choice"])
    if "track" not in wanted and wanted["subtitles"] == "none":
        return answer({"said": "No subtitles are used: calvin listens for where people speak.", "notes": []})
    options = {"film": str(film), "file": wanted.get("subtitles"), "track": wanted.get("track")}
    return answer(await workshop.speaker.ask("look", desk.folder, options))


async def bring_subtitles(request: Request) -> Response:
    """Take a subtitle file (SRT, WebVTT, TTML, SubStation), decoded by a worker and kept while calvin runs."""
    workshop, desk = workshop_of(request), desk_of(request)
    check_kind(request, "application/x-subtitles", "A subtitle file has to be sent as application/x-subtitles.")
    name = _NAME.sub("_", asked(Named, request).name.replace("\\", "/").rpartition("/")[2])
    if Path(name).suffix.lower() not in SUFFIXES:
        raise Refusal(415, f"{name} is no subtitle file that calvin reads: bring in one of {', '.join(SUFFIXES)}.")
    film, _ = await _film(workshop, desk)
    body = await read_body(request, MAX_SUBTITLES)
    path = await asyncio.to_thread(workshop.keep_brought, film, name, body)
    try:
        found = await workshop.speaker.ask("look", desk.folder, {"film": str(film), "file": str(path)})
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return answer({"id": f"brought-{_digest(path)}", "words": f"{path.name}, brought in", **found})


def find_choice(workshop: Workshop, film: Path, choice: str) -> dict[str, Any]:
    """What a choice is to an errand: `subtitles`, a file or "none"; or the number of a `track`.

    Raises:
        Refusal: there is nothing of this id.
    """
    kind, _, rest = choice.partition("-")
    if choice == "none":
        return {"subtitles": "none"}
    if kind == "track" and rest.isascii() and rest.isdigit() and len(rest) < 5:
        return {"track": int(rest)}
    path = (_files(film) | _brought(workshop, film)).get(choice)
    if path is None:
        raise Refusal(404, "These subtitles are not there (any more): see the list again.")
    return {"subtitles": str(path)}


async def chosen(request: Request, desk: Desk, choice: str | None) -> dict[str, Any]:
    """The same for what a person chose, or nothing where they left it to calvin."""
    if choice is None:
        return {}
    workshop = workshop_of(request)
    film, _ = await _film(workshop, desk)
    return find_choice(workshop, film, choice)


async def _film(workshop: Workshop, desk: Desk) -> tuple[Path, str]:
    """The film of a project, or of one that is still to be made, and what is known of its dialogue."""

    def known(store: ProjectStore) -> tuple[Path, str]:
        lines = store.dialogue
        worded = sum(bool(line.text) for line in lines)
        source = "subtitles" if store.described is not None and store.described.subtitles else "what was heard"
        return Path(store.bound_film().path), f"{counted(len(lines), 'line')}, {worded} with words, by {source}"

    listed = workshop.shelf.listed(desk.pid)
    if listed is not None:
        return listed.path, ""
    film, now = await desk.study(known)
    if not film.is_file():
        raise Refusal(404, f"The film is no longer where it was ({film.name}): bring it back there.")
    return film, now


def _files(film: Path) -> dict[str, Path]:
    """The subtitle files in a film's folder by id, those that are named like it first."""
    named = find_subtitles(film)
    try:
        others = sorted(path for path in film.parent.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError:
        others = []
    paths = [*named, *(path for path in others if path not in named and not path.name.startswith("."))]
    return {f"file-{_digest(path)}": path for path in paths[:_MOST]}


def _brought(workshop: Workshop, film: Path) -> dict[str, Path]:
    return {f"brought-{_digest(path)}": path for path in workshop.brought.get(film, ()) if path.is_file()}


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:12]
