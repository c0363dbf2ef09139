"""A cast brought to a film in hand: who is in each planned scene, for prompts, project and describer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from calvin.captioners.base import Captioner, FeatureCaptioner
from calvin.core.time import Span
from calvin.media import read_image
from calvin.studio.cast import Cast, Told
from calvin.studio.film import FRAME_SIZE, FilmInHand
from calvin.studio.presence import (
    PRESENCE,
    CharacterBank,
    guess_presence,
    names_at,
    told_by,
    unknown_speakers,
    write_presence,
)


def bring_cast(hand: FilmInHand, cast: Cast, captioner: Captioner) -> None:
    """Work out who is where, keep it in the project (`presence.jsonl`), and note what of the cast does not fit.

    Raises:
        CalvinError: a picture cannot be read.
    """
    store, plans = hand.store, hand.store.plans
    told = told_by(store.cues, cast)
    spans, lines = [plan.visual for plan in plans], store.dialogue
    bank = _bank(hand, cast, captioner, spans, [*cast.told, *told]) if plans else None
    if bank is None and cast.pictures:
        hand.notes.append(
            f"The pictures of the cast were not used: {captioner.info.name} makes no frame vectors to compare them by."
        )
    guesses = guess_presence(spans, cast, lines, told, bank)
    hand.present = {plan.id: names_at(row, cast.settings) for plan, row in zip(plans, guesses, strict=True)}
    write_presence(store.folder / PRESENCE, hand.film.title, spans, guesses, cast.settings)
    store.put("cast", [asdict(person) for person in cast.characters])
    found = {name for names in hand.present.values() for name in names}
    absent = [person.name for person in cast.characters if person.name not in found]
    if absent and plans:
        hand.notes.append(
            f"In no scene is it sure enough that {', '.join(absent)} is there: look whether the cast is this film's, "
            "add pictures, or lower the threshold."
        )
    strangers = unknown_speakers(lines, cast)
    if strangers:
        hand.notes.append(f"These speak in the subtitles, but are not in the cast: {', '.join(strangers)}.")


def _bank(
    hand: FilmInHand, cast: Cast, captioner: Captioner, spans: Sequence[Span], told: Sequence[Told]
) -> CharacterBank | None:
    if hand.features is None or not isinstance(captioner, FeatureCaptioner):
        return None
    portraits = {name: encode_pictures(paths, captioner) for name, paths in cast.pictures.items()}
    seen = seen_alone(told)
    if not portraits and not seen:
        return None
    vectors = hand.features.get(hand.film.sha256)
    return CharacterBank.build(vectors, hand.features.fps, spans, portraits, seen, cast.settings.exemplars)


def encode_pictures(paths: Sequence[Path], captioner: FeatureCaptioner) -> np.ndarray:
    """Pictures as frame vectors [n, D]."""
    return np.concatenate([captioner.encode_frames(read_image(path, FRAME_SIZE)[None]) for path in paths])


def seen_alone(told: Sequence[Told]) -> dict[str, list[Span]]:
    """Where somebody is known to be, and nobody else is."""
    seen: dict[str, list[Span]] = {}
    for note in told:
        if len(note.present) == 1:
            seen.setdefault(note.present[0], []).append(note.span)
    return seen
