"""The scenes that a person is best asked to correct, kept until others are picked: which wait, and which are done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from calvin.core.files import write_json
from calvin.core.progress import Listener, Progress
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.core.types import CueKind, Place
from calvin.page.replies import answer
from calvin.page.workshop import desk_of
from calvin.studio.project.store import MAX_MS, ProjectStore

PICKS = "picks.json"
"""The file, in a project, of the scenes that were picked last."""
Values = dict[str, Any]
_Ms = Annotated[int, Field(ge=0, le=MAX_MS)]


class _Kept(BaseModel):
    """A scene that was picked: its place, what it is about, when it can be said, and why it was picked."""

    model_config = ConfigDict(frozen=True)

    place: int
    visual: tuple[_Ms, _Ms]
    span: tuple[_Ms, _Ms]
    why: str = ""


_FILE: TypeAdapter[list[_Kept]] = TypeAdapter(list[_Kept])


def pick(folder: Path, options: Values, listener: Listener) -> Values:
    """Pick the scenes most worth correcting that no person has described, and keep which they are."""
    from calvin.studio.adapt.scene_picks import pick_scenes

    listener(Progress("comparing scenes", 0))
    with ProjectStore(folder, read_only=True) as store:
        found = pick_scenes(store, options.get("count"))
    kept = [
        {
            "place": one.plan.id, "why": one.reason, "span": [one.span.start_ms, one.span.end_ms],
            "visual": [one.plan.visual.start_ms, one.plan.visual.end_ms],
        }
        for one in found
    ]  # fmt: skip
    write_json(folder / PICKS, kept)
    return {"said": f"{counted(len(kept), 'scene')} picked: correct or approve these first."}


async def list_picks(request: Request) -> Response:
    """The scenes that were picked last, in time order, and which of them a person has corrected or approved since."""
    return answer(await desk_of(request).study(lambda store: {"picks": kept_picks(store)}))


def kept_picks(store: ProjectStore) -> list[Values]:
    """Each with the row to go to. Those whose places are no more, because the film was planned anew, are left out."""
    cues = [cue for cue in store.cues if cue.kind is CueKind.PICTURE]
    written = {cue: place.id for cue, place in store.places_of_cues().items()}
    plans = {plan.id: plan for plan in store.plans}
    found = []
    for one in _read(store.folder):
        place = Place(Span(*one.span), Span(*one.visual), one.span[0], one.place)
        own = [cue for cue in cues if cue.visual == place.visual or written.get(cue.id) == place.id]
        own += [cue for cue in cues if cue.settled and place.taken_by(cue)]
        cue = next((cue for cue in own if cue.settled), next(iter(own), None))
        there = place.id in plans and plans[place.id].visual == place.visual
        if cue is None and not there:
            continue
        found.append(
            {
                "key": f"cue-{cue.id}" if cue else f"place-{place.id}", "text": cue.text if cue else "",
                "start_ms": (cue.span if cue else place.span).start_ms, "why": one.why,
                "corrected": cue is not None and cue.settled,
            }
        )  # fmt: skip
    return sorted(found, key=lambda values: values["start_ms"])


def _read(folder: Path) -> list[_Kept]:
    """What is kept; nothing where there is nothing that can be read."""
    try:
        found = _FILE.validate_python(json.loads((folder / PICKS).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return []
    return [one for one in found if one.visual[0] <= one.visual[1] and one.span[0] <= one.span[1]]


ERRANDS = {"pick": pick}
