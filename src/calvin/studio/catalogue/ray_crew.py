"""Workers of a catalogue on a Ray cluster: actors that describe films, or that decode them for others that caption.

Where there are GPUs, each has a captioner with tower and language model in an actor of its own, and the workers, on
processors alone, decode films, send it their frames for vectors, hear and read what is to be heard and read, plan the
cues, and then hand the films over. Elsewhere each worker has a captioner itself. All machines must see the films, the
model and the catalogue's folder under the same paths.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from calvin.captioners.adapted import adapter_context
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, FeatureCaptioner, Need, still_size
from calvin.core.errors import CalvinError, first_line
from calvin.core.ray_cluster import joined_cluster
from calvin.core.types import EncoderIdentity
from calvin.studio.catalogue.crew import MEMORY, Event, one_thread
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.film_work import (
    CatalogueWish,
    Describer,
    Found,
    OutOfMemoryError,
    failed,
    find_job,
    groups_of,
    out_of_memory,
    settings_of,
)
from calvin.studio.catalogue.listing import Entry
from calvin.studio.describe.films import lay_out


@dataclass(frozen=True, slots=True)
class CaptionerCard:
    """What is to be known of a captioner elsewhere to make films ready for it; `encoder` and `max_frames` are those of
    one that reads frame vectors, and `context` is what its adapter was trained with."""

    info: CaptionerInfo
    needs: frozenset[Need]
    still_size: int | None = None
    encoder: EncoderIdentity | None = None
    max_frames: int = 0
    context: int | None = None


class FarCaptioner:
    """A captioner in another process, for which films are made ready here."""

    def __init__(self, card: CaptionerCard) -> None:
        self._card = card
        self.still_size = card.still_size

    @property
    def info(self) -> CaptionerInfo:
        return self._card.info

    @property
    def needs(self) -> frozenset[Need]:
        return self._card.needs

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        raise AssertionError("films are captioned where the captioner is")


class FarTower(FarCaptioner):
    """One that reads frame vectors; `encode` sends its tower frames, uint8 RGB [N, H, W, 3], for vectors [N, D]."""

    def __init__(self, card: CaptionerCard, encode: Any) -> None:
        super().__init__(card)
        self._encode = encode

    @property
    def encoder(self) -> EncoderIdentity:
        assert self._card.encoder is not None
        return self._card.encoder

    @property
    def max_frames(self) -> int:
        return self._card.max_frames

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D]."""
        vectors: np.ndarray = self._encode(rgb)
        return vectors

    def notice(self, image_embeds: np.ndarray) -> None:
        """Said where the films are described."""
        return


class RayDescriber:
    """An actor that describes films with a captioner of its own, or caption what others made ready for it."""

    def __init__(self, wish: CatalogueWish, out: Path) -> None:
        self._wish, self._out = wish, out
        self._opening = Lock()
        self._describer: Describer | None = None

    def _opened(self) -> Describer:
        with self._opening:  # frames may come while films are captioned
            if self._describer is None:
                one_thread()
                self._describer = Describer(self._wish, self._out)
            return self._describer

    def ready(self) -> CaptionerCard | CalvinError:
        """The captioner's card, or why there is none. Returned and not raised: Ray would bury it in a traceback."""
        try:
            captioner = self._opened().captioner
        except CalvinError as error:
            return error
        except Exception as error:
            _end_without_memory(error)
            return CalvinError(f"The captioner cannot be opened ({type(error).__name__}: {first_line(error)}).")
        info, needs, context = captioner.info, captioner.needs, adapter_context(captioner)
        if not isinstance(captioner, FeatureCaptioner) or "features" not in needs:
            return CaptionerCard(info, needs, still_size(captioner), context=context)
        return CaptionerCard(
            info, needs, still_size(captioner), captioner.encoder, captioner.max_frames, context
        )  # fmt: skip

    def encode(self, rgb: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D]."""
        captioner: Any = self._opened().captioner
        vectors: np.ndarray = captioner.encode_frames(rgb)
        return vectors

    def describe(self, entries: Sequence[Entry]) -> list[FilmResult]:
        try:
            return self._opened().describe(entries)
        except OutOfMemoryError as error:
            _end_without_memory(error)
            raise

    def describe_found(self, found: dict[Entry, Found | FilmResult]) -> list[FilmResult]:
        """The same for films that were made ready elsewhere."""
        try:
            return self._opened().describe_found(found)
        except OutOfMemoryError as error:
            _end_without_memory(error)
            raise


class RayDecoder:
    """An actor that makes films ready for a captioner, an actor too, and has it describe them."""

    def __init__(self, wish: CatalogueWish, out: Path, captioner: Any) -> None:
        self._wish, self._out, self._captioner = wish, out, captioner
        self._card: CaptionerCard | None = None

    def ready(self) -> CaptionerCard | CalvinError:
        one_thread()
        card: CaptionerCard | CalvinError = _awaited(self._captioner.ready.remote())
        if isinstance(card, CaptionerCard):
            self._card = card
        return card

    def describe(self, entries: Sequence[Entry]) -> list[FilmResult]:
        found = {entry: self._made_ready(entry) for entry in entries}
        results: list[FilmResult] = _awaited(self._captioner.describe_found.remote(found))
        return results

    def _made_ready(self, entry: Entry) -> Found | FilmResult:
        import ray

        assert self._card is not None
        try:
            job, known = find_job(self._wish, self._out, entry)
            [group] = groups_of(self._wish, [(job, known)])
            settings = settings_of(self._wish, group, self._card.context)
            lay_out(job, self._stand_in(self._card), settings, cast=group.cast, sources=group.sources)
        except ray.exceptions.RayError:
            raise  # the captioner is gone, and that is no fault of the film
        except Exception as error:  # whatever a film brings about, the others are described
            _end_without_memory(error)
            return failed(error, self._out / entry.name)
        return job, known

    def _stand_in(self, card: CaptionerCard) -> FarCaptioner:
        if card.encoder is None:
            return FarCaptioner(card)
        encode = self._captioner.encode.options(concurrency_group="tower")
        return FarTower(card, lambda rgb: _awaited(encode.remote(rgb)))


def _awaited(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def _end_without_memory(error: BaseException) -> None:
    """End the actor's process where an error is about memory: whatever holds it goes too."""
    if out_of_memory(error):
        os._exit(1)


class RayCrew:
    """`workers` actors of one processor each, and `captioners` for them (None: as many as the cluster has GPUs; 0:
    each worker has its own, and a share of a GPU where there are any).

    Raises:
        MissingExtraError: Ray is not installed.
        CalvinError: no cluster can be started or reached, or it has no processor.
    """

    def __init__(self, wish: CatalogueWish, out: Path, workers: int, captioners: int | None = None) -> None:
        self._wish, self._out = wish, out
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(
            joined_cluster("A catalogue with Ray", workers + (captioners or 0) + 1)
        )  # fmt: skip
        self._numbers = count()
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}
        self._starting: set[int] = set()
        try:
            resources: Mapping[str, float] = self._ray.cluster_resources()
            gpus = resources.get("GPU", 0.0)
            captioners = int(gpus) if captioners is None else captioners
            room = int(resources.get("CPU", 0.0)) - captioners
            if room < 1:
                raise CalvinError(
                    f"The cluster has {resources.get('CPU', 0.0):g} processors, too few for a worker and "
                    f"{captioners} captioners: give fewer --captioners, or add machines."
                )
            self.workers = min(workers, room)
            self._gpus = min(1.0, gpus / self.workers) if not captioners else 0.0
            share = min(1.0, gpus / captioners) if captioners else 0.0
            self._captioners = [self._captioner(share) for _ in range(captioners)]
        except BaseException:
            self._stack.close()
            raise

    def _captioner(self, gpus: float) -> Any:
        """An actor that captions films one lot after the other, and makes vectors of frames meanwhile; the cluster
        begins it anew where it dies."""
        remote = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1, concurrency_groups={"tower": 1})
        return remote(RayDescriber).remote(self._wish, self._out)

    def hire(self) -> int:
        number = next(self._numbers)
        if self._captioners:
            captioner = self._captioners[number % len(self._captioners)]
            actor = self._ray.remote(RayDecoder).options(num_cpus=1).remote(self._wish, self._out, captioner)
        else:
            made = self._ray.remote(RayDescriber).options(num_cpus=1, num_gpus=self._gpus)
            actor = made.remote(self._wish, self._out)
        self._actors[number] = actor
        self._starting.add(number)
        self._pending[actor.ready.remote()] = number
        return number

    def give(self, worker: int, entries: Sequence[Entry]) -> None:
        self._pending[self._actors[worker].describe.remote(tuple(entries))] = worker

    def wait(self, timeout_s: float) -> list[Event]:
        told, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=timeout_s)
        return [self._told(reference) for reference in told]

    def _told(self, reference: Any) -> Event:
        number = self._pending.pop(reference)
        started, how = number in self._starting, ""
        self._starting.discard(number)
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._dismiss(number)
            cause = getattr(error, "cause", None) or error
            lacks = isinstance(cause, self._ray.exceptions.OutOfMemoryError)
            how = MEMORY if lacks else f"{type(cause).__name__}: {first_line(cause)[:200]}"
            return Event(number, "died", how=how)
        if isinstance(value, CalvinError):
            self._dismiss(number)
            return Event(number, "unready", error=value)
        return Event(number, "ready") if started else Event(number, "made", tuple(value))

    def _dismiss(self, number: int) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actors.pop(number))

    def close(self) -> None:
        try:
            for number in list(self._actors):
                self._dismiss(number)
            for captioner in self._captioners:
                with suppress(self._ray.exceptions.RayError):
                    self._ray.kill(captioner)
        finally:
            self._stack.close()
