"""Captions of an evaluation: made in order, kept as they come, gone on with after a stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from calvin.captioners.base import CaptionAnswer, Captioner, CaptionRequest
from calvin.core.errors import DataError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import EVALUATION_QUESTION, clean_line
from calvin.data import Sample
from calvin.evaluation.scenes import Context, Pictures, by_film, request_for


@dataclass(frozen=True, slots=True)
class Captioned:
    """A caption with what it was made from: the context lines, oldest first, and the names given.

    `cleaned` names the rules that changed the model's words, which are then kept in `raw`.
    """

    id: str
    text: str
    context: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    cleaned: tuple[str, ...] = ()
    raw: str = ""


class CaptionStore:
    """A JSON-lines file of captions. A line is whole or, where a run was killed in the middle of it, dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, Captioned] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else ():
            try:
                row = json.loads(line)
                context, entities, cleaned = (tuple(row[key]) for key in ("context", "entities", "cleaned"))
                caption = Captioned(row["id"], row["text"], context, entities, cleaned, row["raw"])
            except (ValueError, KeyError, TypeError) as error:
                if line.endswith(b"\n"):
                    raise DataError(f"{path} is damaged: delete it to caption anew.") from error
                break
            if not line.endswith(b"\n"):
                break
            self.kept[caption.id] = caption
            whole += len(line)
        if path.is_file() and path.stat().st_size > whole:
            os.truncate(path, whole)

    def add(self, captions: Sequence[Captioned]) -> None:
        """Append captions; once this returns they survive a kill."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(asdict(caption), ensure_ascii=False) + "\n" for caption in captions)
            stream.flush()
            os.fsync(stream.fileno())
        self.kept.update((caption.id, caption) for caption in captions)


def caption_scenes(
    captioner: Captioner,
    samples: Sequence[Sample],
    context: Context,
    pictures: Pictures,
    store: CaptionStore,
    question: str = EVALUATION_QUESTION,
    listener: Listener = silent,
    batch: int = 16,
) -> None:
    """Caption every scene that `store` does not hold yet.

    Context from the references leaves scenes independent. With the model's own captions a film's scenes follow one
    another, and films run side by side.
    """
    stage = Stage("caption", listener, len(samples), "scenes", kept=len(store.kept))
    stage.update(len(store.kept))
    for group in _order(samples, context, store, batch):
        requests = [
            request_for(sample, _before(before, context, store), context, pictures, question)
            for sample, before in group
        ]
        answers = captioner.caption(requests)
        store.add([_kept(request, answer) for request, answer in zip(requests, answers, strict=True)])
        stage.update(len(store.kept), answers[-1].text[:60])


_Item = tuple[Sample, list[Sample]]


def _order(samples: Sequence[Sample], context: Context, store: CaptionStore, batch: int) -> Iterator[list[_Item]]:
    """Open scenes, each with those before it in its film, in groups that may be captioned together."""
    films = by_film(samples)
    if context.own:
        # The n-th scenes of all films; within a film one waits for another.
        deepest = max(map(len, films.values()))
        rounds = [[(scenes[at], scenes[:at]) for scenes in films.values() if at < len(scenes)] for at in range(deepest)]
    else:
        rounds = [[(sample, scenes[:at]) for scenes in films.values() for at, sample in enumerate(scenes)]]
    for items in rounds:
        waiting = [item for item in items if item[0].id not in store.kept]
        yield from (waiting[start : start + batch] for start in range(0, len(waiting), batch))


def _before(before: Sequence[Sample], context: Context, store: CaptionStore) -> list[str]:
    last = before[-context.count :] if context.kind == "scenes" and context.count else ()
    return [store.kept[sample.id].text if context.own else sample.caption for sample in last]


def _kept(request: CaptionRequest, answer: CaptionAnswer) -> Captioned:
    prompt, said = request.prompt, clean_line(answer.said)
    return Captioned(request.scene.id, clean_line(answer.text), prompt.context, prompt.entities, answer.cleaned, said)
