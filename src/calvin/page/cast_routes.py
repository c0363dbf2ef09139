"""Addresses of the cast: who is known, who is proposed, and portraits by a click on a still."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from calvin.core.errors import UsageError
from calvin.core.files import atomic_path, file_sha256, temporary_folder
from calvin.core.prompts import clean_line
from calvin.page.project_errands import cast_path, kept_proposals, reject
from calvin.page.replies import MAX_JSON, Body, Refusal, answer, asked, check_kind, checked, read_body
from calvin.page.workshop import desk_of, workshop_of
from calvin.studio.project.store import MAX_MS, ProjectStore

_Name = Annotated[str, Field(min_length=1, max_length=100)]
MAX_PICTURE = 15 << 20
"""Bytes of a picture; that of a telephone's camera has five million."""
PICTURES = "cast-pictures"
"""The folder, beside the cast file, of the pictures that were brought in."""
_Share = Annotated[float, Field(ge=0, le=1, strict=False)]


class Accept(Body):
    """Put a proposed person into the cast, under their own name or another."""

    op: Literal["accept"]
    id: Annotated[str, Field(max_length=20)]
    name: _Name | None = None


class Reject(Body):
    """Propose this person no more."""

    op: Literal["reject"]
    id: Annotated[str, Field(max_length=20)]


class NewPortrait(Body):
    """Where somebody is seen: a still, and in it a box of left, top, width and height as shares of its sides."""

    op: Literal["portrait"]
    name: _Name
    at_ms: Annotated[int, Field(ge=0, le=MAX_MS)]
    box: Annotated[list[_Share], Field(min_length=4, max_length=4)] | None = None


class Whose(Body):
    """Whom a picture shows."""

    name: _Name


CAST: TypeAdapter[Any] = TypeAdapter(Annotated[Accept | Reject | NewPortrait, Field(discriminator="op")])
"""What may be done to a cast, in JSON."""


async def show_cast(request: Request) -> Response:
    """Who is in the cast and who is proposed for it."""
    return answer(await desk_of(request).study(_shown))


async def change_cast(request: Request) -> Response:
    """Accept or reject somebody proposed, or add a portrait."""
    wish, desk = checked(CAST, await read_body(request, MAX_JSON)), desk_of(request)
    desk.check_free()

    def change(store: ProjectStore) -> dict[str, Any]:
        if isinstance(wish, NewPortrait):
            _add(store, wish.name, wish)
        else:
            found = next((one for one in kept_proposals(store.folder) if one.get("id") == wish.id), None)
            if found is None:
                raise Refusal(404, "Nobody of this number is proposed (any more): look for people again.")
            if isinstance(wish, Accept):
                _add(store, wish.name or str(found["name"]))
            reject(store.folder, wish.id)
        return _shown(store)

    return answer(await desk.change(change))


async def bring_picture(request: Request) -> Response:
    """Take a picture of somebody from elsewhere, PNG or JPEG, which is decoded by a worker and kept beside the cast."""
    workshop, desk = workshop_of(request), desk_of(request)
    check_kind(request, "image/", "A picture has to be sent as image/png or image/jpeg.")
    desk.check_free()
    name = clean_line(asked(Whose, request).name)
    if not name:
        raise Refusal(422, "A picture needs the name of whom it shows.")
    body = await read_body(request, MAX_PICTURE)
    home = (await desk.study(cast_path)).parent / PICTURES
    with temporary_folder(desk.folder) as folder:
        given, made = folder / "given", folder / "made.jpg"
        await asyncio.to_thread(given.write_bytes, body)
        size = await workshop.speaker.ask("picture", desk.folder, {"given": str(given), "target": str(made)})
        kept = home / f"{file_sha256(made)[:12]}.jpg"

        def change(store: ProjectStore) -> dict[str, Any]:
            home.mkdir(exist_ok=True)
            new = not kept.exists()
            with atomic_path(kept) as temporary:  # the cast may lie on another disk
                temporary.write_bytes(made.read_bytes())
            try:
                _add(store, name, picture=f"{PICTURES}/{kept.name}")
            except BaseException:
                if new:
                    kept.unlink(missing_ok=True)
                raise
            return _shown(store)

        found = await desk.change(change)
    said = f"A picture of {name} is kept, {size['width']} x {size['height']} pixels."
    return answer({**found, "said": said})


def _add(store: ProjectStore, name: str, wish: NewPortrait | None = None, picture: str | None = None) -> None:
    """Write somebody into the cast file, which from then on is the project's."""
    from calvin.studio.cast.cast_file import Addition, add_to_cast
    from calvin.studio.cast.portraits import WHOLE, Portrait
    from calvin.studio.project.describe_settings import DescribeSources

    portraits: tuple[Portrait, ...] = ()
    if wish is not None:
        if wish.at_ms >= store.bound_film().duration_ms:
            raise UsageError("That is after the film's end: choose a still of the film.")
        left, top, width, height = wish.box or WHOLE
        if width <= 0 or height <= 0 or left + width > 1.0001 or top + height > 1.0001:
            raise UsageError("The box has no size or leaves the still: draw it again.")
        portraits = (Portrait(wish.at_ms, (left, top, min(width, 1 - left), min(height, 1 - top))),)
    path = cast_path(store)
    add_to_cast(path, [Addition(name, portraits=portraits, pictures=(picture,) if picture else ())])
    sources = store.sources or DescribeSources()
    if sources.cast is None:
        store.sources = sources.changed(cast=str(path.resolve()))


def _shown(store: ProjectStore) -> dict[str, Any]:
    from calvin.studio.cast.characters import read_cast_file

    path, people, cannot = cast_path(store), [], ""
    if path.is_file():
        try:
            cast = read_cast_file(path)
            people = [
                {
                    "name": one.name, "look": one.look, "portraits": len(cast.portraits.get(one.name, ())),
                    "pictures": len(cast.pictures.get(one.name, ())),
                }
                for one in cast.characters
            ]  # fmt: skip
        except UsageError as error:
            cannot = str(error)
    else:
        people = [{"name": one.name, "look": one.look, "portraits": 0, "pictures": 0} for one in store.characters]
    return {"people": people, "proposals": kept_proposals(store.folder), "cannot": cannot}
