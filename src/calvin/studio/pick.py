"""Scenes worth a describer's time: first the main characters' first appearances (section 5.2), then what is unlike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.core.cells import csv_text
from calvin.core.errors import DataError, StoreError, UsageError
from calvin.core.files import write_text
from calvin.core.time import format_timecode
from calvin.core.types import Cue
from calvin.data import FeatureStore
from calvin.studio.presence import PRESENCE, guess_presence, names_at, speakers_of, told_by
from calvin.studio.rows import Plan
from calvin.studio.store import ProjectStore
from calvin.studio.writers.base import cue_name, printable

MAX_FRAMES = 32


@dataclass(frozen=True, slots=True)
class Choice:
    """A scene by its index, and why it was chosen."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pick:
    """A scene proposed for annotation: its place, the cue that stands there, if any, and why it was chosen."""

    plan: Plan
    cue: Cue | None
    reason: str


def choose_scenes(names: Sequence[Sequence[str]], vectors: np.ndarray, count: int) -> list[Choice]:
    """`count` scenes: where each main character is first seen, most frequent ones first, then farthest-point sampling.

    Args:
        names: who is in each scene, in time order.
        vectors: one a scene [N, D].

    Raises:
        UsageError: fewer scenes than that, or none asked for.
    """
    if not 1 <= count <= len(vectors):
        raise UsageError(f"{count} scenes cannot be picked from {len(vectors)}: ask for 1 to {len(vectors)}.")
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    chosen: dict[int, str] = {}
    times = {name: sum(name in row for row in names) for row in names for name in row}
    for name in sorted(times, key=lambda name: -times[name]):
        first = next(index for index, row in enumerate(names) if name in row)
        if first in chosen:
            chosen[first] += f", and of {name} (in {times[name]} scenes)"
        elif len(chosen) < count:
            chosen[first] = f"first appearance of {name} (in {times[name]} scenes)"
    if not chosen:
        chosen[int(np.argmin(np.linalg.norm(centred, axis=1)))] = "nearest to the film's average"
    distance = np.min([1 - unit @ unit[index] for index in chosen], axis=0)
    while len(chosen) < count:
        distance[list(chosen)] = -1
        farthest = int(np.argmax(distance))
        chosen[farthest] = f"unlike those chosen before (distance {distance[farthest]:.2f})"
        distance = np.minimum(distance, 1 - unit @ unit[farthest])
    return [Choice(index, reason) for index, reason in chosen.items()]


def pick_scenes(store: ProjectStore, count: int) -> list[Pick]:
    """Propose scenes of a described project that no person has described yet, in time order.

    Raises:
        StoreError: no film, no scene left, or no frame vectors to compare scenes by.
        UsageError: more scenes than there are.
    """
    film, cues = store.bound_film(), store.script().cues
    done = [cue for cue in cues if cue.settled]
    plans = [plan for plan in store.plans if not any(plan.span.overlap_ms(cue.span) for cue in done)]
    if not plans:
        raise StoreError("There is no scene left that a person has not described: nothing to pick.")
    with open_project_features(store) as features:
        vectors = np.stack([features.scene(film.sha256, plan.visual, MAX_FRAMES).mean(axis=0) for plan in plans])
    names = _present(store, plans)
    standing = {cue.visual: cue for cue in cues if cue not in done}
    picks = []
    for choice in choose_scenes(names, vectors, count):
        plan = plans[choice.index]
        picks.append(Pick(plan, standing.get(plan.visual), choice.reason))
    return sorted(picks, key=lambda pick: pick.plan.span)


def open_project_features(store: ProjectStore, encoder_hash: str | None = None) -> FeatureStore:
    """The frame vectors of a project, those of an encoder or of the model that described it.

    Raises:
        StoreError: there are none.
    """
    wanted = encoder_hash or (store.get("model") or {}).get("encoder_hash")
    path = store.folder / f"features-{str(wanted)[:12]}.safetensors"
    if not wanted or not path.is_file():
        raise StoreError(
            f"{store.folder} holds no frame vectors of this model: describe the film with it first "
            "(`calvin describe FILM -o PROJECT`)."
        )
    return FeatureStore.open(path)


def _present(store: ProjectStore, plans: Sequence[Plan]) -> list[tuple[str, ...]]:
    """Who is in each scene: as `describe --cast` found, else by who speaks and what people wrote."""
    path = store.folder / PRESENCE
    if path.is_file():
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            known = {(round(1000 * row["start"]), round(1000 * row["end"])): tuple(row["names"]) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged: run `calvin describe` with --cast again.") from error
        return [known.get((plan.visual.start_ms, plan.visual.end_ms), ()) for plan in plans]
    cast = speakers_of(store.dialogue)
    guesses = guess_presence([plan.visual for plan in plans], cast, store.dialogue, told_by(store.cues, cast))
    return [names_at(row, cast.settings) for row in guesses]


def write_picks(picks: Sequence[Pick], path: Path) -> None:
    """A table to correct and give to `calvin adapt --corrections`: the cues as they are, and why each was picked.

    Raises:
        UsageError: the file is there already, perhaps with somebody's corrections.
    """
    if path.exists():
        raise UsageError(f"{path} is there already and may hold corrections: name another file with -o.")
    rows = []
    for pick in picks:
        span = pick.cue.span if pick.cue else pick.plan.span
        times = (format_timecode(span.start_ms), format_timecode(span.end_ms))
        text = printable(pick.cue.text) if pick.cue else ""
        rows.append((cue_name(pick.cue) if pick.cue else "", *times, text, pick.reason))
    write_text(path, csv_text(("id", "in", "out", "text", "why"), rows))
