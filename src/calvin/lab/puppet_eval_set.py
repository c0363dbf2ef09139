"""The puppet evaluation set: 25 held-out films, drawn anew from their seed and checked against pinned hashes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError, UsageError
from calvin.core.progress import Listener, silent
from calvin.data import Sample, read_mad_csv
from calvin.evaluation.names import NameList, from_names
from calvin.lab.material import truth_score
from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.lexicon import NAMES
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import SceneTruth, read_told
from calvin.puppets.world import CLIP_SIZE, WorldSizes, write_world

SEED = 77
"""Recipes take their own held-out films from seed 0, so that no choice made in training has seen these."""
SIZES = WorldSizes(films=25, scenes=20, clips=0, images=0, conversations=0, tv_clips=0)
ANNOTATIONS_SHA256 = "31773684588f716e34c167ba6dc5f8179eccd421ee8b68db6aa46349a8d50774"
PICTURES_SHA256 = "7dca1e21719a6c86f21641a55c50804ff0af554d18efbda16ebe904ffd35407a"


@dataclass(frozen=True)
class PuppetEval:
    """The set on disk: its folder in MAD's form, scenes, truth by scene id, and what is to be noted."""

    folder: Path
    samples: list[Sample]
    truth: dict[str, dict[str, Any]]
    media: str
    notes: tuple[str, ...] = ()


def draw_puppet_eval(folder: Path, listener: Listener = silent, workers: int = 2) -> PuppetEval:
    """Draw what is not there yet, and check it.

    Raises:
        DataError: this version of the puppets tells other stories: its scores would not be comparable.
    """
    try:
        mad = write_world(folder, SEED, SIZES, "heldout", workers, listener) / "mad"
    except UsageError:  # drawn by another version of the puppets
        shutil.rmtree(folder)
        mad = write_world(folder, SEED, SIZES, "heldout", workers, listener) / "mad"
    found = annotations_hash(mad)
    if found != ANNOTATIONS_SHA256:
        raise DataError(
            f"The annotations of puppet-eval in {mad} are not the fixed ones ({found[:12]} instead of "
            f"{ANNOTATIONS_SHA256[:12]}): delete {folder} and try again; if that does not help, this version of calvin "
            "draws other films, and its scores cannot be compared."
        )
    drawn = pictures_hash()
    notes: tuple[str, ...] = ()
    if drawn != PICTURES_SHA256:
        # Pixels may differ in their last bit between builds of OpenCV: the card says so, and compare marks it.
        notes = (f"The pictures of puppet-eval are drawn differently here ({drawn[:12]}) than where they were fixed.",)
    samples = read_mad_csv(mad / "mad.csv").samples
    return PuppetEval(mad, samples, read_truth(mad, samples), f"pictures {drawn[:12]}", notes)


def annotations_hash(mad: Path) -> str:
    digest = hashlib.sha256()
    for name in ("mad.csv", "truth.jsonl", "characters.json"):
        digest.update((mad / name).read_bytes())
    return digest.hexdigest()


def pictures_hash() -> str:
    """Of one frame of every scene, as drawn, before any codec."""
    digest = hashlib.sha256()
    for number in range(SIZES.films):
        film = make_film(SEED * 100_000 + number, SIZES.scenes, split="heldout", talk=SIZES.talk)
        for scene in film.scenes:
            middle = (scene.truth.event_ms - scene.truth.start_ms) / 1000
            digest.update(SceneRenderer(scene, *CLIP_SIZE).frame(middle).tobytes())
    return digest.hexdigest()


def read_truth(mad: Path, samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """What happens in each scene of a MAD-like folder of puppet films, by scene id."""
    told = {(media, truth.start_ms): truth.to_json() for media, _, truth in read_told(mad / "truth.jsonl")}
    return {s.id: told[s.movie, s.span.start_ms] for s in samples if s.movie and s.span is not None}


def judge(caption: str, truth: Mapping[str, Any]) -> Mapping[str, float | None]:
    """Marks against the structured truth of a puppet scene."""
    return truth_score(caption, SceneTruth.from_json(dict(truth)))


def puppet_names() -> NameList:
    return from_names(NAMES, "all names of the puppet world")
