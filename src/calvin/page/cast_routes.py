"""Addresses of the cast: who is known, who is proposed, and portraits by a click on a still."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from calvin.core.errors import UsageError
from calvin.page.project_errands import cast_path, kept_proposals, reject
from calvin.page.replies import MAX_JSON, Body, Refusal, answer, checked, read_body
from calvin.page.workshop import desk_of
from calvin.studio.project.store import MAX_MS, ProjectStore

_Name = Annotated[str, Field(min_length=1, max_length=100)]
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


def _add(store: ProjectStore, name: str, wish: NewPortrait | None = None) -> None:
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
    add_to_cast(path, [Addition(name, portraits=portraits)])
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
                {"name": one.name, "look": one.look, "portraits": len(cast.portraits.get(one.name, ()))}
                for one in cast.characters
            ]
        except UsageError as error:
            cannot = str(error)
    else:
        people = [{"name": one.name, "look": one.look, "portraits": 0} for one in store.characters]
    return {"people": people, "proposals": kept_proposals(store.folder), "cannot": cannot}
