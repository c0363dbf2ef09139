"""What a worker of a catalogue does: describe films with one captioner, by the same calls as `calvin describe`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from calvin.captioners import Captioner, open_captioner
from calvin.captioners.adapted import adapter_context, with_adapter
from calvin.captioners.base import OpenOptions
from calvin.captioners.hub import HubModel
from calvin.captioners.spending import Spending, spent_by
from calvin.core.errors import CalvinError, ServerError, first_line
from calvin.core.progress import Listener, silent
from calvin.media.film import ocr
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.listing import Entry
from calvin.studio.describe.cue_words import TROUBLE
from calvin.studio.describe.film_project import NO_WORDS
from calvin.studio.describe.films import (
    Alike,
    Description,
    FilmJob,
    Known,
    alike,
    describe_many,
    film_job,
    nobody_named,
)
from calvin.studio.project.database import held_elsewhere, trouble
from calvin.studio.project.describe_settings import DescribeSettings, DescribeSources, DescribeWish, settle
from calvin.studio.project.store import ProjectStore

_FREED_WITHIN_S = 120.0
"""How long a project is waited for that another process holds: one of a killed run may take a moment to end."""

Found = tuple[FilmJob, Known]


class OutOfMemoryError(Exception):
    """A worker has no memory left for a film: another takes its place, and the film is tried again."""


@dataclass(frozen=True, slots=True)
class CatalogueWish:
    """What is asked for of every film, as `calvin describe` takes it: `model` as `open_captioner` names it, with names
    of folders and files that hold in any folder. `replace`: drafts of another model may be written over; `fetch`:
    models may be fetched from a hub. `in_flight` is how many requests a worker may send to a server at once."""

    wish: DescribeWish = DescribeWish()  # noqa: RUF009  frozen
    model: str | None = None
    frames: int | None = None
    four_bit: bool = False
    two_stages: bool = False
    adapter: str | None = None
    cast: str | None = None
    replace: bool = False
    fetch: bool = False
    in_flight: int | None = None

    @property
    def sources(self) -> DescribeSources:
        """From what every film is described."""
        return DescribeSources.named(
            None, self.model, self.frames, self.four_bit, self.adapter, self.cast, self.two_stages
        )

    @property
    def asked(self) -> dict[str, Any]:
        """All that the scripts depend on, for the journal."""
        return {**self.sources.model_dump(mode="json"), **self.wish.model_dump(mode="json")}

    @property
    def options(self) -> OpenOptions:
        agree = _agreed if self.fetch else _not_agreed
        return OpenOptions(agree, self.frames, self.four_bit, self.two_stages, in_flight=self.in_flight)


def _agreed(_: HubModel) -> bool:
    return True


def _not_agreed(_: HubModel) -> bool:
    return False


class Describer:
    """Describes films of the catalogue in `out`, with a captioner that is opened once.

    Args:
        captioner: one that is open already; None: the one that the wish names.

    Raises:
        CalvinError: the captioner or the adapter cannot be opened.
    """

    def __init__(self, wish: CatalogueWish, out: Path, captioner: Captioner | None = None) -> None:
        self._wish, self._out = wish, out
        self._stack = ExitStack()
        base = captioner or open_captioner(wish.model, wish.options)
        self.captioner = self._stack.enter_context(with_adapter(base, wish.sources.adapter))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def describe(self, entries: Sequence[Entry], progress: Listener = silent) -> list[FilmResult]:
        """What becomes of films that are described together: one result each, in their order.

        Raises:
            OutOfMemoryError: there is no memory left for them.
        """
        found: dict[Entry, Found | FilmResult] = {}
        for entry in entries:
            try:
                found[entry] = self.find(entry)
            except TROUBLE as error:
                found[entry] = failed(error, self._out / entry.name)
        return self.describe_found(found, progress)

    def describe_found(self, found: dict[Entry, Found | FilmResult], progress: Listener = silent) -> list[FilmResult]:
        """The same for films of which it is known what their projects remember, or that they cannot be used."""
        results = {entry: one for entry, one in found.items() if isinstance(one, FilmResult)}
        jobs = {entry: one for entry, one in found.items() if not isinstance(one, FilmResult)}
        before, begun = spent_by(self.captioner), time.monotonic()
        made = self._made(jobs, progress)
        shares = _shares(list(jobs), time.monotonic() - begun)
        spent = spent_by(self.captioner) - before
        for number, (entry, result) in enumerate(made.items()):
            own = spent if len(made) == 1 else _part(spent, number, len(made))
            results[entry] = replace(result, took_s=round(shares[entry], 2), spent=own)
        return [results[entry] for entry in found]

    def find(self, entry: Entry) -> Found:
        """What to do with a film, and what its project remembers.

        Raises:
            CalvinError: the project cannot be used.
        """
        return find_job(self._wish, self._out, entry)

    def settings(self, group: Alike) -> DescribeSettings:
        return settings_of(self._wish, group, adapter_context(self.captioner))

    def _made(self, jobs: dict[Entry, Found], progress: Listener) -> dict[Entry, FilmResult]:
        try:
            return self._together(jobs, progress)
        except Exception as error:  # whatever a film brings about, the others are described
            if out_of_memory(error):
                raise OutOfMemoryError(first_line(error)) from error
            if len(jobs) == 1:
                return {entry: failed(error, self._out / entry.name) for entry in jobs}
        made: dict[Entry, FilmResult] = {}
        for entry, one in jobs.items():
            made |= self._made({entry: one}, progress)
        return made

    def _together(self, jobs: dict[Entry, Found], progress: Listener) -> dict[Entry, FilmResult]:
        made: dict[Path, FilmResult] = {}
        for group in groups_of(self._wish, jobs.values()):
            described = describe_many(
                group.jobs, self.captioner, self.settings(group), progress, cast=group.cast, sources=group.sources
            )
            for outcome in described:
                made[outcome.job.film] = (
                    failed(outcome.error, None) if outcome.description is None else _result(outcome.description)
                )
        return {entry: made[job.film] for entry, (job, _) in jobs.items()}


def find_job(wish: CatalogueWish, out: Path, entry: Entry) -> Found:
    """What to do with a film, and what its project remembers, once nobody else has that open.

    Raises:
        CalvinError: the project cannot be used.
    """
    folder = out / entry.name
    wait_until_free(folder)
    job, known = film_job(entry.film, entry.subtitles, folder)
    unasked = nobody_named(wish.model, wish.sources)
    return replace(job, nested=False, replace=wish.replace, unasked=unasked), known


def wait_until_free(
    folder: Path, within_s: float = _FREED_WITHIN_S, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait for a project that another process holds; if that goes on, opening it will say so."""
    waited = 0.0
    while waited < within_s and held_elsewhere(folder):
        sleep(0.2)
        waited += 0.2


def groups_of(wish: CatalogueWish, found: Iterable[Found]) -> list[Alike]:
    """Films that are described with the same settings."""
    return alike(found, wish.wish, lambda _: wish.sources, wish.cast)


def settings_of(wish: CatalogueWish, group: Alike, context: int | None) -> DescribeSettings:
    """How films are described; `context` is that of the captioner's adapter."""
    return settle(wish.wish, group.record, context, ocr.reads_by_default())


def failed(error: BaseException | None, folder: Path | None) -> FilmResult:
    """A film that could not be described, and why."""
    if isinstance(error, CalvinError):
        return FilmResult(error=" ".join(str(error).split()), server=isinstance(error, ServerError))
    if isinstance(error, TROUBLE):
        return FilmResult(error=trouble(error, folder))
    what = type(error).__name__ + (f": {first_line(error)}" if error is not None and str(error) else "")
    return FilmResult(error=f"It met an error that calvin does not know ({what}): please report it.")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, of Python's or of PyTorch's on a processor or a GPU, is about memory."""
    named = isinstance(error, MemoryError | OutOfMemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def _result(description: Description) -> FilmResult:
    with ProjectStore(description.project, read_only=True) as store:
        film = store.film
        unanswered = sum(one.reason.startswith(NO_WORDS) for one in store.decisions)
    seconds = film.duration_ms / 1000 if film is not None else 0.0
    return FilmResult(seconds, len(description.script.cues), description.empty, unanswered, notes=description.notes)


def _shares(entries: Sequence[Entry], took_s: float) -> dict[Entry, float]:
    """The time that films took together, by how long they are."""
    total = sum(entry.seconds for entry in entries)
    return {entry: took_s * (entry.seconds / total if total else 1 / len(entries)) for entry in entries}


def _part(spent: Spending, number: int, parts: int) -> Spending:
    """An equal share of what was spent on several films at once, such that all shares add up to it."""

    def share(total: int) -> int:
        return total * (number + 1) // parts - total * number // parts

    return Spending(share(spent.answers), share(spent.prompt_tokens), share(spent.completion_tokens))
