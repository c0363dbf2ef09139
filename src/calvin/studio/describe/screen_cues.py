"""Writing on the screen as cues of its own kinds: read once, judged with the dialogue, said in one sentence each.

What is read is data of the film. It becomes the text of cues and never part of a question to a model.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence

from calvin.core.errors import MissingExtraError
from calvin.core.progress import Listener, Stage
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.core.types import Cue, CueKind, Place
from calvin.media.film.decode import READABLE
from calvin.media.film.frames import INDEX, FrameStore
from calvin.media.film.ocr import TextLine, can_read
from calvin.media.film.still_readings import read_stills
from calvin.media.film.text_kinds import ScreenText, ScreenTexts, screen_texts
from calvin.media.gaps import PlanSettings, dialogue_gaps
from calvin.media.schedule.items import ScheduleSettings
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import SpokenLength

_STORED_EVERY_S = 2.0
_MOST_WORDS = 40
_PART_WORDS = 14
_CREDIT_WORDS = 25
_ROOM_MS = 1500
_CARD = 0.7
"""Share of a scene in which a card leaves nothing else to describe."""
_LABELS = {
    "en": ("On screen", "On screen, in part", "Title", "Credits", "and others"),
    "de": ("Auf dem Bildschirm", "Auf dem Bildschirm, in Auszügen", "Titel", "Mitwirkende", "und andere"),
    "fr": ("À l’écran", "À l’écran, en partie", "Titre", "Générique", "et d’autres"),
    "es": ("En pantalla", "En pantalla, en parte", "Título", "Créditos", "y otros"),
}
"""What comes before each kind, by language; in others, what stands there is said without a word before it."""
_NO_LABELS = ("", "", "", "", "…")
_GOES_ON = re.compile(
    r"(.*\s)?(an?|and|at|by|for|from|in|of|on|or|the|to|with|der|die|das|de[nms]|eine?|im|mit|und|von|zu[mr]|à|aux?|avec"
    r"|de|du|en|et|l[ae]s?|ou|par|pour|sur|une?|con|del|el|los|para|por|y)",
    re.IGNORECASE,
)
"""Words with which no sentence ends, in the languages of the labels: the line after such a word belongs to it."""


def read_film(store: ProjectStore, listener: Listener) -> None:
    """Read the stills that were kept for it, from where an earlier run was stopped; then they are no longer needed.

    Raises:
        MissingExtraError: the extra `ocr` is not installed.
        MediaError: the stills are not whole.
    """
    folder, done = store.folder / "frames" / READABLE, store.stills_read
    if store.readable is not None and done >= store.readable:
        shutil.rmtree(folder, ignore_errors=True)
        return
    stills = FrameStore.open(folder)
    stage = Stage("read writing", listener, len(stills), "s", kept=done)
    waiting: list[tuple[TextLine, ...]] = []
    stored = time.monotonic()
    for number, lines in enumerate(read_stills(stills, done), done):
        waiting.append(lines)
        if time.monotonic() - stored > _STORED_EVERY_S or number + 1 == len(stills):
            store.add_readings(number + 1 - len(waiting), waiting)
            waiting, stored = [], time.monotonic()
        stage.update(number + 1)
    shutil.rmtree(folder, ignore_errors=True)


def film_texts(store: ProjectStore) -> ScreenTexts:
    """What can be read in the film of a project, as far as it was read."""
    film = store.bound_film()
    names = [name for one in store.characters for name in (one.name, *one.aliases)]
    return screen_texts(store.readings, film.duration_ms, store.dialogue, film.title, names)


def check_can_read(store: ProjectStore) -> None:
    """
    Raises:
        MissingExtraError: there is something to read, and the extra `ocr` is not installed.
    """
    if not (can_read() or _is_read(store)):
        raise MissingExtraError("Reading words on screen", "ocr")


def can_go_on(store: ProjectStore) -> bool:
    """Whether all is read, or the stills to read are there."""
    return _is_read(store) or (store.readable is not None and (store.folder / "frames" / READABLE / INDEX).is_file())


def _is_read(store: ProjectStore) -> bool:
    return store.readable is not None and store.stills_read >= store.readable


def add_screen_cues(store: ProjectStore, plan: PlanSettings, spoken: SpokenLength, language: str) -> None:
    """Make a draft of each text on the screen, to be placed in the film.

    Scenes of the plan in which a card leaves nothing else to describe are left to it. A text that a person's cue reads
    out already gets no draft.
    """
    texts = _untold(store)
    lines, duration_ms = [line.span for line in store.dialogue], store.bound_film().duration_ms
    gaps = dialogue_gaps(lines, duration_ms, plan.min_gap_ms, plan.guard_ms)
    cards = film_texts(store).texts
    store.drop_places([place.id for place in store.plans if not place.done and _is_card(place.visual, cards)])
    for text in texts:
        words = sentences(text, language)
        span = Span(text.span.start_ms, text.span.start_ms + spoken.ms(words[0]))
        place = Place(_room(text, gaps), text.span, text.span.start_ms)
        number = store.add_place(place, Decision(Choice.OPEN, "Read on the screen, but not placed yet."))
        draft = Cue("", span, words[0], text.span, text.span.start_ms, kind=text.kind)
        store.add_cue(draft, number, words)


def _untold(store: ProjectStore) -> list[ScreenText]:
    """The texts that no cue of a person reads out."""
    settled = [cue for cue in store.cues if cue.settled and cue.kind is not CueKind.PICTURE]
    return [
        text
        for text in film_texts(store).texts
        if not any(2 * cue.visual.overlap_ms(text.span) > text.span.duration_ms for cue in settled)
    ]


def _is_card(visual: Span, texts: Sequence[ScreenText]) -> bool:
    cards = [text.span for text in texts if text.kind is not CueKind.TEXT or _fills(text)]
    return sum(visual.overlap_ms(span) for span in cards) >= _CARD * visual.duration_ms > 0


def _fills(text: ScreenText) -> bool:
    """Whether a text is a picture by itself, such as a letter or a card with a few large words."""
    left, top, right, bottom = text.box
    return (right - left) * (bottom - top) > 0.1 or right - left > 0.6


def _room(text: ScreenText, gaps: Sequence[Span]) -> Span:
    """The silence in which a text may be read out: one while it stands there, else the next that comes soon."""
    until = text.span.end_ms + ScheduleSettings().waits_ms(text.kind)
    there = [
        Span(max(gap.start_ms, text.span.start_ms), min(gap.end_ms, until))
        for gap in gaps
        if gap.end_ms > text.span.start_ms and gap.start_ms < until
    ]
    long = [part for part in there if part.duration_ms >= _ROOM_MS]
    return next(iter(long), max(there, key=lambda part: part.duration_ms, default=text.span))


def sentences(text: ScreenText, language: str) -> list[str]:
    """How a text may be read out, the fullest way first."""
    labels = _LABELS.get(language.lower().partition("-")[0], _NO_LABELS)
    lines = [" ".join(line.replace('"', "'").split()) for line in text.lines]
    if text.kind is CueKind.TITLE:
        return _title(lines, text.heights, labels)
    if text.kind is CueKind.CREDIT:
        return _credits(lines, labels)
    whole = _joined(lines)
    words = whole.split()
    if len(words) <= _MOST_WORDS:
        full = [_labelled(whole, labels[0])]
        return [*full, _labelled(_first(lines), labels[1])] if len(words) > 1.5 * _PART_WORDS else full
    return [_labelled(" ".join([*words[:count], "…"]), labels[1]) for count in (_MOST_WORDS, _PART_WORDS)]


def _title(lines: Sequence[str], heights: Sequence[float], labels: Sequence[str]) -> list[str]:
    tall = max(heights)
    name = _joined([line for line, height in zip(lines, heights, strict=True) if height > 0.88 * tall])
    rest = _joined([line for line, height in zip(lines, heights, strict=True) if height <= 0.88 * tall])
    short = _labelled(name, labels[2])
    return [f"{short} {_ended(rest)}", short] if rest else [short]


def _credits(lines: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Credits in one sentence: the first of them, and that there are more."""
    label, more = labels[3:]
    told: list[str] = []
    for line in lines:
        if told and len(" ".join([*told, line]).split()) > _CREDIT_WORDS:
            break
        told.append(line)
    found = []
    for way in (told, told[:2]):
        said = ". ".join(line.rstrip(". ") for line in way)
        said += f", {more}" if len(way) < len(lines) else ""
        found.append(_ended(f"{label}: {said}" if label else said))
    return list(dict.fromkeys([*found, f"{label}."] if label else found))


def _joined(lines: Sequence[str]) -> str:
    """Lines as they are said: those of one sentence go on, others get a stop between them."""
    said = ""
    for line in lines:
        unfinished = said[-1:] in ",;-&" or bool(_GOES_ON.fullmatch(said))
        goes_on = len(lines) > 2 or line[:1].islower() or unfinished or not said
        said += line if not said else f" {line}" if goes_on or said[-1:] in ".!?:" else f". {line}"
    return said


def _first(lines: Sequence[str]) -> str:
    words = _joined(lines).split()
    return " ".join([*words[:_PART_WORDS], "…"])


def _labelled(said: str, label: str) -> str:
    said = f'"{said}"' if said[-1:] in ".!?…" else f'"{said}."'
    return f"{label}: {said}" if label else said


def _ended(said: str) -> str:
    return said if said[-1:] in ".!?…" else f"{said}."


def screen_notes(store: ProjectStore) -> list[str]:
    """Sentences for the describer on what was read."""
    found, notes = film_texts(store), []
    if found.texts:
        many = counted(len(found.texts), "text")
        notes.append(f"{many} on the screen: check names and numbers, which may be misread.")
    if found.left_out.get("subtitle", 0) >= 3:
        known = any(line.text for line in store.dialogue)
        cure = "" if known else " If you have them as a file, name it (`-s`)."
        notes.append(f"Subtitles in the picture were recognised, and are not read out.{cure}")
    return notes
