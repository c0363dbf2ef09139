"""Who of a cast is in each scene of a film: worked out once, for prompts, for the project and for its describer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.base import Captioner, CaptionRequest, FeatureCaptioner, reads_looks
from calvin.captioners.looks import usual_look
from calvin.core.progress import Listener, silent
from calvin.core.prompts import Prompt, join_names
from calvin.core.time import Span
from calvin.core.types import FRAME_SIZE, Place, Scene
from calvin.media.film.frames import FrameStore
from calvin.media.film.sampling import read_image
from calvin.studio.cast.characters import Cast, Note
from calvin.studio.cast.colours import film_colours
from calvin.studio.cast.faces import faces_installed, film_faces
from calvin.studio.cast.portrait_faces import face_bank
from calvin.studio.cast.portraits import Box, Portrait, cut_out, stills_of
from calvin.studio.cast.presence import (
    PRESENCE,
    CharacterBank,
    Guess,
    denied_at,
    guess_presence,
    names_at,
    notes_of,
    unknown_speakers,
    unlike_film,
    words_on,
    write_presence,
)
from calvin.studio.describe.film_project import FilmProject


def read_pictures(cast: Cast, captioner: Captioner) -> dict[str, np.ndarray]:
    """Vectors [n, D] of the pictures of each character who has some; empty if the captioner makes no frame vectors.

    To be called before a project is opened, so that a picture that cannot be read costs no drafts.

    Raises:
        MediaError: a picture cannot be read.
    """
    frames = {name: [read_image(path, FRAME_SIZE)[None] for path in paths] for name, paths in cast.pictures.items()}
    if not isinstance(captioner, FeatureCaptioner):
        return {}
    return {name: np.concatenate([captioner.encode_frames(each) for each in rgb]) for name, rgb in frames.items()}


def portrait_looks(captioner: Captioner, portraits: Mapping[str, np.ndarray]) -> dict[str, str]:
    """How each person looks by the captions of their pictures, given as vectors [n, D], where these tell a look."""
    return _looks(captioner, [(name, vector, 1.0) for name, vectors in portraits.items() for vector in vectors])


def still_looks(
    captioner: Captioner, frames: FrameStore, portraits: Mapping[str, Sequence[Portrait]]
) -> dict[str, str]:
    """How each person looks by the captions of the stills that their portraits are taken from.

    A still tells looks best as a whole, and what is cut out of it says whose of them is meant: of 20 puppets, one
    portrait each, 18 coats are right by both, and by 2 or 3 portraits all; by whole stills alone 19, by boxes 12.
    """
    if not _tells_looks(captioner) or not portraits:
        return {}
    assert isinstance(captioner, FeatureCaptioner)
    pictures = []
    for name, portrait, still in stills_of(frames, portraits):
        pictures += [(name, still, 1.0), (name, _alone(still, portrait.box), _BOXED)]
    vectors = [captioner.encode_frames(picture[None])[0] for _, picture, _ in pictures]
    return _looks(captioner, [(name, v, weight) for (name, _, weight), v in zip(pictures, vectors, strict=True)])


def cast_looks(
    film: FilmProject, cast: Cast, captioner: Captioner, portraits: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """How the cast looks, by the captions of its pictures and of its portraits; empty where nothing is left to do."""
    if all(plan.done for plan in film.store.plans):
        return {}
    return portrait_looks(captioner, portraits) | still_looks(captioner, film.frames, cast.portraits)


_BOXED = 0.5
"""How much the caption of what is cut out counts, which is an odd picture, beside that of the whole still."""


def _alone(still: np.ndarray, box: Box) -> np.ndarray:
    """What a box holds of a still [H, W, 3], as large, in the middle of its mean colour."""
    height, width = still.shape[:2]
    person = cut_out(still, box)
    tall = person.shape[0]
    wide = max(round(tall * width / height), person.shape[1])
    made = np.full((tall, wide, 3), still.reshape(-1, 3).mean(axis=0).astype(np.uint8), np.uint8)
    left = (wide - person.shape[1]) // 2
    made[:, left : left + person.shape[1]] = person
    return cv2.resize(made, (width, height), interpolation=cv2.INTER_AREA)


def _tells_looks(captioner: Captioner) -> bool:
    """Whether a captioner tells looks by itself; an adapted one tells names."""
    return isinstance(captioner, FeatureCaptioner) and not isinstance(captioner, AdaptedCalvin)


def _looks(captioner: Captioner, pictures: Sequence[tuple[str, np.ndarray, float]]) -> dict[str, str]:
    """Looks by name of pictures as vectors [D], each with a name and how much its caption counts."""
    if not _tells_looks(captioner):
        return {}
    asked = [
        CaptionRequest(Scene(f"{name} {number}", "", Span(0, 1000), image_embeds=vector[None]), Prompt())
        for number, (name, vector, _) in enumerate(pictures)
    ]
    told: dict[str, list[tuple[str, float]]] = {}
    for (name, _, weight), answer in zip(pictures, captioner.caption(asked), strict=True):
        told.setdefault(name, []).append((answer.text, weight))
    return {name: look for name, captions in told.items() if (look := usual_look(captions))}


def bring_cast(
    film: FilmProject,
    cast: Cast,
    captioner: Captioner,
    portraits: Mapping[str, np.ndarray] | None = None,
    listener: Listener = silent,
) -> None:
    """Work out who is where, keep it in the project (`presence.jsonl`), and note what of the cast does not fit.

    Args:
        portraits: vectors [n, D] by name, from `read_pictures`; None: they are read here.

    Raises:
        CalvinError: a picture cannot be read.
    """
    portraits = read_pictures(cast, captioner) if portraits is None else portraits
    store, plans = film.store, film.store.plans
    notes = notes_of(store.cues, cast)
    spans, lines = [shown(plan, store.shots) for plan in plans], store.dialogue
    bank = _bank(film, cast, captioner, spans, [*cast.notes, *notes], portraits) if plans else None
    colours = film_colours(film.frames, spans, cast.portraits) if plans and cast.portraits else None
    faces = _faces(film, cast, spans, listener) if plans else None
    if not isinstance(captioner, FeatureCaptioner) and cast.pictures and faces is None:
        film.notes.append(
            f"The pictures of the cast were not used: {captioner.info.name} has no frame vectors to compare them with."
        )
    guesses = guess_presence(spans, cast, lines, notes, bank, colours, faces)
    film.present = {plan.id: names_at(row, cast.settings) for plan, row in zip(plans, guesses, strict=True)}
    film.denied = {plan.id: denied_at(row) for plan, row in zip(plans, guesses, strict=True)}
    visuals = [plan.visual for plan in plans]
    write_presence(store.folder / PRESENCE, film.film.title, visuals, guesses, cast.settings)
    film.worn = {one.name: one.look for one in cast.characters if one.look}
    film.looks = film.worn if reads_looks(captioner) else {}
    store.characters = cast.characters
    if plans:
        placed = {guess.name for row in guesses for guess in row if guess.source == "faces"}
        unlike = [name for name in unlike_film(bank, cast, lines, notes) if name not in placed]
        film.notes += _missing(cast, guesses, unlike)
    strangers = unknown_speakers(lines, cast)
    if strangers:
        film.notes.append(f"These speak in the subtitles, but are not in the cast: {', '.join(strangers)}.")


def _faces(film: FilmProject, cast: Cast, spans: Sequence[Span], listener: Listener) -> Mapping[str, np.ndarray] | None:
    """How near the faces of each scene are to those of the cast [scenes]; None where nobody looks for faces, or there
    are none."""
    if not (cast.settings.faces and (cast.portraits or cast.pictures) and faces_installed()):
        return None
    found = film_faces(film.frames, film.store.folder, listener=listener)
    bank, notes = face_bank(cast, film.frames, found, film.store.shots, spans)
    film.notes += notes
    return bank.nearest if bank else None


def shown(place: Place, shots: Sequence[Span]) -> Span:
    """What of a place's film its cue is about: the shot of its event. What else it covers, such as the dialogue before,
    is often of other people.
    """
    shot = next((shot for shot in shots if shot.start_ms <= place.event_ms < shot.end_ms), place.visual)
    start, end = max(shot.start_ms, place.visual.start_ms), min(shot.end_ms, place.visual.end_ms)
    return Span(start, end) if end > start else place.visual


def _missing(cast: Cast, guesses: Sequence[tuple[Guess, ...]], unlike: Sequence[str]) -> list[str]:
    """Sentences on characters who seem not to be in the film. Their names stay where they were guessed: a name that a
    false alarm took away would be missed by nobody.
    """
    found = {name for row in guesses for name in names_at(row, cast.settings)}
    unsure = [person.name for person in cast.characters if person.name not in found and person.name not in unlike]
    notes = []
    if unlike:
        notes.append(
            f"Nobody in the film looks much like the pictures of {', '.join(unlike)}: check that the cast is this "
            "film's, and where they are named, or add pictures."
        )
    if unsure:
        notes.append(
            f"In no scene is it sure enough that {join_names(unsure)} {'is' if len(unsure) == 1 else 'are'} there: "
            "check that the cast is this film's, add pictures, or lower the threshold."
        )
    return notes


def _bank(
    film: FilmProject, cast: Cast, captioner: Captioner, spans: Sequence[Span], notes: Sequence[Note],
    portraits: Mapping[str, np.ndarray],
) -> CharacterBank | None:  # fmt: skip
    if film.features is None or not isinstance(captioner, FeatureCaptioner):
        return None
    seen, vectors = seen_alone(notes), film.features.get(film.film.sha256)
    own = {name: vectors[_frames_of(rows, film.features.fps, len(vectors))] for name, rows in cast.portraits.items()}
    portraits = {name: np.concatenate([*_there(name, portraits, own)]) for name in {**portraits, **own}}
    if not portraits and not seen:
        return None
    return CharacterBank.build(vectors, film.features.fps, spans, portraits, seen, cast.settings.exemplars)


def _there(name: str, *sources: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [rows[name] for rows in sources if name in rows]


def _frames_of(portraits: Sequence[Portrait], fps: float, count: int) -> list[int]:
    """The film's frames at the times of portraits; those have vectors already."""
    return [Span(one.at_ms, one.at_ms).frame_range(fps, count)[0] for one in portraits]


def seen_alone(notes: Sequence[Note]) -> dict[str, list[Span]]:
    """The stretches of film in which somebody is known to be alone, according to all notes on them."""
    seen: dict[str, list[Span]] = {}
    for note in notes:
        there = [name for name, word in words_on(note.span, notes).items() if word]
        if len(there) == 1 and there[0] in note.present:
            seen.setdefault(there[0], []).append(note.span)
    return seen
