"""Who is in which scene: from who speaks, from what a person wrote, and from pictures, by likeness.

Pictures work as in AutoAD-II's character bank: a portrait rarely looks like the film, so the film's own frames that are
most like it become the exemplars, and scenes are compared with these by their frame vectors. Portraits from the film
itself are also compared by their colours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from calvin.core.errors import DataError
from calvin.core.files import write_text
from calvin.core.time import Span
from calvin.core.types import Cue, CueKind, DialogueLine
from calvin.studio.cast.characters import Cast, Note, PresenceSettings, cast_of_names
from calvin.studio.cast.colours import ColourBank
from calvin.studio.cast.proposals import means_nobody

PRESENCE = "presence.jsonl"
_RIDGE = 30.0
"""How many times the mean variance is added to every direction before whitening. Hard whitening (0.1) lets noise drown
the looks: on training puppet films it puts 66 to 68% of pairs (a scene with the person, one without) in the right
order, and this value 83 to 86%.
"""
_DENIED = 0.02
_ENOUGH = 20
"""The fewest scenes for which contrasts are given: with fewer, too many characters who are there fall below it."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Somebody who may be in a scene; `source` is "notes", "subtitles", "pictures", "portraits" or "faces"."""

    name: str
    confidence: float
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class CharacterBank:
    """The likeness of each scene to each character: `scores[name]` [scenes], in spreads above the film's mean.

    `contrast[name]`, for characters with pictures, says whether they are in the film at all, which the scores cannot:
    those are relative to the film. It is how far the scenes differ in likeness to the pictures, divided by how far they
    differ in likeness to one of the film's own frames. It is empty for films of few scenes.
    """

    scores: Mapping[str, np.ndarray]
    contrast: Mapping[str, float]

    @classmethod
    def build(
        cls,
        vectors: np.ndarray,
        fps: float,
        spans: Sequence[Span],
        portraits: Mapping[str, np.ndarray],
        seen: Mapping[str, Sequence[Span]],
        exemplars: int = 5,
    ) -> CharacterBank:
        """Compare the scenes of a film with every character who has pictures or was seen alone.

        Args:
            vectors: the film's frames [T, D].
            spans: of the scenes.
            portraits: vectors of reference pictures [n, D] by name.
            seen: stretches of the film in which a character is known to be alone; those frames are exemplars too.

        Raises:
            DataError: vectors of another width.
        """
        if any(array.shape[1] != vectors.shape[1] for array in portraits.values()):
            raise DataError("The pictures of the cast were encoded by another encoder than the film.")
        unit, pictures = _whitened(vectors.astype(np.float64), portraits)
        scenes = [slice(*span.frame_range(fps, len(unit))) for span in spans]
        means = np.stack([unit[scene].mean(axis=0) for scene in scenes])  # [scenes, D]
        scores = {}
        for name in dict.fromkeys((*portraits, *seen)):
            parts = []
            if name in pictures:
                # A portrait rarely looks like the film: the frames most like it stand in for it (AutoAD-II).
                likeness = (unit @ pictures[name].T).max(axis=1)  # [T]
                parts.append(unit[np.argsort(-likeness)[:exemplars]])
            parts += [unit[slice(*span.frame_range(fps, len(unit)))] for span in seen.get(name, ())]
            # Some looks are like everything: what counts is how far a scene stands out from the film's other scenes.
            like = means @ _unit(np.concatenate(parts).mean(axis=0, keepdims=True))[0]  # [scenes]
            scores[name] = (like - like.mean()) / max(float(like.std()), 1e-9)
        if len(spans) < _ENOUGH:
            return cls(scores, {})
        own = _own_spread(means, np.stack([unit[(scene.start + scene.stop) // 2] for scene in scenes]))
        contrast = {name: float((means @ rows.T).std(axis=0).mean()) / own for name, rows in pictures.items()}
        return cls(scores, contrast)


def _whitened(frames: np.ndarray, portraits: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Frames [T, D] and pictures [n, D] as unit vectors around the film's mean."""
    mean = frames.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(frames - mean, rowvar=False))
    whiten = axes / np.sqrt(np.maximum(variances, 0) + _RIDGE * max(variances.mean(), 1e-12))
    return _unit((frames - mean) @ whiten), {name: _unit((rows - mean) @ whiten) for name, rows in portraits.items()}


def _own_spread(means: np.ndarray, frames: np.ndarray) -> float:
    """How far the likeness of the other scenes to a frame of the film spreads: the median over one frame per scene.

    `means` and `frames` are [scenes, D].
    """
    likeness = means @ frames.T
    np.fill_diagonal(likeness, np.nan)  # leaves out a frame's own scene
    return max(float(np.median(np.nanstd(likeness, axis=0))), 1e-9)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def guess_presence(
    spans: Sequence[Span],
    cast: Cast,
    lines: Sequence[DialogueLine] = (),
    notes: Sequence[Note] = (),
    bank: CharacterBank | None = None,
    colours: ColourBank | None = None,
    faces: Mapping[str, np.ndarray] | None = None,
) -> list[tuple[Guess, ...]]:
    """Everybody who may be in each scene, surest first; the threshold is not yet applied.

    Where `colours` say how somebody looks, a voice is evidence beside them, and one that is only near is none: whoever
    speaks is often not in the picture. `faces` [scenes] by name are the distances of `FaceBank`: where faces are
    seen, they decide about those whose face is known, since others may wear like colours. Where none is, people may
    have turned away.

    A person's word is beyond doubt and beats the other sources. `absent` in the cast also beats names in cues, since
    cues may name somebody who is not there ("Ann looks for Bob."). Nobody is named before they are known.
    """
    settings = cast.settings
    heard = [(line.span, name) for line in lines if (name := cast.resolve(line.speaker)) is not None]
    notes = (*cast.notes, *notes)
    from_ms = {person.name: person.known_from_ms for person in cast.characters}
    alike = likenesses(settings, bank.scores if bank else {}, colours)
    found = []
    for number, span in enumerate(spans):
        guesses: dict[str, Guess] = {}
        for line, name in heard:
            inside = line.overlap_ms(span) > 0
            near = line.end_ms > span.start_ms - settings.near_ms and line.start_ms < span.end_ms + settings.near_ms
            if inside or near:
                _add(guesses, Guess(name, settings.heard if inside else settings.near, "subtitles"))
        voices = dict(guesses)
        for name, values in alike.items():
            seen, voice = Guess(name, float(values[number]), "pictures"), voices.get(name)
            if colours and name in colours.likeness:
                seen = Guess(name, _heard_too(seen.confidence, voice, settings), "portraits")
                guesses.pop(name, None)
            _add(guesses, seen)
        for name, nearest in (faces or {}).items():
            if np.isfinite(nearest[number]):
                sure = face_confidence(nearest[number], settings)
                guesses[name] = Guess(name, _heard_too(sure, voices.get(name), settings), "faces")
        for name, word in words_on(span, notes).items():
            guesses.pop(name, None)
            if word:
                guesses[name] = Guess(name, 1.0, "notes")
        known = [guess for guess in guesses.values() if span.end_ms > from_ms.get(guess.name, 0)]
        found.append(tuple(sorted(known, key=lambda guess: -guess.confidence)))
    return found


def likenesses(
    settings: PresenceSettings, vectors: Mapping[str, np.ndarray], colours: ColourBank | None = None
) -> dict[str, np.ndarray]:
    """How sure it is by looks that somebody is in each scene [scenes], by name: by all sources that know them."""
    sure = {}
    worn = colours.likeness if colours else {}
    for name in dict.fromkeys((*vectors, *worn)):
        if colours is None or name not in worn:
            sure[name] = _sigmoid(settings.slope * (vectors[name] - settings.offset))
            continue
        terms, weights = [worn[name], colours.explained[name]], [*settings.by_colours]
        if name in vectors:
            terms, weights = [vectors[name], *terms], [*settings.with_vectors]
        constant, *shares = weights
        sure[name] = _sigmoid(constant + np.tensordot(shares, np.stack(terms), 1))
    return sure


def face_confidence(nearest: float, settings: PresenceSettings) -> float:
    """How sure it is that somebody is in a scene whose nearest face lies so far from those of their portraits."""
    return float(_sigmoid(np.array(settings.face_slope * (settings.face_distance - nearest))))


def _heard_too(confidence: float, voice: Guess | None, settings: PresenceSettings) -> float:
    """The confidence of somebody's looks, with their voice heard in the scene."""
    if voice is None or voice.confidence < settings.heard:
        return confidence
    odds = confidence / max(1 - confidence, 1e-9) * settings.heard / max(1 - settings.heard, 1e-9)
    return odds / (1 + odds)


def words_on(span: Span, notes: Sequence[Note]) -> dict[str, bool]:
    """Who is in a scene and who is not, according to notes. One note is enough to rule somebody out."""
    about = [note for note in notes if note.span.overlap_ms(span) > 0]
    there = {name: True for note in about for name in note.present}
    return there | {name: False for note in about for name in note.absent}


def _add(guesses: dict[str, Guess], guess: Guess) -> None:
    if guess.name not in guesses or guess.confidence > guesses[guess.name].confidence:
        guesses[guess.name] = guess


def _sigmoid(values: np.ndarray) -> np.ndarray:
    # Clipped, because exp overflows on likenesses far from the curve.
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))


def names_at(guesses: Sequence[Guess], settings: PresenceSettings) -> tuple[str, ...]:
    """The names of characters who are there surely enough."""
    return tuple(guess.name for guess in guesses if guess.confidence >= settings.threshold)


def denied_at(guesses: Sequence[Guess]) -> frozenset[str]:
    """Those who are surely not in a scene, by how they look in the film itself: a look that a caption tells is not
    theirs, however like it is.
    """
    return frozenset(one.name for one in guesses if one.source in ("portraits", "faces") and one.confidence < _DENIED)


def unlike_film(
    bank: CharacterBank | None, cast: Cast, lines: Sequence[DialogueLine], notes: Sequence[Note]
) -> list[str]:
    """Characters whose pictures look like nobody in the film, unless another source says that they are in it."""
    placed = {cast.resolve(line.speaker) for line in lines} | set(cast.portraits)
    placed.update(name for note in (*cast.notes, *notes) for name in note.present)
    contrast = bank.contrast if bank else {}
    return [name for name, value in contrast.items() if value < cast.settings.contrast and name not in placed]


def notes_of(cues: Sequence[Cue], cast: Cast) -> list[Note]:
    """Notes from the cues that a person settled: the characters that they name are in that scene."""
    notes: list[Note] = []
    texts: list[str] = []
    for cue in cues:
        if cue.settled and cue.kind is CueKind.PICTURE:  # credits name people who are not in the picture
            names = cast.meant(cue.text, texts[-3:])
            notes += [Note(cue.visual, names)] if names else []
        texts.append(cue.text)
    return notes


def speakers_of(lines: Sequence[DialogueLine]) -> Cast:
    """The speakers that the subtitles name, as a cast; 'PALOMA' is Paloma."""
    names = (line.speaker.title() if line.speaker.isupper() else line.speaker for line in lines if line.speaker)
    return cast_of_names(names)


def unknown_speakers(lines: Sequence[DialogueLine], cast: Cast) -> list[str]:
    """Speakers who are not in the cast; labels of anybody and of voices are nobody's."""
    labels = dict.fromkeys(line.speaker for line in lines if line.speaker)
    return [label for label in labels if cast.resolve(label) is None and not means_nobody(label)]


def write_presence(
    path: str | Path,
    movie: str,
    spans: Sequence[Span],
    guesses: Sequence[tuple[Guess, ...]],
    settings: PresenceSettings,
) -> None:
    """One line per scene, in the form that evaluation reads, with every guess beside the names."""
    rows = [
        {
            "movie": movie, "start": span.start_ms / 1000, "end": span.end_ms / 1000,
            "names": list(names_at(row, settings)),
            "guesses": [{**asdict(guess), "confidence": round(guess.confidence, 3)} for guess in row],
        }
        for span, row in zip(spans, guesses, strict=True)
    ]  # fmt: skip
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
