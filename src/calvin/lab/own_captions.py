"""A model's own captions of training films, kept as context for the stages of training after: scheduled sampling
(Bengio et al. 2015), whole films at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need
from calvin.captioners.calvin import Calvin
from calvin.core.files import atomic_folder, write_text
from calvin.core.progress import Listener
from calvin.data import Sample, Source
from calvin.evaluation.scenes import CaptionStore, Context, Pictures, by_film, caption_scenes, evaluated
from calvin.puppets.truth import SceneTruth
from calvin.training.steps import CaptionsStep

_FILE = "own.jsonl"
_TOGETHER = 64


@dataclass(frozen=True)
class _Greedy:
    """A CALVIN without beams: half the time, and as likely to err as context may be."""

    model: Calvin

    @property
    def info(self) -> CaptionerInfo:
        return self.model.info

    @property
    def needs(self) -> frozenset[Need]:
        return self.model.needs

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        return self.model.caption(requests, num_beams=1, batch=_TOGETHER)


def write_own(step: CaptionsStep, model: Path, source: Source, target: Path, work: Path, listener: Listener) -> None:
    """Describe the first films of `source` as they would be described, and leave the captions in the folder `target`.

    Args:
        model: the folder of the model.
        work: where captions are kept as they come; what is there is not made again.
    """
    captioner = Calvin.from_pretrained(model)
    films = list(by_film(evaluated(source.samples)).values())[: step.films]
    pictures = Pictures(source.features, max_frames=captioner.max_frames)
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for turn, corrected in enumerate(step.corrected):
        context = Context("scenes", step.context, "own", corrected)
        chosen = films[turn :: len(step.corrected)]
        samples = [sample for scenes in chosen for sample in scenes]
        if not samples:
            continue
        store = CaptionStore(work / f"{context.label}.jsonl")
        caption_scenes(_Greedy(captioner), samples, context, pictures, store, listener=listener, batch=_TOGETHER)
        for scenes in chosen:
            # Where a person corrected it, the caption is the person's.
            lines = [s.caption if context.corrects(at) else store.kept[s.id].text for at, s in enumerate(scenes)]
            rows.append({"media": scenes[0].media_id, "captions": lines})
    with atomic_folder(target) as temporary:
        write_text(temporary / _FILE, "".join(json.dumps(row) + "\n" for row in rows))


def read_own(folder: Path) -> dict[str, list[str]]:
    """The captions that `write_own` left, by film, one for each of its rows in order."""
    rows = map(json.loads, (folder / _FILE).read_text(encoding="utf-8").splitlines())
    return {row["media"]: row["captions"] for row in rows}


def scene_number(scenes: Sequence[SceneTruth], sample: Sample) -> int:
    """Which of a film's scenes a sample shows. Some rows reach a little beyond their scene, as MAD's do; a clip of its
    own is one scene."""
    span = sample.span
    return 0 if span is None else max(range(len(scenes)), key=lambda index: scenes[index].span.overlap_ms(span))
