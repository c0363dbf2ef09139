"""How much of a film's description is heard, when, and how often it says the same: on projects, and on puppet films."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calvin.captioners import Captioner
from calvin.core.progress import Listener, silent
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.media.schedule.wording import distinct, redundancy, repetition
from calvin.media.voice.voices import ToneVoice, Voice
from calvin.puppets.film import render_film
from calvin.puppets.tell.screenplay import Film, make_film
from calvin.puppets.truth import score_caption
from calvin.studio.describe.films import describe
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.cue_places import shot_of
from calvin.studio.sound.placing import place_voices
from calvin.studio.sound.voiced_cues import voice_project

NEAR_MS = 2000
"""How far from its shot a cue may begin."""


@dataclass(frozen=True)
class Coverage:
    """What is heard of some films' descriptions in the track that pauses nowhere.

    `places` are all places of the films, `said` the cues that are heard. `over_ms` is how long they talk over dialogue,
    `near` how many begin within two seconds of their shot, `late_ms` by how much each begins after its event (0: in
    time). `texts` are their words, film by film, and `right` tells of each whose scene is known whether it names the
    action that happens.
    """

    places: int
    said: int
    over_ms: int
    near: int
    late_ms: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...] = ()

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.places + other.places,
            self.said + other.said,
            self.over_ms + other.over_ms,
            self.near + other.near,
            self.late_ms + other.late_ms,
            self.texts + other.texts,
            self.right + other.right,
        )

    def rows(self) -> list[tuple[str, str]]:
        """Figures in words, for a table."""
        said = max(1, self.said)
        late = sum(self.late_ms) / said
        words = [
            ("places said", f"{self.said} of {self.places} ({self.said / max(1, self.places):.1%})"),
            ("over dialogue", f"{self.over_ms} ms"),
            ("begin within 2 s of their shot", f"{self.near} of {self.said}"),
            ("mean time after the event", f"{late:.0f} ms, at most {max(self.late_ms, default=0)} ms"),
            ("distinct captions", f"{_mean(distinct(texts) for texts in self.texts):.1%}"),
            ("repetition", f"{_mean(repetition(texts) for texts in self.texts):.3f}"),
            ("redundancy", f"{_mean(redundancy(texts) for texts in self.texts):.3f}"),
        ]
        if self.right:
            words.append(("action right, of those said", f"{sum(self.right) / len(self.right):.1%}"))
        return words


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


NOTHING = Coverage(0, 0, 0, 0, (), ())


def project_coverage(folder: Path, film: Film | None = None) -> Coverage:
    """What is heard of a project that was voiced; `film` says what happens.

    Raises:
        StoreError: the folder holds no project.
    """
    with ProjectStore(folder, read_only=True) as store:
        found, _ = spoken_cues(store)
        lines = [line.span for line in store.dialogue]
        placed = place_voices(found, lines, store.bound_film().duration_ms, extended=False)
        cuts = sorted({edge for shot in store.shots for edge in (shot.start_ms, shot.end_ms)})
        places = len(store.plans)
    cues = [one.cue for one in placed.spoken]
    heard = [Span(one.start_ms, one.end_ms) for one in placed.voices]
    return Coverage(
        places,
        len(cues),
        sum(span.overlap_ms(line) for span in heard for line in lines),
        sum(_distance(cue, cuts) <= NEAR_MS for cue in cues),
        tuple(max(0, cue.span.start_ms - cue.event_ms) for cue in cues),
        (tuple(cue.text for cue in cues),),
        _right(cues, film) if film else (),
    )


def _distance(cue: Cue, cuts: Sequence[int]) -> int:
    shot = shot_of(cue, cuts)
    return max(0, shot.start_ms - cue.span.start_ms, cue.span.start_ms - shot.end_ms)


def _right(cues: Sequence[Cue], film: Film) -> tuple[bool, ...]:
    found = []
    for cue in cues:
        scene = next((s for s in film.scenes if s.truth.start_ms <= cue.event_ms < s.truth.end_ms), None)
        if scene is not None:
            found.append(bool(score_caption(cue.text, scene.truth, film.names)["action"]))
    return tuple(found)


def drawn_film(seed: int, folder: Path) -> tuple[Path, Film]:
    """A held-out puppet film with dialogue, small and with tones for voices, drawn where it is not there yet."""
    path = folder / f"film-{seed}.mp4"
    if not path.with_suffix(".truth.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        render_film(seed, path, 320, 180, 5.0, voice=ToneVoice())
    return path, make_film(seed, 18, 4, "heldout", card_ms=3000, seconds=(3.0, 5.6), talk=0.3)


def puppet_coverage(
    captioner: Captioner, seeds: Sequence[int], folder: Path, voice: Voice | None = None, listener: Listener = silent
) -> list[Coverage]:
    """Describe and voice held-out puppet films around their subtitles; what is heard of each."""
    found = []
    for seed in seeds:
        path, film = drawn_film(seed, folder / "films")
        project = folder / f"film-{seed}.calvin"
        describe(path, path.with_suffix(".srt"), captioner, out_dir=project, progress=listener)
        voice_project(project, voice, listener=listener)
        found.append(project_coverage(project, film))
    return found
