"""Scenes worth a describer's time: where main characters first appear (section 5.2), then those most unlike them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np

from calvin.core.errors import DataError, StoreError, UsageError
from calvin.core.files import write_text
from calvin.core.text_tables import csv_text, sheet_text, sheet_time
from calvin.core.time import Span
from calvin.core.types import Cue, CueKind, Place
from calvin.data.features import FeatureStore
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.presence import PRESENCE, guess_presence, names_at, notes_of, speakers_of
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import SHORTEST_MS, free_part
from calvin.studio.script.writers import cue_name, printable

MAX_FRAMES = 32
USUAL = 20
"""The scenes that the paper corrects per film."""


@dataclass(frozen=True, slots=True)
class ChosenScene:
    """A scene by its index, and why it was chosen."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pick:
    """A scene proposed for annotation: its place (without a cue, the part that is free), its cue if it has one, and why
    it was chosen."""

    plan: Place
    cue: Cue | None
    reason: str

    @property
    def span(self) -> Span:
        """When it is spoken, or could be."""
        return self.cue.span if self.cue else self.plan.span


def choose_scenes(
    names: Sequence[Sequence[str]], vectors: np.ndarray, count: int, done: Collection[int] = ()
) -> list[ChosenScene]:
    """`count` scenes: where each main character is first seen, most frequent ones first, then farthest-point sampling.

    Args:
        names: who is in each scene, in time order.
        vectors: one for each scene [N, D].
        done: scenes described before. They are not chosen again, and count as chosen for characters and for distance.

    Raises:
        UsageError: fewer scenes than that, or none asked for.
    """
    left = len(vectors) - len(done)
    if not 1 <= count <= left:
        raise UsageError(f"{count} scenes cannot be picked from {left}: ask for 1 to {left}.")
    # Scenes of one film look alike; without what they share, angles between them say where they differ.
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    chosen: dict[int, str] = {}
    times = {name: sum(name in row for row in names) for row in names for name in row}
    for name in sorted(times, key=lambda name: -times[name]):
        first = next(index for index, row in enumerate(names) if name in row)
        if first in done:
            continue
        scenes = f"in {times[name]} scene{'' if times[name] == 1 else 's'}"
        if first in chosen:
            chosen[first] += f", and of {name} ({scenes})"
        elif len(chosen) < count:
            chosen[first] = f"first appearance of {name} ({scenes})"
    if not chosen and not done:
        chosen[int(np.argmin(np.linalg.norm(centred, axis=1)))] = "nearest to the film's average"
    distance = np.min([1 - unit @ unit[index] for index in (*done, *chosen)], axis=0)
    # Farthest-point sampling: the next scene is the one whose nearest chosen scene is farthest away. Keeping that
    # distance for every scene, and lowering it by the one just chosen, spares comparing with all of them each time.
    while len(chosen) < count:
        distance[[*done, *chosen]] = -1  # below any distance, so that none is chosen twice
        farthest = int(np.argmax(distance))
        chosen[farthest] = f"unlike those chosen before (distance {distance[farthest]:.2f})"
        distance = np.minimum(distance, 1 - unit @ unit[farthest])
    return [ChosenScene(index, reason) for index, reason in chosen.items()]


def pick_scenes(store: ProjectStore, count: int | None = None) -> list[Pick]:
    """Propose scenes of a described project that no person has described yet, in time order.

    Args:
        count: None for `USUAL`, or as many as there are.

    Raises:
        StoreError: no film, no scene left, or no frame vectors to compare scenes by.
        UsageError: more scenes than there are.
    """
    # What stands on the screen is no scene to describe.
    film, cues = store.bound_film(), [cue for cue in store.script().cues if cue.kind is CueKind.PICTURE]
    described, places = {cue.id for cue in cues}, store.places_of_cues()
    read_out = {place.id for cue, place in places.items() if cue not in described}
    standing = {cue.visual: cue for cue in cues if not cue.settled}
    plans = _undescribed([plan for plan in store.plans if plan.id not in read_out], cues, standing)
    if not plans:
        raise StoreError("A person has described every scene of this project, so none is left to pick.")
    known = [(cue.visual, None) for cue in cues if cue.settled]
    scenes = sorted([*known, *((plan.visual, plan) for plan in plans)], key=lambda scene: scene[0])
    spans = [visual for visual, _ in scenes]
    with open_project_features(store) as features:
        vectors = np.stack([features.scene(film.sha256, span, MAX_FRAMES).mean(axis=0) for span in spans])
    done = [index for index, (_, plan) in enumerate(scenes) if plan is None]
    picks, count = [], min(USUAL, len(plans)) if count is None else count
    for choice in choose_scenes(_present(store, spans), vectors, count, done):
        plan = scenes[choice.index][1]
        assert plan is not None, "what is done is not chosen"
        picks.append(Pick(plan, standing.get(plan.visual), choice.reason))
    return sorted(picks, key=lambda pick: pick.span)


def _undescribed(plans: Sequence[Place], cues: Sequence[Cue], drafts: Collection[Span]) -> list[Place]:
    """The places with a draft; and those without a cue, cut to the part that is free, if words still fit there."""
    done, found = [cue for cue in cues if cue.settled], []
    for plan in plans:
        if plan.visual in drafts:
            found.append(plan)
        elif not plan.taken(done):
            free = free_part(plan.span, [cue.span for cue in cues])
            if free is not None and free.duration_ms >= SHORTEST_MS:
                found.append(replace(plan, span=free))
    return found


def open_project_features(store: ProjectStore, encoder_hash: str | None = None) -> FeatureStore:
    """The frame vectors of a project: those of the encoder given, else of the model that described it.

    Raises:
        StoreError: there are none.
    """
    wanted = encoder_hash or store.model.get("encoder_hash")
    path = store.folder / f"features-{str(wanted)[:12]}.safetensors"
    if not wanted or not path.is_file():
        raise StoreError(
            f"{store.folder} holds no frame vectors of this model: describe the film with it first "
            "(`calvin describe FILM -o PROJECT`)."
        )
    return FeatureStore.open(path)


def _present(store: ProjectStore, spans: Sequence[Span]) -> list[tuple[str, ...]]:
    """Who is in each scene: as `describe --cast` found it, else by who speaks; with the names in people's cues."""
    known = known_presence(store)
    if known is not None:
        written = {note.span: note.present for note in notes_of(store.cues, Cast(store.characters))}
        return [tuple(dict.fromkeys((*known.get(span, ()), *written.get(span, ())))) for span in spans]
    cast = speakers_of(store.dialogue)
    guesses = guess_presence(spans, cast, store.dialogue, notes_of(store.cues, cast))
    return [names_at(row, cast.settings) for row in guesses]


def known_presence(store: ProjectStore) -> dict[Span, tuple[str, ...]] | None:
    """Who is in which scene, as `describe --cast` found; None if the project was described without a cast.

    Raises:
        DataError: the file is damaged.
    """
    path = store.folder / PRESENCE
    if not path.is_file():
        return None
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {Span(round(1000 * row["start"]), round(1000 * row["end"])): tuple(row["names"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: run `calvin describe` with --cast again.") from error


def write_picks(picks: Sequence[Pick], path: Path) -> None:
    """Write a table to correct and give to `calvin adapt --corrections`: the cues as they are, and why each was picked.

    Raises:
        UsageError: the file is there already, perhaps with somebody's corrections.
    """
    if path.exists():
        raise UsageError(f"{path} is there already and may hold corrections: name another file with -o.")
    rows = []
    ordered = sorted(picks, key=lambda pick: pick.span)
    # A moment can be described only once, but cues that people moved may overlap: each ends where the next begins.
    nexts = [after.span.start_ms for _, after in pairwise(ordered)]
    for pick, latest in zip_longest(ordered, nexts):
        span = pick.span
        end = span.end_ms if latest is None else min(span.end_ms, latest)
        times = (sheet_time(span.start_ms), sheet_time(end))
        text = sheet_text(printable(pick.cue.text)) if pick.cue else ""
        rows.append((cue_name(pick.cue) if pick.cue else "", *times, text, pick.reason))
    write_text(path, csv_text(("id", "in", "out", "text", "why"), rows))
