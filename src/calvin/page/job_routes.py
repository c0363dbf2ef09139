"""Addresses of work: jobs with their progress, events, and questions to the captioner."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from calvin.core.types import Cue
from calvin.page.assistants import Tell
from calvin.page.event_stream import EVERY
from calvin.page.job_state import progress_words
from calvin.page.project_routes import first_events
from calvin.page.replies import MAX_JSON, Body, Refusal, answer, checked, read_body
from calvin.page.sound_routes import tell_row
from calvin.page.subtitle_routes import Choice, chosen
from calvin.page.workshop import desk_of, workshop_of
from calvin.studio.edit.rows import subject_of
from calvin.studio.project.store import ProjectStore

_Name = Annotated[str, Field(min_length=1, max_length=500)]
_Person = Annotated[str, Field(min_length=1, max_length=100)]
_Key = Annotated[str, Field(pattern=r"^(cue|place)-[0-9]{1,18}$")]


class Describe(Body):
    """Describe anew what nobody approved; `fetch`: a model may be fetched from a hub, `subtitles`: go by these."""

    kind: Literal["describe"]
    model: _Name | None = None
    fetch: bool = False
    subtitles: Choice | None = None


class Rewrite(Body):
    """Write what nobody approved anew, with the project's adapter."""

    kind: Literal["rewrite"]


class Adapt(Body):
    """Tune the model to the approved cues; `check` measures what that does, which takes as long again.

    `iterations`: micro-batches of ten scenes; the optimiser moves every second one.
    """

    kind: Literal["adapt"]
    check: bool = False
    iterations: Annotated[int, Field(ge=2, le=1000)] | None = None


class Speak(Body):
    """Speak what is not spoken yet."""

    kind: Literal["voice"]
    voice: _Name | None = None
    rate: Annotated[float, Field(ge=60, le=400, strict=False)] | None = None
    level: Annotated[float, Field(ge=-40, le=-10, strict=False)] | None = None


class Mix(Body):
    """Mix the spoken cues into the film, or write the described sound alone; `spec`: as loud as a delivery asks for."""

    kind: Literal["mix"]
    extended: bool = False
    format: Literal["mkv", "mp4", "mov", "webm", "wav", "m4a", "mka"] = "mkv"
    duck: Annotated[float, Field(ge=-60, le=0, strict=False)] = -8.0
    spec: Annotated[str, Field(max_length=40)] | None = None


class Export(Body):
    """Write the script in some formats."""

    kind: Literal["export"]
    formats: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=40)]


class Proxy(Body):
    """Make a copy of the film that browsers play."""

    kind: Literal["proxy"]


class CastSearch(Body):
    """Look for people to be put into the cast."""

    kind: Literal["cast"]


class Pick(Body):
    """Pick scenes worth correcting: so many, or 20, or as many as there are."""

    kind: Literal["pick"]
    count: Annotated[int, Field(ge=1, le=500)] | None = None


JOB: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        Describe | Rewrite | Adapt | Speak | Mix | Export | Proxy | CastSearch | Pick, Field(discriminator="kind")
    ]
)
"""What a job may be, in JSON."""


_Number = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
"""By which a page stops what it has asked, and knows what is told of it."""


class Question(Body):
    """A question about a time, or about what a row is about."""

    number: _Number | None = None
    question: Annotated[str, Field(min_length=1, max_length=500)]
    at_ms: Annotated[int, Field(ge=0, le=10**9)] | None = None
    key: _Key | None = None


class OtherWords(Body):
    """Other words for a row: shorter ones, or with these people known to be there."""

    number: _Number | None = None
    key: _Key
    shorter: bool = False
    names: Annotated[list[_Person], Field(max_length=20, default_factory=list)]


async def start_job(request: Request) -> Response:
    """Begin a job."""
    wish = checked(JOB, await read_body(request, MAX_JSON))
    desk = desk_of(request)
    await desk.study(lambda store: store.bound_film())
    options = wish.model_dump(exclude={"kind", "subtitles"})
    options |= await chosen(request, desk, getattr(wish, "subtitles", None))
    job = await workshop_of(request).jobs.start(desk, wish.kind, options)
    return answer({"job": job.shown()}, 202)


async def list_jobs(request: Request) -> Response:
    """The project's jobs since the server was started."""
    desk = desk_of(request)
    return answer([job.shown() for job in workshop_of(request).jobs.of(desk.pid)])


async def stop_job(request: Request) -> Response:
    """End a job; what it has finished is kept."""
    job = await workshop_of(request).jobs.stop(desk_of(request), request.path_params["number"])
    return answer({"job": job.shown()})


async def events(request: Request) -> Response:
    """What happens in the project, as it happens."""
    workshop, desk = workshop_of(request), desk_of(request)
    first = [await first_events(desk)]
    job = workshop.jobs.running(desk.pid)
    if job is not None:
        first.append({"type": "job", "job": job.shown()})
    return StreamingResponse(workshop.events.stream(desk.pid, first), media_type="text/event-stream")


async def all_events(request: Request) -> Response:
    """What happens in every project, as it happens, each event with the `pid` of its project."""
    workshop = workshop_of(request)
    first = [{"type": "hello"}, *({"type": "job", **running} for running in workshop.jobs.all_running())]
    return StreamingResponse(workshop.events.stream(EVERY, first), media_type="text/event-stream")


async def ask(request: Request) -> Response:
    """Ask the captioner about a moment of the film; nothing of it enters the script."""
    wish, desk = checked(Question, await read_body(request, MAX_JSON)), desk_of(request)
    if (wish.at_ms is None) == (wish.key is None):
        raise Refusal(422, "That cannot be read: give either at_ms or key.")

    def when(store: ProjectStore) -> int:
        if wish.at_ms is not None:
            return wish.at_ms
        subject = subject_of(store, str(wish.key))
        return subject.event_ms if subject else 0

    at_ms = await desk.study(when)
    options = {"question": wish.question, "at_ms": at_ms, "key": wish.key}
    captioner = workshop_of(request).captioner
    return answer(await captioner.ask("ask", desk.folder, options, wish.number, _teller(request, wish.number)))


async def again(request: Request) -> Response:
    """Ask the captioner for other words; they join the candidates of the cue."""
    wish, desk = checked(OtherWords, await read_body(request, MAX_JSON)), desk_of(request)
    desk.check_free()
    options, captioner = wish.model_dump(exclude={"number"}), workshop_of(request).captioner
    found = await captioner.ask("again", desk.folder, options, wish.number, _teller(request, wish.number))
    kind, _, number = wish.key.partition("-")
    if kind == "cue":
        await desk.change(lambda store: _offer(store, store.cue(number), found["candidates"]))
        await tell_row(request, desk, wish.key)
    return answer(found)


async def stop_asking(request: Request) -> Response:
    """End a question, or the search for other words, at once; nothing of it is kept, and everything else is."""
    stopped = await workshop_of(request).captioner.stop(desk_of(request).folder, request.path_params["number"])
    return answer({"stopped": stopped})


def _teller(request: Request, number: str | None) -> Tell:
    """Tells the open pages how far the answer is."""
    events, pid = workshop_of(request).events, desk_of(request).pid

    def tell(progress: dict[str, Any]) -> None:
        words = progress_words(progress)
        events.tell(pid, {"type": "asked", "number": number, "said": f"{words[0].upper()}{words[1:]}…"})

    return tell


def _offer(store: ProjectStore, cue: Cue, texts: list[str]) -> None:
    """Put new candidates before those that a cue has."""
    known = store.scored_candidates([cue.id])[cue.id]
    fresh = [(text, None) for text in texts if text not in dict(known)]
    with store.step(f"other words asked for, for cue-{cue.id}"):
        store.offer(cue.id, [*fresh, *[(text, None) for text, _ in known]] if fresh else known)
