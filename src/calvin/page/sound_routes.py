"""Addresses of what is heard: the film's peaks, cues spoken and in the mix, and a person's recordings."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from calvin.core.files import temporary_folder
from calvin.core.time import Span
from calvin.page.desk import Desk
from calvin.page.project_summary import steps
from calvin.page.replies import MAX_JSON, Body, Refusal, answer, asked, check_kind, checked, read_body
from calvin.page.workshop import desk_of, workshop_of
from calvin.studio.edit.rows import rows
from calvin.studio.project.status import recorded_cues
from calvin.studio.project.store import MAX_MS, ProjectStore
from calvin.studio.sound.one_cue import Said, note_spoken
from calvin.studio.sound.peaks import peaks
from calvin.studio.sound.preview import PreviewPlan, PreviewWish, plan_preview, plan_stretch, spoken_cue
from calvin.studio.sound.recorded_cues import Prepared, forget_recording, note_recording, recording_level

MAX_WAV = 30 << 20
"""Bytes of a recording: five minutes in stereo."""
_Volume = Annotated[float, Field(ge=0, le=4)]


class PeaksWish(Body):
    """How finely the loudness of the film is asked for."""

    per_second: Annotated[int, Field(ge=1, le=100)] = 20


class SpeakOne(Body):
    """The cue to be spoken."""

    key: Annotated[str, Field(pattern=r"^cue-[0-9]{1,18}$")]


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


async def speak_one(request: Request) -> Response:
    """Have the project's voice speak a cue, and keep that."""
    wish, desk = checked(SpeakOne, await read_body(request, MAX_JSON)), desk_of(request)
    desk.check_free()
    number = wish.key.removeprefix("cue-")
    await desk.read(lambda store: store.cue(number))
    spoken = Said(**await workshop_of(request).speaker.ask("speak", desk.folder, {"cue": number}))
    measured = await desk.change(lambda store: note_spoken(store, spoken))
    await tell_row(request, desk, wish.key)
    url = f"/media/p/{desk.pid}/cue/{number}/voice.wav?v={spoken.file}"
    return answer({"speech_ms": measured.ms, "room_ms": measured.room_ms, "url": url})


async def bring_recording(request: Request) -> Response:
    """Take a person's recording of a cue: a WAV file, which is decoded by a worker."""
    desk, number = desk_of(request), request.path_params["number"]
    check_kind(request, "audio/", "A recording has to be sent as audio/wav.")
    desk.check_free()
    text, level = await desk.read(lambda store: (store.cue(number).text, recording_level(store)))
    body = await read_body(request, MAX_WAV)
    with temporary_folder(desk.folder) as folder:
        given = folder / "given.wav"
        await asyncio.to_thread(given.write_bytes, body)
        options = {"cue": number, "wav": str(given), "lufs": level}
        made = Prepared(**await workshop_of(request).speaker.ask("record", desk.folder, options))
    measured = await desk.change(lambda store: note_recording(store, made, text))
    await tell_row(request, desk, f"cue-{number}")
    told = {"lufs": made.lufs, "notes": list(made.notes)}
    return answer({"speech_ms": measured.ms, "room_ms": measured.room_ms, **told})


async def drop_recording(request: Request) -> Response:
    """Leave a person's recording out: the voice speaks the cue again. Undo brings it back."""
    desk, number = desk_of(request), request.path_params["number"]
    await desk.change(lambda store: forget_recording(store, number))
    await tell_row(request, desk, f"cue-{number}")
    return answer({"said": "The recording is left out; undo brings it back."})


async def recording(request: Request) -> Response:
    """A person's recording, as it is mixed."""
    number = request.path_params["number"]
    found = (await desk_of(request).read(recorded_cues)).get(number)
    if found is None:
        raise Refusal(404, "There is no recording of this cue as it now reads.")
    return FileResponse(found.path, media_type="audio/wav", stat_result=found.path.stat())


async def tell_row(request: Request, desk: Desk, key: str) -> None:
    """Tell the open pages what a row is now, but for what lint finds in it, and what undo takes back."""

    def look(store: ProjectStore) -> dict[str, Any]:
        return {"changed": rows(store, [key], light=True), **steps(store)}

    found = await desk.read(look)
    workshop_of(request).events.tell(desk.pid, {"type": "rows", "removed": [], "light": True, **found})
