"""Addresses of what is heard: the film's peaks, cues spoken and in the mix, and a person's recordings."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from calvin.core.time import Span
from calvin.page.replies import Body, Refusal, answer, asked
from calvin.page.workshop import desk_of
from calvin.studio.project.store import MAX_MS
from calvin.studio.sound.peaks import peaks
from calvin.studio.sound.preview import PreviewPlan, PreviewWish, plan_preview, plan_stretch, spoken_cue

_Volume = Annotated[float, Field(ge=0, le=4)]


class PeaksWish(Body):
    """How finely the loudness of the film is asked for."""

    per_second: Annotated[int, Field(ge=1, le=100)] = 20


class Hearing(Body):
    """How something is to be heard: loudness of description and film, and tones around cues."""

    ad: _Volume = 1.0
    film: _Volume = 1.0
    tones: bool = False
    v: str = ""
    from_ms: int | None = None
    to_ms: int | None = None

    @property
    def wish(self) -> PreviewWish:
        return PreviewWish(ad=self.ad, film=self.film, tones=self.tones)


async def show_peaks(request: Request) -> Response:
    """How loud the film is from moment to moment."""
    wish = asked(PeaksWish, request)
    found = await desk_of(request).study(lambda store: peaks(store, wish.per_second))
    return answer({"per_second": wish.per_second, "peaks": list(found)})


async def voice_alone(request: Request) -> Response:
    """A cue as it was spoken or recorded."""
    number = request.path_params["number"]
    found = await desk_of(request).read(lambda store: spoken_cue(store, number))
    return FileResponse(found.path, media_type="audio/wav", stat_result=found.path.stat())


async def cue_in_mix(request: Request) -> Response:
    """A cue as it will be heard in the film."""
    number, hearing = request.path_params["number"], asked(Hearing, request)
    plan = await desk_of(request).read(lambda store: plan_preview(store, number, hearing.wish))
    return await _sound(plan)


async def stretch_in_mix(request: Request) -> Response:
    """A stretch of the film as it will be heard."""
    start_ms, end_ms = (min(request.path_params[name], MAX_MS) for name in ("start", "end"))
    hearing = asked(Hearing, request)
    if end_ms <= start_ms:
        raise Refusal(400, "A stretch ends after it begins.")
    plan = await desk_of(request).read(lambda store: plan_stretch(store, Span(start_ms, end_ms), hearing.wish))
    return await _sound(plan)


async def _sound(plan: PreviewPlan) -> Response:
    made = await asyncio.to_thread(plan.wav)
    headers = {"x-film-ms": str(plan.film_ms), "x-begins-ms": str(plan.begins_ms)}
    if plan.voice_at_ms is not None:
        headers["x-voice-at-ms"] = str(plan.voice_at_ms)
    return Response(made, media_type="audio/wav", headers=headers)
